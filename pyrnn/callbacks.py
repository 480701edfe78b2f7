"""Callbacks of `Sequential.fit`, as in Keras."""

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ._checks import choice, flag, real, refuse_unknown, whole

if TYPE_CHECKING:
    from .models import Sequential

__all__ = ["Callback", "EarlyStopping", "History", "LambdaCallback", "ModelCheckpoint"]

Logs = dict[str, float]
Hook = Callable[..., object]


class Callback:
    """Base of all: override the hooks you need. `model` and `params` (verbose, epochs, steps) are set before training.

    Epochs and batches count from 0. `logs` at the end of a batch are the means of the epoch so far; at the end of an epoch
    they are the epoch's, with those of the validation data named val_... Hooks of batches that are not overridden cost nothing.
    Setting `model.stop_training = True` ends training after the current batch or epoch.
    """

    model: "Sequential"
    params: dict[str, Any]

    def set_model(self, model: "Sequential") -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None: ...
    def on_train_end(self, logs: Logs | None = None) -> None: ...
    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None: ...
    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None: ...
    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None: ...
    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None: ...
    def on_test_begin(self, logs: Logs | None = None) -> None: ...
    def on_test_end(self, logs: Logs | None = None) -> None: ...
    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None: ...
    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None: ...


def overridden(callbacks: Sequence[Callback], name: str) -> list[Hook]:
    """The hooks called `name` of those callbacks that have one of their own, in order."""
    hooks = [getattr(callback, name) for callback in callbacks]
    return [hook for hook in hooks if getattr(hook, "__func__", None) is not getattr(Callback, name)]


class LambdaCallback(Callback):
    """A callback from functions, for example `LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))`.

    >>> LambdaCallback(on_train_begin=lambda logs: None).on_train_begin({})
    """

    def __init__(
        self,
        on_epoch_begin: Hook | None = None,
        on_epoch_end: Hook | None = None,
        on_train_begin: Hook | None = None,
        on_train_end: Hook | None = None,
        on_train_batch_begin: Hook | None = None,
        on_train_batch_end: Hook | None = None,
        **unsupported: object,
    ) -> None:
        refuse_unknown("LambdaCallback", LambdaCallback.__init__, unsupported)
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in given.items():
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"LambdaCallback: {name} must be a function, got {function!r}")
            setattr(self, name, function)


class History(Callback):
    """What `fit` returns: `history`, by name a list with a value per epoch, and `epoch`, the numbers of the epochs.

    >>> History().history
    {}
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class _Monitor(Callback):
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


class EarlyStopping(_Monitor):
    """Stops training when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    With `baseline`, patience is renewed only by values better than it; epochs before `start_from_epoch` are not watched.
    `restore_best_weights` ends with the weights of the best epoch watched. `mode` "auto" knows losses and compiled metrics.
    Raises ValueError in training where the logs have no `monitor`.

    >>> EarlyStopping(monitor="val_loss", patience=3).patience
    3
    """

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
    ) -> None:
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


class ModelCheckpoint(_Monitor):
    """Saves the model every epoch, or every `save_freq` batches; with `save_best_only`, only when `monitor` improves.

    `filepath` may have fields such as "{epoch:02d}-{val_loss:.2f}.safetensors": epoch counts from 1, as does batch with a number
    as `save_freq`; the others are logged values. Folders are made where missing. `initial_value_threshold` is a first best value.
    Raises ValueError in training where the logs have no `monitor` or a field of `filepath`, OSError where a file cannot be written.

    >>> ModelCheckpoint("runs/{epoch:02d}.safetensors").save_freq
    'epoch'
    """

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
    ) -> None:
        super().__init__(monitor, mode, 0, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = whole("ModelCheckpoint", "verbose", verbose, low=0)
        self.save_best_only = flag("ModelCheckpoint", "save_best_only", save_best_only)
        if flag("ModelCheckpoint", "save_weights_only", save_weights_only):
            raise ValueError(
                "ModelCheckpoint: save_weights_only is not supported; the whole model is saved, and load_model reads it"
            )
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
        self.model.save(path)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: saved {path}")
