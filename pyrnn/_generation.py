"""Ids that a model writes on, a chunk at a time. Letters: B rows, V symbols."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from . import _random
from ._checks import choice, real, whole
from ._network import input_spec, plan_ops
from .models import Sequential

MODES = ("stateful", "window")
_LONGEST_CHUNK = 64  # symbols of one call: many enough that it costs nothing, few enough to be seen as they come


class Generation:
    """Rows of ids, each a prompt and `length` more, of which `chunks` draws the latter.

    Raises TypeError or ValueError, of the caller `owner`, for what does not fit.
    """

    def __init__(
        self,
        owner: str,
        model: Sequential,
        symbols: int,
        prompts: Sequence[npt.ArrayLike],
        length: int,
        temperatures: Sequence[float],
        top_k: int | None,
        top_p: float | None,
        seed: int | None,
        mode: str,
        window: int | None,
    ) -> None:
        self._owner = owner
        check_model(owner, model, symbols)
        self._window = _checked_window(owner, choice(owner, "mode", mode, MODES), window, model)
        self._length = whole(owner, "length", length, low=0)
        self._temperatures = np.array([real(owner, "temperature", value, 0) for value in temperatures])
        self._top_k = 0 if top_k is None else min(whole(owner, "top_k", top_k), symbols)
        self._top_p = 1.0 if top_p is None else _checked_share(owner, top_p)
        self._keys = _keys(owner, seed, len(prompts))
        self._known = np.array([np.size(prompt) for prompt in prompts], np.int64)
        self._ids = np.empty((len(prompts), int(self._known.max()) + self._length), np.int32)
        for row, prompt in zip(self._ids, prompts, strict=True):
            row[: np.size(prompt)] = prompt
        self._stream = model._require_network().stream(len(prompts))

    def chunks(self) -> Iterator[list[npt.NDArray[np.int32]]]:
        """The next ids of each row: first one, then more at a time; of a row with a longer prompt they come later."""
        begin, size = 0, 1
        end = int(self._known.min())
        last = self._ids.shape[1] - 1
        while self._length and begin < last:
            end = min(end, last)
            self._draw(begin, end)
            yield [
                row[max(known, begin + 1) : min(end + 1, known + self._length)]
                for row, known in zip(self._ids, self._known, strict=True)
            ]
            size = min(2 * size, _LONGEST_CHUNK)
            begin, end = end, end + size

    def _draw(self, begin: int, end: int) -> None:
        rows = self._ids, self._known, self._temperatures, self._keys
        try:
            self._stream.generate(*rows, self._top_k, self._top_p, self._window, begin, end)
        except ValueError as error:
            raise ValueError(f"{self._owner}: nothing can be drawn from the model's output: {error}") from None


def check_model(owner: str, model: Sequential, symbols: int) -> None:
    """Raise unless a model reads ids of so many symbols and ends with their probabilities or logits."""
    if not isinstance(model, Sequential):
        raise TypeError(f"{owner}: model must be a Sequential, got {type(model).__name__}")
    spec = input_spec(model.layers) if model.built else None
    if spec is None:
        raise ValueError(f"{owner}: model must have its shapes: begin it with Input")
    if not (spec.takes_ids and spec.sequence):
        raise ValueError(f"{owner}: model must read sequences of ids, but its input is {spec.shape}, of vectors")
    if spec.padding is not None:
        raise ValueError(f"{owner}: model must read every id as a symbol, but {spec.padding} is padding (mask_zero)")
    if spec.features != symbols:
        raise ValueError(f"{owner}: model must read the vocabulary's {symbols} symbols, but it reads {spec.features}")
    if model.output_shape[-1] != symbols:
        raise ValueError(
            f"{owner}: model must have an output for each of the vocabulary's {symbols} symbols,"
            f" got {model.output_shape[-1]}"
        )
    op = plan_ops(model.layers)[0][-1]
    if (op["op"], op.get("activation")) not in (("dense", "softmax"), ("dense", "linear"), ("activation", "softmax")):
        raise ValueError(
            f"{owner}: model must end with softmax, or with the logits of a linear Dense layer, got {model.layers[-1].title}"
        )


def _checked_window(owner: str, mode: str, window: int | None, model: Sequential) -> int:
    """The number of symbols that the model reads for each new one; 0 in stateful mode."""
    if mode == "stateful":
        if window is not None:
            raise ValueError(f"{owner}: window must not be given with mode='stateful', which reads all, got {window!r}")
        return 0
    steps = model.input_shape[1]
    if window is None:
        if steps is None:
            raise ValueError(f"{owner}: mode='window' needs window, since the model reads any number of steps")
        return steps
    size = whole(owner, "window", window)
    if steps not in (None, size):
        raise ValueError(f"{owner}: window must be the model's {steps} steps, got {size}")
    return size


def _checked_share(owner: str, top_p: float) -> float:
    share = real(owner, "top_p", top_p, 0, open_low=True)
    if share > 1:
        raise ValueError(f"{owner}: top_p must be at most 1, got {share:g}")
    return share


def _keys(owner: str, seed: int | None, rows: int) -> npt.NDArray[np.uint64]:
    first = _random.draw_seed() if seed is None else whole(owner, "seed", seed, low=0)
    if first >= 2**64:
        raise ValueError(f"{owner}: seed must be less than 2**64, got {first}")
    return np.array([(first + row) % 2**64 for row in range(rows)], np.uint64)
