"""Which steps of each row are real: told by lengths, by a mask, or by rows of different lengths in a list."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ._arrays import as_array, describe

Array = npt.NDArray[Any]
Spans = npt.NDArray[np.int64]  # [N, 2]: of each row the first real step and how many there are


def padded(owner: str, name: str, value: object, steps: int | None) -> tuple[Array, Array] | None:
    """Rows that differ in length, in one array of `steps` steps or more, and their lengths; None for anything else.

    Raises TypeError or ValueError for rows that differ in more than that.
    """
    lengths = _row_lengths(value)
    if lengths is None or len(set(lengths)) < 2:
        return None
    assert isinstance(value, list | tuple)
    first = np.zeros(len(lengths), np.int64)
    return _laid_out(owner, name, value, first, max(*lengths, steps or 0)), np.array(lengths, np.int64)


def placed(owner: str, name: str, value: object, spans: Spans, steps: int) -> object:
    """What belongs to the real steps alone, a list of arrays [T_i, ...], in an array [N, steps, ...]; anything else as it is.

    Raises ValueError where a row has not as many steps as x has there.
    """
    lengths = _row_lengths(value)
    if lengths is None or len(lengths) != len(spans) or set(lengths) == {steps}:
        return value
    assert isinstance(value, list | tuple)
    for row, (got, wanted) in enumerate(zip(lengths, spans[:, 1], strict=True)):
        if got != wanted:
            raise ValueError(
                f"{owner}: {name} must have as many steps as x in each row, {wanted} in row {row}, got {got}"
            )
    return _laid_out(owner, name, value, spans[:, 0], steps)


def _row_lengths(value: object) -> list[int] | None:
    if not isinstance(value, list | tuple):
        return None
    try:
        return [len(row) for row in value]
    except TypeError:  # numbers
        return None


def _laid_out(owner: str, name: str, rows: list[Any] | tuple[Any, ...], first: Array, steps: int) -> Array:
    arrays = [as_array(owner, f"{name}[{i}]", row) for i, row in enumerate(rows)]
    known = [array for array in arrays if len(array)]  # an empty list has neither dtype nor features
    if not known:
        return np.zeros((len(rows), steps))
    shape = known[0].shape[1:]
    out = np.zeros((len(rows), steps, *shape), np.result_type(*{array.dtype for array in known}))
    for row, array in enumerate(arrays):
        if len(array) and array.shape[1:] != shape:
            wanted = ["T", *shape]
            raise ValueError(
                f"{owner}: {name} must be arrays [{', '.join(map(str, wanted))}], got {describe(array)} in row {row}"
            )
        if len(array):
            out[row, first[row] : first[row] + len(array)] = array
    return out


def spans_of(owner: str, samples: int, steps: int, lengths: object, mask: object) -> Spans | None:
    """The spans that lengths [N], or a mask [N, T], mean for x [N, T, ...]; None without either.

    Raises TypeError or ValueError for a wrong dtype or shape, lengths beyond T, and a row whose real steps have a gap.
    """
    if lengths is not None and mask is not None:
        raise ValueError(f"{owner}: one of lengths and mask must be given, not both")
    if lengths is not None:
        return _spans_of_lengths(owner, as_array(owner, "lengths", lengths), samples, steps)
    if mask is not None:
        array = as_array(owner, "mask", mask)
        if array.dtype != bool:
            raise TypeError(f"{owner}: mask must be booleans, True where a step is real, got dtype {array.dtype}")
        if array.shape != (samples, steps):
            raise ValueError(
                f"{owner}: mask must be [{samples}, {steps}], a value per step of x, got {describe(array)}"
            )
        return runs(owner, array, "mask")
    return None


def _spans_of_lengths(owner: str, lengths: Array, samples: int, steps: int) -> Spans:
    if lengths.dtype.kind not in "iu":
        raise TypeError(f"{owner}: lengths must be integers, got dtype {lengths.dtype}")
    if lengths.shape != (samples,):
        raise ValueError(f"{owner}: lengths must be [{samples}], one per row of x, got {describe(lengths)}")
    if (wrong := (lengths < 0) | (lengths > steps)).any():
        row = int(wrong.argmax())
        raise ValueError(f"{owner}: lengths must be from 0 to {steps}, the steps of x, got {lengths[row]} in row {row}")
    return np.stack([np.zeros(samples, np.int64), lengths.astype(np.int64)], axis=1)


def runs(owner: str, mask: Array, source: str) -> Spans:
    """The span of each row's True steps. Raises ValueError, which says that `source` has them, for a row with a gap."""
    begins = mask[:, :1].sum(axis=1) + (mask[:, 1:] & ~mask[:, :-1]).sum(axis=1)
    if (begins > 1).any():
        row = int((begins > 1).argmax())
        raise ValueError(
            f"{owner}: the real steps of a row must follow each other, but {source} has a gap in row {row};"
            f" drop its steps, x[{row}][mask[{row}]], and put the padding at the row's end"
        )
    return np.stack([mask.argmax(axis=1), mask.sum(axis=1)], axis=1).astype(np.int64)


def real_steps(spans: Spans, steps: int) -> npt.NDArray[np.bool_]:
    """[N, steps]: whether a step is real.

    >>> real_steps(np.array([[0, 2], [1, 2]]), 3).astype(int)
    array([[1, 1, 0],
           [0, 1, 1]])
    """
    step = np.arange(steps)
    real: npt.NDArray[np.bool_] = (step >= spans[:, :1]) & (step < spans.sum(axis=1, keepdims=True))
    return real
