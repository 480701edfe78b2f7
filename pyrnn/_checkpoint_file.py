"""Checkpoint files: a tree of plain values and arrays as one safetensors file, with a checksum.

Metadata: `format` "pyrnn checkpoint", `format_version` "1", `checkpoint` the tree as JSON, in which {"$array": name} stands for
a tensor, and `crc32` of that JSON and the tensors. A tensor is named by its way through the tree:
"model/optimizer/slots/momentum/lstm/kernel".
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import _files
from ._files import Array, Unreadable

_FORMAT, _VERSION = "pyrnn checkpoint", 1
_ARRAY = "$array"


def write(path: _files.Path, tree: Mapping[str, Any]) -> None:
    """Raises OSError where the file cannot be written, TypeError for what is no plain value and no array of numbers."""
    tensors: dict[str, Array] = {}
    text = json.dumps(_packed(tree, "", tensors))
    metadata = {"format": _FORMAT, "format_version": str(_VERSION), "checkpoint": text}
    _files.write(path, "the checkpoint", metadata, tensors)


@contextmanager
def opened(caller: str, path: _files.Path) -> Iterator[dict[str, Any]]:
    """The tree that `write` wrote. What is wrong with it, there or in the body, is told in the caller's name.

    Raises OSError where the file cannot be read, ValueError where it is damaged, no checkpoint, or of a newer version.
    """
    with _files.opened(caller, path) as file:
        metadata = file.metadata() or {}
        _files.check_format(metadata, _FORMAT, _VERSION, "is no checkpoint of pyrnn")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        try:
            _files.check_sum(metadata, tensors)
            tree = _unpacked(json.loads(metadata["checkpoint"]), tensors)
            yield tree
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise Unreadable(f"is damaged: it holds no training ({error!r})") from error


def _packed(value: object, way: str, tensors: dict[str, Array]) -> object:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        tensors[way] = value
        return {_ARRAY: way}
    if isinstance(value, np.generic):
        return _packed(value.item(), way, tensors)
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_packed(item, f"{way}/{number}", tensors) for number, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(name, str) and name != _ARRAY for name in value):
        return {name: _packed(item, f"{way}/{name}" if way else name, tensors) for name, item in value.items()}
    raise TypeError(
        f"a checkpoint holds numbers, strings, None, arrays, lists and dictionaries by name, got {value!r} as {way}"
    )


def _unpacked(value: Any, tensors: Mapping[str, Array]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    if isinstance(value, dict):
        if value.keys() == {_ARRAY}:
            return tensors[value[_ARRAY]]
        return {name: _unpacked(item, tensors) for name, item in value.items()}
    return value
