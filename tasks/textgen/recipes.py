"""How a network learns to write: which data, network and optimizer, and with which defaults of the command line.

Letters: L characters of text, N windows or streams, T steps, V symbols.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyrnn
from pyrnn import layers, optimizers
from pyrnn.text import windows

from .. import _options
from .sentences import rows, starts
from .streams import build as build_stream
from .streams import optimizer, streams, updates_of
from .texts import Ids, Symbols

Learning = tuple[pyrnn.Sequential, dict[str, Any]]  # a compiled model, and what its fit is given
share = _options.real("a number from 0 to less than 1", lambda number: 0 <= number < 1)


@dataclass(frozen=True)
class Way:
    """A way to read a text: its own options, `learn(args, learnt, held_out, vocabulary)`, and how `generate` reads a prompt."""

    add_options: Callable[[argparse._ArgumentGroup], None]
    least: Callable[[argparse.Namespace], int]  # how many ids there must be to learn from
    learn: Callable[[argparse.Namespace, Ids, Ids, Symbols], Learning]
    mode: str
    keep: str  # the "best" model by held-out text, or the "last"


@dataclass(frozen=True)
class Recipe:
    way: Way
    defaults: dict[str, int | float]


# -- windows ------------------------------------------------------------------


def build(window: int, symbols: int, hidden: int, depth: int, cell: _options.Cell = layers.LSTM) -> pyrnn.Sequential:
    """Ids [N, window] -> probabilities [N, V] of the character that follows."""
    model = pyrnn.Sequential([pyrnn.Input((window, symbols))])
    for _ in range(depth - 1):
        model.add(cell(hidden, return_sequences=True))
    model.add(cell(hidden))
    model.add(layers.Dense(symbols, activation="softmax"))
    return model


def by_windows(args: argparse.Namespace, learnt: Ids, held_out: Ids, vocabulary: Symbols) -> Learning:
    model = build(args.window, len(vocabulary), args.hidden, args.layers, _options.CELLS[args.cell])
    model.compile(optimizer=optimizers.RMSprop(args.lr), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = windows(learnt, args.window, args.step)
    return model, {
        "x": x,
        "y": y,
        "validation_data": windows(held_out, args.window, args.step) if args.holdout else None,
    }


def _window_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--step", type=_options.whole(1), default=3, metavar="N", help="from one window to the next")


# -- streams ------------------------------------------------------------------


def by_streams(args: argparse.Namespace, learnt: Ids, held_out: Ids, vocabulary: Symbols) -> Learning:
    model = _of_all_steps(args, len(vocabulary), updates_of(len(learnt), args.batch, args.chunk, args.epochs))
    x, y = streams(learnt, args.batch)
    return model, {"x": x, "y": y, "shuffle": False, "tbptt": args.chunk}


def _stream_options(group: argparse._ArgumentGroup) -> None:
    chunk = "characters from update to update"
    group.add_argument("--chunk", type=_options.whole(1), default=32, metavar="K", help=chunk)
    _dropout_option(group)


def _of_all_steps(args: argparse.Namespace, symbols: int, updates: int) -> pyrnn.Sequential:
    model = build_stream(symbols, args.hidden, args.layers, args.dropout, _options.CELLS[args.cell])
    model.compile(optimizer(args.lr, updates), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _dropout_option(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--dropout", type=share, default=0.0, metavar="SHARE", help="behind each recurrent layer")


# -- sentences ----------------------------------------------------------------


def by_sentences(args: argparse.Namespace, learnt: Ids, held_out: Ids, vocabulary: Symbols) -> Learning:
    x, y, lengths = rows(learnt, starts(learnt, vocabulary), args.longest)
    model = _of_all_steps(args, len(vocabulary), args.epochs * math.ceil(len(x) / args.batch))
    return model, {"x": x, "y": y, "lengths": lengths}


def _sentence_options(group: argparse._ArgumentGroup) -> None:
    longest = "characters of a sentence, which goes on as another"
    group.add_argument("--longest", type=_options.whole(1), default=400, metavar="N", help=longest)
    _dropout_option(group)


# -- recipes ------------------------------------------------------------------

STREAMS = Way(_stream_options, lambda args: int(args.batch) + 1, by_streams, "stateful", "best")
SENTENCES = Way(_sentence_options, lambda _: 2, by_sentences, "stateful", "best")
WINDOWS = Way(_window_options, lambda args: int(args.window) + 1, by_windows, "window", "last")

DEFAULT = "stream"
RECIPES = {
    "stream": Recipe(STREAMS, {"hidden": 256, "batch": 16, "epochs": 4, "lr": 0.015, "dropout": 0.1}),
    "best": Recipe(STREAMS, {"hidden": 256, "layers": 2, "batch": 16, "epochs": 12, "lr": 0.008, "dropout": 0.3}),
    "sentences": Recipe(SENTENCES, {"batch": 8, "epochs": 10, "lr": 0.02}),
    "keras": Recipe(WINDOWS, {"batch": 128, "epochs": 20, "lr": 0.01}),
}
