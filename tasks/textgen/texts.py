"""A corpus as ids: the one place where a text is read, lower-cased and encoded."""

import numpy as np
import numpy.typing as npt

from pyrnn.text import Vocabulary

from .._console import RunFailed
from . import corpus

Ids = npt.NDArray[np.unsignedinteger]


def read(name: str | None) -> corpus.Corpus:
    """The corpus of that name or path, or the default. Raises RunFailed where it cannot be had."""
    try:
        return corpus.load(name) if name else corpus.default()
    except corpus.CorpusError as error:
        raise RunFailed(str(error)) from error


def encoded(source: corpus.Corpus, lower: bool) -> tuple[Vocabulary, Ids]:
    """The symbols of a text, and the text as their ids [L]. Raises RunFailed for a text of one symbol alone."""
    text = source.text.lower() if lower else source.text
    vocabulary = Vocabulary.from_text(text)
    if len(vocabulary) < 2:
        raise RunFailed(f"there is nothing to learn: the corpus has no other character than {text[0]!r}")
    return vocabulary, vocabulary.encode(text)


def known_ids(source: corpus.Corpus, vocabulary: Vocabulary, lower: bool, skip: bool) -> tuple[Ids, str]:
    """A text as ids [L] of a vocabulary that may not have all of its characters, and in words which were left out by `skip`.

    Raises RunFailed, with their number and examples, where there are any and `skip` is False.
    """
    text = source.text.lower() if lower else source.text
    strange = sorted(set(text) - set(vocabulary.symbols))
    if not strange:
        return vocabulary.encode(text), ""
    counts = sorted(((text.count(letter), letter) for letter in strange), reverse=True)
    examples = ", ".join(f"{letter!r} {count:,} times" for count, letter in counts[:5])
    more = f" and {len(strange) - 5} others" if len(strange) > 5 else ""
    told = f"{sum(count for count, _ in counts):,} of {len(text):,} characters: {examples}{more}"
    if not skip:
        raise RunFailed(f"the network has not learnt {told}; --skip-unknown leaves them out of {source.name}")
    return vocabulary.encode(text.translate(dict.fromkeys(map(ord, strange)))), told
