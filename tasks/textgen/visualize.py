"""One page to look into a trained network with: a text, coloured by what one unit does at each character.

    python -m tasks.textgen visualize
    python -m tasks.textgen visualize --text "He said (in a low voice): \\"no\\"."
    python -m tasks.textgen visualize --corpus mybook.txt --start 10000 --length 3000 --out units.html

It is how Karpathy, Johnson and Li 2015, "Visualizing and understanding recurrent networks", found units that know where
a line or a quotation ends. The page is one file that asks no network for anything.
"""

import argparse
from pathlib import Path

from pyrnn.text import Vocabulary

from .. import _console, _options
from .generate import known
from .page import write_page
from .texts import encoded, read
from .trained import Trained, trained

LEAD = 1000  # characters of a corpus that are read before those that are shown
LONGEST = 20_000  # characters shown: each is an element of the page


def settings(argv: list[str] | None) -> argparse.Namespace:
    options = argparse.ArgumentParser(
        prog="python -m tasks.textgen visualize",
        description="A page that colours a text by what one unit of a trained network does at each character.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    hidden = argparse.SUPPRESS  # a default of None, which is not to be seen in the help
    options.set_defaults(text=None, corpus=None, start=None, out=None)
    options.add_argument(
        "--model", type=Path, default=Path("runs", "textgen"), metavar="FOLDER", help="of a run of the text task"
    )
    source = options.add_mutually_exclusive_group()
    source.add_argument("--text", default=hidden, metavar="TEXT", help="to read, from a zero state")
    corpus = "to read a part of: a UTF-8 file, or a name that train knows (default: what the network learnt from)"
    source.add_argument("--corpus", default=hidden, metavar="NAME", help=corpus)
    start = "the part's first character (default: 0; of the network's own corpus, the first that was held out)"
    options.add_argument("--start", type=_options.whole(0), default=hidden, metavar="N", help=start)
    options.add_argument(
        "--length", type=_options.whole(1, LONGEST), default=2000, metavar="N", help="characters to show, at most"
    )
    out = "the page (default: units.html in the model's folder)"
    options.add_argument("--out", type=Path, default=hidden, metavar="FILE", help=out)
    args = options.parse_args(argv)
    if args.text is not None and args.start is not None:
        options.error("argument --start: not allowed with argument --text")
    return args


# -- what to read -------------------------------------------------------------


def excerpt(args: argparse.Namespace, found: Trained) -> tuple[str, int, str]:
    """A text to read, the first of its characters to show, and where it comes from. Raises RunFailed for none."""
    if args.text is not None:
        return known(found, "--text", args.text)[: args.length], 0, "the --text"
    corpus = read(args.corpus or found.arguments["corpus"])
    whole = encoded(corpus, found.lower)  # of which only the part is looked at
    size, start = len(whole.ids), args.start
    if start is None:
        share = found.arguments["holdout"]
        start = int(size * (1 - share)) if share and args.corpus is None else 0
    if start >= size:
        raise _console.RunFailed(f"--start must be below {size:,}, the corpus' length, got {start:,}")
    end, first = min(start + args.length, size), min(start, LEAD)
    source = f"{Path(corpus.name).name}, characters {start:,} to {end - 1:,}"
    return known(found, source, whole.vocabulary.decode(whole.ids[start - first : end])), first, source


# -- run ----------------------------------------------------------------------


def visualize(args: argparse.Namespace) -> int:
    found = trained(args.model)
    vocabulary = found.vocabulary
    if not isinstance(vocabulary, Vocabulary):
        raise _console.RunFailed(f"{args.model} cannot be shown: its network reads words, the page shows characters")
    text, first, about = excerpt(args, found)
    path = args.out or args.model / "units.html"
    try:
        size = write_page(found.model, vocabulary, text, path, first, about)
    except ValueError as error:
        raise _console.RunFailed(f"{args.model} cannot be shown: {error}") from error
    print(f"characters shown: {len(text) - first:,}, in {path} of {size / 1e6:.1f} MB; open it in a browser")
    return 0


def main(argv: list[str] | None = None) -> int:
    args = settings(argv)
    return _console.guarded("textgen", lambda: visualize(args))
