"""A network learns to write, one character at a time, from a text.

An LSTM (with `--cell` a GRU or a simple RNN) predicts each character from those before; what it writes after each epoch shows
what it has learnt. `--recipe stream` reads the text as parallel streams, of which every character is a target, and carries the
state on; `--recipe keras` has the data, network and sampling of Keras' text generation example: windows of 40 characters.

    python -m tasks.textgen
    python -m tasks.textgen --corpus mybook.txt --hidden 256 --layers 2 --lr 0.003

Letters: L characters of text, N windows, V symbols.
"""

import argparse
import math
from typing import Any

import numpy as np
import numpy.typing as npt

import pyrnn
from pyrnn import layers, optimizers
from pyrnn.text import Vocabulary, generate_batch, windows

from .. import _console, _options
from .._run import Run
from . import corpus
from .streams import bits_per_character, optimizer, streams, updates_of
from .streams import build as build_stream

Ids = npt.NDArray[np.unsignedinteger]

RECIPES = {"stream": {"batch": 16, "epochs": 6, "lr": 0.02}, "keras": {"batch": 128, "epochs": 20, "lr": 0.01}}


def settings(argv: list[str] | None) -> argparse.Namespace:
    options = _options.parser(
        __package__ or "tasks.textgen", "A recurrent network learns to write.", epochs=20, lr=0.01
    )
    recipe = _options.recipe_named(argv, RECIPES, "stream")
    options.set_defaults(**RECIPES[recipe])
    share = _options.real("a number from 0 to less than 1", lambda number: 0 <= number < 1)
    text = options.add_argument_group("text")
    options.set_defaults(corpus=None)  # which is not to be seen in the help
    known = f"{', '.join(corpus.NAMES)} or a UTF-8 file (default: nietzsche, or python-docs where it cannot be had)"
    text.add_argument("--corpus", default=argparse.SUPPRESS, metavar="NAME", help=known)
    recipes = "stream: --batch streams, the state carried on, Adam; keras: windows, RMSprop; both in lower case"
    text.add_argument("--recipe", choices=RECIPES, default="stream", help=recipes)
    text.add_argument(
        "--window", type=_options.whole(1), default=40, metavar="T", help="characters of a window or a prompt"
    )
    if recipe == "keras":
        text.add_argument("--step", type=_options.whole(1), default=3, metavar="N", help="from one window to the next")
    else:
        text.add_argument(
            "--chunk", type=_options.whole(1), default=32, metavar="K", help="characters from update to update"
        )
        text.add_argument("--dropout", type=share, default=0.0, metavar="SHARE", help="behind each recurrent layer")
    text.add_argument("--holdout", type=share, default=0.1, metavar="SHARE", help="of the text, to validate")
    samples = options.add_argument_group("samples after each epoch")
    samples.add_argument(
        "--diversity", type=_options.positive, nargs="+", default=[0.2, 0.5, 1.0, 1.2], metavar="D", help="temperatures"
    )
    samples.add_argument("--length", type=_options.whole(1), default=400, metavar="N", help="characters to write")
    return options.parse_args(argv)


# -- data ---------------------------------------------------------------------


def read(name: str | None) -> corpus.Corpus:
    try:
        return corpus.load(name) if name else corpus.default()
    except corpus.CorpusError as error:
        raise _console.RunFailed(str(error)) from error


def split(ids: Ids, holdout: float, window: int) -> tuple[Ids, Ids]:
    """The beginning of the text to train on, and the share `holdout` at its end. Both are views.

    Raises RunFailed when one of them is too short for a window and the character after it.
    """
    kept = int(len(ids) * (1 - holdout))
    for part, size in {"to train on": kept, "held out": len(ids) - kept}.items():
        if size <= window and (size or holdout):
            raise _console.RunFailed(
                f"the corpus is too short: {size} of its {len(ids)} characters are {part}, "
                f"and --window {window} needs at least {window + 1}"
            )
    return ids[:kept], ids[kept:]


# -- model --------------------------------------------------------------------


def build(window: int, symbols: int, hidden: int, depth: int, cell: _options.Cell = layers.LSTM) -> pyrnn.Sequential:
    """Ids [N, window] -> probabilities [N, V] of the character that follows."""
    model = pyrnn.Sequential([pyrnn.Input((window, symbols))])
    for _ in range(depth - 1):
        model.add(cell(hidden, return_sequences=True))
    model.add(cell(hidden))
    model.add(layers.Dense(symbols, activation="softmax"))
    return model


# -- report -------------------------------------------------------------------


class Writer(Run):
    """After each epoch: bits per character on the held-out text, and what the network writes from a random seed.

    All are judged alike, by one pass over the text from its beginning (`val_bpc`), windows also by windows (`val_window_bpc`). The
    model of the fewest bits is kept, of Keras' recipe the last.
    """

    def __init__(
        self,
        model: pyrnn.Sequential,
        args: argparse.Namespace,
        text: corpus.Corpus,
        ids: Ids,
        vocabulary: Vocabulary,
        held_out: int,
    ) -> None:
        """`held_out`: the first of the ids that are not trained on."""
        data = f"{text.name}: {len(ids):,} characters, {len(vocabulary)} symbols"
        facts = {"name": text.name, "source": text.source, "sha256": text.sha256}
        super().__init__(model, args, data, corpus={**facts, "characters": len(ids), "symbols": len(vocabulary)})
        self.ids, self.vocabulary, self.held_out = ids, vocabulary, held_out
        self.rng = np.random.default_rng(args.seed)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._stop_clock()
        values = dict(logs or {})
        if "val_loss" in values:
            values["val_window_bpc"] = values["val_loss"] / math.log(2)
        if self.settings.holdout:
            values["val_bpc"] = bits_per_character(self.model, self.ids, self.held_out)
        best = min([row["val_bpc"] for row in self.rows if "val_bpc" in row], default=math.inf)
        better = values.get("val_bpc", -math.inf) < best
        self.record(epoch, values, keep=better or self.settings.recipe == "keras")
        if not self.settings.quiet:
            self.show(epoch)

    def show(self, epoch: int) -> None:
        start = int(self.rng.integers(len(self.ids) - self.settings.window))
        prompt = self.vocabulary.decode(self.ids[start : start + self.settings.window])
        print(f"----- Generating text after Epoch: {epoch + 1}")
        diversities, seed = self.settings.diversity, int(self.rng.integers(2**32))
        texts = generate_batch(
            self.model,
            self.vocabulary,
            prompt,
            self.settings.length,
            diversities,
            seed=seed,
            mode="window" if self.settings.recipe == "keras" else "stateful",
        )
        for diversity, text in zip(diversities, texts, strict=True):
            print(f"----- diversity: {diversity:g}")
            print(f'----- Generating with seed: "{prompt}"')
            print(prompt + text)
            print(flush=True)


# -- run ----------------------------------------------------------------------


Learning = tuple[pyrnn.Sequential, dict[str, Any]]  # a compiled model, and what its fit is given


def by_windows(args: argparse.Namespace, learnt: Ids, held_out: Ids, symbols: int) -> Learning:
    model = build(args.window, symbols, args.hidden, args.layers, _options.CELLS[args.cell])
    model.compile(optimizer=optimizers.RMSprop(args.lr), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = windows(learnt, args.window, args.step)
    return model, {
        "x": x,
        "y": y,
        "validation_data": windows(held_out, args.window, args.step) if args.holdout else None,
    }


def by_streams(args: argparse.Namespace, learnt: Ids, held_out: Ids, symbols: int) -> Learning:
    if len(learnt) <= args.batch:
        raise _console.RunFailed(f"the corpus is too short: {len(learnt)} characters for --batch {args.batch} streams")
    model = build_stream(symbols, args.hidden, args.layers, args.dropout, _options.CELLS[args.cell])
    updates = updates_of(len(learnt), args.batch, args.chunk, args.epochs)
    model.compile(optimizer(args.lr, updates), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = streams(learnt, args.batch)
    return model, {"x": x, "y": y, "shuffle": False, "tbptt": args.chunk}


def train(args: argparse.Namespace) -> int:
    pyrnn.set_num_threads(args.threads)
    pyrnn.utils.set_random_seed(args.seed)
    source = read(args.corpus)
    text = source.text.lower()
    vocabulary = Vocabulary.from_text(text)
    if len(vocabulary) < 2:
        raise _console.RunFailed(f"there is nothing to learn: the corpus has no other character than {text[0]!r}")
    ids = vocabulary.encode(text)
    learnt, held_out = split(ids, args.holdout, args.window)
    model, data = (by_windows if args.recipe == "keras" else by_streams)(args, learnt, held_out, len(vocabulary))
    writer = Writer(model, args, source, ids, vocabulary, len(learnt))
    try:
        model.fit(
            **data,
            batch_size=args.batch,
            epochs=args.epochs,
            callbacks=[writer],
            verbose=0 if args.quiet else "auto",
        )
    except KeyboardInterrupt:
        return writer.stopped()

    last = writer.rows[-1]
    best = min((row["val_bpc"] for row in writer.rows if "val_bpc" in row), default=None)
    held = "" if best is None else f", at best {best:.4f} bits per character on held-out text"
    print(
        f"loss {last['loss']:.4f} nats{held} "
        f"after epoch {last['epoch']} and {last['seconds']:.1f} s of training; results in {writer.folder}"
    )
    return 0


def main(argv: list[str] | None = None) -> int:
    args = settings(argv)
    return _console.guarded("textgen", lambda: train(args))
