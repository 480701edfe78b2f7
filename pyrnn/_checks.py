"""Checks of arguments, with one voice: the argument, what was expected, what came."""

import math
import operator
import warnings
from collections.abc import Mapping, Sequence
from typing import Any


def refuse_unknown(owner: str, function: Any, unknown: Mapping[str, object], more: Sequence[str] = ()) -> None:
    """Raise a TypeError for the first of `unknown` that has no harmless value, with what to use instead where Keras has it.

    For a name that Keras has not, the error lists the arguments of `function` and `more`.
    """
    for name, value in unknown.items():
        from ._unsupported import BY_NAME, BY_OWNER  # nobody who writes no such argument needs these

        known = BY_OWNER.get((owner, name)) or BY_NAME.get(name)
        if known is None:
            import inspect

            named = [p.name for p in inspect.signature(function).parameters.values() if p.kind != p.VAR_KEYWORD]
            arguments = [argument for argument in [*named, *more] if argument != "self"]
            raise TypeError(f"{owner}: {name} is not supported (arguments: {', '.join(arguments)})")
        if not any(_same(value, harmless) for harmless in known.harmless):
            only = f" (only {' or '.join(map(repr, known.harmless))} is taken)" if known.harmless else ""
            raise TypeError(f"{owner}: {name} is not supported: {known.advice}{only}")


def _same(value: object, harmless: object) -> bool:
    """Whether plain values are equal, where True is not 1."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value is harmless
    return not isinstance(harmless, bool) and value == harmless


def renamed(owner: str, old: str, new: str, value: object, default: object, options: dict[str, object]) -> Any:
    """What was given for the argument `new`, `value`, or in `options` by its old name, with a DeprecationWarning.

    Raises TypeError where both were given.
    """
    if old not in options:
        return value
    if value != default:
        raise TypeError(f"{owner}: {old} is the old name of {new}, and one of them must be given, not both")
    warnings.warn(f"{owner}: {old} is the old name of {new}", DeprecationWarning, stacklevel=3)
    return options.pop(old)


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
