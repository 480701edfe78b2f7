"""Where the recurrent layers of a batch begin: at zero, as told, where a stateful layer ended, or where the last chunk did."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ._arrays import as_array, copied, describe
from ._batches import Array, Arrays, Batch, Batches, fed, parts
from ._lengths import Spans
from ._network import input_spec
from .layers import Layer


class States:
    """The states of a model's layers as the engine has them: arrays [rows, units], layer after layer."""

    def __init__(self, layers: Sequence[Layer], dtype: str) -> None:
        self._layers = [layer for layer in layers if layer.state_units()]
        self._dtype = dtype

    @property
    def stateful(self) -> bool:
        return any(layer.stateful for layer in self._layers)

    def adapt(self, owner: str, given: object, rows: int) -> list[Array]:
        """initial_state as `Stream.state` has it, or for a model of one recurrent layer that layer's arrays alone.

        Raises ValueError or TypeError for another structure, a wrong shape, and values that are no real numbers.
        """
        wanted = [len(layer.state_units()) for layer in self._layers]
        structure = f"a list of {len(wanted)}, one tuple of states for each recurrent layer"
        if not isinstance(given, list | tuple):
            raise TypeError(f"{owner}: initial_state must be {structure}, got {type(given).__name__}")
        nested = list(given)
        if len(wanted) == 1 and len(nested) == wanted[0] and not isinstance(nested[0], list | tuple):
            nested = [nested]
        if len(nested) != len(wanted):
            raise ValueError(f"{owner}: initial_state must be {structure}, got {len(nested)}")
        adapted = []
        for i, (layer, arrays) in enumerate(zip(self._layers, nested, strict=True)):
            units = layer.state_units()
            if not isinstance(arrays, list | tuple) or len(arrays) != len(units):
                raise ValueError(f"{owner}: initial_state[{i}] must be {len(units)} arrays, for {layer.title}")
            for j, (array, size) in enumerate(zip(arrays, units, strict=True)):
                name = f"initial_state[{i}][{j}]"
                value = as_array(owner, name, array)
                if value.shape != (rows, size):
                    raise ValueError(f"{owner}: {name} must be [{rows}, {size}], got {describe(value)}")
                adapted.append(copied(owner, name, value, self._dtype))
        return adapted

    def begin(self, owner: str, rows: int, given: Arrays | None) -> list[Array]:
        """The arrays in which a batch begins, and which it shall change to those in which it ends."""
        begun: list[Array] = []
        for layer in self._layers:
            arrays = [np.zeros((rows, units), self._dtype) for units in layer.state_units()]
            if layer.stateful:
                self._check_rows(owner, layer, rows)
                arrays = layer.kept_state = layer.kept_state or arrays
            if given is not None:
                for array, value in zip(arrays, given[len(begun) :], strict=False):
                    array[:] = value
            begun += arrays
        return begun

    def check_batches(self, owner: str, samples: int, batch_size: int) -> None:
        """Raise ValueError where a stateful layer could not carry its state through all batches of so many samples."""
        rows = min(samples, batch_size)
        for layer in (layer for layer in self._layers if layer.stateful):
            if samples % rows:
                raise ValueError(
                    f"{owner}: batches must have equal numbers of rows for the stateful {layer.title}, but {samples}"
                    f" samples leave {samples % rows} for the last of {rows}"
                )
            self._check_rows(owner, layer, rows)

    @staticmethod
    def _check_rows(owner: str, layer: Layer, rows: int) -> None:
        if layer.kept_state and len(layer.kept_state[0]) != rows:
            raise ValueError(
                f"{owner}: the stateful {layer.title} has the state of {len(layer.kept_state[0])} rows, but the batch has"
                f" {rows}; call reset_state() where other sequences begin"
            )

    def returned(self, arrays: Arrays) -> list[Array]:
        """Those of layers with return_state."""
        rest, chosen = list(arrays), []
        for layer in self._layers:
            count = len(layer.state_units())
            chosen += rest[:count] if layer.return_state else []
            rest = rest[count:]
        return chosen

    @property
    def any_returned(self) -> bool:
        return any(layer.return_state for layer in self._layers)


class ContinuedBatches:
    """Batches whose layers begin where `states` has them; with `tbptt` in chunks of so many steps, each from the last.

    What is counted then are steps, as rows are few and long.
    """

    def __init__(self, owner: str, batches: Batches, states: States, tbptt: int | None = None) -> None:
        self._owner, self._batches, self._states, self._tbptt = owner, batches, states, tbptt
        self.time_steps = batches.time_steps
        self.unit, self.samples = ("samples", batches.samples) if tbptt is None else ("steps", batches.time_steps)
        self.steps = batches.steps if tbptt is None else None
        self.carried: list[Array] = []

    def describe(self) -> dict[str, Any]:
        return {**self._batches.describe(), "tbptt": self._tbptt}

    def get_state(self) -> dict[str, Any]:
        return self._batches.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        self._batches.set_state(state)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches:
            x, spans, given, *_ = parts(batch.x)
            state = self.carried = self._states.begin(self._owner, len(batch.rows), given)
            chunks = [batch] if self._tbptt is None else _chunks(batch, x, spans, self._tbptt)
            for chunk in chunks:
                x, spans, *_ = parts(chunk.x)
                yield chunk._replace(x=fed(x, spans, state, state))


def _chunks(batch: Batch, x: Array, spans: Spans | None, steps: int) -> Iterator[Batch]:
    """Views of a batch, `steps` steps each, of whose rows any has a real step; x, y and weights are not copied."""
    weights, of_rows = batch.weights, None if spans is None else spans[batch.rows]
    for first in range(0, x.shape[1], steps):
        own = None if of_rows is None else _within(of_rows, first, steps)
        count = len(batch.rows) * min(steps, x.shape[1] - first) if own is None else int(own[:, 1].sum())
        if count:
            yield Batch(
                fed(x[:, first : first + steps], None if own is None else _for_rows(own, batch.rows, len(x))),
                batch.y[:, first : first + steps],
                weights[:, first : first + steps] if weights is not None and weights.ndim > 1 else weights,
                batch.rows,
                count,
                count,
            )


def _for_rows(spans: Spans, rows: Array, samples: int) -> Spans:
    """[samples, 2] of which nobody reads other rows than these."""
    of_all = np.empty((samples, 2), np.int64)
    of_all[rows] = spans
    return of_all


def _within(spans: Spans, first: int, steps: int) -> Spans:
    """The part of each span that lies in a chunk, counted from its beginning.

    >>> _within(np.array([[0, 5], [2, 2], [0, 2]]), 3, 3)
    array([[0, 2],
           [0, 1],
           [0, 0]])
    """
    begin = np.clip(spans[:, 0] - first, 0, steps)
    end = np.clip(spans.sum(axis=1) - first, 0, steps)
    return np.stack([begin, end - begin], axis=1)


def check_tbptt(owner: str, layers: Sequence[Layer], targets: Any) -> None:
    """Raise ValueError for a model that cannot be trained in chunks of steps."""
    if not input_spec(layers).sequence:
        raise ValueError(f"{owner}: tbptt needs a model that reads sequences [N, T, features]")
    for layer in layers:
        if layer.reads_ahead:
            raise ValueError(f"{owner}: tbptt reads a sequence chunk by chunk, but {layer.title} reads it from its end")
        if len(layer.output_shape) != 3:
            raise ValueError(f"{owner}: tbptt needs an output for every step of x, but {layer.title} makes one of all")
    if targets == "labels":
        raise ValueError(f"{owner}: tbptt needs a loss of every step, not of whole sequences")
