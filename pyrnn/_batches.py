"""Where batches come from: arrays in memory, cut by an index, or a dataset of the user's that has its own."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard, runtime_checkable

import numpy as np
import numpy.typing as npt

from . import _random
from ._checks import whole
from ._lengths import Spans

if TYPE_CHECKING:
    from numpy.random import Generator

Array = npt.NDArray[Any]


Arrays = Sequence[Array]
Parts = tuple[Array, Spans | None, Arrays | None, Arrays | None, Array | None]
Fed = Array | Parts  # x as the engine takes it


def fed(
    x: Array,
    spans: Spans | None,
    first: Arrays | None = None,
    last: Arrays | None = None,
    second: Array | None = None,
) -> Fed:
    """x, the spans of its rows, where recurrent layers begin and end, and what a decoder reads.

    States are arrays [batch, units], layer after layer.
    """
    more = (spans, first, last, second)
    return x if all(part is None for part in more) else (x, *more)


def parts(x: Fed) -> Parts:
    return x if isinstance(x, tuple) else (x, None, None, None, None)


class Data(NamedTuple):
    """Adapted x and y with the same number of samples, and their weights [N] or [N, T] where there are any.

    `spans` [N, 2], where rows differ in length, has the first and the number of each row's real steps; `by_step` tells
    whether each of them has a loss, or all of them together. `state` has the arrays [N, units] in which recurrent layers begin,
    where they are told.
    """

    x: Array
    y: Array
    weights: Array | None = None
    spans: Spans | None = None
    by_step: bool = False
    state: Arrays | None = None
    second: Array | None = None  # what a decoder reads

    @property
    def batch(self) -> "Batch":
        """All of it as one batch."""
        return self.batch_of(self.rows)

    def batch_of(self, rows: Array) -> "Batch":
        return Batch(
            fed(self.x, self.spans, self._state_of(rows), None, self.second),
            self.y,
            self.weights,
            rows,
            self.count(rows),
            len(rows),
        )

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        return np.arange(len(self.x), dtype=np.int64)

    def count(self, rows: Array) -> int:
        """How much the mean over these rows counts beside others': their losses, or where all rows are alike just rows."""
        if self.spans is None:
            return len(rows)
        steps = self.spans[rows, 1]
        return int(steps.sum() if self.by_step else np.count_nonzero(steps))

    def part(self, rows: slice) -> "Data":
        def of(array: Array | None) -> Array | None:
            return None if array is None else array[rows]

        state = self._state_of(rows)
        return Data(self.x[rows], self.y[rows], of(self.weights), of(self.spans), self.by_step, state, of(self.second))

    def _state_of(self, rows: Array | slice) -> list[Array] | None:
        return None if self.state is None else [array[rows] for array in self.state]

    def split(self, share: float) -> tuple["Data", "Data"]:
        """The data without, and with only, the last `share` of their samples."""
        first = int(len(self.x) * (1.0 - share))
        if not 0 < first < len(self.x):
            raise ValueError(
                f"fit: validation_split={share:g} of {len(self.x)} samples leaves none for training or for validation"
            )
        return self.part(slice(first)), self.part(slice(first, None))


class Batch(NamedTuple):
    x: Fed
    y: Array
    weights: Array | None
    rows: Array  # the index of the batch's rows in x
    losses: int  # Data.count of them
    samples: int  # or steps, as Batches.unit has it, that are through when this batch is


class ArrayBatches:
    """Passes over data in memory, as `Batch`; with `rng` each in a new order."""

    unit = "samples"

    def __init__(self, data: Data, batch_size: int, rng: "Generator | None" = None) -> None:
        self._data, self._batch_size, self._rng = data, batch_size, rng
        self.samples: int | None = len(data.x)
        self.steps: int | None = -(-len(data.x) // batch_size)

    @property
    def time_steps(self) -> int:
        """The real steps of all rows."""
        x, spans = self._data.x, self._data.spans
        return int(x.shape[0] * x.shape[1] if spans is None else spans[:, 1].sum())

    def describe(self) -> dict[str, Any]:
        return {"samples": self.samples, "batch_size": self._batch_size, "shuffle": self._rng is not None}

    def get_state(self) -> dict[str, Any]:
        return {} if self._rng is None else {"random": _random.get_state(self._rng)}

    def set_state(self, state: dict[str, Any]) -> None:
        if self._rng is not None:
            self._rng = _random.from_state(state["random"])

    @property
    def carried(self) -> list[Array]:
        return []

    def __iter__(self) -> Iterator[Batch]:
        data, samples, size = self._data, len(self._data.x), self._batch_size
        order = None if self._rng is None else _shuffled(samples, self._rng)
        for first in range(0, samples, size):
            last = min(first + size, samples)
            rows = np.arange(first, last, dtype=np.int64) if order is None else order[first:last].astype(np.int64)
            yield data.batch_of(rows)


def _shuffled(samples: int, rng: "Generator") -> Array:
    """rng.permutation(samples) in half the memory, 4 bytes for each of up to 2**31 samples.

    >>> bool((_shuffled(5000, np.random.default_rng(1)) == np.random.default_rng(1).permutation(5000)).all())
    True
    """
    order = np.arange(samples, dtype=np.int32 if samples <= 2**31 else np.int64)
    rng.shuffle(order)
    return order


class DatasetBatches:
    """Passes over a dataset, each of whose batches `adapt` makes fit for the engine as it comes; none is an error."""

    unit = "samples"
    time_steps = None

    def __init__(self, owner: str, dataset: Iterable[Any], adapt: Callable[[str, Any], Data]) -> None:
        self._owner, self._dataset, self._adapt = owner, dataset, adapt
        self.samples: int | None = None
        self.steps: int | None = len(dataset) if isinstance(dataset, Sized) else None

    def describe(self) -> dict[str, Any]:
        return {"batches": self.steps}

    def get_state(self) -> dict[str, Any]:
        return {"dataset": self._dataset.get_state()} if isinstance(self._dataset, HasState) else {}

    def set_state(self, state: dict[str, Any]) -> None:
        if isinstance(self._dataset, HasState):
            self._dataset.set_state(state["dataset"])

    @property
    def carried(self) -> list[Array]:
        return []

    def __iter__(self) -> Iterator[Batch]:
        for name, batch in numbered(self._owner, self._dataset):
            yield self._adapt(name, batch).batch


@runtime_checkable
class HasState(Protocol):
    """A dataset whose passes differ, and that can tell where it stands."""

    def get_state(self) -> Any: ...
    def set_state(self, state: Any) -> None: ...


class Batches(Protocol):
    """What is passed over again and again: `samples` of a `unit`, of which it may be a speed, in as many `steps` as batches.

    A pass can be repeated: `get_state` before it has what decides on its order, for JSON, and `set_state` brings that back. `carried`
    are the arrays that the batch at hand hands on to the next.
    """

    samples: int | None
    steps: int | None

    @property
    def unit(self) -> str: ...

    @property
    def time_steps(self) -> int | None: ...

    def describe(self) -> dict[str, Any]: ...
    def get_state(self) -> dict[str, Any]: ...
    def set_state(self, state: dict[str, Any]) -> None: ...
    @property
    def carried(self) -> list[Array]: ...
    def __iter__(self) -> Iterator[Batch]: ...


def is_dataset(x: object, y: object = None) -> TypeGuard[Iterable[Any]]:
    """Whether x, given without y, is something that can be read again and again for batches: no array, no list, no iterator."""
    if y is not None or isinstance(x, Sequence | Iterator | dict | set) or hasattr(x, "__array__"):
        return False
    return isinstance(x, Iterable)


def numbered(owner: str, dataset: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """The batches of one pass and what errors call them. Raises ValueError where there is none."""
    number = -1
    for number, batch in enumerate(dataset):
        yield f"{owner}: batch {number}", batch
    if number < 0:
        raise ValueError(f"{owner}: x must yield at least one batch, got none")


def unpacked(owner: str, batch: Any) -> Any:
    """(x, y), or with the weights of samples as a third; ValueError for anything else."""
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        raise ValueError(f"{owner} must be (x, y) or (x, y, sample_weight), got {type(batch).__name__}")
    return batch


def checked_batch_size(caller: str, batch_size: int | None, default: int) -> int:
    return default if batch_size is None else whole(caller, "batch_size", batch_size)


def refuse_with_dataset(caller: str, **arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"{caller}: {name} must not be given with a dataset, which decides it")
