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
