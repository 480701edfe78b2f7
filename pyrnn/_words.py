"""Words as symbols. Letters: L ids, V symbols."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, SupportsIndex, final

import numpy as np
import numpy.typing as npt

from ._arrays import ids_to_decode
from ._checks import whole

__all__ = ["UNKNOWN", "Words"]

Ids = npt.NDArray[np.unsignedinteger[Any]]

UNKNOWN = "\ufffd"  # Unicode's character in place of what is not known
_LETTERS = r"[^\W_]+"
_TOKEN = re.compile(rf"{_LETTERS}(?:['\u2019]{_LETTERS})*|.", re.DOTALL)


@final
class Words:
    """V distinct words, of which the first, U+FFFD, stands for any that is not there. Immutable and hashable.

    A text falls into words, runs of letters and digits that may hold apostrophes, and the characters between them, of which each
    is a symbol by itself, blanks too: so `decode(encode(text)) == text` where all words of the text are known.

    Raises TypeError for symbols that are not str, ValueError when the first is not U+FFFD, or one comes twice or is not one word.

    >>> words = Words(["\\ufffd", "the", " ", "owl", "."])
    >>> words.encode("the owl.")
    array([1, 2, 3, 4], dtype=uint8)
    >>> words.decode(words.encode("the cat."))
    'the \ufffd.'
    >>> len(words), "owl" in words, "ow" in words
    (5, True, False)
    """

    __slots__ = ("_ids", "_symbols")

    def __init__(self, symbols: Iterable[str]) -> None:
        self._symbols = tuple(symbols)
        for position, symbol in enumerate(self._symbols):
            if not isinstance(symbol, str):
                raise TypeError(f"Words: symbols must be str, got {type(symbol).__name__} at position {position}")
            if _TOKEN.fullmatch(symbol) is None:
                raise ValueError(
                    f"Words: a symbol must be one word or one character, got {symbol!r} at position {position}"
                )
        if self._symbols[:1] != (UNKNOWN,):
            raise ValueError(f"Words: the first symbol must be {UNKNOWN!r}, the unknown one, got {self._symbols[:1]}")
        self._ids = {symbol: id for id, symbol in enumerate(self._symbols)}
        if len(self._ids) < len(self._symbols):
            twice = next(symbol for symbol, count in Counter(self._symbols).items() if count > 1)
            raise ValueError(f"Words: symbols must be distinct, got {twice!r} twice")

    @classmethod
    def from_text(cls, text: str, most: SupportsIndex | None = None) -> Words:
        """The words of `text`, the most frequent first, of equally frequent ones the first in the alphabet; `most` of them at most.

        U+FFFD comes before them and is not counted. Raises ValueError when there are none, or for a `most` below 1.

        >>> Words.from_text("a rose is a rose", most=3).symbols
        ('\ufffd', ' ', 'a', 'rose')
        """
        limit = None if most is None else whole("Words.from_text", "most", most)
        counts = Counter(cls.split(text))
        if not counts:
            raise ValueError("Words.from_text: text must hold at least one character, got ''")
        counts.pop(UNKNOWN, None)
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        return cls([UNKNOWN, *ordered[:limit]])

    @staticmethod
    def split(text: str) -> list[str]:
        """The words of a text and what stands between them, in order and with nothing left out.

        >>> Words.split("Don't go, Owl!")
        ["Don't", ' ', 'go', ',', ' ', 'Owl', '!']
        """
        if not isinstance(text, str):
            raise TypeError(f"Words: text must be a str, got {type(text).__name__}")
        return _TOKEN.findall(text)

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols: `symbols[i]` has the id i."""
        return self._symbols

    def encode(self, text: str) -> Ids:
        """Ids [L] of a text of L words and characters between them, uint8 for up to 256 symbols, uint16 up to 65536, else uint32.

        What is not known has the id 0.
        """
        ids, words = self._ids, self.split(text)
        return np.fromiter((ids.get(word, 0) for word in words), np.min_scalar_type(len(self) - 1), len(words))

    def decode(self, ids: npt.ArrayLike) -> str:
        """The text of integer ids [L].

        Raises TypeError for ids that are not integers, ValueError for another rank, and ValueError naming the first id outside
        0..V-1 and its position.
        """
        array = ids_to_decode(ids)
        wrong = np.flatnonzero((array < 0) | (array >= len(self)))
        if wrong.size:
            raise ValueError(f"decode: ids must be in 0..{len(self) - 1}, got {array[wrong[0]]} at position {wrong[0]}")
        return "".join([self._symbols[id] for id in array.tolist()])

    def __len__(self) -> int:
        return len(self._symbols)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._ids

    def __eq__(self, other: object) -> bool:
        return self._symbols == other._symbols if isinstance(other, Words) else NotImplemented

    def __hash__(self) -> int:
        return hash((Words, self._symbols))

    def __reduce__(self) -> tuple[type[Words], tuple[tuple[str, ...]]]:
        return Words, (self._symbols,)

    def __repr__(self) -> str:
        return f"Words({list(self._symbols)!r})"
