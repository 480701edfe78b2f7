"""Which steps of each row are real: told by lengths, by a mask, or by rows of different lengths in a list."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._arrays import as_array, describe

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Spans = npt.NDArray[np.int64]  # [N, 2]: of each row the first real step and how many there are


class Steps(NamedTuple):
    """The real steps of x. Where some row's do not follow each other, `gaps` [N, T] is True at them, and `spans` are those of x
    gathered by it."""

    spans: Spans
    gaps: Mask | None = None

    def real(self, steps: int) -> Mask:
        """[N, steps], of x as the user gave it"""
        return real_steps(self.spans, steps) if self.gaps is None else self.gaps


def padded(owner: str, name: str, value: object, steps: int | None) -> tuple[Array, Array] | None:
    """Rows that differ in length, in one array of `steps` steps or more, and their lengths; None for anything else.

    Raises TypeError or ValueError for rows that differ in more than that.
    """
    lengths = _row_lengths(value)
    if lengths is None or len(set(lengths)) < 2:
        return None
    assert isinstance(value, list | tuple)
    real = np.arange(max(*lengths, steps or 0)) < np.array(lengths)[:, None]
    return _laid_out(owner, name, value, real), np.array(lengths, np.int64)


def placed(owner: str, name: str, value: object, real: Mask) -> object:
    """What belongs to the real steps [N, T] alone, a list of arrays [T_i, ...], in an array [N, T, ...]; anything else as it is.

    Raises ValueError where a row has not as many steps as x has there.
    """
    lengths = _row_lengths(value)
    if lengths is None or len(lengths) != len(real) or set(lengths) == {real.shape[1]}:
        return value
    assert isinstance(value, list | tuple)
    for row, (got, wanted) in enumerate(zip(lengths, real.sum(axis=1), strict=True)):
        if got != wanted:
            raise ValueError(
                f"{owner}: {name} must have as many steps as x in each row, {wanted} in row {row}, got {got}"
            )
    return _laid_out(owner, name, value, real)


def _row_lengths(value: object) -> list[int] | None:
    if not isinstance(value, list | tuple):
        return None
    try:
        return [len(row) for row in value]
    except TypeError:  # numbers
        return None


def _laid_out(owner: str, name: str, rows: list[Any] | tuple[Any, ...], real: Mask) -> Array:
    arrays = [as_array(owner, f"{name}[{i}]", row) for i, row in enumerate(rows)]
    known = [array for array in arrays if len(array)]  # an empty list has neither dtype nor features
    if not known:
        return np.zeros(real.shape)
    shape = known[0].shape[1:]
    out = np.zeros((*real.shape, *shape), np.result_type(*{array.dtype for array in known}))
    for row, array in enumerate(arrays):
        if len(array) and array.shape[1:] != shape:
            wanted = ["T", *shape]
            raise ValueError(
                f"{owner}: {name} must be arrays [{', '.join(map(str, wanted))}], got {describe(array)} in row {row}"
            )
        if len(array):
            out[row, real[row]] = array
    return out


def steps_of(owner: str, samples: int, steps: int, lengths: object, mask: object) -> Steps | None:
    """The real steps that lengths [N], or a mask [N, T], mean for x [N, T, ...]; None without either.

    Raises TypeError or ValueError for a wrong dtype or shape, and lengths beyond T.
    """
    if lengths is not None and mask is not None:
        raise ValueError(f"{owner}: one of lengths and mask must be given, not both")
    if lengths is not None:
        return Steps(_spans_of_lengths(owner, as_array(owner, "lengths", lengths), samples, steps))
    if mask is not None:
        array = as_array(owner, "mask", mask)
        if array.dtype != bool:
            raise TypeError(f"{owner}: mask must be booleans, True where a step is real, got dtype {array.dtype}")
        if array.shape != (samples, steps):
            raise ValueError(
                f"{owner}: mask must be [{samples}, {steps}], a value per step of x, got {describe(array)}"
            )
        return masked(array)
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


def masked(mask: Mask) -> Steps:
    """The steps that are True: each row's as one run where it lies, or where any row has a gap, all as they are gathered."""
    begins = mask[:, :1].sum(axis=1) + (mask[:, 1:] & ~mask[:, :-1]).sum(axis=1)
    has_gaps = bool((begins > 1).any())
    first = np.zeros(len(mask)) if has_gaps else mask.argmax(axis=1)
    spans = np.stack([first, mask.sum(axis=1)], axis=1).astype(np.int64)
    return Steps(spans, mask if has_gaps else None)


def gathered(array: Array, mask: Mask) -> Array:
    """The True steps of each row of [N, T, ...] moved together to its beginning, and zeros after them.

    >>> gathered(np.array([[1, 2, 3], [4, 5, 6]]), np.array([[True, False, True], [False, True, False]]))
    array([[1, 3, 0],
           [5, 0, 0]])
    """
    out = np.zeros_like(array)
    out[_first_steps(mask)] = array[mask]  # both row by row
    return out


def scattered(array: Array, mask: Mask) -> Array:
    """`gathered` backwards: what it moved is where it was, and zeros elsewhere."""
    out = np.zeros_like(array)
    out[mask] = array[_first_steps(mask)]
    return out


def _first_steps(mask: Mask) -> Mask:
    """As many True steps in each row, all at its beginning."""
    first: Mask = np.arange(mask.shape[1]) < mask.sum(axis=1, keepdims=True)
    return first


def real_steps(spans: Spans, steps: int) -> npt.NDArray[np.bool_]:
    """[N, steps]: whether a step is real.

    >>> real_steps(np.array([[0, 2], [1, 2]]), 3).astype(int)
    array([[1, 1, 0],
           [0, 1, 1]])
    """
    step = np.arange(steps)
    real: npt.NDArray[np.bool_] = (step >= spans[:, :1]) & (step < spans.sum(axis=1, keepdims=True))
    return real
