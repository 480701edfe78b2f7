"""A corpus as ids: the one place where a text is read, lower-cased and encoded."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyrnn.text import EncodedFile, Vocabulary, Words

from .._console import RunFailed
from . import corpus

Ids = npt.NDArray[np.unsignedinteger]
Symbols = Vocabulary | Words


@dataclass(frozen=True)
class Text:
    """A text as ids [L] of characters, or of words, and then `widths` [L], the characters of each as it stands in the text.

    `letters` are the distinct ones of the text.
    """

    ids: Ids
    vocabulary: Symbols
    sha256: str
    widths: npt.NDArray[np.int64] | None = None
    letters: int = 0

    def bits_per_character(self, bits: float, first: int) -> float:
        """Of ids[first:], for which a network needs so many `bits` each, so that characters and words can be compared.

        An unknown word must be spelt besides: its characters and its end, each of them any of the letters.
        """
        spelt = 0.0
        if self.widths is not None:
            unknown = self.widths[first:][self.ids[first:] == 0]
            spelt = int((unknown + 1).sum()) * math.log2(self.letters + 1)
        return (bits * (len(self.ids) - first) + spelt) / self.characters(first)

    def characters(self, first: int = 0) -> int:
        """How many of them there are from ids[first] on."""
        return len(self.ids) - first if self.widths is None else int(self.widths[first:].sum())

    @property
    def unit(self) -> str:
        return unit(self.vocabulary)


def unit(vocabulary: Symbols) -> str:
    """What ids stand for, in sentences for the user."""
    return "characters" if isinstance(vocabulary, Vocabulary) else "words"


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


def to_learn(source: corpus.Corpus, lower: bool, most: int | None = None) -> Text:
    """The text as ids of its characters, or of its `most` frequent words. Raises RunFailed, also for one symbol alone."""
    own = encoded(source, lower)
    if len(own.vocabulary) < 2:
        raise RunFailed(f"there is nothing to learn: the corpus has no other character than {own.vocabulary.symbols!r}")
    if most is None:
        return Text(*own)
    return _of_words(own, Words.from_text(own.vocabulary.decode(own.ids), most))


def known(source: corpus.Corpus, vocabulary: Symbols, lower: bool, skip: bool) -> tuple[Text, str]:
    """A text as ids of a vocabulary that may not have all that is in it, and in words what is not there; `skip` leaves that out.

    What is left of it is held in memory then. Unknown words have an id; for unknown characters RunFailed is raised, with their
    number and examples, where `skip` is False.
    """
    own = encoded(source, lower)
    if isinstance(vocabulary, Words):
        text = _of_words(own, vocabulary)
        strange = text.ids == 0
        told = f"{np.count_nonzero(strange):,} of {len(strange):,} words and signs are unknown"
        if skip:
            assert text.widths is not None
            text = Text(text.ids[~strange], vocabulary, own.sha256, text.widths[~strange], text.letters)
        return text, told if strange.any() else ""
    told = _unknown_characters(own, vocabulary)
    if not told:
        return Text(*(own if own.vocabulary == vocabulary else encoded(source, lower, vocabulary))), ""
    if not skip:
        raise RunFailed(f"{told}; --skip-unknown leaves them out of {source.name}")
    kept = [
        vocabulary.encode("".join(symbol for symbol in own.vocabulary.decode(part) if symbol in vocabulary))
        for part in _parts(own.ids)
    ]
    return Text(np.concatenate(kept), vocabulary, own.sha256), told


def _of_words(own: EncodedFile, vocabulary: Words) -> Text:
    """In memory, unlike characters."""
    text = own.vocabulary.decode(own.ids)
    widths = np.array([len(word) for word in Words.split(text)], np.int64)
    return Text(vocabulary.encode(text), vocabulary, own.sha256, widths, len(own.vocabulary))


def _unknown_characters(own: EncodedFile, vocabulary: Vocabulary) -> str:
    strange = [i for i, symbol in enumerate(own.vocabulary.symbols) if symbol not in vocabulary]
    if not strange:
        return ""
    counts = _counts(own.ids, len(own.vocabulary))
    commonest = sorted(((counts[i], own.vocabulary.symbols[i]) for i in strange), reverse=True)
    examples = ", ".join(f"{letter!r} {count:,} times" for count, letter in commonest[:5])
    more = f" and {len(strange) - 5} others" if len(strange) > 5 else ""
    unknown = sum(count for count, _ in commonest)
    return f"{unknown:,} of {len(own.ids):,} characters are unknown: {examples}{more}"


def words(ids: Ids, vocabulary: Symbols) -> int:
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
