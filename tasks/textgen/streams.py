"""A text as parallel streams: every character is a target, and the state goes on from chunk to chunk."""

import math

import pyrnn
from pyrnn import layers, optimizers

from .. import _options
from .texts import Ids


def streams(ids: Ids, count: int) -> tuple[Ids, Ids]:
    """Runs of ids [L] of equal length, `count` one after another, and of each character the next: x, y [count, T]. Views.

    >>> import numpy as np
    >>> x, y = streams(np.arange(8, dtype=np.uint8), 2)
    >>> x
    array([[0, 1, 2],
           [3, 4, 5]], dtype=uint8)
    >>> y
    array([[1, 2, 3],
           [4, 5, 6]], dtype=uint8)
    """
    used = (len(ids) - 1) // count * count
    return ids[:used].reshape(count, -1), ids[1 : used + 1].reshape(count, -1)


def build(symbols: int, hidden: int, depth: int, dropout: float, cell: _options.Cell) -> pyrnn.Sequential:
    """Ids [N, T] -> probabilities [N, T, V] of the character after each; `dropout` behind every recurrent layer."""
    model = pyrnn.Sequential([pyrnn.Input((None, symbols))])
    for _ in range(depth):
        model.add(cell(hidden, return_sequences=True))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(symbols, activation="softmax"))
    return model


def optimizer(rate: float, updates: int) -> optimizers.Adam:
    """Adam that warms up for a twentieth of all updates, then falls by a cosine to 0; the gradients' norm is at most 1."""
    warm_up = max(1, updates // 20)
    schedule = optimizers.schedules.CosineDecay(
        rate / 20, max(1, updates - warm_up), warmup_target=rate, warmup_steps=warm_up
    )
    return optimizers.Adam(schedule, global_clipnorm=1.0)


def updates_of(length: int, count: int, chunk: int, epochs: int) -> int:
    return epochs * math.ceil((length - 1) // count / chunk)
