"""What a learning rate may be: a number, or a schedule, which `pyrnn.schedules` has ready."""

import math
from inspect import signature
from typing import Any

from ._checks import real
from ._registry import Configured, resolve
from ._registry import serialize as registry_serialize


class LearningRateSchedule(Configured):
    """Base of all. One of your own defines `__call__(step)`; files have only the classes of `pyrnn.schedules`.

    >>> import pyrnn
    >>> class Halving(pyrnn.schedules.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.1 / 2**step
    >>> pyrnn.optimizers.Adam(Halving()).learning_rate
    0.1
    """

    name: str

    def __call__(self, step: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step)")

    def _named(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}: name must be a string, got {name!r}")
        self.name = name

    def get_config(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in signature(type(self)).parameters}
        return {k: serialize(v) if isinstance(v, LearningRateSchedule) else v for k, v in values.items()}


Rate = float | LearningRateSchedule
CLASSES: dict[str, type[LearningRateSchedule]] = {}  # those that files may have; `pyrnn.schedules` fills it


def rate(owner: str, given: object) -> Rate:
    """`given` as a learning rate: a number of at least 0, a schedule, or a schedule's `serialize` dictionary.

    Raises TypeError or ValueError in the name of `owner` for anything else.
    """
    if isinstance(given, LearningRateSchedule):
        return given
    if isinstance(given, dict):
        return deserialize(given)
    if callable(given):
        raise TypeError(
            f"{owner}: learning_rate must be a number or a LearningRateSchedule, got the function {given!r}"
        )
    return real(owner, "learning_rate", given, 0)


def rate_at(learning_rate: Rate, step: int) -> float:
    """Raises ValueError where a schedule gives what is no rate."""
    if isinstance(learning_rate, float):
        return learning_rate
    try:
        found = learning_rate(step)
    except OverflowError:
        found = math.inf
    return real(type(learning_rate).__name__, f"the rate of step {step}", found, 0)


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """Class and arguments, as JSON has them.

    Raises TypeError for a class that is not of `pyrnn.schedules`: no file could bring it back.

    >>> from pyrnn.schedules import PiecewiseConstantDecay
    >>> serialize(PiecewiseConstantDecay([10], [0.5, 0.25]))["class_name"]
    'PiecewiseConstantDecay'
    """
    kind = type(learning_rate_schedule)
    if kind not in CLASSES.values():
        raise TypeError(
            f"learning_rate: the schedule {kind.__name__} cannot be written down; set optimizer.learning_rate to a number,"
            " or use one of pyrnn.optimizers.schedules"
        )
    return registry_serialize(learning_rate_schedule)


def deserialize(config: dict[str, Any]) -> LearningRateSchedule:
    """The schedule that `serialize` wrote down. Raises ValueError or TypeError for anything else.

    >>> from pyrnn.schedules import CosineDecay
    >>> deserialize(serialize(CosineDecay(0.5, 10)))(0)
    0.5
    """
    return resolve("learning rate schedule", config, LearningRateSchedule, CLASSES)
