"""How well a network knows a text: what it gives to each character that comes. Letters: L ids, N windows, T steps, V symbols."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

import pyrnn
from pyrnn.text import windows

from .texts import Ids

STEP = 3  # from one window to the next, as in Keras' example
# What is read before the first that is judged: no state tells of more, and to read a gigabyte takes half an hour.
BEFORE = 2**20
_PIECE = 4096  # ids that are read in one go
_PROBABILITIES = 2**20  # of one piece of a pass: few enough to take no memory to speak of


@dataclass(frozen=True)
class Scores:
    """Means over `symbols` of them: `bits`, which is -log2 of the probability of what came, and how often that was the likeliest."""

    bits: float
    accuracy: float
    symbols: int

    def perplexity(self, symbols: float = 1.0) -> float:
        """Among how many equally likely ones the next so many symbols could have been chosen: 2^(bits of them)."""
        bits = self.bits * symbols
        return math.inf if bits > 1000 else 2.0**bits


def one_pass(model: pyrnn.Sequential, ids: Ids, first: int = 1, piece: int | None = None) -> Scores:
    """Of ids[first:], read in one pass from the beginning of the text, `piece` by piece, with the state carried on.

    `first` is at least 1, as nothing tells of the first id. In a long text the pass begins BEFORE ids before it.
    """
    begun = max(0, first - BEFORE)
    ids, first = ids[begun:], first - begun
    size = piece or max(1, _PROBABILITIES // (model.output_shape[-1] or 1))
    # what is not judged is read without the V outputs, which for words are most of the work
    reader = up_to_last_states(model).stream()
    for begin in range(0, first - 1, _PIECE):
        reader.run(ids[begin : min(begin + _PIECE, first - 1), None])
    stream = model.stream()
    stream.set_state(reader.state)
    bits, right = 0.0, 0
    for begin in range(first, len(ids), size):
        following = ids[begin : begin + size]
        p = stream.run(ids[begin - 1 : begin - 1 + len(following), None])[:, 0]
        with np.errstate(divide="ignore"):  # a probability of 0 is no bits at all: infinity says so
            bits -= float(np.log2(p[np.arange(len(p)), following].astype(np.float64)).sum())
        right += int(np.count_nonzero(p.argmax(axis=1) == following))
    count = len(ids) - first
    return Scores(bits / count, right / count, count)


def up_to_last_states(model: pyrnn.Sequential) -> pyrnn.Sequential:
    """The same network up to its last recurrent layer."""
    last = max(i for i, layer in enumerate(model.get_config()["layers"]) if "return_sequences" in layer["config"])
    return first_layers(model, last + 1)


def first_layers(model: pyrnn.Sequential, count: int) -> pyrnn.Sequential:
    """A network of the first so many layers of `model`, with their weights as they are now."""
    config = model.get_config()
    return _rebuilt({**config, "layers": config["layers"][:count]}, model)


def by_windows(model: pyrnn.Sequential, ids: Ids, window: int, step: int = STEP) -> Scores:
    """Of the id after each window of `window` ids, a new one every `step`, read from a zero state."""
    x, y = windows(ids, window, step)
    judge = at_last_step(model)
    judge.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = judge.evaluate(x, y, batch_size=256, verbose=0)
    return Scores(loss / math.log(2), accuracy, len(x))


def at_last_step(model: pyrnn.Sequential) -> pyrnn.Sequential:
    """The same network, answering after the last step alone: ids [N, T] -> [N, V]."""
    config = model.get_config()
    recurrent = [layer["config"] for layer in config["layers"] if "return_sequences" in layer["config"]]
    recurrent[-1]["return_sequences"] = False
    return _rebuilt(config, model)


def _rebuilt(config: dict[str, Any], model: pyrnn.Sequential) -> pyrnn.Sequential:
    """A network of that configuration with the first weights of `model`, quantized where it is."""
    for layer in config["layers"]:  # no random numbers, nor the time that orthogonal ones take, for what is replaced
        layer["config"].update({name: "zeros" for name in layer["config"] if name.endswith("_initializer")})
    made = pyrnn.Sequential.from_config(config)
    made.set_weights(model.get_weights()[: len(made.get_weights())])
    return made if model.quantization is None else made.quantize(model.quantization)
