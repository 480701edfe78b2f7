"""Models as ONNX graphs, which onnxruntime and others run. The library onnx is needed (`pip install onnx`)."""

import os
from typing import Any

from .. import _files
from .._checks import flag
from ..layers import Bidirectional, Embedding, Flatten, Masking, OneHot, RecurrentLayer
from ..models import Sequential
from ..seq2seq import Seq2Seq
from ._onnx_write import Port, Writer

__all__ = ["save"]

_OPSET, _IR = 17, 8


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
    _files._replace(os.fspath(path), "the graph", proto.SerializeToString())


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
