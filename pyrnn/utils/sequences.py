"""Sequences in arrays: padded to one length, or cut from a series as windows."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import _random
from .._arrays import rectangular
from .._checks import choice, flag, refuse_unknown, whole

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["TimeseriesDataset", "pad_sequences", "timeseries_dataset_from_array"]

Array = npt.NDArray[Any]


def pad_sequences(
    sequences: Sequence[npt.ArrayLike],
    maxlen: int | None = None,
    dtype: npt.DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: float = 0.0,
) -> Array:
    """Sequences of any lengths, [t] or [t, ...], as one array [N, maxlen, ...] of `dtype`.

    Shorter ones are filled with `value` before ("pre") or after ("post") their own; longer ones lose their first ("pre") or
    last ("post") entries. `maxlen` is by default the greatest length. Raises TypeError for what is no list of sequences,
    ValueError where they differ in more than their lengths.

    >>> pad_sequences([[1, 2], [3]])
    array([[1, 2],
           [0, 3]], dtype=int32)
    """
    owner = "pad_sequences"
    choice(owner, "padding", padding, ("pre", "post"))
    choice(owner, "truncating", truncating, ("pre", "post"))
    if not isinstance(sequences, Sequence | np.ndarray) or isinstance(sequences, str):
        raise TypeError(f"{owner}: sequences must be a list of sequences, got {type(sequences).__name__}")
    if isinstance(sequences, np.ndarray) and sequences.ndim == 0:
        raise TypeError(f"{owner}: sequences must be a list of sequences, got a single number")
    rows = [rectangular(owner, f"sequences[{number}]", sequence) for number, sequence in enumerate(sequences)]
    for number, row in enumerate(rows):
        if row.ndim == 0:
            raise TypeError(f"{owner}: sequences must be a list of sequences, got {row} as number {number}")
        if len(row) and not np.can_cast(row.dtype, dtype, "same_kind"):
            raise TypeError(
                f"{owner}: dtype must be one that can hold {row.dtype}, got {np.dtype(dtype)} for sequences[{number}]"
            )
        _check_range(f"{owner}: sequences[{number}]", row, np.dtype(dtype))
    if np.asarray(value).astype(dtype) != value:
        raise ValueError(f"{owner}: value must be a value of dtype {np.dtype(dtype)}, got {value}")
    shapes = {row.shape[1:] for row in rows if len(row)} or {()}
    if len(shapes) > 1:
        shape, other, *_ = sorted(shapes)
        raise ValueError(f"{owner}: sequences must differ in their lengths only, got entries {shape} and {other}")
    steps = max((len(row) for row in rows), default=0) if maxlen is None else whole(owner, "maxlen", maxlen)
    padded = np.full((len(rows), steps, *shapes.pop()), value, dtype)
    for target, row in zip(padded, rows, strict=True):
        kept = row[max(0, len(row) - steps) :] if truncating == "pre" else row[:steps]
        if len(kept):
            first = steps - len(kept) if padding == "pre" else 0
            target[first : first + len(kept)] = kept
    return padded


def _check_range(name: str, row: Array, dtype: np.dtype[Any]) -> None:
    """Raise ValueError for integers that would become others."""
    if dtype.kind in "iu" and row.size and row.dtype.kind in "iu" and not np.can_cast(row.dtype, dtype):
        low, high, bounds = int(row.min()), int(row.max()), np.iinfo(dtype)
        if low < bounds.min or high > bounds.max:
            raise ValueError(
                f"{name} must be from {bounds.min} to {bounds.max}, as {dtype} has it, got {low} to {high}"
            )


class TimeseriesDataset:
    """Batches of windows of a series, cut out as they are asked for: see `timeseries_dataset_from_array`.

    `len` is the number of batches in a pass, `samples` that of windows. Each `iter` starts a new pass.
    """

    def __init__(
        self,
        data: Array,
        targets: Array | None,
        starts: Array,
        offsets: Array,
        batch_size: int | None,
        rng: "Generator | None",
    ) -> None:
        self._data, self._targets = data, targets
        self._starts, self._offsets = starts, offsets
        self._batch_size, self._rng = batch_size, rng

    @property
    def samples(self) -> int:
        return len(self._starts)

    def get_state(self) -> Any:
        """What decides on the order of the passes to come, for checkpoints."""
        return None if self._rng is None else _random.get_state(self._rng)

    def set_state(self, state: Any) -> None:
        """Go on where `get_state` was asked."""
        if self._rng is not None:
            self._rng = _random.from_state(state)

    def __len__(self) -> int:
        size = self._batch_size or 1
        return (self.samples + size - 1) // size

    def __iter__(self) -> Iterator[Any]:
        starts = self._starts if self._rng is None else self._rng.permutation(self._starts)
        size = self._batch_size or 1
        for first in range(0, len(starts), size):
            rows: Any = starts[first : first + size] if self._batch_size else starts[first]
            x = self._data[np.add.outer(rows, self._offsets)]
            yield x if self._targets is None else (x, self._targets[rows])


def timeseries_dataset_from_array(
    data: npt.ArrayLike,
    targets: npt.ArrayLike | None,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    **unsupported: object,
) -> TimeseriesDataset:
    """Windows of a series, [n, ...], in batches of (x [batch_size, sequence_length, ...], y), for `fit`, `evaluate`, `predict`.

    Window i begins at s = i * sequence_stride and has the entries s, s + sampling_rate, ...; its y is targets[s]. Without
    `targets` the batches are x alone, without `batch_size` single windows. `start_index` and `end_index` cut out the part
    of the series that is used. `shuffle` draws a new order for each pass,
    from `seed` where it is given. Nothing is copied but the batch at hand.

    Raises TypeError or ValueError for numbers out of range, and where not one window fits in.

    >>> data = timeseries_dataset_from_array([0, 10, 20, 30, 40, 50], [0, 1, 2, 3, 4, 5], sequence_length=3, batch_size=2)
    >>> x, y = next(iter(data))
    >>> x
    array([[ 0, 10, 20],
           [10, 20, 30]])
    >>> y, len(data)
    (array([0, 1]), 2)
    """
    owner = "timeseries_dataset_from_array"
    refuse_unknown(owner, timeseries_dataset_from_array, unsupported)
    series = _series(owner, "data", data)
    length = whole(owner, "sequence_length", sequence_length)
    stride = whole(owner, "sequence_stride", sequence_stride)
    rate = whole(owner, "sampling_rate", sampling_rate)
    size = None if batch_size is None else whole(owner, "batch_size", batch_size)
    begin = 0 if start_index is None else whole(owner, "start_index", start_index, low=0)
    end = len(series) if end_index is None else whole(owner, "end_index", end_index)
    if end > len(series):
        raise ValueError(f"{owner}: end_index must be at most {len(series)}, which data have, got {end}")
    series = series[begin:end]
    wanted = None if targets is None else _series(owner, "targets", targets)[begin:end]
    windows = len(series) - (length - 1) * rate
    if wanted is not None:
        windows = min(windows, len(wanted))
    if windows < 1:
        raise ValueError(
            f"{owner}: data must have at least {(length - 1) * rate + 1} entries from start_index to end_index, and targets one"
            f" for each window, got {len(series)}" + ("" if wanted is None else f" and {len(wanted)}")
        )
    order = None if seed is None else whole(owner, "seed", seed, low=0)
    rng = None
    if flag(owner, "shuffle", shuffle):
        rng = _random.spawn() if order is None else _random.new_generator(order)
    return TimeseriesDataset(series, wanted, np.arange(0, windows, stride), np.arange(length) * rate, size, rng)


def _series(owner: str, name: str, value: npt.ArrayLike) -> Array:
    array = rectangular(owner, name, value)
    if array.ndim == 0 or array.dtype.kind not in "biuf":
        raise TypeError(f"{owner}: {name} must be an array of numbers, got {array.dtype} {list(array.shape)}")
    return array
