"""Optimizers with the update rules and defaults of Keras 3. They describe; the engine computes.

In the rules w is a weight, g its gradient, a the learning rate.
"""

import sys
from typing import Any

from . import schedules
from ._checks import flag, real, refuse_unknown
from ._registry import Configured, resolve
from ._schedule import LearningRateSchedule, Rate, rate, rate_at, serialize

__all__ = ["SGD", "Adam", "Optimizer", "RMSprop", "get", "schedules"]

sys.modules[f"{__name__}.schedules"] = schedules  # `from pyrnn.optimizers.schedules import ...`, as Keras has it


class Optimizer(Configured):
    """Base of all. `learning_rate` may be set at any time and counts from the next batch; all else is fixed.

    It is a number, or one of `pyrnn.optimizers.schedules`, and reads as the number that the next batch is trained with:
    the schedule at `iterations`, the batches trained since `compile`. A number set in its place replaces a schedule.

    `global_clipnorm` c scales all gradients by c / |g| where their common norm |g| is more than c.

    >>> optimizer = Adam()
    >>> optimizer.learning_rate = 0.0005
    >>> optimizer.learning_rate
    0.0005
    """

    __slots__ = ("_global_clipnorm", "_learning_rate", "_rule", "iterations")
    engine_name: str

    def __init__(
        self, learning_rate: Rate, rule: dict[str, Any], global_clipnorm: float | None, unsupported: dict[str, object]
    ) -> None:
        owner = type(self).__name__
        refuse_unknown(owner, type(self).__init__, unsupported)
        if global_clipnorm is not None:
            global_clipnorm = real(owner, "global_clipnorm", global_clipnorm, 0, open_low=True)
        self.iterations = 0
        self.learning_rate = learning_rate
        self._rule = rule
        self._global_clipnorm = global_clipnorm

    @property
    def learning_rate(self) -> float:
        return rate_at(self._learning_rate, self.iterations)

    @learning_rate.setter
    def learning_rate(self, value: Rate) -> None:
        self._learning_rate = rate(type(self).__name__, value)

    @property
    def learning_rate_schedule(self) -> LearningRateSchedule | None:
        """None where the learning rate is a number."""
        return None if isinstance(self._learning_rate, float) else self._learning_rate

    def next_rate(self) -> float:
        """The learning rate of the next batch, which counts as trained from here on."""
        current = self.learning_rate
        self.iterations += 1
        return current

    def get_config(self) -> dict[str, Any]:
        given = self._learning_rate
        described = given if isinstance(given, float) else serialize(given)
        return {"learning_rate": described, **self._rule, "global_clipnorm": self._global_clipnorm}

    def engine_spec(self) -> dict[str, Any]:
        return {"name": self.engine_name, **self._rule, "global_clipnorm": self._global_clipnorm or 0.0}


class SGD(Optimizer):
    """w -= a g; with momentum m: v = m v - a g, w += v, or w += m v - a g where `nesterov`.

    >>> SGD(momentum=0.9).get_config()["momentum"]
    0.9
    """

    __slots__ = ()
    engine_name = "sgd"

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        global_clipnorm: float | None = None,
        **unsupported: object,
    ) -> None:
        momentum = real("SGD", "momentum", momentum, 0)
        if momentum > 1:
            raise ValueError(f"SGD: momentum must be at most 1, got {momentum:g}")
        rule = {"momentum": momentum, "nesterov": flag("SGD", "nesterov", nesterov)}
        super().__init__(learning_rate, rule, global_clipnorm, unsupported)


class RMSprop(Optimizer):
    """v = rho v + (1 - rho) g^2, w -= a g / sqrt(v + epsilon): Hinton 2012, lecture 6e, with epsilon inside the root.

    `centered` takes the square of the mean gradient from v; with `momentum` m, b = m b + a g / sqrt(v + epsilon), w -= b.

    >>> RMSprop(learning_rate=0.01).get_config()["rho"]
    0.9
    """

    __slots__ = ()
    engine_name = "rmsprop"

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *,
        global_clipnorm: float | None = None,
        **unsupported: object,
    ) -> None:
        rule = {
            "rho": real("RMSprop", "rho", rho, 0, 1),
            "momentum": real("RMSprop", "momentum", momentum, 0, 1),
            "epsilon": real("RMSprop", "epsilon", epsilon, 0, open_low=True),
            "centered": flag("RMSprop", "centered", centered),
        }
        super().__init__(learning_rate, rule, global_clipnorm, unsupported)


class Adam(Optimizer):
    """m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, w -= a_t m / (sqrt(v) + epsilon): Kingma and Ba 2015, section 2.

    a_t = a sqrt(1 - b2^t) / (1 - b1^t), the form before Algorithm 1's last lines are merged, where epsilon is their "epsilon hat".

    >>> Adam().get_config()["beta_2"]
    0.999
    """

    __slots__ = ()
    engine_name = "adam"

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        global_clipnorm: float | None = None,
        **unsupported: object,
    ) -> None:
        rule = {
            "beta_1": real("Adam", "beta_1", beta_1, 0, 1),
            "beta_2": real("Adam", "beta_2", beta_2, 0, 1),
            "epsilon": real("Adam", "epsilon", epsilon, 0, open_low=True),
        }
        super().__init__(learning_rate, rule, global_clipnorm, unsupported)


_CLASSES: dict[str, type[Optimizer]] = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam}


def get(identifier: object) -> Optimizer:
    """The optimizer that a name (in any case), a configuration or an object means.

    Raises ValueError for an unknown name.

    >>> type(get("adam")).__name__
    'Adam'
    """
    if isinstance(identifier, str) and identifier.lower() in _CLASSES:
        identifier = identifier.lower()
    return resolve("optimizer", identifier, Optimizer, _CLASSES)
