"""The texts that the character model learns from: those known by name, and any UTF-8 file.

`nietzsche` is looked for in $PYRNN_DATA_DIR and in the cache, then downloaded once and checked against its sha256.
`python-docs` is the reference text inside every Python and needs no network.
"""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pyrnn.text import EncodedFile, Vocabulary, encode_file
from pyrnn.utils import get_file


class CorpusError(Exception):
    """A text that was asked for cannot be had; the message is one sentence for the user."""


class CorpusUnavailable(CorpusError):
    """There is no copy on this machine, and the download did not yield one."""


@dataclass(frozen=True)
class Corpus:
    """A text, letter for letter as it stands in `source`: the file of that name, unless `content` is the text itself."""

    name: str
    source: str
    content: str | None = None

    @property
    def text(self) -> str:
        """All of it in memory, read anew. Raises CorpusError where it cannot be read, is empty, or is not UTF-8."""
        return _whole(self.source) if self.content is None else self.content

    def encoded(self, lower: bool, vocabulary: Vocabulary | None = None) -> EncodedFile:
        """Its ids, by default of its own symbols, which take no memory where the file is large: see `encode_file`.

        Raises CorpusError where it cannot be read, is empty, is not UTF-8, or has a character that is not in `vocabulary`.
        """
        if self.content is not None:
            text = self.content.lower() if lower else self.content
            symbols = vocabulary or Vocabulary.from_text(text)
            return EncodedFile(symbols.encode(text), symbols, hashlib.sha256(self.content.encode()).hexdigest())
        try:
            return encode_file(self.source, lower, vocabulary)
        except ValueError as error:
            raise CorpusError(f"the corpus {str(error).removeprefix('encode_file: ')}") from error
        except OSError as error:
            if error.filename == self.source:
                raise _unreadable(self.source, error) from error
            raise CorpusError(f"the corpus {self.source} cannot be encoded: {error}") from error


@dataclass(frozen=True)
class Remote:
    """A text that is downloaded once and kept in the cache as `<name>.txt`."""

    name: str
    url: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.name}.txt"


NIETZSCHE = Remote(
    "nietzsche",
    "https://s3.amazonaws.com/text-datasets/nietzsche.txt",
    "23cf69874ab69d3d256099ab530ea4be24d47d9675b673bcc67cbcd6298ec647",
)
PYTHON_DOCS = "python-docs"
NAMES = (NIETZSCHE.name, PYTHON_DOCS)


def load(name_or_path: str | os.PathLike[str]) -> Corpus:
    """The corpus of that name (see NAMES), or the UTF-8 file at that path (`./nietzsche` is always a file).

    A file is read when its text is asked for; what is none, a pipe, at once. Raises CorpusError when that cannot be read, is
    empty or not UTF-8, and for a file that has not the checksum of the name it bears.

    >>> load("python-docs").name
    'python-docs'
    """
    name = os.fspath(name_or_path)
    if name == NIETZSCHE.name:
        return load_remote(NIETZSCHE)
    if name == PYTHON_DOCS:
        return _python_docs()
    return Corpus(name, name) if os.path.isfile(name) else Corpus(name, name, _whole(name))


def default() -> Corpus:
    """Nietzsche; with neither network nor copy, the Python documentation and a line on stderr that says so."""
    try:
        return load(NIETZSCHE.name)
    except CorpusUnavailable as error:
        print(f"{error}; using {PYTHON_DOCS} instead", file=sys.stderr)
        return load(PYTHON_DOCS)


def load_remote(remote: Remote) -> Corpus:
    """`remote` from $PYRNN_DATA_DIR, else from the cache, else from its URL into the cache.

    Raises CorpusError on a copy in $PYRNN_DATA_DIR with another checksum, CorpusUnavailable when no good copy is found.
    """
    try:
        path = get_file(remote.file, remote.url, file_hash=remote.sha256)
    except ValueError as error:
        raise CorpusError(str(error)) from error
    except OSError as error:
        raise CorpusUnavailable(str(error)) from error
    return Corpus(remote.name, path)


def _whole(path: str) -> str:
    try:
        data = Path(path).read_bytes()
        text = data.decode("utf-8").removeprefix("\ufeff")  # a byte-order mark is no letter
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"the corpus {path} must be UTF-8 text, got byte 0x{data[error.start]:02x} at position {error.start}"
        ) from error
    if not text:
        raise CorpusError(f"the corpus {path} must hold at least one character, but is empty")
    return text


def _unreadable(path: str, error: OSError) -> CorpusError:
    known = f" (the known names are {', '.join(NAMES)})" if isinstance(error, FileNotFoundError) else ""
    return CorpusError(f"the corpus {path} cannot be read: {error.strerror}{known}")


def _python_docs() -> Corpus:
    from pydoc_data.topics import topics  # half a megabyte of source: only for those who need it

    text = "\n".join(topics[topic] for topic in sorted(topics))
    source = f"pydoc_data.topics of Python {sys.version.split()[0]}"
    return Corpus(PYTHON_DOCS, source, text)
