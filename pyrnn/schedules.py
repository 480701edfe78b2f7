"""Learning rates that follow the number of batches: Keras' six, linear warm-up, and one cycle.

A schedule is a function of the step, which is the number of batches trained before this one. Give it to an optimizer:

>>> import pyrnn
>>> schedule = pyrnn.optimizers.schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)
>>> optimizer = pyrnn.optimizers.SGD(learning_rate=schedule)
>>> optimizer.learning_rate, schedule(100), schedule(200)
(0.1, 0.05, 0.025)
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from ._checks import choice, flag, real, whole
from ._schedule import CLASSES, LearningRateSchedule, Rate, deserialize, rate, rate_at, serialize

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "LinearWarmup",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "ScaledSchedule",
    "deserialize",
    "serialize",
]


class _Decay(LearningRateSchedule):
    """From a rate on, with a number of steps as the unit of time."""

    def __init__(self, initial_learning_rate: float, decay_steps: int, name: str) -> None:
        owner = type(self).__name__
        self.initial_learning_rate = real(owner, "initial_learning_rate", initial_learning_rate, 0)
        self.decay_steps = whole(owner, "decay_steps", decay_steps)
        self._named(name)


class _StepDecay(_Decay):
    """By a rate of decay, in time that flows or moves in steps."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        owner = type(self).__name__
        super().__init__(initial_learning_rate, decay_steps, owner if name is None else name)
        self.decay_rate = real(owner, "decay_rate", decay_rate, 0)
        self.staircase = flag(owner, "staircase", staircase)

    def _time(self, step: int) -> float:
        return step // self.decay_steps if self.staircase else step / self.decay_steps


class ExponentialDecay(_StepDecay):
    """initial_learning_rate decay_rate^p, p = step / decay_steps, rounded down where `staircase`.

    >>> ExponentialDecay(0.5, decay_steps=10, decay_rate=0.5, staircase=True)(19)
    0.25
    """

    def __call__(self, step: int) -> float:
        return float(self.initial_learning_rate * self.decay_rate ** self._time(step))


class InverseTimeDecay(_StepDecay):
    """initial_learning_rate / (1 + decay_rate p), p = step / decay_steps, rounded down where `staircase`.

    >>> InverseTimeDecay(0.5, decay_steps=10, decay_rate=1.0)(10)
    0.25
    """

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate / (1 + self.decay_rate * self._time(step))


class PolynomialDecay(_Decay):
    """(initial_learning_rate - end_learning_rate) (1 - min(step / decay_steps, 1))^power + end_learning_rate.

    `cycle` starts again and again, each time from a lower rate: decay_steps becomes the first multiple of itself that step does
    not exceed.

    >>> PolynomialDecay(0.5, decay_steps=10, end_learning_rate=0.25)(5)
    0.375
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.end_learning_rate = real("PolynomialDecay", "end_learning_rate", end_learning_rate, 0)
        self.power = real("PolynomialDecay", "power", power, 0)
        self.cycle = flag("PolynomialDecay", "cycle", cycle)
        super().__init__(initial_learning_rate, decay_steps, name)

    def __call__(self, step: int) -> float:
        turns = max(1, math.ceil(step / self.decay_steps)) if self.cycle else 1
        left = 1 - min(step / (self.decay_steps * turns), 1.0)
        return float((self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate)


class CosineDecay(_Decay):
    """From a rate r to alpha r along half a cosine: r ((1 - alpha) (1 + cos(pi step / decay_steps)) / 2 + alpha).

    Loshchilov and Hutter 2017, equation 5, without restarts. With `warmup_target` the rate first rises in a line from
    initial_learning_rate to it, in `warmup_steps` steps, and the cosine starts there with r = warmup_target.

    >>> CosineDecay(0.0, decay_steps=100, warmup_target=0.5, warmup_steps=10)(5)
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.alpha = real("CosineDecay", "alpha", alpha, 0)
        self.warmup_steps = whole("CosineDecay", "warmup_steps", warmup_steps, low=0)
        if warmup_target is not None:
            warmup_target = real("CosineDecay", "warmup_target", warmup_target, 0)
        elif self.warmup_steps:
            raise ValueError(f"CosineDecay: warmup_target must be given with warmup_steps={warmup_steps}")
        self.warmup_target = warmup_target
        super().__init__(initial_learning_rate, decay_steps, name)

    def __call__(self, step: int) -> float:
        top = self.initial_learning_rate if self.warmup_target is None else self.warmup_target
        if step < self.warmup_steps:
            return _line(self.initial_learning_rate, top, step / self.warmup_steps)
        done = min((step - self.warmup_steps) / self.decay_steps, 1.0)
        return top * _cosine(1.0, self.alpha, done)


class CosineDecayRestarts(LearningRateSchedule):
    """Half a cosine from initial_learning_rate to alpha of it, again and again: Loshchilov and Hutter 2017, equation 5.

    The first takes `first_decay_steps` steps, each following one `t_mul` times as many and starts `m_mul` times as high.

    >>> schedule = CosineDecayRestarts(0.5, first_decay_steps=10)
    >>> schedule(9) < schedule(10) == schedule(30) == 0.5
    True
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        owner = "CosineDecayRestarts"
        self.initial_learning_rate = real(owner, "initial_learning_rate", initial_learning_rate, 0)
        self.first_decay_steps = whole(owner, "first_decay_steps", first_decay_steps)
        self.t_mul = real(owner, "t_mul", t_mul, 1)
        self.m_mul = real(owner, "m_mul", m_mul, 0, open_low=True)
        self.alpha = real(owner, "alpha", alpha, 0)
        self._named(name)

    def __call__(self, step: int) -> float:
        since, steps, restarts = float(step), float(self.first_decay_steps), 0
        if self.t_mul == 1:
            restarts, since = step // self.first_decay_steps, since % steps
        else:  # by subtraction: exact where t_mul and the steps are whole, which Keras' logarithms are not
            while since >= steps:
                since, steps, restarts = since - steps, steps * self.t_mul, restarts + 1
        height = self.m_mul**restarts * _cosine(1.0, 0.0, since / steps)
        return float(self.initial_learning_rate * ((1 - self.alpha) * height + self.alpha))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and including step boundaries[i], then the last of `values`, which has one more.

    >>> schedule = PiecewiseConstantDecay(boundaries=[10, 20], values=[0.5, 0.25, 0.125])
    >>> schedule(10), schedule(11), schedule(99)
    (0.5, 0.25, 0.125)
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        owner = "PiecewiseConstantDecay"
        for argument, given in (("boundaries", boundaries), ("values", values)):
            if not isinstance(given, list | tuple):
                raise TypeError(f"{owner}: {argument} must be a list of numbers, got {given!r}")
        self.boundaries = [real(owner, "boundaries", boundary, 0) for boundary in boundaries]
        self.values = [real(owner, "values", value, 0) for value in values]
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"{owner}: values must be one more than the {len(boundaries)} boundaries, got {len(values)}"
            )
        if any(low >= high for low, high in pairwise(self.boundaries)):
            raise ValueError(f"{owner}: boundaries must rise, got {list(boundaries)}")
        self._named(name)

    def __call__(self, step: int) -> float:
        return self.values[bisect_left(self.boundaries, step)]


class LinearWarmup(LearningRateSchedule):
    """In a line from initial_learning_rate to `learning_rate` in `warmup_steps` steps; `learning_rate` is what comes then.

    It is a number or a schedule, whose own steps start when the warm-up is over: Goyal and others 2017, section 2.2.

    >>> schedule = LinearWarmup(ExponentialDecay(0.5, 10, 0.5), warmup_steps=4)
    >>> schedule(0), schedule(2), schedule(4), schedule(14)
    (0.0, 0.25, 0.5, 0.25)
    """

    def __init__(
        self,
        learning_rate: Rate,
        warmup_steps: int,
        initial_learning_rate: float = 0.0,
        name: str = "LinearWarmup",
    ) -> None:
        self.learning_rate = rate("LinearWarmup", learning_rate)
        self.warmup_steps = whole("LinearWarmup", "warmup_steps", warmup_steps)
        self.initial_learning_rate = real("LinearWarmup", "initial_learning_rate", initial_learning_rate, 0)
        self._named(name)

    def __call__(self, step: int) -> float:
        then = rate_at(self.learning_rate, max(step - self.warmup_steps, 0))
        return then if step >= self.warmup_steps else _line(self.initial_learning_rate, then, step / self.warmup_steps)


class OneCycle(LearningRateSchedule):
    """Up to max_learning_rate and down to almost nothing, once: Smith 2018, section 4.1.

    From max_learning_rate / div_factor up in the share `pct_start` of `total_steps`, then down to
    max_learning_rate / (div_factor final_div_factor), where it stays; `anneal_strategy` is "cos" for half cosines or
    "linear". The names, defaults and values are those of PyTorch's OneCycleLR; momentum is not moved.

    >>> schedule = OneCycle(0.5, total_steps=100)
    >>> schedule(0), schedule(29)
    (0.02, 0.5)
    """

    def __init__(
        self,
        max_learning_rate: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        name: str = "OneCycle",
    ) -> None:
        self.max_learning_rate = real("OneCycle", "max_learning_rate", max_learning_rate, 0)
        self.total_steps = whole("OneCycle", "total_steps", total_steps)
        self.pct_start = real("OneCycle", "pct_start", pct_start, 0, 1, open_low=True)
        if self.pct_start * self.total_steps <= 1:
            raise ValueError(f"OneCycle: total_steps must be more than 1 / pct_start, got {total_steps}")
        self.anneal_strategy = choice("OneCycle", "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.div_factor = real("OneCycle", "div_factor", div_factor, 0, open_low=True)
        self.final_div_factor = real("OneCycle", "final_div_factor", final_div_factor, 0, open_low=True)
        self._named(name)

    def __call__(self, step: int) -> float:
        curve = _cosine if self.anneal_strategy == "cos" else _line
        first = self.max_learning_rate / self.div_factor
        top, end = self.pct_start * self.total_steps - 1, self.total_steps - 1
        if step <= top:
            return curve(first, self.max_learning_rate, step / top)
        return curve(self.max_learning_rate, first / self.final_div_factor, min((step - top) / (end - top), 1.0))


class ScaledSchedule(LearningRateSchedule):
    """`factor` times another schedule.

    >>> ScaledSchedule(ExponentialDecay(0.5, 10, 0.5), 0.5)(10)
    0.125
    """

    def __init__(self, schedule: LearningRateSchedule, factor: float, name: str = "ScaledSchedule") -> None:
        given = rate("ScaledSchedule", schedule)
        if isinstance(given, float):
            raise TypeError(f"ScaledSchedule: schedule must be a LearningRateSchedule, got {schedule!r}")
        self.schedule = given
        self.factor = real("ScaledSchedule", "factor", factor, 0)
        self._named(name)

    def __call__(self, step: int) -> float:
        return self.factor * self.schedule(step)


def _line(first: float, last: float, done: float) -> float:
    return first * (1 - done) + last * done


def _cosine(first: float, last: float, done: float) -> float:
    return _line(last, first, 0.5 * (1 + math.cos(math.pi * done)))


CLASSES.update(
    (cls.__name__, cls)
    for cls in (
        ExponentialDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
        InverseTimeDecay,
        CosineDecay,
        CosineDecayRestarts,
        LinearWarmup,
        OneCycle,
        ScaledSchedule,
    )
)
