"""Tables of Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int | None = None) -> str:
    """A table of what has no bars, backticks or ends of line in it, the columns behind the first `left` to the right.

    >>> print(table(["a", "b"], [["c", "1"]], left=1))
    | a | b |
    |---|---:|
    | c | 1 |
    """
    left = len(head) if left is None else left
    rule = "|".join(["", *["---"] * left, *["---:"] * (len(head) - left), ""])
    first, *others = ("| " + " | ".join(cells) + " |" for cells in (head, *rows))
    return "\n".join([first, rule, *others])
