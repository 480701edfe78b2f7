"""Models of Keras 2 and 3: their files, and the weights that their `set_weights` takes. Keras itself is not needed.

A `.keras` file is a zip archive of config.json, metadata.json and model.weights.h5; a `.h5` file has both in one. The weights
are read with h5py (`pip install h5py`). Files hold no code that is run, nothing is unpacked to a disk, and no memory is taken
before sizes are compared: it is bounded by the file's size.
"""

import io
import json
import math
import os
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from .._registry import snake_case
from ..layers import Bidirectional, Layer, OneHot, RecurrentLayer, TimeDistributed
from ..models import Sequential
from ..seq2seq import Seq2Seq
from ._keras_config import Refused, sequential

if TYPE_CHECKING:
    import h5py

__all__ = ["load", "to_keras"]

Array = npt.NDArray[Any]
_HEAP = b"GCOL\1\0\0\0"
_DAMAGE = (
    struct.error,
    OSError,
    EOFError,
    RuntimeError,  # of h5py, and RecursionError of JSON
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    zipfile.BadZipFile,
)


def load(path: str | os.PathLike[str]) -> Sequential:
    """The model of a file that Keras' `model.save` wrote: `.keras`, or `.h5` of a whole model, of Keras 2 or 3.

    It is a Sequential model, or a functional one whose layers are one chain, of layers that pyrnn has: LSTM, GRU, SimpleRNN,
    Bidirectional, Embedding, Dense, TimeDistributed, RepeatVector, Activation, Masking, LayerNormalization, Flatten, dropout,
    noise and global pooling. Names, options, dtype and weights are the file's. Its initializers are not read, as the weights are
    there, nor are a fixed batch size and what compile() was given: the model takes any number of rows, and must be compiled
    before it is trained further. Where steps are masked, pyrnn's output of the sequence is 0, where Keras repeats the step before.

    Raises FileNotFoundError or another OSError where the file cannot be read, ImportError where h5py is not installed, and
    ValueError where the file is damaged, or has a layer, an option or a value that pyrnn has not, which it names.

        model = pyrnn.interop.keras.load("model.keras")
        model.predict(x)

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
    >>> with open(path, "wb") as file:
    ...     count = file.write(b"not a model")
    >>> try:
    ...     load(path)
    ... except ValueError as error:
    ...     print(str(error).replace(path, "model.keras"))
    load: model.keras is damaged or no model of Keras: it is neither a zip archive nor HDF5
    """
    path = os.fspath(path)
    with open(path, "rb"):  # the system's own words for a file that is missing or not readable
        pass
    try:
        import h5py
    except ImportError as error:
        raise ImportError("keras.load: the library h5py is missing; pip install h5py") from error

    try:
        if zipfile.is_zipfile(path):
            return _load_keras(path)
        if h5py.is_hdf5(path):
            return _load_h5(path)
        raise ValueError("it is neither a zip archive nor HDF5")
    except Refused as error:
        raise ValueError(f"load: {path} {error}") from error
    except _DAMAGE as error:
        raise ValueError(f"load: {path} is damaged or no model of Keras: {error}") from error


def to_keras(model: Sequential) -> list[Array]:
    """The weights for `set_weights` of a Keras model of the same layers: kernels [I, G H], gates i f c o or z r h, biases.

        keras_model.set_weights(pyrnn.interop.keras.to_keras(model))

    Raises ValueError for a layer that Keras has not: OneHot, or a cell with `layer_norm` or `zoneout`; TypeError for a Seq2Seq,
    which is no Sequential in Keras.

    >>> from pyrnn import layers
    >>> model = Sequential([layers.GRU(8, input_shape=(None, 3)), layers.Dense(2)])
    >>> [weight.shape for weight in to_keras(model)]
    [(3, 24), (8, 24), (2, 24), (8, 2), (2,)]
    """
    if isinstance(model, Seq2Seq) or not isinstance(model, Sequential):
        raise TypeError(f"to_keras: model must be a Sequential, got {model!r}")
    unknown = [layer.title for layer in model.layers if isinstance(layer, OneHot)]
    if unknown:
        raise ValueError(f"to_keras: {unknown[0]} is no layer of Keras")
    for layer in model.layers:
        cell = layer.layer if isinstance(layer, Bidirectional) else layer
        for option in ("layer_norm", "zoneout") if isinstance(cell, RecurrentLayer) else ():
            if getattr(cell, option, False):
                raise ValueError(f"to_keras: {layer.title} has {option}={getattr(cell, option)}, which Keras has not")
    return model.get_weights()


# -- files --------------------------------------------------------------------


def _load_keras(path: str) -> Sequential:
    with zipfile.ZipFile(path) as archive:
        size = os.path.getsize(path)
        config, metadata, weights = (
            _member(archive, name, size) for name in ("config.json", "metadata.json", "model.weights.h5")
        )
    model = sequential(json.loads(config), _major(json.loads(metadata)["keras_version"]))
    with _hdf5(weights) as file:
        _fill(model, file, len(weights), [_datasets_keras(file, layer, name) for layer, name in _stores(model)])
    return model


def _member(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or not info.file_size == info.compress_size <= size:
        raise Refused(f"holds {name!r} compressed, which Keras' own files do not; save the model again with Keras")
    return archive.read(info)


def _load_h5(path: str) -> Sequential:
    with open(path, "rb") as whole:
        content = whole.read()
    _check_heaps(content)
    with _hdf5(content) as file:
        size = len(content)
        if "model_config" not in file.attrs:
            raise Refused("holds weights alone; a whole model is needed, as model.save() writes it")
        config, version = (_text(file, name, size) for name in ("model_config", "keras_version"))
        model = sequential(json.loads(config), _major(version))
        groups = _node(file, "model_weights")
        _fill(model, file, size, [_datasets_h5(groups, layer) for layer in model.layers])
    return model


@contextmanager
def _hdf5(content: bytes) -> "Iterator[h5py.File]":
    import h5py

    with h5py.File(io.BytesIO(content), "r") as file:
        yield file


def _check_heaps(content: bytes) -> None:
    """Check the sizes in global heaps, where HDF5 keeps texts: HDF5 1.14 believes them, and goes round for ever at a size of 0.

    A heap is "GCOL", a version 1, three zeros and its size in 8 bytes, then objects: number in 2 bytes, references in 2, four
    zeros, size in 8, and, but for the free space of number 0 whose size counts all of it, the value, filled up to 8 bytes.
    What refers to an object is its size in 4 bytes, the place of its heap in 8, and its number in 4.
    """
    heap = content.find(_HEAP)
    while heap >= 0:
        (length,) = struct.unpack_from("<Q", content, heap + 8)
        place, end = heap + 16, heap + length
        while place + 16 <= end:
            number, size = struct.unpack_from("<HxxxxxxQ", content, place)
            step = 16 + (size + 7) // 8 * 8 if number else size
            if step < 16 or place + step > end:
                raise ValueError(f"its text at {place} has {size} bytes")
            if number:
                _check_references(content, struct.pack("<QI", heap, number), size)
            place += step
        heap = content.find(_HEAP, heap + 1)


def _check_references(content: bytes, reference: bytes, size: int) -> None:
    place = content.find(reference)
    while place >= 0:
        if place >= 4 and struct.unpack_from("<I", content, place - 4) != (size,):
            raise ValueError(f"its text of {size} bytes is said at {place} to have others")
        place = content.find(reference, place + 1)


def _major(version: str) -> int:
    major = int(version.split(".")[0])
    if major < 2:
        raise Refused(f"was written by Keras {version}; files of Keras 2 and 3 can be read")
    return major


def _text(node: Any, name: str, size: int) -> str:
    """A text attribute."""
    attribute = node.attrs.get_id(name)
    if attribute.shape != () or attribute.get_storage_size() > size:
        raise ValueError(f"its attribute {name!r} is no text")
    value = node.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


# -- where weights are ----------------------------------------------------------


def _stores(model: Sequential) -> Iterator[tuple[Layer, str]]:
    """Layers and their groups in a .keras file: named by class and number, not by the layer's name."""
    numbers: Counter[str] = Counter()
    for layer in model.layers:
        stem = snake_case(type(layer).__name__)
        yield layer, f"layers/{stem}_{numbers[stem]}" if numbers[stem] else f"layers/{stem}"
        numbers[stem] += 1


def _datasets_keras(file: Any, layer: Layer, store: str) -> list[Any]:
    if not layer.weight_specs:
        return []
    match layer:
        case Bidirectional():
            groups = ["forward_layer/cell/vars", "backward_layer/cell/vars"]
        case RecurrentLayer():
            groups = ["cell/vars"]
        case TimeDistributed():
            groups = ["layer/vars"]
        case _:
            groups = ["vars"]
    nodes = [_node(file, f"{store}/{group}") for group in groups]
    return [_node(node, str(index)) for node in nodes for index in range(len(node))]


def _datasets_h5(groups: Any, layer: Layer) -> list[Any]:
    """Found by their own names: those in the attribute weight_names are texts, whose lengths HDF5 believes."""
    if not layer.weight_specs:
        return []
    both = isinstance(layer, Bidirectional)
    found = {_weight_name(path, both): dataset for path, dataset in _walk(_node(groups, layer.name), [])}
    return [found[spec.name] for spec in layer.weight_specs]


def _weight_name(path: list[str], both: bool) -> str:
    """
    >>> _weight_name(["encoder", "forward_lstm", "lstm_cell", "kernel:0"], both=True)
    'forward_kernel'
    """
    name = path[-1].split(":")[0]
    directions = [part.split("_")[0] for part in path if part.startswith(("forward_", "backward_"))]
    return f"{directions[-1]}_{name}" if both and directions else name


def _walk(group: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    """The datasets below a group: Keras nests a few groups of one member, and two in Bidirectional."""
    import h5py

    if len(group) > 8 or len(path) > 8:
        raise ValueError(f"its group {group.name!r} is not of Keras")
    for name in group:
        node = _node(group, name)
        if isinstance(node, h5py.Group):
            yield from _walk(node, [*path, name])
        else:
            yield [*path, name], node


def _node(group: Any, path: str) -> Any:
    """What `path` names in this very file: links to other files are not followed."""
    import h5py

    for name in path.split("/"):
        own = isinstance(group.get(name, getlink=True), h5py.HardLink)
        if not own:
            raise ValueError(f"it has no {path!r} of its own")
        group = group[name]
    return group


# -- values -------------------------------------------------------------------


def _fill(model: Sequential, file: "h5py.File", size: int, datasets: list[list[Any]]) -> None:
    """Read the weights, when all of them have been compared with what the layers need and the file can hold."""
    needed = sum(math.prod(weight.shape) for weight in model.weights) * {"float32": 4, "float64": 8}[model.dtype]
    if needed > size:
        raise ValueError(f"its weights need {needed} bytes, and it has {size}")
    for layer, own in zip(model.layers, datasets, strict=True):
        if len(own) != len(layer.weight_specs):
            raise ValueError(f"{layer.title} needs {len(layer.weight_specs)} weights, got {len(own)}")
        for spec, dataset in zip(layer.weight_specs, own, strict=True):
            _check_dataset(f"{layer.title}: {spec.name}", dataset, layer.dtype, spec.shape)
    for layer, own in zip(model.layers, datasets, strict=True):
        layer.set_weights([dataset[()] for dataset in own])


def _check_dataset(title: str, dataset: Any, dtype: str, shape: tuple[int, ...]) -> None:
    import h5py

    if not isinstance(dataset, h5py.Dataset) or dataset.shape != shape or dataset.dtype != dtype:
        got = f"{dataset.dtype} {list(dataset.shape or ())}" if isinstance(dataset, h5py.Dataset) else "no array"
        raise ValueError(f"{title} must be {dtype} {list(shape)}, got {got}")
    plain = dataset.chunks is None and dataset.external is None and not dataset.is_virtual
    if not plain or dataset.id.get_storage_size() != math.prod(shape) * dataset.dtype.itemsize:
        raise ValueError(f"{title} must be stored in one piece, as Keras does")
