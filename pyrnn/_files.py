"""What all of pyrnn's files have in common: safetensors with a format and its version, written in one step, read with care."""

import errno
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Path = str | os.PathLike[str]

_JSON = ("model", "engine", "weights", "checkpoint")  # of the metadata: a file has some of these


class Unreadable(Exception):
    """Why a safetensors file is not what it should be; the sentence begins with a verb."""


def write(path: Path, what: str, metadata: dict[str, str], tensors: Mapping[str, Array]) -> None:
    """A file of `encoded`, which takes the place of `path` in one step. Errors say that `what` cannot be saved."""
    replace(os.fspath(path), what, encoded(metadata, tensors))


def encoded(metadata: dict[str, str], tensors: Mapping[str, Array]) -> bytes:
    """A safetensors file, whose metadata get a checksum of the tensors and of their own JSON, by the names in _JSON."""
    from safetensors.numpy import save

    # safetensors 0.8.0 writes arrays that are not C-contiguous with their values in the wrong places
    contiguous = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    crc = _checksum(metadata, contiguous)
    with _memory_for(sum(value.nbytes for value in contiguous.values())):
        return save(contiguous, {**metadata, "crc32": str(crc)})


@contextmanager
def _memory_for(size: int) -> Iterator[None]:
    """What safetensors does with a file of `size` bytes. It is Rust, and ends the process where it finds no memory, or panics
    where Python finds none; so there is room for its copies before it begins."""
    np.empty(3 * size + (1 << 20), np.uint8)
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise MemoryError("the weights, as safetensors") from error
        raise


def decoded(content: bytes) -> tuple[dict[str, str], dict[str, Array]]:
    """The metadata and tensors of what `encoded` made."""
    from safetensors.numpy import load

    size = int.from_bytes(content[:8], "little")
    with _memory_for(len(content)):
        return json.loads(content[8 : 8 + size])["__metadata__"], load(content)


def replace(path: str, what: str, content: bytes) -> None:
    """Write a file beside `path` and let it take its place, on the disk too before this returns."""
    path = os.path.realpath(path)  # a link stays a link
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _flush_folder(folder)
    except OSError as error:
        _remove(beside)
        raise type(error)(error.errno, f"{what} cannot be saved: {error.strerror}", path) from error
    except BaseException:
        _remove(beside)
        raise


def _flush_folder(folder: str) -> None:
    """A name is on the disk when its folder is; Windows keeps folders itself."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    if os.path.exists(path):
        os.remove(path)


def remove_unfinished(path: Path) -> None:
    """What writers of `path` that were killed have left beside it."""
    folder, name = os.path.split(os.path.realpath(path))
    for found in os.listdir(folder):
        if found.startswith(f".{name}.") and found.endswith(".tmp"):
            os.remove(os.path.join(folder, found))


@contextmanager
def opened(caller: str, path: Path) -> Iterator[Any]:
    """The safetensors file, with what goes wrong inside told in the caller's name."""
    from safetensors import SafetensorError, safe_open

    path = os.fspath(path)
    with open(path, "rb"):  # the system's own words for a file that is missing or not readable
        pass
    try:
        with _memory_for(os.path.getsize(path)), safe_open(path, framework="np") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f"{caller}: {path} is damaged or no safetensors file: {error}") from error
    except Unreadable as error:
        raise ValueError(f"{caller}: {path} {error}") from error


def check_sum(metadata: Mapping[str, str], tensors: Mapping[str, Array]) -> None:
    """Raise Unreadable where `write` has computed another than this."""
    if metadata.get("crc32") != str(_checksum(metadata, tensors)):
        raise Unreadable("is damaged: its checksum is another, or missing")


def _checksum(metadata: Mapping[str, str], tensors: Mapping[str, Array]) -> int:
    """CRC-32 of the JSON, then of each tensor's name, dtype, shape and bytes in the order of the names."""
    crc = zlib.crc32("".join(metadata.get(name, "") for name in _JSON).encode())
    for name in sorted(tensors):
        value = np.asarray(tensors[name], order="C")
        crc = zlib.crc32(value.data, zlib.crc32(f"{name} {value.dtype} {value.shape}".encode(), crc))
    return crc


def check_format(metadata: Mapping[str, str], wanted: str, version: int, otherwise: str) -> None:
    """Raise Unreadable for another format, which `otherwise` tells, or a version after `version`."""
    if metadata.get("format") != wanted:
        raise Unreadable(f"{otherwise}: its metadata have the format {metadata.get('format')!r}")
    found = metadata.get("format_version", "")
    if not found.isdecimal():
        raise Unreadable(f"is damaged: format_version {found!r} is no number")
    if int(found) < 1:
        raise Unreadable(f"is damaged: format_version must be at least 1, got {found}")
    if int(found) > version:
        raise Unreadable(f"was written by a newer pyrnn: format_version {found}, and this one reads up to {version}")
