"""Files from the network, kept on this machine."""

import os
import sys
import time
from typing import Any, BinaryIO

from .._checks import choice, refuse_unknown, whole

__all__ = ["cache_folder", "get_file"]

_SILENCE = 20  # seconds: a server that sends nothing for so long is given up
_DEADLINE = 3600  # seconds: so is one that sends a byte now and then
_HASHES = {32: "md5", 64: "sha256"}  # by how many hexadecimal digits they have


def cache_folder() -> str:
    """Where downloads are kept; each system has its own custom."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local"), "pyrnn", "Cache")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches", "pyrnn")
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "pyrnn")


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    *,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    max_size: int = 1 << 30,
    **unsupported: object,
) -> str:
    """The path of the file `fname`: in the folder that PYRNN_DATA_DIR names, else in the cache, else downloaded from `origin`.

    The cache is `cache_dir`/`cache_subdir`; without `cache_dir` it lies where this system keeps such things. `fname` is by default
    the last part of `origin`. `file_hash` is a sha256 or an md5, which `hash_algorithm` "auto" tells apart by length; a copy
    in the cache that does not match it is downloaded again. Without one nothing is compared.

    `origin` must be an https URL, as must all that its server refers to; http only on this machine itself. A download ends with
    an error after `max_size` bytes, after 20 seconds without one, and after an hour; nothing is kept of it then.

    Raises OSError where there is no copy and the download does not yield one, ValueError for a copy in PYRNN_DATA_DIR with
    another hash, for an origin without TLS, and for a name that is no file's.

    >>> import os, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with open(os.path.join(folder, "abc.txt"), "w") as file:
    ...     written = file.write("abc")
    >>> md5 = "900150983cd24fb0d6963f7d28e17f72"
    >>> path = get_file("abc.txt", "https://example.org/abc.txt", file_hash=md5, cache_dir=folder, cache_subdir="")
    >>> os.path.relpath(path, folder)
    'abc.txt'
    """
    from urllib.parse import urlsplit

    refuse_unknown("get_file", get_file, unsupported)
    if not isinstance(origin, str) or not origin:
        raise TypeError(f"get_file: origin must be the file's URL, got {origin!r}")
    name = os.fspath(fname) if fname else urlsplit(origin).path.rpartition("/")[2]
    if name in ("", ".", "..") or name != os.path.basename(name) or "\0" in name:
        raise ValueError(f"get_file: fname must be a file's name without folders, got {name!r}")
    if not _is_private(origin):
        raise ValueError(f"get_file: origin must be an https URL, got {origin!r}")
    size = whole("get_file", "max_size", max_size, low=1)
    known = _known_hash(md5_hash, file_hash, hash_algorithm)
    own = os.environ.get("PYRNN_DATA_DIR")
    if own and os.path.exists(path := os.path.join(own, name)):
        _check(name, path, path, known, ValueError)
        return path
    cache = cache_folder() if cache_dir is None else os.path.expanduser(cache_dir)
    return _retrieve(name, origin, known, os.path.join(cache, cache_subdir), size)


def _is_private(url: str) -> bool:
    """Whether nobody on the way can read or change what comes from there."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1"))


def _known_hash(md5_hash: str | None, file_hash: str | None, algorithm: str) -> str | None:
    """The file's hash as pooch has it, "<algorithm>:<digits>"."""
    choice("get_file", "hash_algorithm", algorithm, ("auto", "sha256", "md5"))
    if md5_hash is not None and file_hash is None:
        file_hash, algorithm = md5_hash, "md5"
    if file_hash is None:
        return None
    if algorithm == "auto":
        algorithm = _HASHES.get(len(file_hash), "")
    digits = next((count for count, name in _HASHES.items() if name == algorithm), None)
    if len(file_hash) != digits:
        raise ValueError(f"get_file: file_hash must be 64 digits of a sha256 or 32 of an md5, got {file_hash!r}")
    return f"{algorithm}:{file_hash.lower()}"


def _check(name: str, source: str, file: str, known: str | None, error: type[Exception]) -> None:
    if known is None:
        return
    import pooch  # type: ignore[import-untyped]  # slow to import: only for those who need it

    algorithm, _, wanted = known.partition(":")
    actual = pooch.file_hash(file, alg=algorithm)
    if actual != wanted:
        raise error(f"{name}: the {algorithm} of {source} should be {wanted}, but is {actual}")


def _retrieve(name: str, origin: str, known: str | None, folder: str, size: int) -> str:
    """The checked copy in `folder`, downloaded unless it is there already."""
    import pooch

    def download(url: str, file: str, mover: object) -> None:
        print(f"downloading {url} to {folder}", file=sys.stderr)
        get = pooch.HTTPDownloader(timeout=_SILENCE, chunk_size=1 << 16, hooks={"response": _refuse_plain_text})
        with open(file, "wb") as target:
            get(url, _Bounded(target, size), mover)
        _check(name, url, file, known, _Refused)

    pooch.get_logger().setLevel("WARNING")
    try:
        return str(pooch.retrieve(origin, known, name, folder, downloader=download))
    except _Refused:
        raise
    except OSError as error:  # no network, an HTTP error, a cache that cannot be written
        reason = error.strerror or type(error).__name__
        if (response := getattr(error, "response", None)) is not None:  # of an HTTPError; pooch leaves it open
            reason = f"HTTP {response.status_code}"
            response.close()
        raise OSError(f"{name}: no copy in $PYRNN_DATA_DIR or {folder}, and none from {origin} ({reason})") from error


class _Refused(OSError):
    """What comes from the network is not what may be kept."""


def _refuse_plain_text(response: Any, **_: Any) -> None:
    """Called with each answer of a server, before a redirection is followed."""
    from urllib.parse import urljoin

    if response.is_redirect and not _is_private(url := urljoin(response.url, response.headers["location"])):
        response.close()
        raise _Refused(f"{response.url} refers to {url}, which is no https URL")


class _Bounded:
    """A file that takes so many bytes, within an hour."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size, self._left, self._end = file, size, size, time.monotonic() + _DEADLINE

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise _Refused(f"the download has more than max_size={self._size} bytes")
        if time.monotonic() > self._end:
            raise _Refused(f"the download is not done after {_DEADLINE} seconds")
        self._file.write(data)

    def flush(self) -> None:
        """Only at the end."""
