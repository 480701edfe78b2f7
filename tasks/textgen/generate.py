"""A trained network writes.

python -m tasks.textgen generate --prompt "the will to" --length 200 --temperature 0.5
"""

import argparse
import secrets
import sys
from pathlib import Path

import pyrnn
from pyrnn.text import Words, generate

from .. import _console, _options
from .trained import Trained, trained

PIECE = 64  # characters between two flushes where nobody looks on


def settings(argv: list[str] | None) -> argparse.Namespace:
    options = argparse.ArgumentParser(
        prog="python -m tasks.textgen generate",
        description="A trained network writes, each character as soon as it is there.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    share = _options.real("a number above 0, and 1 at most", lambda number: 0 < number <= 1)
    heat = _options.real("a number, 0 or more", lambda number: number >= 0)
    hidden = argparse.SUPPRESS  # a default of None, which is not to be seen in the help
    options.set_defaults(prompt=None, seed=None, top_k=None, top_p=None, stop=None, mode=None)
    options.add_argument(
        "--model", type=Path, default=Path("runs", "textgen"), metavar="FOLDER", help="of a run of the text task"
    )
    prompt = "what to continue (default: how the text begins that was held out)"
    options.add_argument("--prompt", default=hidden, metavar="TEXT", help=prompt)
    options.add_argument(
        "--length", type=_options.whole(1), default=400, metavar="N", help="characters, or words, to write"
    )
    options.add_argument(
        "--temperature", type=heat, default=0.5, metavar="D", help="0 takes the likeliest, 1 what was learnt"
    )
    options.add_argument(
        "--top-k", type=_options.whole(1), default=hidden, metavar="K", help="of the likeliest K alone"
    )
    nucleus = "of the likeliest whose probabilities reach P"
    options.add_argument("--top-p", type=share, default=hidden, metavar="P", help=nucleus)
    seed = "same seed, same text (default: a new one, which stderr tells)"
    options.add_argument("--seed", type=_options.whole(0, 2**64 - 1), default=hidden, metavar="N", help=seed)
    options.add_argument("--stop", default=hidden, metavar="TEXT", help="end with the first of this")
    modes = "read all that was written, or the last window of it anew (default: as the network was trained)"
    options.add_argument("--mode", choices=["stateful", "window"], default=hidden, help=modes)
    return options.parse_args(argv)


def known(found: Trained, name: str, text: str) -> str:
    """`text` as the network has it; of unknown words, which it can read, stderr tells.

    Raises RunFailed where it has characters that the network has not learnt, or none at all.
    """
    text = found.prepared(text)
    if not text:
        raise _console.RunFailed(f"{name} must hold at least one character")
    of_words = isinstance(found.vocabulary, Words)
    strange = [symbol for symbol in (Words.split(text) if of_words else text) if symbol not in found.vocabulary]
    if strange:
        examples = list(dict.fromkeys(map(repr, strange)))
        told = ", ".join(examples[:10]) + (", ..." if len(examples) > 10 else "")
        if not of_words:
            raise _console.RunFailed(f"{name} has characters that the network has not learnt: {told}")
        print(f"{name} has words that the network has not learnt: {told}", file=sys.stderr)
    return text


def silence(model: pyrnn.Sequential) -> None:
    """Never again write symbol 0, the unknown word: of many rare words it is often the likeliest, and tells a reader nothing."""
    *weights, bias = model.get_weights()
    bias[0] = -1e30
    model.set_weights([*weights, bias])


def write(args: argparse.Namespace) -> int:
    found = trained(args.model)
    prompt = known(found, "--prompt", found.opening if args.prompt is None else args.prompt)
    stop = None if args.stop is None else known(found, "--stop", args.stop)
    if isinstance(found.vocabulary, Words):
        silence(found.model)
    seed = args.seed
    if seed is None:
        seed = secrets.randbelow(2**32)
        print(f"--seed {seed} writes this again", file=sys.stderr)
    mode = args.mode or found.way.mode
    text = generate(
        found.model,
        found.vocabulary,
        prompt,
        args.length,
        args.temperature,
        top_k=args.top_k,
        top_p=args.top_p,
        seed=seed,
        mode=mode,
        stop=stop,
        window=found.window if mode == "window" else None,
    )
    print(prompt, end="", flush=True)
    at_once = sys.stdout.isatty()
    letter = prompt[-1]
    for count, letter in enumerate(text, 1):
        print(letter, end="", flush=at_once or count % PIECE == 0)
    print(end="" if letter == "\n" else "\n", flush=True)
    return 0


def main(argv: list[str] | None = None) -> int:
    args = settings(argv)
    return _console.guarded("textgen", lambda: write(args))
