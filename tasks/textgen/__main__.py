"""Networks that learn to write: the commands.

    python -m tasks.textgen [train] [options]      learn from a text
    python -m tasks.textgen generate [options]     write with a trained network
    python -m tasks.textgen evaluate [options]     judge it by another text
    python -m tasks.textgen visualize [options]    a page that shows what its units see
    python -m tasks.textgen experiments [options]  compare recipes, cells and sizes

`python -m tasks.textgen <command> --help` shows the options of one. No word is `train`.
"""

import sys
from importlib import import_module

COMMANDS = ("train", "generate", "evaluate", "visualize", "experiments")


def main(argv: list[str]) -> int:
    """The exit code of the command that `argv` begins with; each is imported only when it is asked for."""
    first = argv[0] if argv else "train"
    if first in ("-h", "--help"):
        print(__doc__, end="")
        return 0
    if first.startswith("-"):
        argv, first = ["train", *argv], "train"
    if first not in COMMANDS:
        names = ", ".join(COMMANDS)
        print(f"python -m tasks.textgen: error: unknown command {first!r} (choose from {names})", file=sys.stderr)
        return 2
    code: int = import_module(f".{first}", __package__).main(argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
