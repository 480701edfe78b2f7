"""What a user gives, as the engine reads it: checked once per call, copied only where it must be."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._checks import real, shape_text, whole
from ._network import InputSpec
from .losses import Loss

Array = npt.NDArray[Any]

_CHUNK = 1 << 20  # values looked at in one go: a buffer of a few megabytes, and Ctrl-C is heard between two
_ONE_HOT_KINDS = ("bool", "uint8", "float32", "float64")


def as_array(owner: str, name: str, value: object) -> Array:
    """`value` as an array of booleans, integers or floats in the machine's byte order.

    Raises TypeError for anything else, ValueError for nested lists of unequal lengths.
    """
    if value is None or isinstance(value, str | dict | set | Iterator):
        raise TypeError(f"{owner}: {name} must be an array, got {type(value).__name__}")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{owner}: {name} must be an array without a mask; fill the masked values first")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{owner}: {name} must be a rectangular array: {error}") from error
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{owner}: {name} must hold booleans, integers or floats of at most 64 bits, got dtype {array.dtype}"
        )
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array


def describe(array: Array) -> str:
    return f"{array.dtype} {list(array.shape)}"


def adapt_x(owner: str, value: object, spec: InputSpec, dtype: str) -> Array:
    """x for a network of `dtype`: vectors as they lie, or ids where the first op reads ids.

    Exactly one-hot vectors become ids. Half precision, which the engine does not read, becomes `dtype`.
    Raises TypeError or ValueError for a wrong rank, shape or dtype, no samples, NaN, infinity, and ids out of range.
    """
    x = as_array(owner, "x", value)
    if not spec.only_ids and spec.features == 1 and x.ndim == len(spec.shape) - 1:
        x = x[..., None]
    is_ids = spec.takes_ids and x.dtype.kind in "iu" and x.ndim == 1 + spec.sequence
    wanted = spec.shape[: 1 + spec.sequence] if is_ids else spec.shape
    if spec.only_ids and x.ndim == len(spec.shape) and not is_ids:
        raise TypeError(_wrong_x(owner, x, spec))
    if x.ndim != len(wanted) or any(size not in (None, got) for size, got in zip(wanted, x.shape, strict=True)):
        raise ValueError(_wrong_x(owner, x, spec))
    if x.size == 0:
        raise ValueError(f"{owner}: x is empty, got {describe(x)}")
    if is_ids:
        return _checked_ids(owner, "x", x, spec.features)
    if spec.takes_ids and x.dtype.name in _ONE_HOT_KINDS:
        ids = _core.one_hot_ids(x)
        if ids is not None:
            return ids
    check_finite(owner, "x", x, dtype)
    return x.astype(dtype) if x.dtype == np.float16 else x


def _wrong_x(owner: str, x: Array, spec: InputSpec) -> str:
    ids = f"integer ids {shape_text(spec.shape[: 1 + spec.sequence])} of {spec.features} symbols"
    vectors = shape_text(spec.shape)
    wanted = ids if spec.only_ids else f"{vectors} or {ids}" if spec.takes_ids and spec.features > 1 else vectors
    return f"{owner}: x must be {wanted}, got {describe(x)}"


def adapt_y(owner: str, value: object, loss: Loss, output: tuple[int, ...], dtype: str, as_values: bool) -> Array:
    """y for a network of `dtype` whose output has the shape `output`, its number of samples included.

    The result is ids, [N] or [N, T], or values like the output. One-hot rows become ids unless `as_values`: metrics other
    than categorical accuracy compare y with the output value by value.
    Raises TypeError or ValueError for a wrong number of samples, shape or dtype, NaN, and ids out of range.
    """
    y = as_array(owner, "y", value)
    if y.ndim == 0 or len(y) != output[0]:
        got = f"{len(y)} samples" if y.ndim else "a single number"
        raise ValueError(f"{owner}: y must have as many samples as x, {output[0]}, got {got}")
    if loss.targets == "ids":
        return _adapt_ids(owner, y, loss, output)
    if loss.targets == "labels":
        return _adapt_labels(owner, y, loss, output)
    if y.ndim == len(output) - 1 and output[-1] == 1:
        y = y[..., None]
    if y.shape != output:
        advice = ""
        if loss.targets == "distributions" and y.dtype.kind in "iu" and y.shape in (output[:-1], (*output[:-1], 1)):
            advice = f"; ids go with the loss sparse_{loss.name}"
        raise ValueError(f"{owner}: y must be {list(output)}, shaped like the output, got {describe(y)}{advice}")
    if y.dtype.kind in "iu" and y.dtype != np.uint8:
        y = y.astype(dtype)
    if loss.targets == "distributions" and not as_values and y.dtype.name in _ONE_HOT_KINDS:
        ids = _core.one_hot_ids(y)
        if ids is not None:
            return ids
    low, high = check_finite(owner, "y", y, dtype)
    if loss.targets in ("distributions", "probabilities") and not 0 <= low <= high <= 1:
        raise ValueError(
            f"{owner}: y must be from 0 to 1 for the loss {loss.name}, got values from {low:g} to {high:g}"
        )
    return y if y.dtype.name in ("float32", "float64") else y.astype(dtype)


def _adapt_ids(owner: str, y: Array, loss: Loss, output: tuple[int, ...]) -> Array:
    wanted = output[:-1]
    if y.shape == (*wanted, 1):
        y = y[..., 0]
    if y.dtype.kind not in "iu" or y.shape != wanted:
        advice = "; one-hot rows go with the loss categorical_crossentropy" if y.shape == output else ""
        raise (ValueError if y.dtype.kind in "iu" else TypeError)(
            f"{owner}: y must be integer ids {list(wanted)} for the loss {loss.name}, got {describe(y)}{advice}"
        )
    return _checked_ids(owner, "y", y, output[-1])


def _adapt_labels(owner: str, y: Array, loss: Loss, output: tuple[int, ...]) -> Array:
    if len(output) != 3:
        raise ValueError(f"{owner}: the loss {loss.name} needs an output with steps, got {list(output)}")
    if y.dtype.kind not in "iu" or y.ndim != 2 or y.shape[1] < 1:
        raise (ValueError if y.dtype.kind in "iu" else TypeError)(
            f"{owner}: y must be integer labels [{output[0]}, L] for the loss {loss.name}, got {describe(y)}"
        )
    _checked_ids(owner, "y", y, output[-1])
    if (wrong := (y[:, :-1] == 0) & (y[:, 1:] != 0)).any():
        row, step = np.argwhere(wrong)[0]
        raise ValueError(
            f"{owner}: zeros in y may only follow the labels, got {y[row, step + 1]} after one in row {row}"
        )
    needed = np.count_nonzero(y, axis=1) + np.count_nonzero((y[:, 1:] == y[:, :-1]) & (y[:, 1:] != 0), axis=1)
    if needed.max() > output[1]:
        row = int(needed.argmax())
        raise ValueError(
            f"{owner}: y must have labels that fit the output's {output[1]} steps; those of row {row}, and a blank between"
            f" equal ones, need {needed[row]}"
        )
    return y


def adapt_weights(owner: str, value: object, loss: Loss, output: tuple[int, ...], dtype: str) -> Array:
    """Weights of samples [N] or, for an output [N, T, features] and any loss but CTC, of its steps [N, T].

    Raises TypeError or ValueError for a wrong shape or dtype, NaN and infinity.
    """
    weights = as_array(owner, "sample_weight", value)
    shapes = [output[:1]] if loss.targets == "labels" else list(dict.fromkeys((output[:1], output[:-1])))
    if weights.shape not in shapes:
        wanted = " or ".join(str(list(shape)) for shape in shapes)
        raise ValueError(f"{owner}: sample_weight must be {wanted}, got {describe(weights)}")
    check_finite(owner, "sample_weight", weights, dtype)
    return weights.astype(dtype, copy=False)


def weights_of_classes(owner: str, value: object, y: Array, loss: Loss, output: tuple[int, ...], dtype: str) -> Array:
    """The weight of each sample's or step's class, 1 for a class that the dictionary `value` leaves out.

    The class is the id, the place of the largest y, or the rounded y of an output with one value.
    Raises TypeError or ValueError for anything but a dictionary of class to number, and where a step may have many classes.
    """
    if not isinstance(value, dict) or not value:
        raise TypeError(f"{owner}: class_weight must be a dictionary of class to weight, got {value!r}")
    symbols = output[-1]
    if symbols > 1 and loss.targets in ("probabilities", "labels"):
        raise ValueError(
            f"{owner}: class_weight needs one class for each y, which {loss.name} of {symbols} outputs lacks; use sample_weight"
        )
    known = {
        whole(owner, "a class in class_weight", key, low=0): real(owner, f"class_weight[{key}]", weight, -np.inf)
        for key, weight in value.items()
    }
    highest = max(known)
    if 1 < symbols <= highest:
        raise ValueError(f"{owner}: classes in class_weight must be from 0 to {symbols - 1}, got {highest}")
    table = np.ones(highest + 2, dtype)  # the last stands for all other classes
    table[list(known)] = list(known.values())
    is_ids = y.ndim < len(output)
    classes = y.astype(np.int64) if is_ids else y.argmax(axis=-1) if symbols > 1 else np.rint(y[..., 0])
    weights_of_y: Array = table[np.clip(classes, -1, highest + 1).astype(np.int64)]
    return weights_of_y


def _chunks(array: Array) -> Iterator[tuple[int, Array]]:
    """Runs of rows of about _CHUNK values, each with the number of its first row."""
    rows = max(1, _CHUNK * len(array) // array.size)
    for begin in range(0, len(array), rows):
        yield begin, array[begin : begin + rows]


def _checked_ids(owner: str, name: str, ids: Array, symbols: int) -> Array:
    for begin, chunk in _chunks(ids):
        if chunk.min() < 0 or chunk.max() >= symbols:
            wrong = np.argwhere((chunk < 0) | (chunk >= symbols))[0]
            raise ValueError(
                f"{owner}: ids in {name} must be from 0 to {symbols - 1}, got {chunk[tuple(wrong)]} at {_place(begin, wrong)}"
            )
    return ids


def check_finite(owner: str, name: str, array: Array, dtype: str) -> tuple[float, float]:
    """The least and the greatest value. Raises ValueError where one is NaN, infinite, or too large for `dtype`."""
    low, high = np.inf, -np.inf
    most = float(np.finfo(dtype).max)
    for begin, chunk in _chunks(array):
        chunk_low, chunk_high = float(chunk.min()), float(chunk.max())
        if not (-most <= chunk_low and chunk_high <= most):  # false for NaN, which min and max pass on
            wrong = np.argwhere(~(np.abs(chunk) <= most))[0]
            raise ValueError(
                f"{owner}: {name} must be finite {dtype} values, got {chunk[tuple(wrong)]} at {_place(begin, wrong)}"
            )
        low, high = min(low, chunk_low), max(high, chunk_high)
    return low, high


def _place(begin: int, index: Array) -> str:
    """Which row, step and feature of the whole array an index into a run of rows from `begin` means."""
    names = ("row", "step", "feature")[: len(index)]
    numbers = (begin + int(index[0]), *(int(i) for i in index[1:]))
    return ", ".join(f"{name} {number}" for name, number in zip(names, numbers, strict=True))
