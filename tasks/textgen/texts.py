"""A corpus as ids: the one place where a text is read, lower-cased and encoded."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pyrnn.text import EncodedFile, Vocabulary

from .._console import RunFailed
from . import corpus

Ids = npt.NDArray[np.unsignedinteger]


def read(name: str | None) -> corpus.Corpus:
    """The corpus of that name or path, or the default. Raises RunFailed where it cannot be had."""
    try:
        return corpus.load(name) if name else corpus.default()
    except corpus.CorpusError as error:
        raise RunFailed(str(error)) from error


def encoded(source: corpus.Corpus, lower: bool, vocabulary: Vocabulary | None = None) -> EncodedFile:
    """The text as ids [L] of its own symbols, or those of `vocabulary`. Raises RunFailed where it cannot be had."""
    try:
        return source.encoded(lower, vocabulary)
    except corpus.CorpusError as error:
        raise RunFailed(str(error)) from error


def to_learn(source: corpus.Corpus, lower: bool) -> EncodedFile:
    """The same. Raises RunFailed for a text of one symbol alone, too."""
    text = encoded(source, lower)
    if len(text.vocabulary) < 2:
        raise RunFailed(
            f"there is nothing to learn: the corpus has no other character than {text.vocabulary.symbols!r}"
        )
    return text


def known_ids(source: corpus.Corpus, vocabulary: Vocabulary, lower: bool, skip: bool) -> tuple[Ids, str]:
    """A text as ids [L] of a vocabulary that may not have all of its characters, and in words which were left out by `skip`.

    What is left of it is held in memory then. Raises RunFailed, with their number and examples, where there are any and `skip`
    is False.
    """
    own = encoded(source, lower)
    strange = [i for i, symbol in enumerate(own.vocabulary.symbols) if symbol not in vocabulary]
    if not strange:
        return (own if own.vocabulary == vocabulary else encoded(source, lower, vocabulary)).ids, ""
    counts = _counts(own.ids, len(own.vocabulary))
    commonest = sorted(((counts[i], own.vocabulary.symbols[i]) for i in strange), reverse=True)
    examples = ", ".join(f"{letter!r} {count:,} times" for count, letter in commonest[:5])
    more = f" and {len(strange) - 5} others" if len(strange) > 5 else ""
    told = f"{sum(count for count, _ in commonest):,} of {len(own.ids):,} characters: {examples}{more}"
    if not skip:
        raise RunFailed(f"the network has not learnt {told}; --skip-unknown leaves them out of {source.name}")
    kept = [
        vocabulary.encode("".join(symbol for symbol in own.vocabulary.decode(part) if symbol in vocabulary))
        for part in _parts(own.ids)
    ]
    return np.concatenate(kept), told


def words(ids: Ids, vocabulary: Vocabulary) -> int:
    """How many runs of anything but white space there are.

    >>> vocabulary = Vocabulary(" a'.")
    >>> words(vocabulary.encode(" a a'a.  a"), vocabulary)
    3
    """
    blank = np.array([symbol.isspace() for symbol in vocabulary.symbols])[ids]
    return int(np.count_nonzero(blank[:-1] & ~blank[1:])) + int(not blank[0])


def _parts(ids: Ids) -> Iterator[Ids]:
    return (ids[first : first + 2**20] for first in range(0, len(ids), 2**20))


def _counts(ids: Ids, symbols: int) -> list[int]:
    """How often each symbol comes."""
    total = np.zeros(symbols, np.int64)
    for part in _parts(ids):
        total += np.bincount(part, minlength=symbols)
    counts: list[int] = total.tolist()
    return counts
