"""A text file read in chunks, as if it were read whole: its characters, its lower case, its hash, its errors."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from hashlib import _Hash

CHUNK = (
    1 << 16
)  # bytes read at once: many chunks of an English text are ASCII alone, which is lowered at twice the speed


class TextFile:
    """The UTF-8 text in an open, seekable file; `path` is what errors call it."""

    def __init__(self, path: str, file: BinaryIO, lower: bool) -> None:
        self.path, self.lower = path, lower
        self._file = file

    def chunks(self, digest: _Hash, size: int = CHUNK) -> Iterator[str]:
        """The whole text from its beginning, without a byte-order mark; `digest` is updated with all bytes.

        The chunks are those of `size` bytes but for what is held back: parts of a character, a sigma. Raises ValueError
        where the text is not UTF-8.
        """
        decode, case = _Decoding(self.path), Lowering()
        begun = False
        for data, last in self._reads(size):
            digest.update(data)
            text = decode.take(data, last)
            if text and not begun:
                begun, text = True, text.removeprefix("\ufeff")
            yield case.take(text, last) if self.lower else text

    def _reads(self, size: int) -> Iterator[tuple[bytes, bool]]:
        try:
            self._file.seek(0)
            while data := self._file.read(size):
                yield data, False
            yield b"", True
        except OSError as error:
            raise type(error)(error.errno, error.strerror, self.path) from error

    @cached_property
    def sha256(self) -> str:
        """Of the file's bytes, which takes as long as reading them: no character is looked at."""
        from hashlib import sha256

        digest = sha256()
        for data, _ in self._reads(CHUNK):
            digest.update(data)
        return digest.hexdigest()


class _Decoding:
    def __init__(self, path: str) -> None:
        self._path = path
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._read = 0  # bytes

    def take(self, data: bytes, last: bool) -> str:
        held = len(self._decoder.getstate()[0])  # bytes of a character that the last chunk cut off
        try:
            text = self._decoder.decode(data, last)
        except UnicodeDecodeError as error:
            at, wrong = self._read - held + error.start, error.object[error.start]
            raise ValueError(
                f"encode_file: {self._path} must be UTF-8 text, got byte 0x{wrong:02x} at position {at}"
            ) from error
        self._read += len(data)
        return text


class Lowering:
    """str.lower() of a text that comes in chunks.

    One letter is lowered by what stands around it: a capital sigma is ς where a cased letter comes before it and none after
    it, else σ, characters like ' and . being passed over (The Unicode Standard, table 3-17, Final_Sigma). So one bit goes on
    from chunk to chunk, and a sigma after which nothing is decided is held back.

    >>> case = Lowering()
    >>> case.take("ΟΔΟΣ", last=False), case.take(" ΣΟΣ", last=True)
    ('οδο', 'ς σος')
    """

    def __init__(self) -> None:
        self._before = ""  # a cased letter where the last character that is not passed over is one
        self._held = ""

    def take(self, chunk: str, last: bool) -> str:
        text = self._held + chunk
        cut = len(text) if last else _decided(text)
        before, after = self._before, text[cut : cut + 1]
        lowered = (before + text[:cut] + after).lower()
        self._held = text[cut:]
        self._before = _cased_end(text[:cut], before)
        return lowered[len(before) : len(lowered) - len(after)]


def _decided(text: str) -> int:
    """How many characters are lowered alike whatever follows: all, or those before the last sigma."""
    last = text.rfind("Σ")
    if last < 0:
        return len(text)
    tail = "a" + text[last:]
    return len(text) if tail.lower()[1] == (tail + "a").lower()[1] else last


def _cased_end(text: str, before: str) -> str:
    """A cased letter if the last character of `text` that a sigma does not pass over is one; `before` if there is none."""
    for character in reversed(text):
        if ("aΣ" + character).lower()[1] == "σ":
            return "a"
        if ("aΣ" + character + "a").lower()[1] == "ς":
            return ""
    return before
