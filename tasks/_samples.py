"""samples.md: what a network writes and answers, epoch by epoch, as Markdown that no character can break."""

import re
from pathlib import Path

# A control character is seen as the sign for it (U+2400 and on), as a page or a terminal might obey it.
_SHOWN = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}


def fenced(text: str) -> str:
    """`text` as a block of code, its fence longer than any run of backticks in it (CommonMark 0.31, section 4.5).

    >>> print(fenced("one ``` two"))
    ````text
    one ``` two
    ````
    """
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.translate(_SHOWN)}\n{fence}"


def append(path: Path, epoch: int, *blocks: str) -> None:
    """Add the section of an epoch to a file, which begins with its title if it is not there."""
    before = [] if path.exists() else ["# Samples"]
    with open(path, "a", encoding="utf-8", errors="replace", newline="") as file:
        file.write("\n\n".join([*before, f"## Epoch {epoch}", *blocks]) + "\n\n")
