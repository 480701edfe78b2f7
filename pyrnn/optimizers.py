"""Optimizers with the update rules and defaults of Keras 3. They describe; the engine computes.

In the rules w is a weight, g its gradient, a the learning rate.
"""

import sys
import warnings
from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from . import schedules
from ._checks import flag, real, refuse_unknown, whole
from ._registry import Configured, resolve
from ._schedule import LearningRateSchedule, Rate, rate, rate_at, serialize

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Lion", "Nadam", "Optimizer", "RMSprop", "get", "schedules"]

sys.modules[f"{__name__}.schedules"] = schedules  # `from pyrnn.optimizers.schedules import ...`, as Keras has it

_EMA_MOMENTUM = 0.99


class OptionsBesideDecay(TypedDict, total=False):
    """What every optimizer takes, by name; `Optimizer` says what they mean."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    gradient_accumulation_steps: int | None
    lr: float


class Options(OptionsBesideDecay, total=False):
    weight_decay: float | None


class Optimizer(Configured):
    """Base of all. `learning_rate` may be set at any time and counts from the next batch; all else is fixed.

    It is a number, or one of `pyrnn.optimizers.schedules`, and reads as the number that the next batch is trained with:
    the schedule at `iterations`, the batches trained since `compile`. A number set in its place replaces a schedule.

    Every optimizer takes by name, in Keras' meaning:

    - `weight_decay` d: before each step w -= a d w, for all weights (Loshchilov and Hutter 2019).
    - At most one of `clipnorm` c, which scales the gradient of each weight tensor by c / |g| where its norm |g| is more than c,
      `global_clipnorm`, the same with the common norm of all gradients, and `clipvalue` c, which takes values to [-c, c].
    - `use_ema`: a moving average of all weights, e = m e + (1 - m) w after every batch, m being `ema_momentum`. It takes the place
      of the weights at the end of `fit`, and with `ema_overwrite_frequency` n at every n-th step too.
    - `gradient_accumulation_steps` n of at least 2: one step every n batches, with the mean of their gradients.

    `lr` is the old name of `learning_rate` and raises a DeprecationWarning. Raises TypeError for an argument of the wrong type or an
    unknown name, ValueError for a value out of range.

    >>> optimizer = Adam(weight_decay=0.01, clipnorm=1.0)
    >>> optimizer.learning_rate = 0.0005
    >>> optimizer.learning_rate
    0.0005
    """

    __slots__ = ("_learning_rate", "_options", "_rule", "iterations")
    engine_name: str

    def __init__(self, learning_rate: Rate, rule: dict[str, Any], options: Mapping[str, Any]) -> None:
        owner, constructor = type(self).__name__, type(self).__init__
        refuse_unknown(owner, constructor, {n: v for n, v in options.items() if n not in _OPTIONS}, _OPTIONS)
        if "lr" in options:
            if learning_rate is not (constructor.__defaults__ or (None,))[0]:
                raise TypeError(f"{owner}: lr is the old name of learning_rate, got both")
            warnings.warn(f"{owner}: lr is the old name of learning_rate", DeprecationWarning, stacklevel=3)
            learning_rate = options["lr"]
        self.iterations = 0
        self.learning_rate = learning_rate
        self._rule = rule
        self._options = _checked(owner, options)

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
        return {"learning_rate": described, **self.get_fixed_config()}

    def get_fixed_config(self) -> dict[str, Any]:
        """The constructor's arguments without the learning rate: what never changes."""
        return {**self._rule, **self._options}

    def engine_spec(self) -> dict[str, Any]:
        given = {name: value for name, value in self._options.items() if value is not None}
        return {"name": self.engine_name, **self._rule, **given}


_OPTIONS = [*Options.__annotations__]
_CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


def _checked(owner: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options but lr, with their defaults."""
    decay = options.get("weight_decay")
    checked = {"weight_decay": None if decay is None else real(owner, "weight_decay", decay, 0)}
    for name in _CLIPS:
        value = options.get(name)
        checked[name] = None if value is None else real(owner, name, value, 0, open_low=True)
    clips = [f"{name}={checked[name]:g}" for name in _CLIPS if checked[name] is not None]
    if len(clips) > 1:
        raise ValueError(f"{owner}: at most one of {', '.join(_CLIPS)} may be given, got {', '.join(clips)}")
    use_ema = flag(owner, "use_ema", options.get("use_ema", False))
    momentum = real(owner, "ema_momentum", options.get("ema_momentum", _EMA_MOMENTUM), 0, 1)
    frequency = _count(owner, "ema_overwrite_frequency", options, low=1)
    if not use_ema and (momentum, frequency) != (_EMA_MOMENTUM, None):
        raise ValueError(f"{owner}: ema_momentum and ema_overwrite_frequency need use_ema=True")
    accumulation = _count(owner, "gradient_accumulation_steps", options, low=2)
    ema = {"use_ema": use_ema, "ema_momentum": momentum, "ema_overwrite_frequency": frequency}
    return {**checked, **ema, "gradient_accumulation_steps": accumulation}


def _count(owner: str, name: str, options: Mapping[str, Any], low: int) -> int | None:
    value = options.get(name)
    return None if value is None else whole(owner, name, value, low)


class SGD(Optimizer):
    """w -= a g; with momentum m: v = m v - a g, w += v, or w += m v - a g where `nesterov`.

    The other options are every `Optimizer`'s.

    >>> SGD(momentum=0.9).get_config()["momentum"]
    0.9
    """

    __slots__ = ()
    engine_name = "sgd"

    def __init__(
        self, learning_rate: Rate = 0.01, momentum: float = 0.0, nesterov: bool = False, **options: Unpack[Options]
    ) -> None:
        momentum = real("SGD", "momentum", momentum, 0)
        if momentum > 1:
            raise ValueError(f"SGD: momentum must be at most 1, got {momentum:g}")
        rule = {"momentum": momentum, "nesterov": flag("SGD", "nesterov", nesterov)}
        super().__init__(learning_rate, rule, options)


class RMSprop(Optimizer):
    """v = rho v + (1 - rho) g^2, w -= a g / sqrt(v + epsilon): Hinton 2012, lecture 6e, with epsilon inside the root.

    `centered` takes the square of the mean gradient from v; with `momentum` m, b = m b + a g / sqrt(v + epsilon), w -= b.
    The other options are every `Optimizer`'s.

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
        **options: Unpack[Options],
    ) -> None:
        rule = {
            "rho": real("RMSprop", "rho", rho, 0, 1),
            "momentum": real("RMSprop", "momentum", momentum, 0, 1),
            "epsilon": real("RMSprop", "epsilon", epsilon, 0, open_low=True),
            "centered": flag("RMSprop", "centered", centered),
        }
        super().__init__(learning_rate, rule, options)


def _moments(owner: str, beta_1: float, beta_2: float, epsilon: float) -> dict[str, Any]:
    return {
        "beta_1": real(owner, "beta_1", beta_1, 0, 1),
        "beta_2": real(owner, "beta_2", beta_2, 0, 1),
        "epsilon": real(owner, "epsilon", epsilon, 0, open_low=True),
    }


class Adam(Optimizer):
    """m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, w -= a_t m / (sqrt(v) + epsilon): Kingma and Ba 2015, section 2.

    a_t = a sqrt(1 - b2^t) / (1 - b1^t), the form before Algorithm 1's last lines are merged, where epsilon is their "epsilon hat".
    `amsgrad` divides by the largest v so far (Reddi et al. 2018, algorithm 2). The other options are every `Optimizer`'s.

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
        amsgrad: bool = False,
        **options: Unpack[Options],
    ) -> None:
        rule = {**_moments("Adam", beta_1, beta_2, epsilon), "amsgrad": flag("Adam", "amsgrad", amsgrad)}
        super().__init__(learning_rate, rule, options)


class AdamW(Adam):
    """Adam with weight decay by default: Loshchilov and Hutter 2019, algorithm 2, with a as the multiplier of both.

    >>> AdamW().get_config()["weight_decay"]
    0.004
    """

    __slots__ = ()

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptionsBesideDecay],
    ) -> None:
        rule = {**_moments("AdamW", beta_1, beta_2, epsilon), "amsgrad": flag("AdamW", "amsgrad", amsgrad)}
        decay = real("AdamW", "weight_decay", weight_decay, 0)
        Optimizer.__init__(self, learning_rate, rule, {**options, "weight_decay": decay})


class Nadam(Optimizer):
    """Adam with Nesterov's momentum: Dozat 2015, algorithm 2, with momenta u_t = b1 (1 - 0.96^t / 2).

    m and v as Adam's; w -= a (u_{t+1} m / (1 - u_1 ... u_{t+1}) + (1 - u_t) g / (1 - u_1 ... u_t)) / (sqrt(v / (1 - b2^t)) + epsilon).
    The other options are every `Optimizer`'s.

    >>> Nadam().get_config()["beta_1"]
    0.9
    """

    __slots__ = ()
    engine_name = "nadam"

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, _moments("Nadam", beta_1, beta_2, epsilon), options)


class Adagrad(Optimizer):
    """s = s + g^2, w -= a g / sqrt(s + epsilon), s beginning at `initial_accumulator_value`: Duchi et al. 2011, figure 1.

    The other options are every `Optimizer`'s.

    >>> Adagrad(0.1).get_config()["initial_accumulator_value"]
    0.1
    """

    __slots__ = ()
    engine_name = "adagrad"

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        rule = {
            "initial_accumulator_value": real("Adagrad", "initial_accumulator_value", initial_accumulator_value, 0),
            "epsilon": real("Adagrad", "epsilon", epsilon, 0, open_low=True),
        }
        super().__init__(learning_rate, rule, options)


class Lion(Optimizer):
    """w -= a sign(b1 m + (1 - b1) g), then m = b2 m + (1 - b2) g: Chen et al. 2023, algorithm 2.

    A rate 3 to 10 times smaller than AdamW's, and a weight decay as much larger, suit it (their section 5).
    The other options are every `Optimizer`'s.

    >>> Lion(1e-4, weight_decay=0.04).get_config()["beta_2"]
    0.99
    """

    __slots__ = ()
    engine_name = "lion"

    def __init__(
        self, learning_rate: Rate = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **options: Unpack[Options]
    ) -> None:
        rule = {"beta_1": real("Lion", "beta_1", beta_1, 0, 1), "beta_2": real("Lion", "beta_2", beta_2, 0, 1)}
        super().__init__(learning_rate, rule, options)


_CLASSES: dict[str, type[Optimizer]] = {
    cls.__name__.lower(): cls for cls in (SGD, RMSprop, Adam, AdamW, Nadam, Adagrad, Lion)
}


def get(identifier: object) -> Optimizer:
    """The optimizer that a name (in any case), a configuration or an object means.

    Raises ValueError for an unknown name.

    >>> type(get("adamw")).__name__
    'AdamW'
    """
    if isinstance(identifier, str) and identifier.lower() in _CLASSES:
        identifier = identifier.lower()
    return resolve("optimizer", identifier, Optimizer, _CLASSES)
