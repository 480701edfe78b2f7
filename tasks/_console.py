"""How a run speaks and how it ends: colours, signs, exit codes.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed with one line on stderr,
2 usage (argparse), 130 stopped with Ctrl-C.
"""

import io
import os
import sys
from collections.abc import Callable
from typing import TextIO


class RunFailed(Exception):
    """The run cannot go on, or ended short of its target; the message is one sentence for the user."""


def has_colour(stream: TextIO) -> bool:
    """Whether to colour what goes to `stream`: NO_COLOR, then FORCE_COLOR, then a terminal that is not dumb."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def can_show(stream: TextIO, text: str) -> bool:
    """Whether the encoding of `stream` has every character of `text`."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def verdict(right: bool, stream: TextIO) -> str:
    """☑ or ☒, green or red on a terminal; ok or no where the encoding has no such signs."""
    signs = ("☑", "☒") if can_show(stream, "☑☒") else ("ok", "no")
    sign = signs[0] if right else signs[1]
    return f"\033[{92 if right else 91}m{sign}\033[0m" if has_colour(stream) else sign


def guarded(name: str, run: Callable[[], int]) -> int:
    """The exit code of `run()`, or of the way it ended; `name` starts the one line on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a corpus may have letters that the terminal has not
    try:
        code = run()
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read our stdout has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 1
    except (RunFailed, OSError, MemoryError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        return 130
