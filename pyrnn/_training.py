"""The loops over batches, which are handed to the engine one by one."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import _checkpoint_file, _numerics, _random
from ._batches import Batch, Batches
from ._checkpoint import Apply, State, checked_model_state, describe_difference
from ._checks import whole
from ._compile import Compiled
from ._core import Network
from ._files import Unreadable
from ._progress import Means, Silent
from ._stack import changing
from .callbacks import BackupAndRestore, Callback, History
from .callbacks._base import Hook, overridden
from .optimizers import Optimizer

if TYPE_CHECKING:
    from .models import Sequential


class Evaluation:
    """Loss and metrics of a network on data, batch by batch, with the hooks of callbacks."""

    def __init__(self, network: Network, compiled: Compiled, callbacks: Sequence[Callback] = ()) -> None:
        self._network, self._compiled = network, compiled
        self._begin = overridden(callbacks, "on_test_begin")
        self._end = overridden(callbacks, "on_test_end")
        self._batch_begin = overridden(callbacks, "on_test_batch_begin")
        self._batch_end = overridden(callbacks, "on_test_batch_end")

    def run(self, batches: Batches, progress: Silent) -> Means:
        means = Means(self._compiled.names, self._compiled.results)
        done = 0
        call(self._begin, {})
        for number, batch in enumerate(batches):
            if self._batch_begin:
                call(self._batch_begin, number, {})
            means.add(self._network.evaluate_batch(batch.x, batch.y, batch.rows, batch.weights), batch.losses)
            if self._batch_end:
                call(self._batch_end, number, means.logs())
            done += batch.samples
            progress.update(done, means)
        call(self._end, means.logs())
        return means


class Training:
    """One call of `fit`, which goes on with one that was stopped where a `BackupAndRestore` has its checkpoint."""

    def __init__(
        self,
        model: "Sequential",
        compiled: Compiled,
        batches: Batches,
        validation: Batches | None,
        callbacks: Sequence[Callback],
    ) -> None:
        self._model, self._compiled, self._process = model, compiled, os.getpid()
        self._batches, self._validation = batches, validation
        backups = [callback for callback in callbacks if isinstance(callback, BackupAndRestore)]
        if len(backups) > 1:
            raise ValueError(f"fit: callbacks must have one BackupAndRestore at most, got {len(backups)}")
        self._backup = backups[0] if backups else None
        self._history = History()
        # History has what the others add to the logs, and a backup what all of them have come to know
        self._callbacks = [*(c for c in callbacks if c is not self._backup), self._history, *backups]
        self._epoch = self._batch = 0  # which comes next, and how many of its batches are through
        self._logs: dict[str, float] = {}
        self._means = Means(compiled.names, compiled.results)
        self._pass: dict[str, Any] = {}  # the state of the batches before the epoch
        self._carried: list[Any] = []

    def run(self, first_epoch: int, epochs: int, verbose: str | int, progress: Silent) -> History:
        """Train from epoch `first_epoch` up to `epochs`. On KeyboardInterrupt the model stands after its last whole batch."""
        with self._alone():
            return self._run(first_epoch, epochs, verbose, progress)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """As the only training of the model. Raises RuntimeError where there is one."""
        model = self._model
        with changing:
            running = model._training
            if running is not None and running._process == os.getpid():  # in a child of a fork its thread is gone
                raise RuntimeError(
                    f"fit: model {model.name!r} is being trained by another call of fit, which has to end first;"
                    " threads train models of their own"
                )
            model._training = self
        try:
            yield
        finally:
            model._training = None

    def _run(self, first_epoch: int, epochs: int, verbose: str | int, progress: Silent) -> History:
        model, everyone = self._model, self._callbacks
        for callback in everyone:
            callback.set_model(model)
            callback.set_params({"verbose": verbose, "epochs": epochs, "steps": self._batches.steps})
        model.stop_training, model.history = False, self._history
        self._epoch = first_epoch
        restore = None if self._backup is None else self._checkpoint(self._backup.path)
        self._network = model._require_network()
        self._batch_begin = overridden(everyone, "on_train_batch_begin")
        self._batch_end = overridden(everyone, "on_train_batch_end")
        try:
            for callback in everyone:
                callback.resumed = restore is not None
            call(overridden(everyone, "on_train_begin"), {})
            if restore is not None:
                restore()
            self._epochs(epochs, Evaluation(self._network, self._compiled, everyone), progress)
            if first_epoch < epochs or restore is not None:
                self._network.finish_training()
            call(overridden(everyone, "on_train_end"), self._logs)
        finally:
            progress.close()
        return self._history

    def _epochs(self, epochs: int, evaluation: Evaluation, progress: Silent) -> None:
        model = self._model
        begin, end = overridden(self._callbacks, "on_epoch_begin"), overridden(self._callbacks, "on_epoch_end")
        if model.stop_training and self._logs and not self._batch:
            return  # the epoch that the checkpoint has seen was the last
        while self._epoch < epochs:
            if not self._batch:
                call(begin, self._epoch, {})
            progress.begin(f"Epoch {self._epoch + 1}/{epochs}", self._batches.samples, self._batches.unit)
            self._one_epoch(progress)
            self._logs = self._means.logs()
            if self._validation is not None:
                self._logs |= evaluation.run(self._validation, Silent()).logs("val_")
            progress.end(self._logs)
            self._epoch, self._batch = self._epoch + 1, 0
            call(end, self._epoch - 1, self._logs)
            if model.stop_training:
                break

    def _one_epoch(self, progress: Silent) -> None:
        if not self._batch:
            self._means = Means(self._compiled.names, self._compiled.results)
        means = self._model._means = self._means
        model, optimizer, train_batch = self._model, self._model.optimizer, self._network.train_batch
        self._pass = self._batches.get_state()
        batches = enumerate(self._batches)
        done = self._pass_over(batches)
        if self._batch and model.stop_training:
            return
        with counting(self._network, optimizer):
            for number, batch in batches:
                if self._batch_begin:
                    call(self._batch_begin, number, {})
                try:
                    results = train_batch(batch.x, batch.y, batch.rows, optimizer.next_rate(), batch.weights)
                except FloatingPointError as error:
                    where = f"fit: epoch {self._epoch + 1}, batch {number + 1}"
                    raise _numerics.described(where, error, model._layers) from None
                means.add(results, batch.losses)
                self._batch = number + 1
                if self._batch_end:
                    call(self._batch_end, number, means.logs())
                done += batch.samples
                progress.update(done, means)
                if model.stop_training:
                    break

    def _pass_over(self, batches: Iterator[tuple[int, Batch]]) -> int:
        """Go to where a resumed epoch was left, and return how many samples are through."""
        passed = [batch.samples for _, batch in islice(batches, self._batch)]
        if len(passed) < self._batch:
            raise ValueError(
                f"fit: the checkpoint is after {self._batch} batches of an epoch, but there are {len(passed)}"
            )
        if passed:
            for array, value in zip(self._batches.carried, self._carried, strict=True):
                array[:] = value
        return sum(passed)

    # -- checkpoints ----------------------------------------------------------

    @property
    def _with_state(self) -> list[Callback]:
        return [callback for callback in self._callbacks if type(callback).get_state is not Callback.get_state]

    def get_state(self) -> State:
        """Where training stands, and all that the rest of it depends on beside the model and the data."""
        return {
            "epoch": self._epoch,
            "batch": self._batch,
            "stopping": self._model.stop_training,
            "logs": self._logs,
            "means": self._means.get_state(),
            "data": self._batches.describe(),
            "pass": self._pass if self._batch else self._batches.get_state(),
            "carried": self._batches.carried if self._batch else [],
            "callbacks": [[type(callback).__name__, callback.get_state()] for callback in self._with_state],
        }

    def _checkpoint(self, path: str) -> Apply | None:
        """Let the model go on from the checkpoint at `path`, if there is one; what is returned does it with the rest.

        Callbacks have begun when they get their states.
        """
        if not os.path.lexists(path):
            return None
        with _checkpoint_file.opened("BackupAndRestore", path) as tree:
            if not tree["fit"]:
                raise Unreadable("was not written in fit")
            restore_model = checked_model_state(self._model, tree["model"])
            restore = self._checked_state(tree["fit"])
        restore_model()

        def restore_all() -> None:
            restore()
            _random.set_state(tree["model"]["random"])  # callbacks may have drawn

        return restore_all

    def _checked_state(self, state: State) -> Apply:
        """What gives this training a state of `get_state`. Raises Unreadable where it does not fit; nothing is changed."""
        difference = describe_difference(state["data"], self._batches.describe())
        if difference:
            raise Unreadable(f"does not fit the data: {difference}")
        there, here = (
            [name for name, _ in state["callbacks"]],
            [type(callback).__name__ for callback in self._with_state],
        )
        if there != here:
            raise Unreadable(f"does not fit the callbacks: those with a state were {there}, and are {here}")
        epoch, batch = (whole("fit", name, state[name], low=0) for name in ("epoch", "batch"))

        def restore() -> None:
            self._epoch, self._batch, self._logs = epoch, batch, state["logs"]
            self._model.stop_training = state["stopping"]
            self._means.set_state(state["means"])
            self._batches.set_state(state["pass"])
            self._carried = state["carried"]
            for callback, (_, of_callback) in zip(self._with_state, state["callbacks"], strict=True):
                callback.set_state(of_callback)

        return restore


@contextmanager
def counting(network: Network, optimizer: Optimizer) -> Iterator[None]:
    """Whatever ends it, the optimizer has counted the batches that the network has trained, not the one that failed."""
    ahead = optimizer.iterations - network.batches_trained()
    try:
        yield
    except BaseException:
        optimizer.iterations = ahead + network.batches_trained()
        raise


def checked_callbacks(callbacks: object) -> list[Callback]:
    if callbacks is None:
        return []
    listed: list[Any] = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    for callback in listed:
        if not isinstance(callback, Callback):
            raise TypeError(f"fit: callbacks must be pyrnn.callbacks.Callback objects, got {callback!r}")
        for name in ("batch_begin", "batch_end"):  # Keras' older names, which would be passed over in silence
            if hasattr(callback, f"on_{name}"):
                kind = type(callback).__name__
                raise TypeError(f"fit: {kind}.on_{name} is not supported; name the method on_train_{name}")
    return listed


def call(hooks: Sequence[Hook], *arguments: object) -> None:
    for hook in hooks:
        hook(*arguments)
