"""A text file as ids: in memory where it is small, else in a file of ids that is mapped, and kept for the next time.

The file of ids is one line of JSON, its header, padded to a multiple of 64 bytes, and the ids as they lie in memory. It takes its
place in one step, whole. Its time of modification is that of the text, once the text has been seen to have the header's sha256: while
size and time stay the same, the text is not read again.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from ._checks import flag, whole
from ._chunked_text import TextFile
from ._codec import distinct

if TYPE_CHECKING:
    from .text import Vocabulary

__all__ = ["EncodedFile", "encode_file"]

Ids = npt.NDArray[np.unsignedinteger[Any]]

IN_MEMORY = 64 << 20  # bytes: encoded in a second or two, and no file of ids is left beside a small text
_MAGIC = b'{"pyrnn ids": 1, '
_LONGEST_HEADER = 16 << 20  # all of Unicode as escapes in JSON takes 13 MB
_SETTLED = 2_000_000_000  # ns: no file system tells times less exactly, so that a later change shows in the time


class EncodedFile(NamedTuple):
    """The ids [L] of a text file, the vocabulary that they belong to, and the sha256 of the file's bytes."""

    ids: Ids
    vocabulary: Vocabulary
    sha256: str


def encode_file(
    path: str | os.PathLike[str], lower: bool = False, vocabulary: Vocabulary | None = None, in_memory: int = IN_MEMORY
) -> EncodedFile:
    """The UTF-8 text in a file of any size as ids [L], uint8, uint16 or uint32 as for `Vocabulary.encode`.

    The same as `vocabulary.encode(text)`, of `text.lower()` with `lower`, where text is all of the file but a byte-order mark, and
    `vocabulary` is by default `Vocabulary.from_text` of it; but the file is read in chunks, once to count and once to encode.

    The ids of a file of more than `in_memory` bytes, 64 MB, are a read-only np.memmap: they take no memory of their own, in `fit`
    neither. They lie in a file beside the text, `<name>.pyrnn.ids` or, with `lower`, `<name>.pyrnn-lower.ids`, which the next
    call finds; a vocabulary that is not the text's own adds some digits to the name. Where the text's folder cannot be written
    it lies in the folder "corpora" of the cache that `pyrnn.utils.get_file` uses. A line on stderr says when it is written, and
    where. It is used as long as the text has the same sha256, which is looked at anew when the text's size or time of
    modification have changed; else, and where it is damaged, it is written again. It may be deleted at any time.

    A pipe, which can be read but once, is held in memory.

    Raises OSError where the file cannot be read, changes while it is read, or the ids cannot be written; ValueError for what
    is not UTF-8, which names the byte and its position, for a text without characters, and for one with a character that is not
    in `vocabulary`.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "fruit.txt")
    >>> with open(path, "w") as file:
    ...     written = file.write("Banana")
    >>> ids, vocabulary, sha256 = encode_file(path, lower=True)
    >>> ids, vocabulary.symbols
    (array([1, 0, 2, 0, 2, 0], dtype=uint8), 'abn')
    >>> mapped = encode_file(path, lower=True, in_memory=0).ids
    >>> mapped.tolist() == ids.tolist(), os.path.basename(mapped.filename)
    (True, 'fruit.txt.pyrnn-lower.ids')
    """
    from .text import Vocabulary  # which imports this module

    flag("encode_file", "lower", lower)
    limit = whole("encode_file", "in_memory", in_memory, low=0)
    if vocabulary is not None and not isinstance(vocabulary, Vocabulary):
        raise TypeError(f"encode_file: vocabulary must be a Vocabulary or None, got {type(vocabulary).__name__}")
    name = os.fsdecode(path)
    with open(name, "rb", buffering=0) as file:
        if not file.seekable():
            return _in_memory(TextFile(name, io.BytesIO(file.read()), lower), vocabulary)
        text, status = TextFile(name, file, lower), os.fstat(file.fileno())
        return _in_memory(text, vocabulary) if status.st_size <= limit else _mapped(text, vocabulary, status)


# -- encoding -----------------------------------------------------------------


class _Counted(NamedTuple):
    vocabulary: Vocabulary
    length: int
    sha256: str


def _counted(text: TextFile, vocabulary: Vocabulary | None) -> _Counted:
    from hashlib import sha256

    from .text import Vocabulary

    digest, symbols, length = sha256(), set[str](), 0
    for chunk in text.chunks(digest):
        symbols.update(distinct(chunk))
        length += len(chunk)
    if not length:
        raise ValueError(f"encode_file: {text.path} must hold at least one character, but is empty")
    return _Counted(vocabulary or Vocabulary("".join(sorted(symbols))), length, digest.hexdigest())


def _encoded(text: TextFile, counted: _Counted) -> Iterator[Ids]:
    """The ids of the text, chunk by chunk. Raises OSError at their end if it is not the text that was counted."""
    from hashlib import sha256

    digest, done = sha256(), 0
    changed = OSError(errno.EBUSY, "the file has changed while it was read", text.path)
    for chunk in text.chunks(digest):
        if done + len(chunk) > counted.length:
            raise changed
        try:
            yield counted.vocabulary.encode(chunk)
        except ValueError:
            at = next(i for i, symbol in enumerate(chunk) if symbol not in counted.vocabulary)
            raise ValueError(
                f"encode_file: {text.path} must be made of the vocabulary's {len(counted.vocabulary)} symbols, "
                f"got {chunk[at]!r} at position {done + at}"
            ) from None
        done += len(chunk)
    if digest.hexdigest() != counted.sha256:
        raise changed


def _in_memory(text: TextFile, vocabulary: Vocabulary | None) -> EncodedFile:
    counted = _counted(text, vocabulary)
    ids, done = np.empty(counted.length, counted.vocabulary.encode("").dtype), 0
    for part in _encoded(text, counted):
        ids[done : done + len(part)] = part
        done += len(part)
    return EncodedFile(ids, counted.vocabulary, counted.sha256)


# -- files of ids -------------------------------------------------------------


def _mapped(text: TextFile, vocabulary: Vocabulary | None, status: os.stat_result) -> EncodedFile:
    settled = time.time_ns() - status.st_mtime_ns >= _SETTLED
    stamp = status.st_mtime_ns if settled else 0
    own = _places(text, None)
    places = own if vocabulary is None else _places(text, vocabulary)
    for place in dict.fromkeys([*own, *places]):
        found = _found(place, text, vocabulary, status, stamp)
        if found is not None:
            return found
    return _written(text, vocabulary, status, places, stamp)


def _places(text: TextFile, vocabulary: Vocabulary | None) -> list[str]:
    """Where the ids may lie: beside the text, and in the cache."""
    from hashlib import sha256

    from .utils.data_utils import cache_folder

    folder, name = os.path.split(os.path.abspath(text.path))
    marks = ["lower"] if text.lower else []
    if vocabulary is not None:
        marks.append(sha256(vocabulary.symbols.encode("utf-8", "surrogatepass")).hexdigest()[:8])
    file = "-".join([f"{name}.pyrnn", *marks]) + ".ids"
    number = sha256(os.fsencode(folder)).hexdigest()[:16]  # texts of one name in many folders
    return [os.path.join(folder, file), os.path.join(cache_folder(), "corpora", f"{number}-{file}")]


def _found(
    place: str, text: TextFile, vocabulary: Vocabulary | None, status: os.stat_result, stamp: int
) -> EncodedFile | None:
    """The ids that lie there, if they are those of the text."""
    try:
        with open(place, "rb") as file:
            found = _loaded(file, text.lower, vocabulary, status.st_size)
            if found is not None and os.fstat(file.fileno()).st_mtime_ns != status.st_mtime_ns:
                if found.sha256 != text.sha256:
                    return None
                if os.utime in os.supports_fd:  # by its name it might be another file by now
                    with suppress(OSError):  # somebody else's file: then the next call reads the text once more
                        os.utime(file.fileno(), ns=(time.time_ns(), stamp))
            return found
    except OSError:  # it is not there, or cannot be read
        return None


def _loaded(file: BinaryIO, lower: bool, vocabulary: Vocabulary | None, size: int) -> EncodedFile | None:
    """The ids in a file, if they are whole and of a text of `size` bytes, lower-cased or not, and that vocabulary."""
    from .text import Vocabulary

    try:
        line = file.readline(_LONGEST_HEADER) if file.read(len(_MAGIC)) == _MAGIC else b""
        header = json.loads(_MAGIC + line)
        symbols = Vocabulary("".join(map(chr, header["symbols"])))
        offset, dtype, length = file.tell(), symbols.encode("").dtype, header["length"]
        wanted = {"bytes": size, "lower": lower, "dtype": dtype.str}
        if any(header[key] != value for key, value in wanted.items()) or vocabulary not in (None, symbols):
            return None
        if os.fstat(file.fileno()).st_size != offset + length * dtype.itemsize:
            return None
        return EncodedFile(np.memmap(file, dtype, "r", offset, (length,)), symbols, str(header["sha256"]))
    except (OSError, ValueError, TypeError, KeyError):  # not ours, or damaged
        return None


def _written(
    text: TextFile, vocabulary: Vocabulary | None, status: os.stat_result, places: Sequence[str], stamp: int
) -> EncodedFile:
    with _replacement(places) as (file, place):
        print(f"encoding {text.path} into {place}", file=sys.stderr)
        counted = _counted(text, vocabulary)
        symbols = counted.vocabulary
        header = {
            "sha256": counted.sha256,
            "bytes": status.st_size,
            "lower": text.lower,
            "length": counted.length,
            "dtype": symbols.encode("").dtype.str,
            "symbols": [ord(symbol) for symbol in symbols.symbols],
        }
        line = _MAGIC + json.dumps(header).encode()[1:]
        file.write(line.ljust((len(line) + 64) // 64 * 64 - 1) + b"\n")
        for part in _encoded(text, counted):
            file.write(part.data)
        file.flush()
        os.fsync(file.fileno())
        os.utime(file.name, ns=(time.time_ns(), stamp))
    with open(place, "rb") as ids:
        found = _loaded(ids, text.lower, symbols, status.st_size)
    if found is None or found.sha256 != counted.sha256:
        raise OSError(errno.EBUSY, "the file of ids has been changed as soon as it was written", place)
    return found


@contextmanager
def _replacement(places: Sequence[str]) -> Iterator[tuple[BinaryIO, str]]:
    """A new file that will take the first of these places that can be written, if all goes well."""
    file, place = _opened(places)
    try:
        with file:
            yield file, place
        os.replace(file.name, place)
    except BaseException as error:
        os.remove(file.name)
        if isinstance(error, OSError) and error.filename is None:  # as write has it
            raise type(error)(error.errno, f"the ids cannot be written: {error.strerror}", place) from error
        raise


def _opened(places: Sequence[str]) -> tuple[BinaryIO, str]:
    for place in places:
        folder, name = os.path.split(place)
        try:
            os.makedirs(folder, exist_ok=True)
            return open(os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp"), "xb"), place
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            refused = error
    raise refused
