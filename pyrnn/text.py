"""Text as ids: a vocabulary, windows over a sequence of ids, and the choice of the next symbol.

Letters: L ids in the text, N windows, V symbols.

>>> vocabulary = Vocabulary.from_text("banana")
>>> ids = vocabulary.encode("banana")
>>> ids
array([1, 0, 2, 0, 2, 0], dtype=uint8)
>>> x, y = windows(ids, window=3)
>>> [vocabulary.decode(row) for row in x], vocabulary.decode(y)
(['ban', 'ana', 'nan'], 'ana')
"""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex, final

import numpy as np
import numpy.typing as npt

from ._codec import Codec, distinct

__all__ = ["Vocabulary", "sample", "windows"]

Ids = npt.NDArray[np.unsignedinteger[Any]]

_DTYPES: dict[int, type[np.unsignedinteger[Any]]] = {1: np.uint8, 2: np.uint16, 4: np.uint32}


@final
class Vocabulary:
    """V distinct characters, in any order; the id of a character is its position in `symbols`. Immutable and hashable.

    Any Unicode text goes, lone surrogates included. Raises TypeError unless `symbols` is a str, ValueError when it is
    empty or repeats a character.

    >>> vocabulary = Vocabulary(" +0123456789")
    >>> len(vocabulary), "7" in vocabulary, "-" in vocabulary
    (12, True, False)
    """

    __slots__ = ("_codec",)

    def __init__(self, symbols: str) -> None:
        self._codec = Codec(symbols)

    @classmethod
    def from_text(cls, text: str) -> Vocabulary:
        """The distinct characters of `text`, sorted by code point. Raises ValueError when there are none.

        >>> Vocabulary.from_text("hello").symbols
        'ehlo'
        """
        symbols = distinct(text)
        if not symbols:
            raise ValueError("Vocabulary.from_text: text must hold at least one character, got ''")
        return cls(symbols)

    @property
    def symbols(self) -> str:
        """All symbols as one str: `symbols[i]` has the id i."""
        return self._codec.symbols

    def encode(self, text: str) -> Ids:
        """Ids [L] of a text of L characters: uint8 for up to 256 symbols, uint16 for up to 65536, uint32 beyond.

        Raises ValueError naming the first character that is not a symbol and its position.

        >>> Vocabulary("abn").encode("ban")
        array([1, 0, 2], dtype=uint8)
        """
        return np.frombuffer(self._codec.encode(text), dtype=_DTYPES[self._codec.width])

    def decode(self, ids: npt.ArrayLike) -> str:
        """The text of integer ids [L].

        Raises TypeError for ids that are not integers, ValueError for another rank, and ValueError naming the first
        id outside 0..V-1 and its position.

        >>> Vocabulary("abn").decode([1, 0, 2])
        'ban'
        """
        array = np.asarray(ids)
        if array.ndim != 1:
            raise ValueError(f"decode: ids must be one-dimensional [L], got shape {list(array.shape)}")
        if array.size == 0:
            return ""  # np.asarray([]) is float64, and nothing is still nothing
        if array.dtype.kind not in "iu":
            raise TypeError(f"decode: ids must be integers, got {array.dtype}")
        native = np.int64 if array.dtype.kind == "i" else array.dtype.newbyteorder("=")
        return self._codec.decode(np.ascontiguousarray(array, dtype=native).data)

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        return isinstance(symbol, str) and len(symbol) == 1 and symbol in self.symbols

    def __eq__(self, other: object) -> bool:
        return self.symbols == other.symbols if isinstance(other, Vocabulary) else NotImplemented

    def __hash__(self) -> int:
        return hash((Vocabulary, self.symbols))

    def __reduce__(self) -> tuple[type[Vocabulary], tuple[str]]:
        return Vocabulary, (self.symbols,)

    def __repr__(self) -> str:
        return f"Vocabulary({self.symbols!r})"


def windows(
    ids: npt.ArrayLike, window: SupportsIndex, step: SupportsIndex = 1
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Runs of `window` ids, a new one every `step` ids, and the id after each: x [N, window], y [N].

    x[n] = ids[n * step : n * step + window] and y[n] = ids[n * step + window], for every n * step in
    range(0, L - window, step). Both are views of the array `ids` [L]; x is read-only, since its rows share memory.

    Raises ValueError when `ids` is not one-dimensional or has fewer than window + 1 entries, and for a window or
    step below 1.

    >>> x, y = windows(np.arange(7), window=3, step=2)
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [2, 3, 4]], [3, 5])
    """
    array = np.asarray(ids)
    window, step = operator.index(window), operator.index(step)
    if array.ndim != 1:
        raise ValueError(f"windows: ids must be one-dimensional [L], got shape {list(array.shape)}")
    if window < 1 or step < 1:
        raise ValueError(f"windows: window and step must be at least 1, got window {window} and step {step}")
    if array.size < window + 1:
        raise ValueError(f"windows: a window of {window} needs at least {window + 1} ids, got {array.size}")
    x = np.lib.stride_tricks.sliding_window_view(array[:-1], window)[::step]
    return x, array[window::step]


def sample(logits: npt.ArrayLike, temperature: float, rng: np.random.Generator) -> int:
    """A symbol drawn from softmax(logits / temperature); temperature 0 takes the largest logit (the first of equals).

    logits [V], in nats up to a common constant, may hold -inf (never drawn): the logarithm of probabilities is fine.
    One float64 draw from `rng` and the inverse of the cumulative distribution (Devroye 1986, section III.2.1);
    the largest logit is taken off first, so no finite logits and no temperature overflow.

    Raises ValueError for another rank, no logits, NaN or +inf, all -inf, and for a negative or non-finite temperature.

    >>> sample([0.0, 3.0, 1.0], temperature=0.0, rng=np.random.default_rng(0))
    1
    """
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim != 1 or z.size == 0:
        raise ValueError(f"sample: logits must be [V] with V >= 1, got shape {list(z.shape)}")
    if not 0 <= temperature < np.inf:
        raise ValueError(f"sample: temperature must be finite and at least 0, got {temperature}")
    best = int(np.argmax(z))  # a NaN, if there is one
    if not np.isfinite(z[best]):
        raise ValueError(f"sample: the largest logit must be finite, got {z[best]} at position {best}")
    if temperature == 0:
        return best
    with np.errstate(over="ignore"):  # -huge / tiny = -inf, whose exponential is the 0 it should be
        cumulative = np.cumsum(np.exp((z - z[best]) / temperature))
    # random() < 1 keeps the product below cumulative[-1]: an index in range, and never one of probability 0
    return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
