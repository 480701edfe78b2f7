"""What may stand for an array."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def as_array(owner: str, name: str, value: object) -> Array:
    """`value` as an array of booleans, integers or floats in the machine's byte order.

    Raises TypeError for anything else, ValueError for nested lists of unequal lengths.
    """
    if value is None or isinstance(value, str | dict | set | Iterator):
        raise TypeError(f"{owner}: {name} must be an array, got {type(value).__name__}")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{owner}: {name} must be an array without a mask; fill the masked values first")
    array = rectangular(owner, name, value)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{owner}: {name} must hold booleans, integers or floats of at most 64 bits, got dtype {array.dtype}"
        )
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array


def rectangular(owner: str, name: str, value: object) -> Array:
    """`value` as an array of any dtype. Raises ValueError for nested lists of unequal lengths, and for what is no array after all."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{owner}: {name} must be a rectangular array: {error}") from error


def copied(owner: str, name: str, array: Array, dtype: str) -> Array:
    """`array` in C order and in `dtype`. Raises ValueError for a number that is too large for it."""
    try:
        with np.errstate(over="raise"):
            return np.array(array, dtype=dtype, order="C")
    except FloatingPointError:
        raise ValueError(f"{owner}: {name} must be {dtype} values, got one that is too large") from None


def ids_to_decode(ids: npt.ArrayLike) -> Array:
    """Integer ids [L]. Raises TypeError for ids that are not integers, ValueError for another rank."""
    array = rectangular("decode", "ids", ids)
    if array.ndim != 1:
        raise ValueError(f"decode: ids must be one-dimensional [L], got shape {list(array.shape)}")
    if array.size == 0:
        return array.astype(np.int64)  # np.asarray([]) is float64, and nothing is still nothing
    if array.dtype.kind not in "iu":
        raise TypeError(f"decode: ids must be integers, got {array.dtype}")
    return array


def describe(array: Array) -> str:
    return f"{array.dtype} {list(array.shape)}"
