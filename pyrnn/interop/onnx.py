"""Models as ONNX graphs, which onnxruntime and others run. The library onnx is needed (`pip install onnx`)."""

import os
from typing import Any

import numpy as np

from .. import _files
from .._checks import flag
from ..layers import Bidirectional, Embedding, Flatten, Input, Masking, OneHot, RecurrentLayer
from ..models import Sequential
from ..seq2seq import Seq2Seq
from ._onnx_read import run
from ._onnx_values import Array, Known, Misplaced, Refused, Side, Value
from ._onnx_write import Port, Writer

__all__ = ["load", "save"]

_OPSET, _IR = 17, 8
_OLDEST = 13


def save(
    model: Sequential,
    path: str | os.PathLike[str],
    states: bool = False,
    lengths: bool = False,
    ids: bool = False,
) -> None:
    """Write `model` as an ONNX graph of opset 17, replaced in one step; `Sequential.export` calls it.

    The graph's input is "x", float32 [batch, time, features], or int64 [batch, time] ids where the model begins with OneHot or
    Embedding, or where `ids` asks for them in place of one-hot vectors; its output is "y". Batch and time are of any size.
    Recurrent layers are LSTM, GRU or RNN nodes; what works in training alone, as Dropout, is left out.

    - `states`: each recurrent layer begins in the inputs "<layer>.initial_h" [batch, H], and "<layer>.initial_c" of an LSTM, and
      ends in the outputs "<layer>.final_h" and "<layer>.final_c"; a Bidirectional has "<layer>.forward_initial_h" and so
      on. A layer with `return_state` has the outputs in any case.
    - `lengths`: a further input "lengths", int64 [batch], tells how many steps at the beginning of each row are real, one at
      least. What y has at the others means nothing.

    Raises ImportError where onnx is not installed, OSError where the file cannot be written, ValueError for a model that
    ONNX cannot be told: of dtype float64, cells with `layer_norm` or `zoneout`, Masking and `mask_zero` without `lengths`,
    `stateful` without `states`, `go_backwards` in a Bidirectional or with `lengths`, Flatten with `lengths`; TypeError for a Seq2Seq.

    >>> import tempfile
    >>> from pyrnn import layers
    >>> model = Sequential([layers.LSTM(8, input_shape=(None, 3)), layers.Dense(2)])
    >>> save(model, os.path.join(tempfile.mkdtemp(), "m.onnx"), states=True)
    """
    onnx = _library()
    states, lengths, ids = (
        flag("export", "states", states),
        flag("export", "lengths", lengths),
        flag("export", "ids", ids),
    )
    _check(model, states, lengths, ids)
    writer = Writer(model, states, lengths, ids)
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node(op, inputs, outputs, **attributes) for op, inputs, outputs, attributes in writer.nodes],
        model.name,
        [_port(onnx, port) for port in writer.inputs],
        [_port(onnx, port) for port in writer.outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in writer.weights.items()],
    )
    proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR, producer_name="pyrnn"
    )
    onnx.checker.check_model(proto, full_check=True)
    _files.replace(os.fspath(path), "the graph", proto.SerializeToString())


def load(path: str | os.PathLike[str]) -> Sequential:
    """The model of a graph whose nodes are a chain: those that `save` writes, and the like of other exporters.

    LSTM, GRU and RNN nodes of one or two directions, their outputs, last steps or last states, MatMul or Gemm and Add, Gather
    and OneHot of ids, activations, LayerNormalization, Flatten, what repeats a vector, and means and maxima over the steps; opset
    13 or newer, float32. Initial states and sequence_lens may be inputs of the graph: in pyrnn they are arguments of `predict`. Of its outputs the first is the model's. A
    graph whose x is [time, batch, features] gives a model whose x is, as always, [batch, time, features]. The layers are
    called by their kinds.

    Raises ImportError where onnx is not installed, FileNotFoundError or another OSError where the file cannot be read, and
    ValueError where it is damaged, has weights in other files, or has a node, an attribute or a value that pyrnn has not, which it
    names.

    >>> import tempfile
    >>> from pyrnn import layers
    >>> path = os.path.join(tempfile.mkdtemp(), "m.onnx")
    >>> Sequential([layers.LSTM(8, input_shape=(None, 3)), layers.Dense(2)]).export(path)
    >>> load(path).output_shape
    (None, 2)
    """
    path = os.fspath(path)
    with open(path, "rb") as file:  # the system's own words for a file that is missing or not readable
        content = file.read()
    onnx = _library()
    from google.protobuf.message import DecodeError

    try:
        graph = _parsed(onnx, content)
        try:
            return _model(onnx, graph, time_first=False)
        except Misplaced:
            return _model(onnx, graph, time_first=True)
    except Refused as error:
        raise ValueError(f"load: {path} {error}") from error
    except (DecodeError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RuntimeError) as error:
        raise ValueError(f"load: {path} is damaged or no graph that can be read: {error}") from error


def _parsed(onnx: Any, content: bytes) -> Any:
    proto = onnx.load_model_from_string(content)
    versions = {opset.domain: opset.version for opset in proto.opset_import}
    if versions.get("", versions.get("ai.onnx", 0)) < _OLDEST:
        raise Refused(f"has the operators {versions or 'of no version'}; opset {_OLDEST} or newer is needed")
    if proto.functions or proto.graph.sparse_initializer:
        raise Refused("has functions or sparse weights, which are not supported")
    return proto.graph


def _model(onnx: Any, graph: Any, time_first: bool) -> Sequential:
    known: dict[str, Known] = {"": None}
    known |= {tensor.name: _array(onnx, tensor) for tensor in graph.initializer}
    x, *others = [port for port in graph.input if port.name not in known]
    shape, known[x.name] = _input(onnx, x, time_first)
    known |= {port.name: Side("input") for port in others}
    for node in _ancestors(graph):
        attributes = {each.name: _attribute(onnx, each) for each in node.attribute}
        try:
            if node.domain not in ("", "ai.onnx"):
                raise Refused(f"of {node.domain!r} is not supported")
            made = run(node.op_type, [known[name] for name in node.input], attributes, len(node.output))
        except Refused as error:
            title = f"node {node.name or ', '.join(node.output)!r} ({node.op_type})"
            raise type(error)(f"{title} {error}") from error
        known |= dict(zip(node.output, made, strict=False))
    return _built(known[graph.output[0].name], shape)


def _ancestors(graph: Any) -> list[Any]:
    """The nodes that the first output needs, in their order; final states are made by others."""
    needed, nodes = {graph.output[0].name}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input) - {""}
            nodes.append(node)
    return nodes[::-1]


def _built(y: Known, shape: tuple[int | None, ...]) -> Sequential:
    if not isinstance(y, Value) or y.axes not in ("nf", "ntf", "tnf") or y.pending:
        raise Refused("has a first output that is not what its layers make")
    model = Sequential([Input(shape)])
    for record in y.layers:
        try:
            layer = record.layer()
            model._append(layer, draw=False)
            layer.set_weights(record.weights)
        except (ValueError, TypeError) as error:
            raise Refused(f"has a layer that cannot be: {error}") from error
    model._built_layers()
    return model


def _input(onnx: Any, port: Any, time_first: bool) -> tuple[tuple[int | None, ...], Value]:
    """The shape, without the batch axis, and the axes of x."""
    tensor = port.type.tensor_type
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    ids = tensor.elem_type in (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
    axes = {(2, True): "nt", (2, False): "nf", (3, False): "ntf"}.get((len(sizes), ids))
    if axes is None or not ids and (tensor.elem_type != onnx.TensorProto.FLOAT or sizes[-1] is None):
        raise Refused(
            f"has the input {port.name!r} that is neither float32 [batch, time, features] nor ids [batch, time]"
        )
    if time_first and "t" in axes:
        axes, sizes = "tn" + axes[2:], [sizes[1], sizes[0], *sizes[2:]]
    return tuple(sizes[1:]), Value(axes)


def _array(onnx: Any, tensor: Any) -> Array:
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise Refused(f"has the weights {tensor.name!r} in another file; save it with all of them in one")
    array: Array = onnx.numpy_helper.to_array(tensor)
    if array.dtype.kind == "f" and array.dtype != np.float32:
        raise Refused(f"has the weights {tensor.name!r} in {array.dtype}; float32 is supported")
    return array


def _attribute(onnx: Any, attribute: Any) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    return _array(onnx, value) if isinstance(value, onnx.TensorProto) else value


def _library() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise ImportError("interop.onnx: the library onnx is missing; pip install onnx") from error
    return onnx


def _port(onnx: Any, port: Port) -> Any:
    name, dtype, shape = port
    kinds = {"float32": onnx.TensorProto.FLOAT, "int64": onnx.TensorProto.INT64}
    return onnx.helper.make_tensor_value_info(name, kinds[dtype], shape)


def _check(model: Sequential, states: bool, lengths: bool, ids: bool) -> None:
    """Raise ValueError for what a graph cannot say."""
    if isinstance(model, Sequential):
        model._refuse_quantized("export", "export")
    if isinstance(model, Seq2Seq) or not isinstance(model, Sequential):
        raise TypeError(f"export: model must be a Sequential, got {model!r}")
    if model.dtype != "float32":
        raise ValueError(f"export: model must be float32, got {model.dtype}")
    first = model._built_layers()[0]
    if ids and not first.takes_ids:
        raise ValueError(f"export: ids=True needs a first layer that reads ids, got {first.title}")
    for layer in model.layers:
        cell = layer.layer if isinstance(layer, Bidirectional) else layer
        if (isinstance(layer, Masking) or getattr(layer, "mask_zero", False)) and not lengths:
            raise ValueError(f"export: {layer.title} masks steps by their values; give lengths=True to tell them")
        if isinstance(layer, Flatten) and lengths and len(layer.input_shape) == 3:
            raise ValueError(f"export: {layer.title} needs all steps, and cannot go with lengths=True")
        if not isinstance(cell, RecurrentLayer):
            continue
        for option in ("layer_norm", "zoneout"):
            if getattr(cell, option, False):
                raise ValueError(f"export: {layer.title} has {option}={getattr(cell, option)}, which ONNX has not")
        if cell.stateful and not states:
            raise ValueError(f"export: {layer.title} is stateful; give states=True to pass its states on")
        if cell.go_backwards and (lengths or isinstance(layer, Bidirectional)):
            what = "in a Bidirectional" if isinstance(layer, Bidirectional) else "with lengths=True"
            raise ValueError(f"export: {layer.title} has go_backwards=True, which cannot be exported {what}")
    if lengths and len(first.input_shape) == 2 and not isinstance(first, OneHot | Embedding):
        raise ValueError(f"export: lengths=True needs an input of sequences, which {first.title} has not")
