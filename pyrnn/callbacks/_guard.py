"""Callbacks for training that goes wrong."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from .._checks import flag, real, refuse_unknown, whole
from ..schedules import ScaledSchedule
from ._base import Callback, Logs, Remembering

if TYPE_CHECKING:
    from .._core import OptimizerState


class TerminateOnNaN(Callback):
    """Stops training at the first batch whose loss is NaN or infinite; with `raise_error` by a RuntimeError.

    >>> TerminateOnNaN().raise_error
    False
    """

    def __init__(self, raise_error: bool = False, **unsupported: object) -> None:
        refuse_unknown("TerminateOnNaN", TerminateOnNaN.__init__, unsupported)
        self.raise_error = flag("TerminateOnNaN", "raise_error", raise_error)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"TerminateOnNaN: the loss of batch {batch + 1} is {loss}")
        print(f"Batch {batch + 1}: the loss is {loss}, training ends")
        self.model.stop_training = True


class _Snapshot(NamedTuple):
    weights: list[Any]
    optimizer: "OptimizerState"  # its moments: those of a diverging network would drive any weights away again


def _described(snapshot: _Snapshot) -> dict[str, Any]:
    """With names in place of the pairs (op, weight) of the engine."""
    slots = snapshot.optimizer["slots"].items()
    named = {slot: {f"{op}/{name}": value for (op, name), value in values.items()} for slot, values in slots}
    return {"weights": snapshot.weights, "iterations": snapshot.optimizer["iterations"], "slots": named}


def _snapshot_from(described: dict[str, Any]) -> _Snapshot:
    def key(name: str) -> tuple[int, str]:
        op, weight = name.split("/")
        return int(op), weight

    slots = {slot: {key(name): v for name, v in values.items()} for slot, values in described["slots"].items()}
    return _Snapshot(described["weights"], {"iterations": described["iterations"], "slots": slots})


class DivergenceGuard(Remembering):
    """Where the loss jumps, goes back to the best weights and halves the learning rate.

    Networks that learn well for a long time may still explode: Keras' text generation with RMSprop(0.01) is known to reach
    a loss of 1.33 at epoch 69, and 4.97 at epoch 71, from which it never returns. With

    >>> guard = DivergenceGuard()

    among the callbacks of `fit` it goes on at 1.33, with a rate of 0.005.

    The loss is watched over windows of `window` batches, or one epoch where that is shorter. It has jumped when it is not finite,
    or a window's mean exceeds `factor` times that of the best window and this by more than `min_delta`. That is noticed
    in the batch where the window's sum is too much already, whatever follows. The best weights are those at the beginning of the best
    window, so their goodness was measured after them; the optimizer's moments go back with them. Then the learning rate is
    multiplied by `rate_factor`, as number or schedule, and the means that `fit` logs begin anew. After `max_rollbacks`
    the next jump ends the training with the best weights.

    A rate that is too high from the first batch, so that nothing is learnt, is no jump unless the loss keeps growing.
    Two copies of weights and moments are kept. "rollbacks", the number so far, and "learning_rate" are logged per epoch.
    `verbose` prints a line for each. In a later `fit` of the same model the guard knows what it has seen, until `compile`.
    """

    remembered = ("best", "rollbacks", "_sum", "_count", "_epoch", "_mean", "_batches")

    def __init__(
        self,
        factor: float = 2.0,
        min_delta: float = 0.1,
        window: int = 100,
        rate_factor: float = 0.5,
        max_rollbacks: int = 10,
        verbose: int = 1,
        **unsupported: object,
    ) -> None:
        owner = "DivergenceGuard"
        refuse_unknown(owner, DivergenceGuard.__init__, unsupported)
        self.factor = real(owner, "factor", factor, 1, open_low=True)
        self.min_delta = real(owner, "min_delta", min_delta, 0)
        self.window = whole(owner, "window", window)
        self.rate_factor = real(owner, "rate_factor", rate_factor, 0, 1, open_low=True)
        self.max_rollbacks = whole(owner, "max_rollbacks", max_rollbacks, low=0)
        self.verbose = whole(owner, "verbose", verbose, low=0)
        self.best, self.rollbacks = math.inf, 0
        self._watched: tuple[object, object] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._network = self.model._require_network()
        watched = (self._network, self.model._require_compiled("fit"))
        self._begin = self._snapshot()
        if self._watched != watched:
            self._watched, self._kept = watched, self._begin
            self.best, self.rollbacks = math.inf, 0
        self._size = min(self.window, self.params["steps"] or self.window)
        self._sum, self._count = 0.0, 0

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "begin": _described(self._begin), "kept": _described(self._kept)}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._begin, self._kept = _snapshot_from(state["begin"]), _snapshot_from(state["kept"])

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch
        self._mean, self._batches = 0.0, 0  # as logged: since the beginning of the epoch, or the last jump

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        mean, before = (logs or {})["loss"], self._batches
        self._sum += mean + before * (mean - self._mean)  # the batch's own loss: (n + 1) mean_n+1 - n mean_n
        self._mean, self._batches = mean, before + 1
        self._count += 1
        limit = max(self.factor * self.best, self.best + self.min_delta)
        if not math.isfinite(self._sum) or self._sum > limit * self._size:
            self._go_back(batch)
        elif self._count == self._size:
            self._end_window()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["rollbacks"] = self.rollbacks
            logs["learning_rate"] = self.model.optimizer.learning_rate

    def _snapshot(self) -> _Snapshot:
        return _Snapshot(self.model.get_weights(), self._network.get_optimizer_state())

    def _end_window(self) -> None:
        if self._sum / self._count < self.best:
            self.best, self._kept = self._sum / self._count, self._begin
        self._begin = self._snapshot()
        self._sum, self._count = 0.0, 0

    def _go_back(self, batch: int) -> None:
        self.model.set_weights(self._kept.weights)
        self._network.set_optimizer_state(self._kept.optimizer)
        self._begin = self._kept
        jump = f"the loss has jumped from {self.best:.4f} to {self._sum / self._count:.4f}"
        self.model.reset_metrics()
        self._sum, self._count, self._mean, self._batches = 0.0, 0, 0.0, 0
        if self.rollbacks == self.max_rollbacks:
            self.model.stop_training = True
            then = f"training ends with the best weights after {self.rollbacks} rollbacks"
        else:
            self.rollbacks += 1
            then = f"back to the best weights, learning rate {self._lower_rate():g}"
        if self.verbose:
            print(f"Epoch {self._epoch + 1}, batch {batch + 1}: {jump}; {then}")

    def _lower_rate(self) -> float:
        optimizer = self.model.optimizer
        schedule, factor = optimizer.learning_rate_schedule, self.rate_factor
        if schedule is None:
            optimizer.learning_rate = optimizer.learning_rate * factor
        elif isinstance(schedule, ScaledSchedule):
            optimizer.learning_rate = ScaledSchedule(schedule.schedule, schedule.factor * factor)
        else:
            optimizer.learning_rate = ScaledSchedule(schedule, factor)
        return optimizer.learning_rate
