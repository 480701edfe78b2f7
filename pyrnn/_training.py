"""The loops over batches, which are handed to the engine one by one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._batches import Batches
from ._compile import Compiled
from ._core import Network
from ._progress import Means, Silent
from .callbacks import Callback, History
from .callbacks._base import Hook, overridden

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
    """One call of `fit`."""

    def __init__(
        self,
        model: "Sequential",
        network: Network,
        compiled: Compiled,
        batches: Batches,
        validation: Batches | None,
    ) -> None:
        self._model, self._network, self._compiled = model, network, compiled
        self._batches, self._validation = batches, validation

    def run(
        self, first_epoch: int, epochs: int, callbacks: Sequence[Callback], verbose: str | int, progress: Silent
    ) -> History:
        """Train from epoch `first_epoch` up to `epochs`. On KeyboardInterrupt the model stands after its last whole batch."""
        history = History()
        everyone = [*callbacks, history]  # which has what the others add to the logs
        for callback in everyone:
            callback.set_model(self._model)
            callback.set_params({"verbose": verbose, "epochs": epochs, "steps": self._batches.steps})
        self._batch_begin = overridden(everyone, "on_train_batch_begin")
        self._batch_end = overridden(everyone, "on_train_batch_end")
        evaluation = Evaluation(self._network, self._compiled, everyone)
        self._model.history = history
        self._model.stop_training = False
        logs: dict[str, float] = {}
        try:
            call(overridden(everyone, "on_train_begin"), {})
            for epoch in range(first_epoch, epochs):
                call(overridden(everyone, "on_epoch_begin"), epoch, {})
                progress.begin(f"Epoch {epoch + 1}/{epochs}", self._batches.samples, self._batches.unit)
                logs = self._epoch(progress).logs()
                if self._validation is not None:
                    logs |= evaluation.run(self._validation, Silent()).logs("val_")
                progress.end(logs)
                call(overridden(everyone, "on_epoch_end"), epoch, logs)
                if self._model.stop_training:
                    break
            if first_epoch < epochs:
                self._network.finish_training()
            call(overridden(everyone, "on_train_end"), logs)
        finally:
            progress.close()
        return history

    def _epoch(self, progress: Silent) -> Means:
        means = self._model._means = Means(self._compiled.names, self._compiled.results)
        model, optimizer, train_batch = self._model, self._model.optimizer, self._network.train_batch
        done = 0
        for number, batch in enumerate(self._batches):
            if self._batch_begin:
                call(self._batch_begin, number, {})
            results = train_batch(batch.x, batch.y, batch.rows, optimizer.next_rate(), batch.weights)
            means.add(results, batch.losses)
            if self._batch_end:
                call(self._batch_end, number, means.logs())
            done += batch.samples
            progress.update(done, means)
            if model.stop_training:
                break
        return means


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
