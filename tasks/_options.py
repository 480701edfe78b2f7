"""The part of the command line that the tasks have in common."""

import argparse
import math
from collections.abc import Callable, Collection
from pathlib import Path

import pyrnn
from pyrnn import layers


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """An argparse type: a whole number from `low` to `high`, or without an upper end.

    >>> whole(1, 18)("3")
    3
    """
    wanted = f"a whole number, {low} or more" if high is None else f"a whole number from {low} to {high}"

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low or (high is not None and number > high):
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
        return number

    return convert


def real(wanted: str, holds: Callable[[float], bool]) -> Callable[[str], float]:
    """An argparse type: a finite number for which `holds` is true; `wanted` names them.

    >>> real("a number above 0", lambda number: number > 0)("0.5")
    0.5
    """

    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and holds(number)):
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
        return number

    return convert


positive = real("a number above 0", lambda number: number > 0)


def character(text: str) -> str:
    """An argparse type: one character, of which a tab may be written as an escape.

    >>> character("\\\\t") == chr(9)
    True
    """
    text = text.replace("\\t", "\t")
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"must be one character, or \\t for a tab, got {text!r}")
    return text


def given(options: argparse.ArgumentParser, argv: list[str] | None) -> set[str]:
    """The names of the options that are on the command line: argparse leaves to the others what a namespace has."""
    unset = object()
    blank = argparse.Namespace(**dict.fromkeys(vars(options.parse_args([])), unset))
    return {name for name, value in vars(options.parse_args(argv, blank)).items() if value is not unset}


def add_resume(options: argparse.ArgumentParser) -> None:
    """--resume, which is no setting: a namespace has it only where it was given."""
    help = "the folder of a run that was stopped, to go on with it; all but --quiet stands in there"
    options.add_argument("--resume", type=Path, default=argparse.SUPPRESS, metavar="FOLDER", help=help)


def parse(options: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The settings; with --resume all other options but --quiet end the process as argparse does."""
    args = options.parse_args(argv)
    if "resume" in args:
        for name in sorted(given(options, argv) - {"resume", "quiet"}):
            options.error(f"argument --{name}: --resume takes it from the run")
    return args


def recipe_named(argv: list[str] | None, known: Collection[str], default: str) -> str:
    """The --recipe on the command line, whose defaults are the other options'; what is wrong, argparse says later."""
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--recipe", nargs="?")
    name = first.parse_known_args(argv)[0].recipe
    return name if name in known else default


CELLS = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}
Cell = type[layers.LSTM] | type[layers.GRU] | type[layers.SimpleRNN]


def parser(module: str, description: str, epochs: int, lr: float) -> argparse.ArgumentParser:
    """A parser with the options that every task has; `module` is the task's name after `python -m`."""
    options = argparse.ArgumentParser(
        prog=f"python -m {module}", description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    options.add_argument("--version", action="version", version=f"pyrnn {pyrnn.__version__}")

    model = options.add_argument_group("model and training")
    model.add_argument("--cell", choices=CELLS, default="lstm", help="the recurrent layer")
    model.add_argument("--hidden", type=whole(1), default=128, metavar="H", help="units of each recurrent layer")
    model.add_argument("--layers", type=whole(1), default=1, metavar="N", help="recurrent layers on top of each other")
    model.add_argument("--batch", type=whole(1), default=128, metavar="B", help="samples per update")
    model.add_argument("--epochs", type=whole(1), default=epochs, metavar="N", help="passes over the data, at most")
    model.add_argument("--lr", type=positive, default=lr, metavar="RATE", help="learning rate")
    model.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, metavar="N", help="same seed, same bits")

    run = options.add_argument_group("run")
    run.add_argument("--threads", type=whole(0), default=0, metavar="N", help="0 leaves it to pyrnn")
    out = Path("runs", module.rpartition(".")[2])
    run.add_argument("--out", type=Path, default=out, metavar="FOLDER", help="for the results; replaces those in there")
    run.add_argument("--quiet", action="store_true", help="print the last result only")
    return options
