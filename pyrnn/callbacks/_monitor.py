"""Callbacks that act where one of the logged values improves, or does not."""

import math
import os
from typing import Any

from .._checks import choice, flag, real, refuse_unknown, whole
from ._base import Logs, Remembering


class Monitor(Remembering):
    """Follows one value of the logs and knows when it improves."""

    def __init__(self, monitor: str, mode: str, min_delta: float, best: float | None) -> None:
        self._kind = type(self).__name__
        self.monitor = monitor
        self.mode = choice(self._kind, "mode", mode, ("auto", "min", "max"))
        self.min_delta = abs(real(self._kind, "min_delta", min_delta, -math.inf))
        self.best = best

    def _improves(self, value: float, reference: float | None) -> bool:
        """Whether `value` is better than `reference` by more than min_delta. Raises ValueError where mode "auto" cannot tell."""
        mode = self.mode if self.mode != "auto" else self.model.metric_direction(self.monitor)
        if mode is None:
            raise ValueError(
                f"{self._kind}: mode must be 'min' or 'max' for monitor={self.monitor!r}, which is no compiled metric"
            )
        if reference is None:
            return not math.isnan(value)
        return value + self.min_delta < reference if mode == "min" else value - self.min_delta > reference

    def _current(self, logs: Logs | None) -> float:
        if not logs or self.monitor not in logs:
            known = ", ".join(logs or {})
            hint = "; give fit validation_data or validation_split" if self.monitor.startswith("val_") else ""
            raise ValueError(
                f"{self._kind}: monitor must be one of the logged values ({known}), got {self.monitor!r}{hint}"
            )
        return logs[self.monitor]


class EarlyStopping(Monitor):
    """Stops training when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    With `baseline`, patience is renewed only by values better than it; epochs before `start_from_epoch` are not watched.
    `restore_best_weights` ends with the weights of the best epoch watched. `mode` "auto" knows losses and compiled metrics.
    Raises ValueError in training where the logs have no `monitor`.

    >>> EarlyStopping(monitor="val_loss", patience=3).patience
    3
    """

    remembered = ("best", "best_epoch", "best_weights", "wait", "stopped_epoch")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        **unsupported: object,
    ) -> None:
        refuse_unknown("EarlyStopping", EarlyStopping.__init__, unsupported)
        super().__init__(monitor, mode, min_delta, None)
        self.patience = whole("EarlyStopping", "patience", patience, low=0)
        self.verbose = whole("EarlyStopping", "verbose", verbose, low=0)
        self.baseline = None if baseline is None else real("EarlyStopping", "baseline", baseline, -math.inf)
        self.restore_best_weights = flag("EarlyStopping", "restore_best_weights", restore_best_weights)
        self.start_from_epoch = whole("EarlyStopping", "start_from_epoch", start_from_epoch, low=0)
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self._current(logs)
        if epoch < self.start_from_epoch:
            return
        self.wait += 1
        improved = self._improves(value, self.best)
        if improved:
            self.best, self.best_epoch = value, epoch
            if self.baseline is None or self._improves(value, self.baseline):
                self.wait = 0
        if self.restore_best_weights and (improved or self.best_weights is None):
            self.best_weights = self.model.get_weights()
        if not improved and self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.verbose and self.stopped_epoch:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of epoch {self.best_epoch + 1}, the best")
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(Monitor):
    """Saves the model every epoch, or every `save_freq` batches; with `save_best_only`, only when `monitor` improves.

    `filepath` may have fields such as "{epoch:02d}-{val_loss:.2f}.safetensors": epoch counts from 1, as does batch with a number
    as `save_freq`; the others are logged values. `save_weights_only` writes what `load_weights` reads. Folders are made where missing. `initial_value_threshold` is a first best value.
    Raises ValueError in training where the logs have no `monitor` or a field of `filepath`, OSError where a file cannot be written.

    >>> ModelCheckpoint("runs/{epoch:02d}.safetensors").save_freq
    'epoch'
    """

    remembered = ("best", "_epoch", "_batches")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
        **unsupported: object,
    ) -> None:
        refuse_unknown("ModelCheckpoint", ModelCheckpoint.__init__, unsupported)
        super().__init__(monitor, mode, 0, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = whole("ModelCheckpoint", "verbose", verbose, low=0)
        self.save_best_only = flag("ModelCheckpoint", "save_best_only", save_best_only)
        self.save_weights_only = flag("ModelCheckpoint", "save_weights_only", save_weights_only)
        self.save_freq = "epoch" if save_freq == "epoch" else whole("ModelCheckpoint", "save_freq", save_freq)
        self._epoch = self._batches = 0
        if self.save_freq != "epoch":
            self.on_train_batch_end = self._count_batch  # type: ignore[method-assign]

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save({"epoch": epoch + 1, **(logs or {})}, logs)

    def _count_batch(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if self._batches == self.save_freq:
            self._batches = 0
            self._save({"epoch": self._epoch + 1, "batch": batch + 1, **(logs or {})}, logs)

    def _save(self, fields: dict[str, float], logs: Logs | None) -> None:
        if self.save_best_only:
            value = self._current(logs)
            if not self._improves(value, self.best):
                return
            self.best = value
        try:
            path = self.filepath.format(**fields)
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"ModelCheckpoint: filepath must have fields of {', '.join(fields)} only, got {self.filepath!r}"
            ) from error
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: saved {path}")
