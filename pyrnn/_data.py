"""What a user gives, as the engine reads it: checked once per call, copied only where it must be."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._arrays import as_array, describe
from ._checks import real as real_number
from ._checks import shape_text, whole
from ._lengths import Steps, gathered, masked, steps_of
from ._network import InputSpec
from .losses import Loss

Array = npt.NDArray[Any]

_CHUNK = 1 << 20  # values looked at in one go: a buffer of a few megabytes, and Ctrl-C is heard between two
_ONE_HOT_KINDS = ("bool", "uint8", "float32", "float64")


def adapt_x(
    owner: str, value: object, spec: InputSpec, dtype: str, lengths: object = None, mask: object = None
) -> tuple[Array, Steps | None]:
    """x for a network of `dtype`: vectors as they lie, or ids where the first op reads ids; and which steps are real.

    Exactly one-hot vectors become ids. Half precision, which the engine does not read, becomes `dtype`. Real steps that have
    gaps are gathered, in a copy.
    Raises TypeError or ValueError for a wrong rank, shape or dtype, no samples, and in real steps NaN, infinity, and ids
    out of range.
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
    steps = _steps(owner, x, spec, lengths, mask)
    x = _readable(owner, x, is_ids, spec, dtype, None if steps is None else steps.real(x.shape[1]))
    return x if steps is None or steps.gaps is None else gathered(x, steps.gaps), steps


def _readable(owner: str, x: Array, is_ids: bool, spec: InputSpec, dtype: str, real: Array | None) -> Array:
    if is_ids:
        return _checked_ids(owner, "x", x, spec.features, real)
    if spec.reads_one_hot and x.dtype.name in _ONE_HOT_KINDS:
        ids = _ids_of_one_hot(x, real)
        if ids is not None:
            return ids
    check_finite(owner, "x", x, dtype, real)
    return x.astype(dtype) if x.dtype == np.float16 else x


def _steps(owner: str, x: Array, spec: InputSpec, lengths: object, mask: object) -> Steps | None:
    if not spec.sequence:
        if lengths is not None or mask is not None:
            name = "mask" if lengths is None else "lengths"
            raise ValueError(f"{owner}: {name} must not be given to a model that reads no sequences")
        return None
    if spec.padding is not None:
        if lengths is not None or mask is not None:
            raise ValueError(
                f"{owner}: the model's first layer finds the real steps in x, one padded array; lengths, mask and a list of"
                " rows of different lengths must not tell them too"
            )
        real = x != spec.padding
        return masked(real.any(axis=-1) if x.ndim == 3 else real)
    return steps_of(owner, x.shape[0], x.shape[1], lengths, mask)


def _ids_of_one_hot(array: Array, real: Array | None) -> Array | None:
    """Ids [...] of an array [..., V] whose real vectors are all one-hot, else None; 0 where they are not real."""
    if real is None:
        return _core.one_hot_ids(array)
    found = _core.one_hot_ids(array[real])
    if found is None:
        return None
    ids = np.zeros(array.shape[:-1], found.dtype)
    ids[real] = found
    return ids


def _wrong_x(owner: str, x: Array, spec: InputSpec) -> str:
    ids = f"integer ids {shape_text(spec.shape[: 1 + spec.sequence])} of {spec.features} symbols"
    vectors = shape_text(spec.shape)
    wanted = ids if spec.only_ids else f"{vectors} or {ids}" if spec.takes_ids and spec.features > 1 else vectors
    return f"{owner}: x must be {wanted}, got {describe(x)}"


def adapt_y(
    owner: str,
    value: object,
    loss: Loss,
    output: tuple[int, ...],
    dtype: str,
    as_values: bool,
    real: Array | None = None,
) -> Array:
    """y for a network of `dtype` whose output has the shape `output`, its number of samples included.

    The result is ids, [N] or [N, T], or values like the output. One-hot rows become ids unless `as_values`: metrics other
    than categorical accuracy compare y with the output value by value. `real`, [N] or [N, T], says whose values count.
    Raises TypeError or ValueError for a wrong number of samples, shape or dtype, NaN, and ids out of range.
    """
    y = as_array(owner, "y", value)
    if y.ndim == 0 or len(y) != output[0]:
        got = f"{len(y)} samples" if y.ndim else "a single number"
        raise ValueError(f"{owner}: y must have as many samples as x, {output[0]}, got {got}")
    if loss.targets == "ids":
        return _adapt_ids(owner, y, loss, output, real)
    if loss.targets == "labels":
        return _adapt_labels(owner, y, loss, output, real)
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
        ids = _ids_of_one_hot(y, real)
        if ids is not None:
            return ids
    low, high = check_finite(owner, "y", y, dtype, real)
    if loss.targets in ("distributions", "probabilities") and (low < 0 or high > 1):
        raise ValueError(
            f"{owner}: y must be from 0 to 1 for the loss {loss.name}, got values from {low:g} to {high:g}"
        )
    return y if y.dtype.name in ("float32", "float64") else y.astype(dtype)


def _adapt_ids(owner: str, y: Array, loss: Loss, output: tuple[int, ...], real: Array | None) -> Array:
    wanted = output[:-1]
    if y.shape == (*wanted, 1):
        y = y[..., 0]
    if y.dtype.kind not in "iu" or y.shape != wanted:
        advice = "; one-hot rows go with the loss categorical_crossentropy" if y.shape == output else ""
        raise (ValueError if y.dtype.kind in "iu" else TypeError)(
            f"{owner}: y must be integer ids {list(wanted)} for the loss {loss.name}, got {describe(y)}{advice}"
        )
    return _checked_ids(owner, "y", y, output[-1], real)


def _adapt_labels(owner: str, y: Array, loss: Loss, output: tuple[int, ...], real: Array | None) -> Array:
    if len(output) != 3:
        raise ValueError(f"{owner}: the loss {loss.name} needs an output with steps, got {list(output)}")
    if y.dtype.kind not in "iu" or y.ndim != 2 or y.shape[1] < 1:
        raise (ValueError if y.dtype.kind in "iu" else TypeError)(
            f"{owner}: y must be integer labels [{output[0]}, L] for the loss {loss.name}, got {describe(y)}"
        )
    steps = np.full(len(y), output[1])
    if real is not None:
        steps = real.sum(axis=1) if real.ndim == 2 else steps * real
    _checked_ids(owner, "y", y, output[-1], steps > 0)
    labels = y * (steps > 0)[:, None]  # a row without steps has no loss
    if (wrong := (labels[:, :-1] == 0) & (labels[:, 1:] != 0)).any():
        row, step = np.argwhere(wrong)[0]
        raise ValueError(
            f"{owner}: zeros in y may only follow the labels, got {y[row, step + 1]} after one in row {row}"
        )
    doubled = (labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] != 0)
    needed = np.count_nonzero(labels, axis=1) + np.count_nonzero(doubled, axis=1)
    if (needed > steps).any():
        row = int((needed - steps).argmax())
        raise ValueError(
            f"{owner}: y must have labels that fit the output's {steps[row]} steps; those of row {row}, and a blank between"
            f" equal ones, need {needed[row]}"
        )
    return labels


def adapt_weights(
    owner: str, value: object, loss: Loss, output: tuple[int, ...], dtype: str, real: Array | None = None
) -> Array:
    """Weights of samples [N] or, for an output [N, T, features] and any loss but CTC, of its steps [N, T].

    Raises TypeError or ValueError for a wrong shape or dtype, NaN and infinity.
    """
    weights = as_array(owner, "sample_weight", value)
    shapes = [output[:1]] if loss.targets == "labels" else list(dict.fromkeys((output[:1], output[:-1])))
    if weights.shape not in shapes:
        wanted = " or ".join(str(list(shape)) for shape in shapes)
        raise ValueError(f"{owner}: sample_weight must be {wanted}, got {describe(weights)}")
    if real is not None and weights.ndim < real.ndim:
        real = np.asarray(real.any(axis=1))
    check_finite(owner, "sample_weight", weights, dtype, real)
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
        whole(owner, "a class in class_weight", key, low=0): real_number(owner, f"class_weight[{key}]", weight, -np.inf)
        for key, weight in value.items()
    }
    highest = max(known)
    if 1 < symbols <= highest:
        raise ValueError(f"{owner}: classes in class_weight must be from 0 to {symbols - 1}, got {highest}")
    table = np.ones(highest + 2, dtype)  # the last stands for all other classes
    table[list(known)] = list(known.values())
    is_ids = y.ndim < len(output)
    classes = y.astype(np.int64) if is_ids else y.argmax(axis=-1) if symbols > 1 else np.rint(np.nan_to_num(y[..., 0]))
    weights_of_y: Array = table[np.clip(classes, -1, highest + 1).astype(np.int64)]
    return weights_of_y


def _chunks(array: Array, real: Array | None) -> Iterator[tuple[int, Array, Array]]:
    """Runs of rows of about _CHUNK values: the number of the first, the run, and those of its values that are real."""
    rows = max(1, _CHUNK * len(array) // array.size)
    for begin in range(0, len(array), rows):
        chunk = array[begin : begin + rows]
        values = chunk if real is None else chunk[real[begin : begin + rows]]
        if values.size:
            yield begin, chunk, values


def _first(wrong: Array, begin: int, real: Array | None) -> Array:
    """The index of the first real value of a run of rows from `begin` that is wrong."""
    if real is not None:
        own = real[begin : begin + len(wrong)]
        wrong = wrong & own.reshape(own.shape + (1,) * (wrong.ndim - own.ndim))
    return np.array(np.unravel_index(wrong.argmax(), wrong.shape))


def _checked_ids(owner: str, name: str, ids: Array, symbols: int, real: Array | None = None) -> Array:
    for begin, chunk, values in _chunks(ids, real):
        if values.min() < 0 or values.max() >= symbols:
            wrong = _first((chunk < 0) | (chunk >= symbols), begin, real)
            raise ValueError(
                f"{owner}: ids in {name} must be from 0 to {symbols - 1}, got {chunk[tuple(wrong)]} at {_place(begin, wrong)}"
            )
    return ids


def check_finite(owner: str, name: str, array: Array, dtype: str, real: Array | None = None) -> tuple[float, float]:
    """The least and the greatest real value. Raises ValueError where one is NaN, infinite, or too large for `dtype`."""
    low, high = np.inf, -np.inf
    most = float(np.finfo(dtype).max)
    for begin, chunk, values in _chunks(array, real):
        chunk_low, chunk_high = float(values.min()), float(values.max())
        if not (-most <= chunk_low and chunk_high <= most):  # false for NaN, which min and max pass on
            wide = np.abs(chunk.astype(np.float64))  # in float32, `most` would overflow
            wrong = _first(~(wide <= most), begin, real)
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
