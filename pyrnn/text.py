"""Text as ids: a vocabulary, windows over a sequence of ids, the choice of the next symbol, and text that a model writes.

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

import itertools
import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, final

import numpy as np
import numpy.typing as npt

from ._arrays import as_array, ids_to_decode, rectangular
from ._codec import Codec, distinct
from ._corpus import EncodedFile, encode_file
from ._generation import Generation
from ._words import Words

if TYPE_CHECKING:
    from .models import Sequential

__all__ = ["EncodedFile", "Vocabulary", "Words", "encode_file", "generate", "generate_batch", "sample", "windows"]

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
        array = ids_to_decode(ids)
        native = np.int64 if array.dtype.kind == "i" else array.dtype.newbyteorder("=")
        return self._codec.decode(np.require(array, native, ("C", "ALIGNED")).data)

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
    array = rectangular("windows", "ids", ids)
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

    Raises TypeError for logits that are no real numbers, ValueError for another rank, no logits, NaN or +inf, all -inf, and for a
    negative or non-finite temperature.

    >>> sample([0.0, 3.0, 1.0], temperature=0.0, rng=np.random.default_rng(0))
    1
    """
    z = np.asarray(as_array("sample", "logits", logits), dtype=np.float64)
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


def generate(
    model: Sequential,
    vocabulary: Vocabulary | Words,
    prompt: str,
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    mode: str = "stateful",
    stop: str | None = None,
    window: int | None = None,
) -> Iterator[str]:
    """The `length` characters with which a model continues `prompt`, one by one, each as soon as it is there.

    The model reads ids of the vocabulary's V symbols and ends with V probabilities, by softmax, or with the logits of a Dense
    layer: [N, V], or [N, T, V] one for each step. How it reads is the `mode`:

    - "stateful": the whole prompt from a zero state, then each new character from the state that the last one left.
    - "window": for each new character the last `window` ones anew, from a zero state, as a model is trained that sees windows
      of a text. `window` is the model's number of steps, and must be given where that is open. A prompt shorter than the
      window is read as it is.

    Characters are drawn from softmax(logits / temperature); temperature 0 takes the likeliest. `top_k` keeps the k likeliest
    alone; of those `top_p` keeps the fewest, likeliest first, whose probabilities add up to top_p or more (Holtzman et al.
    2020, "The curious case of neural text degeneration"). Of equally likely ones the first in the vocabulary comes first.

    Of `Words`, `length` counts words and the characters between them, and the letters of a word come together. Unknown words of the
    prompt are read as the unknown one.

    `seed` decides the text, whatever the threads and the processor's instruction set; without one it comes from the state
    that `pyrnn.utils.set_random_seed` sets. With `stop` the text ends where it ends with that, which is its last part.

    Raises, at once, ValueError or TypeError for a model that does not fit the vocabulary or the mode (Bidirectional, pooling
    and RepeatVector need a whole sequence), for an empty prompt or unknown characters in it or in `stop`, for a temperature
    below 0, top_k below 1, top_p outside (0, 1], and a seed outside 0..2**64-1. While characters come, ValueError for logits
    of which the largest is not finite.

    >>> import pyrnn
    >>> from pyrnn import layers
    >>> vocabulary = Vocabulary("abcd")
    >>> model = pyrnn.Sequential([pyrnn.Input((None, 4)), layers.LSTM(8), layers.Dense(4, activation="softmax")])
    >>> text = "".join(generate(model, vocabulary, "ab", length=20, temperature=0.5, seed=1))
    >>> len(text), set(text) <= set("abcd")
    (20, True)
    """
    ids = [_prompt_ids("generate", "prompt", vocabulary, prompt)]
    stop = _checked_stop("generate", vocabulary, stop)
    generation = Generation(
        "generate", model, len(vocabulary), ids, length, [temperature], top_k, top_p, seed, mode, window
    )
    return itertools.chain.from_iterable(_chunks(vocabulary, generation, _Written(stop)))


def generate_batch(
    model: Sequential,
    vocabulary: Vocabulary | Words,
    prompts: str | Sequence[str],
    length: int,
    temperature: float | Sequence[float] = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    mode: str = "stateful",
    stop: str | None = None,
    window: int | None = None,
) -> list[str]:
    """What `generate` gives for several prompts, several temperatures, or as many of both, as one batch: a list of texts.

    Text number i is that of `generate` with seed + i, so equal prompts get texts of their own. Raises what `generate` raises,
    and ValueError for prompts and temperatures of different numbers, or none.

    >>> import pyrnn
    >>> from pyrnn import layers
    >>> vocabulary = Vocabulary("abcd")
    >>> model = pyrnn.Sequential([pyrnn.Input((None, 4)), layers.GRU(8), layers.Dense(4, activation="softmax")])
    >>> texts = generate_batch(model, vocabulary, ["ab", "cdc"], length=20, temperature=[0.5, 1.0], seed=1)
    >>> texts[1] == "".join(generate(model, vocabulary, "cdc", length=20, temperature=1.0, seed=2))
    True
    """
    given = [prompts] if isinstance(prompts, str) else list(prompts)
    temperatures: list[Any] = np.atleast_1d(temperature).tolist()
    if isinstance(prompts, str):
        given *= len(temperatures)
    elif np.ndim(temperature) == 0:
        temperatures *= len(given)
    if not 0 < len(given) == len(temperatures):
        raise ValueError(
            f"generate_batch: there must be as many temperatures as prompts, got {len(temperatures)} and {len(given)}"
        )
    ids = [_prompt_ids("generate_batch", f"prompts[{i}]", vocabulary, prompt) for i, prompt in enumerate(given)]
    stop = _checked_stop("generate_batch", vocabulary, stop)
    generation = Generation(
        "generate_batch", model, len(vocabulary), ids, length, temperatures, top_k, top_p, seed, mode, window
    )
    texts = [_Written(stop) for _ in ids]
    parts: list[list[str]] = [[] for _ in ids]
    for chunks in generation.chunks():
        for text, chunk, kept in zip(texts, chunks, parts, strict=True):
            kept.append(text.take(vocabulary.decode(chunk)))
        if all(text.ended for text in texts):
            break
    return ["".join(kept) for kept in parts]


def _chunks(vocabulary: Vocabulary | Words, generation: Generation, text: _Written) -> Iterator[str]:
    for (chunk,) in generation.chunks():
        yield text.take(vocabulary.decode(chunk))
        if text.ended:
            return


class _Written:
    """A text that comes in chunks and ends with `stop`, where there is one."""

    def __init__(self, stop: str | None) -> None:
        self._stop = stop
        self._recent = ""  # what may be the beginning of `stop`: one character less than that has
        self.ended = False

    def take(self, chunk: str) -> str:
        """As much of the next chunk as belongs to the text."""
        if self._stop is None:
            return chunk
        if self.ended:
            return ""
        seen = self._recent + chunk
        at = seen.find(self._stop)
        self.ended = at >= 0
        if self.ended:
            return chunk[: at + len(self._stop) - len(self._recent)]
        self._recent = seen[max(0, len(seen) - len(self._stop) + 1) :]
        return chunk


def _prompt_ids(owner: str, name: str, vocabulary: Vocabulary | Words, prompt: str) -> Ids:
    if not isinstance(vocabulary, Vocabulary | Words):
        raise TypeError(f"{owner}: vocabulary must be a Vocabulary or Words, got {type(vocabulary).__name__}")
    if not isinstance(prompt, str):
        raise TypeError(f"{owner}: {name} must be a str, got {type(prompt).__name__}")
    if not prompt:
        raise ValueError(f"{owner}: {name} must hold at least one character, which the model reads first, got ''")
    return _encoded(owner, name, vocabulary, prompt)


def _checked_stop(owner: str, vocabulary: Vocabulary | Words, stop: str | None) -> str | None:
    if stop is None:
        return None
    if not isinstance(stop, str):
        raise TypeError(f"{owner}: stop must be a str or None, got {type(stop).__name__}")
    if not stop:
        raise ValueError(f"{owner}: stop must hold at least one character, got ''")
    if isinstance(vocabulary, Vocabulary):
        _encoded(owner, "stop", vocabulary, stop)
    return stop


def _encoded(owner: str, name: str, vocabulary: Vocabulary | Words, text: str) -> Ids:
    try:
        return vocabulary.encode(text)
    except ValueError:
        at = next(i for i, symbol in enumerate(text) if symbol not in vocabulary)
        raise ValueError(
            f"{owner}: {name} must be made of the vocabulary's {len(vocabulary)} symbols, got {text[at]!r} at position {at}"
        ) from None
