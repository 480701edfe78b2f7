"""A network learns to write, one character or one word at a time, from a text.

An LSTM (with `--cell` a GRU or a simple RNN) predicts each character (with `--level word` each word) from those before; what it
writes after each epoch shows what it has learnt. `--recipe stream` reads the text as parallel streams, of which every character
is a target, and carries the state on; `--recipe sentences` reads each sentence from a zero state; `--recipe keras` has the
data, network and sampling of Keras' text generation example: windows of 40 characters.

    python -m tasks.textgen
    python -m tasks.textgen --corpus mybook.txt --hidden 256 --layers 2 --lr 0.003
    python -m tasks.textgen --resume runs/textgen

Letters: L characters of text, N windows, V symbols.
"""

import argparse
import math
import sys

import pyrnn

from .. import _console, _options
from .._run import resumed
from . import corpus
from .recipes import DEFAULT, RECIPES, share
from .report import Writer
from .texts import Ids, Symbols, read, to_learn, words

WORDS = 5000
ENOUGH_WORDS = 50_000  # of prose; below that the classic tutorial saw no more than its text again
MANY_CHARACTERS = 1_000_000  # which are more words than that in any language that has spaces


def settings(argv: list[str] | None) -> argparse.Namespace:
    options = _options.parser(
        __package__ or "tasks.textgen", "A recurrent network learns to write.", epochs=20, lr=0.01
    )
    options.prog += " train"
    recipe = RECIPES[_options.recipe_named(argv, RECIPES, DEFAULT)]
    options.set_defaults(corpus=None, words=None)  # which is not to be seen in the help
    text = options.add_argument_group("text")
    known = f"{', '.join(corpus.NAMES)} or a UTF-8 file (default: nietzsche, or python-docs where it cannot be had)"
    text.add_argument("--corpus", default=argparse.SUPPRESS, metavar="NAME", help=known)
    recipes = "stream: --batch streams, the state carried on, Adam; best: the same without hurry; sentences: each from a zero state, Adam; keras: windows, RMSprop"
    text.add_argument("--recipe", choices=RECIPES, default=DEFAULT, help=recipes)
    text.add_argument(
        "--window",
        type=_options.whole(1),
        default=40,
        metavar="T",
        help="characters, or words, of a window or a prompt",
    )
    recipe.way.add_options(text)
    options.set_defaults(**recipe.defaults)
    level = "what is a symbol"
    text.add_argument("--level", choices=["character", "word"], default="character", help=level)
    most = f"the most frequent, the others unknown; of --level word alone (default: {WORDS})"
    text.add_argument("--words", type=_options.whole(1), default=argparse.SUPPRESS, metavar="N", help=most)
    text.add_argument("--lower", action=argparse.BooleanOptionalAction, default=True, help="learn lower case alone")
    text.add_argument("--holdout", type=share, default=0.1, metavar="SHARE", help="of the text, to validate")
    samples = options.add_argument_group("samples after each epoch")
    samples.add_argument(
        "--diversity", type=_options.positive, nargs="+", default=[0.2, 0.5, 1.0, 1.2], metavar="D", help="temperatures"
    )
    samples.add_argument(
        "--length", type=_options.whole(1), default=400, metavar="N", help="characters, or words, to write"
    )
    _options.add_resume(options)
    args = _options.parse(options, argv)
    if args.level == "word":
        args.words = args.words or WORDS
    elif args.words is not None:
        options.error("argument --words: is for --level word")
    return args


# -- data ---------------------------------------------------------------------


def split(ids: Ids, holdout: float, least: int, least_held: int, unit: str = "characters") -> tuple[Ids, Ids]:
    """The beginning of the text to train on, and the share `holdout` at its end. Both are views.

    Raises RunFailed, with how many ids there must be, where one of them has not as many as is given.
    """

    def parts(size: int) -> tuple[int, int]:
        kept = int(size * (1 - holdout))
        return kept, size - kept

    def fits(size: int) -> bool:
        kept, held = parts(size)
        return kept >= least and (held >= least_held or not holdout)

    if not fits(len(ids)):
        needed = math.floor(max(least / (1 - holdout), (least_held - 1) / holdout if holdout else 0)) - 1
        while not fits(needed):  # a few times: how `parts` rounds
            needed += 1
        kept, held = parts(len(ids))
        raise _console.RunFailed(
            f"the corpus is too short: {kept} of its {len(ids)} {unit} are to train on and {held} held out, where at least "
            f"{least} and {least_held if holdout else 0} must be: it needs {needed}"
        )
    kept, _ = parts(len(ids))
    return ids[:kept], ids[kept:]


def warn_if_short(ids: Ids, vocabulary: Symbols) -> None:
    """A line on stderr for a text of which little can be learnt."""
    count = words(ids[:MANY_CHARACTERS], vocabulary)
    if len(ids) <= MANY_CHARACTERS and count < ENOUGH_WORDS:
        print(
            f"the corpus has {count:,} words: of fewer than {ENOUGH_WORDS:,} a network learns them by heart rather than to write",
            file=sys.stderr,
        )


# -- run ----------------------------------------------------------------------


def train(args: argparse.Namespace) -> int:
    args = resumed(args, RECIPES, settings)
    pyrnn.set_num_threads(args.threads)
    pyrnn.utils.set_random_seed(args.seed)
    source = read(args.corpus)
    text = to_learn(source, args.lower, args.words)
    ids, vocabulary = text.ids, text.vocabulary
    way = RECIPES[args.recipe].way
    learnt, held_out = split(ids, args.holdout, max(args.window + 1, way.least(args)), args.window + 1, text.unit)
    if not args.quiet:
        warn_if_short(ids, vocabulary)
    model, data = way.learn(args, learnt, held_out, vocabulary)
    writer = Writer(model, args, source, text, len(learnt))
    try:
        model.fit(
            **data,
            batch_size=args.batch,
            epochs=args.epochs,
            callbacks=writer.callbacks,
            verbose=0 if args.quiet else "auto",
        )
    except KeyboardInterrupt:
        return writer.stopped()

    last, best = writer.rows[-1], writer.result()
    held = ""
    if "val_bpc" in best:
        held = (
            f"at best {best['val_bpc']:.4f} bits per character on held-out text, {best['val_window_bpc']:.4f} by windows of "
            f"{args.window}, after epoch {best['epoch']} and {best['seconds']:.1f} s; "
        )
    print(
        f"loss {last['loss']:.4f} nats after epoch {last['epoch']} and {last['seconds']:.1f} s of training; "
        f"{held}results in {writer.folder}"
    )
    return 0


def main(argv: list[str] | None = None) -> int:
    args = settings(argv)
    return _console.guarded("textgen", lambda: train(args))
