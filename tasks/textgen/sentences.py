"""A text as sentences: each a row of its own length, read from a zero state. Letters: L ids, N sentences, T steps."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .texts import Ids, Symbols

ENDS = ".!?"
Positions = npt.NDArray[np.int64]


def starts(ids: Ids, vocabulary: Symbols) -> Positions:
    """Where sentences begin in ids [L]: at 0, and at what comes after a blank line, or after one of `.!?` and white space.

    >>> from pyrnn.text import Vocabulary
    >>> vocabulary = Vocabulary("\\n .abcd")
    >>> starts(vocabulary.encode("a.b c. d\\na\\n\\nb"), vocabulary)
    array([ 0,  7, 12])
    """
    symbols = vocabulary.symbols
    ends = np.array([symbol[-1] in ENDS for symbol in symbols])
    lines = np.cumsum(np.array([symbol.count("\n") for symbol in symbols])[ids])
    written = np.flatnonzero(np.array([not symbol.isspace() for symbol in symbols])[ids])
    last, first = written[:-1], written[1:]
    begins = (first - last > 1) & (ends[ids[last]] | (lines[first] - lines[last] > 1))
    return np.concatenate([[0], first[begins]])


def rows(ids: Ids, begins: Positions, longest: int) -> tuple[Ids, Ids, Positions]:
    """Each sentence, padded, as what is read and what comes next: x, y [N, T], and lengths [N], `longest` at most.

    Each id but the first of all comes next once: a sentence is read from the last id before it on. One that is too long goes on
    in another row.

    >>> x, y, lengths = rows(np.arange(8, dtype=np.uint8), np.array([0, 3, 5]), longest=2)
    >>> [(a[:n].tolist(), b[:n].tolist()) for a, b, n in zip(x, y, lengths)]
    [([0, 1], [1, 2]), ([2, 3], [3, 4]), ([4, 5], [5, 6]), ([6], [7])]
    """
    bounds = np.unique(np.concatenate([np.maximum(begins, 1), [len(ids)]]))
    first = np.concatenate([np.arange(a, b, longest) for a, b in pairwise(bounds)])
    lengths = np.diff(first, append=len(ids))
    steps = int(lengths.max())
    runs = np.lib.stride_tricks.sliding_window_view(np.concatenate([ids, np.zeros(steps, ids.dtype)]), steps)
    return runs[first - 1], runs[first], lengths
