"""How well a trained network knows a text: bits per character, perplexity, accuracy.

python -m tasks.textgen evaluate
python -m tasks.textgen evaluate --corpus mybook.txt --skip-unknown
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pyrnn
from pyrnn.text import Words

from .. import _console, _options
from .scores import BEFORE, Scores, by_windows, one_pass
from .texts import Text, known, read, words
from .trained import Trained, trained


def settings(argv: list[str] | None) -> argparse.Namespace:
    options = argparse.ArgumentParser(
        prog="python -m tasks.textgen evaluate",
        description="How well a trained network knows a text.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    options.set_defaults(corpus=None, part=None)
    options.add_argument(
        "--model", type=Path, default=Path("runs", "textgen"), metavar="FOLDER", help="of a run of the text task"
    )
    corpus = "a UTF-8 file, or a name that train knows (default: what the network learnt from)"
    options.add_argument("--corpus", default=argparse.SUPPRESS, metavar="NAME", help=corpus)
    part = (
        "of the text; held-out is as much of its end as train held out (default: all; of the network's own, held-out)"
    )
    options.add_argument("--part", choices=["all", "held-out"], default=argparse.SUPPRESS, help=part)
    options.add_argument("--skip-unknown", action="store_true", help="leave out what was not learnt")
    options.add_argument("--threads", type=_options.whole(0), default=0, metavar="N", help="0 leaves it to pyrnn")
    return options.parse_args(argv)


def first_judged(args: argparse.Namespace, found: Trained, text: Text) -> int:
    """Where the part begins that is judged, at least 1. Raises RunFailed where a window does not fit in."""
    first, size = 1, len(text.ids)
    if (args.part or ("all" if args.corpus else "held-out")) == "held-out":
        holdout = found.arguments["holdout"]
        if not holdout:
            raise _console.RunFailed("--part held-out: the network's run held nothing out")
        first = int(size * (1 - holdout))
    least = found.window + 1
    if size - first < least or first < 1:
        raise _console.RunFailed(
            f"the corpus is too short: {size - first} {text.unit} are to be judged, and at least {least} must be, "
            f"one more than --window {found.window} of the run"
        )
    return first


def table(found: Trained, text: Text, first: int) -> Iterator[str]:
    """Lines as soon as they are there. Of words, perplexity is that of what stands between white space, with its signs.

    There an unknown word is a word like others; to bits per character the letters that it must be spelt with are added.
    """
    ids, count = text.ids[first:], len(text.ids) - first
    of_words = isinstance(found.vocabulary, Words)
    per_word = count / max(1, words(ids, found.vocabulary)) if of_words else 1.0
    kind = "perplexity of words" if of_words else "perplexity"
    yield f"{'':24}{'bits per character':>20}{kind:>22}{'accuracy':>10}"

    def line(name: str, scores: Scores) -> str:
        return f"{name:24}{text.bits_per_character(scores.bits, first):20.4f}{scores.perplexity(per_word):22.3f}{scores.accuracy:10.4f}"

    yield line("one pass", one_pass(found.model, text.ids, first))
    yield line(f"windows of {found.window}", by_windows(found.model, ids, found.window))


def judge(args: argparse.Namespace) -> int:
    pyrnn.set_num_threads(args.threads)
    found = trained(args.model)
    source = read(args.corpus or found.arguments["corpus"])
    text, unknown = known(source, found.vocabulary, found.lower, args.skip_unknown)
    if unknown:
        print(f"{source.name}: {unknown}{', and left out' if args.skip_unknown else ''}", file=sys.stderr)
    first = first_judged(args, found, text)
    print(
        f"{source.name}: {len(text.ids) - first:,} {text.unit} judged, after {min(first, BEFORE):,} that are only read"
    )
    for line in table(found, text, first):
        print(line, flush=True)
    return 0


def main(argv: list[str] | None = None) -> int:
    args = settings(argv)
    return _console.guarded("textgen", lambda: judge(args))
