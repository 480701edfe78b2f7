"""Callbacks that set the learning rate between epochs."""

from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING

from .._checks import real, refuse_unknown, whole
from ._base import Callback, Logs
from ._monitor import Monitor

if TYPE_CHECKING:
    from ..models import Sequential


def refuse_schedule(owner: str, model: "Sequential") -> None:
    """Raise ValueError where a schedule decides on the learning rate: a number in its place would end it."""
    schedule = model.optimizer.learning_rate_schedule
    if schedule is not None:
        raise ValueError(
            f"{owner}: the optimizer's learning_rate must be a number, got the schedule {type(schedule).__name__};"
            " use one of both"
        )


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch to `schedule(epoch, current rate)`, or `schedule(epoch)`; epochs count from 0.

    The rate is logged as "learning_rate". For a rate that moves from batch to batch give the optimizer one of
    `pyrnn.optimizers.schedules`. Raises TypeError or ValueError in training where `schedule` returns no rate, ValueError
    where the optimizer has a schedule of its own.

    >>> LearningRateScheduler(lambda epoch, rate: rate if epoch < 10 else rate * 0.9).verbose
    0
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0, **unsupported: object) -> None:
        refuse_unknown("LearningRateScheduler", LearningRateScheduler.__init__, unsupported)
        if not callable(schedule):
            raise TypeError(f"LearningRateScheduler: schedule must be a function of the epoch, got {schedule!r}")
        self.schedule = schedule
        self.verbose = whole("LearningRateScheduler", "verbose", verbose, low=0)
        self._takes_rate = _accepts(schedule, 2)
        if not self._takes_rate and not _accepts(schedule, 1):
            raise TypeError(
                f"LearningRateScheduler: schedule must take the epoch, or the epoch and the rate, got {schedule!r}"
            )

    def on_train_begin(self, logs: Logs | None = None) -> None:
        refuse_schedule("LearningRateScheduler", self.model)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        rate = self.schedule(epoch, optimizer.learning_rate) if self._takes_rate else self.schedule(epoch)
        optimizer.learning_rate = real("LearningRateScheduler", "schedule's result", rate, 0)
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is {optimizer.learning_rate:g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


def _accepts(function: Callable[..., object], count: int) -> bool:
    """Whether `function` may be called with `count` arguments."""
    try:
        signature(function).bind(*range(count))
    except TypeError:
        return False
    return True


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    After that `cooldown` epochs pass before it waits again; the rate never falls below `min_lr`. The rate of the epoch is logged
    as "learning_rate". `mode` "auto" knows losses and compiled metrics. Raises ValueError in training where the logs have no
    `monitor`, or the optimizer has a schedule.

    >>> ReduceLROnPlateau(monitor="loss", factor=0.5, patience=2).min_lr
    0.0
    """

    remembered = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **unsupported: object,
    ) -> None:
        owner = "ReduceLROnPlateau"
        refuse_unknown(owner, ReduceLROnPlateau.__init__, unsupported)
        super().__init__(monitor, mode, min_delta, None)
        self.factor = real(owner, "factor", factor, 0, 1)
        self.patience = whole(owner, "patience", patience, low=0)
        self.verbose = whole(owner, "verbose", verbose, low=0)
        self.cooldown = whole(owner, "cooldown", cooldown, low=0)
        self.min_lr = real(owner, "min_lr", min_lr, 0)
        self.cooldown_counter = self.wait = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        refuse_schedule("ReduceLROnPlateau", self.model)
        self.best = None
        self.cooldown_counter = self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self._current(logs)
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._improves(value, self.best):
            self.best, self.wait = value, 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        optimizer = self.model.optimizer
        if optimizer.learning_rate <= self.min_lr:
            return
        optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
        self.cooldown_counter, self.wait = self.cooldown, 0
        if self.verbose:
            print(
                f"Epoch {epoch + 1}: {self.monitor} is on a plateau; the learning rate is {optimizer.learning_rate:g}"
            )
