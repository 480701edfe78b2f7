"""Model files: one safetensors file with the weights as tensors and the rest as JSON in its metadata. No code, no pickle.

Metadata: `format` "pyrnn", `format_version` "2", `model` the JSON of class_name, config, compile (null before compile()) and
quantization (null, or of the weights' copies, which are made anew: the tensors are what they were made from), and
`engine`, which Python does not read: the JSON of the ops that the model becomes, for C (csrc/c/model_file.h).
Tensors: "<layer name>/<weight name>", in Keras' shapes. Files of weights alone have the `format` "pyrnn weights", and in place of
`model` the JSON list `weights` of the tensors' names in the model's order. `crc32` is the checksum of the JSON and the tensors,
see `_files`; files of version 1 may have none.
"""

import json
import os
from typing import Any

from . import _files
from ._checkpoint import load_checkpoint, save_checkpoint
from ._checks import refuse_unknown
from ._compile import Compiled
from ._files import Unreadable
from ._network import engine_description
from ._predicting import checked_quantization
from .models import Sequential
from .seq2seq import Seq2Seq

__all__ = ["load_checkpoint", "load_model", "save_checkpoint", "save_model"]

_MODELS: dict[str, type[Sequential]] = {"Sequential": Sequential, "Seq2Seq": Seq2Seq}
_FORMAT, _WEIGHTS_FORMAT, _VERSION = "pyrnn", "pyrnn weights", 2


def save_model(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write `model` to `path`, which is replaced in one step: a crash leaves the old file or the new one, whole.

    Raises OSError where the file cannot be written, ValueError for a model without shapes.
    """
    _write(model, path, _metadata(model))


def to_bytes(model: Sequential) -> bytes:
    """What `save_model` writes. Raises ValueError for a model without shapes."""
    return _files.encoded(*_versioned(model, _metadata(model)))


def from_bytes(content: bytes) -> Sequential:
    """The model of `to_bytes`."""
    metadata, tensors = _files.decoded(content)
    model = _rebuild(_description(metadata))
    _give_weights(model, tensors)
    return model


def _metadata(model: Sequential) -> dict[str, str]:
    compiled = model._compiled
    class_name = "Seq2Seq" if isinstance(model, Seq2Seq) else "Sequential"
    engine: dict[str, Any] = {"version": 1, "class_name": class_name}
    if class_name == "Sequential":
        engine = engine_description(model._built_layers(), model.dtype, model.quantization)
    description = {
        "class_name": class_name,
        "config": model.get_config(),
        "compile": None if compiled is None else compiled.get_config(),
        "quantization": model.quantization,
    }
    return {"format": _FORMAT, "model": json.dumps(description), "engine": json.dumps(engine)}


def save_weights(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write the weights of `model` alone, and the order that they are in. Raises as `save_model`."""
    order = [weight.path for weight in model.weights]
    _write(model, path, {"format": _WEIGHTS_FORMAT, "weights": json.dumps(order)})


def _write(model: Sequential, path: _files.Path, metadata: dict[str, str]) -> None:
    _files.write(path, "the model", *_versioned(model, metadata))


def _versioned(model: Sequential, metadata: dict[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """The whole metadata, and the tensors."""
    weights = zip(model.weights, model.get_weights(), strict=True)
    return {**metadata, "format_version": str(_VERSION)}, {weight.path: value for weight, value in weights}


def load_model(filepath: str | os.PathLike[str], **unsupported: object) -> Sequential:
    """The model that `Sequential.save` wrote, compiled if it was.

    Raises FileNotFoundError or another OSError where the file cannot be read, ValueError where it is damaged, not pyrnn's, or of
    a newer version.

    >>> import os, tempfile
    >>> from pyrnn import layers
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> Sequential([layers.Dense(2, input_shape=(3,))]).save(path)
    >>> load_model(path).count_params()
    8
    """
    refuse_unknown("load_model", load_model, unsupported)
    with _files.opened("load_model", filepath) as file:
        metadata = file.metadata() or {}
        model = _rebuild(_description(metadata))
        _check_tensors(model, {name: file.get_slice(name) for name in file.keys()})  # noqa: SIM118
        tensors = {weight.path: file.get_tensor(weight.path) for weight in model.weights}
        _check_sum(metadata, tensors)
    _give_weights(model, tensors)
    return model


def _give_weights(model: Sequential, tensors: dict[str, Any]) -> None:
    for layer in model.layers:
        layer.set_weights([tensors[weight.path] for weight in layer.weights])


def load_weights(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Give `model` the weights of a file that `save_weights` or `save_model` wrote, in their order; all or none.

    Raises OSError where the file cannot be read, ValueError where it is damaged, not pyrnn's, or of another model.
    """
    with _files.opened("load_weights", path) as file:
        metadata = file.metadata() or {}
        if metadata.get("format") == _FORMAT:
            weights = load_model(path).get_weights()
        else:
            _files.check_format(metadata, _WEIGHTS_FORMAT, _VERSION, "has no weights of a pyrnn model")
            try:
                tensors = {name: file.get_tensor(name) for name in json.loads(metadata["weights"])}
                _check_sum(metadata, tensors)
                weights = list(tensors.values())
            except (KeyError, ValueError, TypeError, RecursionError) as error:
                raise Unreadable(f"is damaged: its list of weights cannot be read ({error})") from error
        wanted = [tuple(weight.shape) for weight in model.weights]
        got = [weight.shape for weight in weights]
        if wanted != got:
            raise Unreadable(f"has weights of another model: shapes must be {wanted}, got {got}")
    model.set_weights(weights)


def _check_sum(metadata: dict[str, str], tensors: dict[str, Any]) -> None:
    if metadata["format_version"] != "1" or "crc32" in metadata:
        _files.check_sum(metadata, tensors)


def _description(metadata: dict[str, str]) -> dict[str, Any]:
    _files.check_format(metadata, _FORMAT, _VERSION, "is not a pyrnn model")
    try:
        description = json.loads(metadata["model"])
    except (KeyError, ValueError, RecursionError) as error:
        raise Unreadable(f"is damaged: its description is no JSON ({error})") from error
    if not isinstance(description, dict) or description.get("class_name") not in _MODELS:
        raise Unreadable("is damaged: it describes no Sequential")
    return description


def _rebuild(description: dict[str, Any]) -> Sequential:
    try:
        model = _MODELS[description["class_name"]]._from_config(description["config"], draw=False)
        model._built_layers()
        if description.get("quantization") is not None:
            model._quantization = checked_quantization("load_model", description["quantization"], model)
        if description["compile"] is not None:
            compiled = Compiled.from_config(description["compile"])
            iterations = compiled.optimizer.iterations
            model.compile(
                compiled.optimizer,
                compiled.loss,
                compiled.given_metrics,
                compiled.given_weighted_metrics,
                compiled.check_numerics,
            )
            model.optimizer.iterations = iterations
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise Unreadable(f"is damaged: it describes no model ({error})") from error
    return model


def _check_tensors(model: Sequential, tensors: dict[str, Any]) -> None:
    """Compare shapes and dtypes before memory is taken for values."""
    dtype = {"float32": "F32", "float64": "F64"}[model.dtype]
    wanted = {weight.path: (dtype, list(weight.shape)) for weight in model.weights}
    got = {name: (tensor.get_dtype(), list(tensor.get_shape())) for name, tensor in tensors.items()}
    if wanted != got:
        differing = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
        name = differing[0]
        raise Unreadable(f"is damaged: tensor {name!r} must be {wanted.get(name)}, got {got.get(name)}")
