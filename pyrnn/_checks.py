"""Checks of arguments, with one voice: the argument, what was expected, what came."""

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

_ADVICE = {
    "axis": "it is always the last",
    "batch_input_shape": "use input_shape=, without the batch axis",
    "batch_shape": "use shape=, without the batch axis",
    "decay": "set optimizer.learning_rate between epochs",
    "dropout": "put a Dropout layer before this one",
    "dtype": "give it to the model: Sequential(dtype=...)",
    "ignore_class": "give its steps a sample_weight of 0",
    "input_dim": "use input_shape=",
    "input_length": "use input_shape=",
    "jit_compile": "the engine is compiled already",
    "loss_scale_factor": "float32 and float64 need no scaling of the loss",
    "nb_epoch": "use epochs=",
    "schedule_decay": "it is 0.96 per step, as in Keras 3",
    "sample_weight": "every sample counts the same",
    "class_weight": "every class counts the same",
}


def refuse_unknown(owner: str, function: Any, unknown: Mapping[str, object], more: Sequence[str] = ()) -> None:
    """Raise a TypeError that names the first of `unknown`, and the arguments that `function` has and `more`."""
    for name in unknown:
        code = function.__code__
        known = [given for given in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if given != "self"]
        advice = f": {_ADVICE[name]}" if name in _ADVICE else ""
        raise TypeError(f"{owner}: {name} is not supported{advice} (arguments: {', '.join([*known, *more])})")


def whole(owner: str, name: str, value: object, low: int = 1) -> int:
    """`value` as an int of at least `low`; NumPy's integers are welcome, booleans are not."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{owner}: {name} must be an integer, got {value!r}") from None
    if number < low:
        raise ValueError(f"{owner}: {name} must be at least {low}, got {number}")
    return number


def real(owner: str, name: str, value: object, low: float, high: float = math.inf, open_low: bool = False) -> float:
    """`value` as a float with low <= value < high, or low < value where `open_low`."""
    try:
        if isinstance(value, str | bool):
            raise TypeError
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{owner}: {name} must be finite, got {number}")
    if not (low < number < high or (number == low and not open_low)):
        wanted = f"{'more than' if open_low else 'at least'} {low:g}" + (
            "" if high == math.inf else f" and less than {high:g}"
        )
        raise ValueError(f"{owner}: {name} must be {wanted}, got {number:g}")
    return number


def flag(owner: str, name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{owner}: {name} must be True or False, got {value!r}")
    return value


def choice(owner: str, name: str, value: object, choices: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{owner}: {name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def shape_text(shape: Sequence[int | None]) -> str:
    """
    >>> shape_text((None, 7, 12))
    '[N, 7, 12]'
    >>> shape_text((None, None, 12))
    '[N, T, 12]'
    """
    free = iter("NT")
    return "[" + ", ".join(next(free, "?") if size is None else str(size) for size in shape) + "]"
