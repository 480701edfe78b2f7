"""How well a trained network knows a text: bits per character, perplexity, accuracy.

python -m tasks.textgen evaluate
python -m tasks.textgen evaluate --corpus mybook.txt --skip-unknown
"""

import argparse
import sys
from pathlib import Path

import pyrnn

from .. import _console, _options
from .scores import Scores, by_windows, one_pass
from .texts import known_ids, read
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
    options.add_argument("--skip-unknown", action="store_true", help="leave out characters that were not learnt")
    options.add_argument("--threads", type=_options.whole(0), default=0, metavar="N", help="0 leaves it to pyrnn")
    return options.parse_args(argv)


def first_judged(args: argparse.Namespace, found: Trained, size: int) -> int:
    """Where the part begins that is judged, at least 1. Raises RunFailed where a window does not fit in."""
    first = 1
    if (args.part or ("all" if args.corpus else "held-out")) == "held-out":
        holdout = found.arguments["holdout"]
        if not holdout:
            raise _console.RunFailed("--part held-out: the network's run held nothing out")
        first = int(size * (1 - holdout))
    least = found.window + 1
    if size - first < least or first < 1:
        raise _console.RunFailed(
            f"the corpus is too short: {size - first} characters are to be judged, and at least {least} must be, "
            f"one more than --window {found.window} of the run"
        )
    return first


def line(name: str, scores: Scores) -> str:
    return f"{name:24}{scores.bits:20.4f}{scores.perplexity:12.3f}{scores.accuracy:10.4f}"


def judge(args: argparse.Namespace) -> int:
    pyrnn.set_num_threads(args.threads)
    found = trained(args.model)
    source = read(args.corpus or found.arguments["corpus"])
    ids, unknown = known_ids(source, found.vocabulary, found.lower, args.skip_unknown)
    if unknown:
        print(f"{source.name}: left out {unknown}", file=sys.stderr)
    first = first_judged(args, found, len(ids))
    print(f"{source.name}: {len(ids) - first:,} characters judged, after {first:,} that are only read")
    print(f"{'':24}{'bits per character':>20}{'perplexity':>12}{'accuracy':>10}")
    print(line("one pass", one_pass(found.model, ids, first)), flush=True)
    print(line(f"windows of {found.window}", by_windows(found.model, ids[first:], found.window)))
    return 0


def main(argv: list[str] | None = None) -> int:
    args = settings(argv)
    return _console.guarded("textgen", lambda: judge(args))
