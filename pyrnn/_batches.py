"""Where batches come from: arrays in memory, cut by an index, or a dataset of the user's that has its own."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

import numpy as np
import numpy.typing as npt

from ._checks import whole

if TYPE_CHECKING:
    from numpy.random import Generator

Array = npt.NDArray[Any]


class Data(NamedTuple):
    """Adapted x and y with the same number of samples, and their weights [N] or [N, T] where there are any."""

    x: Array
    y: Array
    weights: Array | None = None

    def part(self, rows: slice) -> "Data":
        return Data(self.x[rows], self.y[rows], None if self.weights is None else self.weights[rows])

    def split(self, share: float) -> tuple["Data", "Data"]:
        """The data without, and with only, the last `share` of their samples."""
        first = int(len(self.x) * (1.0 - share))
        if not 0 < first < len(self.x):
            raise ValueError(
                f"fit: validation_split={share:g} of {len(self.x)} samples leaves none for training or for validation"
            )
        return self.part(slice(first)), self.part(slice(first, None))


class ArrayBatches:
    """Passes over data in memory, as (x, y, weights, index of the batch's rows); with `rng` each in a new order."""

    def __init__(self, data: Data, batch_size: int, rng: "Generator | None" = None) -> None:
        self._data, self._batch_size, self._rng = data, batch_size, rng
        self.samples: int | None = len(data.x)
        self.steps: int | None = -(-len(data.x) // batch_size)

    def __iter__(self) -> Iterator[tuple[Array, Array, Array | None, Array]]:
        (x, y, weights), samples, size = self._data, len(self._data.x), self._batch_size
        order = np.arange(samples) if self._rng is None else self._rng.permutation(samples)
        index = order.astype(np.int64, copy=False)
        for first in range(0, samples, size):
            yield x, y, weights, index[first : first + size]


class DatasetBatches:
    """Passes over a dataset, each of whose batches `adapt` makes fit for the engine as it comes; none is an error."""

    def __init__(self, owner: str, dataset: Iterable[Any], adapt: Callable[[str, Any], Data]) -> None:
        self._owner, self._dataset, self._adapt = owner, dataset, adapt
        self.samples: int | None = None
        self.steps: int | None = len(dataset) if isinstance(dataset, Sized) else None

    def __iter__(self) -> Iterator[tuple[Array, Array, Array | None, Array]]:
        for name, batch in numbered(self._owner, self._dataset):
            x, y, weights = self._adapt(name, batch)
            yield x, y, weights, np.arange(len(x), dtype=np.int64)


Batches = ArrayBatches | DatasetBatches


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
