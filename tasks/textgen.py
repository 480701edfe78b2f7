"""A network learns to write, one character at a time, from a text.

An LSTM (with `--cell` a GRU or a simple RNN) reads 40 characters and predicts the next one; what it writes after each epoch
shows what it has learnt. Data, network and sampling are those of Keras' text generation example (`--recipe keras`).

    python -m tasks.textgen
    python -m tasks.textgen --corpus mybook.txt --hidden 256 --layers 2 --lr 0.003

Letters: L characters of text, N windows, V symbols.
"""

import argparse
import math
import sys

import numpy as np
import numpy.typing as npt

import pyrnn
from pyrnn import layers, optimizers
from pyrnn.text import Vocabulary, generate_batch, windows

from . import _console, _options, corpus
from ._run import Run

Ids = npt.NDArray[np.unsignedinteger]


def settings(argv: list[str] | None) -> argparse.Namespace:
    options = _options.parser(f"{__package__}.textgen", "A recurrent network learns to write.", epochs=20, lr=0.01)
    share = _options.real("a number from 0 to less than 1", lambda number: 0 <= number < 1)
    text = options.add_argument_group("text")
    options.set_defaults(corpus=None)  # which is not to be seen in the help
    known = f"{', '.join(corpus.NAMES)} or a UTF-8 file (default: nietzsche, or python-docs where it cannot be had)"
    text.add_argument("--corpus", default=argparse.SUPPRESS, metavar="NAME", help=known)
    text.add_argument("--recipe", choices=["keras"], default="keras", help="lower case, one window in, RMSprop")
    text.add_argument("--window", type=_options.whole(1), default=40, metavar="T", help="characters that are read")
    text.add_argument("--step", type=_options.whole(1), default=3, metavar="N", help="from one window to the next")
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
    """After each epoch: bits per character on the held-out text, and what the network writes from a random seed."""

    def __init__(
        self,
        model: pyrnn.Sequential,
        args: argparse.Namespace,
        text: corpus.Corpus,
        ids: Ids,
        vocabulary: Vocabulary,
    ) -> None:
        data = f"{text.name}: {len(ids):,} characters, {len(vocabulary)} symbols"
        facts = {"name": text.name, "source": text.source, "sha256": text.sha256}
        super().__init__(model, args, data, corpus={**facts, "characters": len(ids), "symbols": len(vocabulary)})
        self.ids, self.vocabulary = ids, vocabulary
        self.rng = np.random.default_rng(args.seed)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = dict(logs or {})
        if "val_loss" in values:
            values["val_bpc"] = values["val_loss"] / math.log(2)
        self.record(epoch, values)
        if not self.settings.quiet:
            self.show(epoch)

    def show(self, epoch: int) -> None:
        start = int(self.rng.integers(len(self.ids) - self.settings.window))
        prompt = self.vocabulary.decode(self.ids[start : start + self.settings.window])
        print(f"----- Generating text after Epoch: {epoch + 1}")
        diversities, seed = self.settings.diversity, int(self.rng.integers(2**32))
        texts = generate_batch(
            self.model, self.vocabulary, prompt, self.settings.length, diversities, seed=seed, mode="window"
        )
        for diversity, text in zip(diversities, texts, strict=True):
            print(f"----- diversity: {diversity:g}")
            print(f'----- Generating with seed: "{prompt}"')
            print(prompt + text)
            print(flush=True)


# -- run ----------------------------------------------------------------------


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
    x, y = windows(learnt, args.window, args.step)
    validation = windows(held_out, args.window, args.step) if args.holdout else None

    model = build(args.window, len(vocabulary), args.hidden, args.layers, _options.CELLS[args.cell])
    model.compile(optimizer=optimizers.RMSprop(args.lr), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    writer = Writer(model, args, source, ids, vocabulary)
    try:
        model.fit(
            x,
            y,
            batch_size=args.batch,
            epochs=args.epochs,
            validation_data=validation,
            callbacks=[writer],
            verbose=0 if args.quiet else "auto",
        )
    except KeyboardInterrupt:
        return writer.stopped()

    last = writer.rows[-1]
    held = f", {last['val_bpc']:.4f} bits per character on held-out text" if validation else ""
    print(
        f"loss {last['loss']:.4f} nats{held} "
        f"after epoch {last['epoch']} and {last['seconds']:.1f} s of training; results in {writer.folder}"
    )
    return 0


def main(argv: list[str] | None = None) -> int:
    args = settings(argv)
    return _console.guarded("textgen", lambda: train(args))


if __name__ == "__main__":
    sys.exit(main())
