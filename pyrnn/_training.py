"""The loops over batches: an index is shuffled, sliced, and handed to the engine slice by slice."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _random
from ._compile import Compiled
from ._core import Network
from ._progress import Means, Silent
from .callbacks import Callback, History
from .callbacks._base import Hook, overridden

if TYPE_CHECKING:
    from .models import Sequential

Array = npt.NDArray[Any]


class Data(NamedTuple):
    """Adapted x and y with the same number of samples, and their weights [N] or [N, T] where there are any."""

    x: Array
    y: Array
    weights: Array | None = None

    def part(self, rows: slice) -> "Data":
        return Data(self.x[rows], self.y[rows], None if self.weights is None else self.weights[rows])


class Evaluation:
    """Loss and metrics of a network on data, batch by batch, with the hooks of callbacks."""

    def __init__(
        self, network: Network, compiled: Compiled, batch_size: int, callbacks: Sequence[Callback] = ()
    ) -> None:
        self._network, self._compiled, self._batch_size = network, compiled, batch_size
        self._begin = overridden(callbacks, "on_test_begin")
        self._end = overridden(callbacks, "on_test_end")
        self._batch_begin = overridden(callbacks, "on_test_batch_begin")
        self._batch_end = overridden(callbacks, "on_test_batch_end")

    def run(self, data: Data, progress: Silent) -> Means:
        means = Means(self._compiled.names, self._compiled.results)
        index = np.arange(len(data.x), dtype=np.int64)
        call(self._begin, {})
        for batch, first in enumerate(range(0, len(index), self._batch_size)):
            rows = index[first : first + self._batch_size]
            if self._batch_begin:
                call(self._batch_begin, batch, {})
            means.add(self._network.evaluate_batch(data.x, data.y, rows, data.weights), len(rows))
            if self._batch_end:
                call(self._batch_end, batch, means.logs())
            progress.update(first + len(rows), means)
        call(self._end, means.logs())
        return means


class Training:
    """One call of `fit`."""

    def __init__(
        self,
        model: "Sequential",
        network: Network,
        compiled: Compiled,
        data: Data,
        validation: Data | None,
        batch_size: int,
        shuffle: bool,
    ) -> None:
        self._model, self._network, self._data, self._validation = model, network, data, validation
        self._compiled, self._batch_size, self._shuffle = compiled, batch_size, shuffle
        self._rng = _random.spawn()

    def run(
        self, first_epoch: int, epochs: int, callbacks: Sequence[Callback], verbose: str | int, progress: Silent
    ) -> History:
        """Train from epoch `first_epoch` up to `epochs`. On KeyboardInterrupt the model stands after its last whole batch."""
        history = History()
        everyone = [*callbacks, history]  # which has what the others add to the logs
        steps = -(-len(self._data.x) // self._batch_size)
        for callback in everyone:
            callback.set_model(self._model)
            callback.set_params({"verbose": verbose, "epochs": epochs, "steps": steps})
        self._batch_begin = overridden(everyone, "on_train_batch_begin")
        self._batch_end = overridden(everyone, "on_train_batch_end")
        evaluation = Evaluation(self._network, self._compiled, self._batch_size, everyone)
        self._model.history = history
        self._model.stop_training = False
        logs: dict[str, float] = {}
        try:
            call(overridden(everyone, "on_train_begin"), {})
            for epoch in range(first_epoch, epochs):
                call(overridden(everyone, "on_epoch_begin"), epoch, {})
                progress.begin(f"Epoch {epoch + 1}/{epochs}", len(self._data.x))
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
        samples = len(self._data.x)
        order = self._rng.permutation(samples) if self._shuffle else np.arange(samples)
        index = order.astype(np.int64, copy=False)
        (x, y, weights), model, optimizer = self._data, self._model, self._model.optimizer
        train_batch, size = self._network.train_batch, self._batch_size
        for batch, first in enumerate(range(0, samples, size)):
            rows = index[first : first + size]
            if self._batch_begin:
                call(self._batch_begin, batch, {})
            means.add(train_batch(x, y, rows, optimizer.next_rate(), weights), len(rows))
            if self._batch_end:
                call(self._batch_end, batch, means.logs())
            progress.update(first + len(rows), means)
            if model.stop_training:
                break
        return means


def predict(network: Network, x: Array, out: Array, batch_size: int, progress: Silent) -> None:
    """Fill out [N, ...] with the network's output for x."""
    index = np.arange(len(x), dtype=np.int64)
    try:
        progress.begin("Predict", len(x))
        for first in range(0, len(x), batch_size):
            rows = index[first : first + batch_size]
            network.predict_batch(x, rows, out[first : first + len(rows)])
            progress.update(first + len(rows), None)
        progress.end({})
    finally:
        progress.close()


def call(hooks: Sequence[Hook], *arguments: object) -> None:
    for hook in hooks:
        hook(*arguments)
