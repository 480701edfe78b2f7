"""What a callback is, and the two simplest."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from .._checks import refuse_unknown

if TYPE_CHECKING:
    from ..models import Sequential

Logs = dict[str, float]
Hook = Callable[..., object]


class Callback:
    """Base of all: override the hooks you need. `model` and `params` (verbose, epochs, steps) are set before training.

    Epochs and batches count from 0. `logs` at the end of a batch are the means of the epoch so far; at the end of an epoch
    they are the epoch's, with those of the validation data named val_... Hooks of batches that are not overridden cost nothing.
    Setting `model.stop_training = True` ends training after the current batch or epoch.

    What a callback must know to go on from a checkpoint, it gives by `get_state` and takes by `set_state`. Where training is
    resumed, `on_train_begin` comes first, then `set_state`, then the hooks that have not been called yet: none twice.
    """

    model: "Sequential"
    params: dict[str, Any]
    resumed = False  # set before training: whether it goes on from a checkpoint

    def set_model(self, model: "Sequential") -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def get_state(self) -> dict[str, Any]:
        """For a checkpoint: plain values and arrays, in lists and dictionaries with names. Asked of those that define it."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was asked."""

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


class Remembering(Callback):
    """A callback whose state are its attributes `remembered`."""

    remembered: ClassVar[Sequence[str]]

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.remembered}

    def set_state(self, state: dict[str, Any]) -> None:
        for name in self.remembered:
            setattr(self, name, state[name])


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


class History(Remembering):
    """What `fit` returns: `history`, by name a list with a value per epoch, and `epoch`, the numbers of the epochs.

    >>> History().history
    {}
    """

    remembered = ("history", "epoch")

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
