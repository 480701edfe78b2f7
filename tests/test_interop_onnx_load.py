"""Graphs that PyTorch exported, see goldens/make_interop_torch.py, and what becomes of those that pyrnn has no layers for."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pyrnn import Input, Sequential, layers
from pyrnn.interop import onnx as interop
from tests.promises import cases

onnx = pytest.importorskip("onnx")

FOLDER = Path(__file__).parent / "goldens" / "interop"
KINDS = {
    "text": [layers.Embedding, layers.Bidirectional, layers.Bidirectional, layers.Dense],
    "last": [layers.Bidirectional, layers.Dense],
    "step": [layers.LSTM, layers.Dense],
    "plain": [layers.Dense, layers.SimpleRNN, layers.SimpleRNN, layers.Dense],
    "time_first": [layers.GRU, layers.GRU],
}


@pytest.mark.parametrize("name", KINDS)
def test_graphs_of_pytorch(name):
    model = interop.load(FOLDER / f"torch_{name}.onnx")
    assert [type(layer) for layer in model.layers] == KINDS[name]
    with np.load(FOLDER / "torch.npz") as arrays:
        x, y = arrays[f"{name}/x"], arrays[f"{name}/y"]
    if name == "time_first":
        x, y = x.swapaxes(0, 1), y.swapaxes(0, 1)
    predicted = model.predict(x, verbose=0)
    assert predicted.shape == y.shape
    np.testing.assert_allclose(predicted, y, rtol=0, atol=1e-6 * np.abs(y).max())


# -- what is refused ----------------------------------------------------------


def graph(tmp_path, *parts, **options):
    """The graph of a model, to be changed."""
    path = tmp_path / "m.onnx"
    Sequential(parts).export(path, **options)
    return onnx.load(path)


def node(proto, op):
    return next(node for node in proto.graph.node if node.op_type == op)


def refused(tmp_path, proto, message):
    path = tmp_path / "changed.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ValueError, match=rf"^load: .*changed\.onnx .*{message}"):
        interop.load(path)


def attribute(op, name, value):
    def change(proto):
        attributes = node(proto, op).attribute
        for each in [each for each in attributes if each.name == name]:
            attributes.remove(each)
        attributes.append(onnx.helper.make_attribute(name, value))

    return change


def replaced(op, by):
    def change(proto):
        node(proto, op).op_type = by

    return change


def weight(name, value):
    def change(proto):
        (tensor,) = [each for each in proto.graph.initializer if each.name.endswith(name)]
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.asarray(value), tensor.name))

    return change


def peepholes(proto):
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((1, 12), np.float32), "P"))
    node(proto, "LSTM").input.extend(["", "", "", "P"])


def initial_state(proto):
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((1, 1, 4), np.float32), "h"))
    node(proto, "LSTM").input.extend(["", "h"])


def elsewhere(proto):
    tensor = proto.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")


def old(proto):
    proto.opset_import[0].version = 12


def other_domain(proto):
    node(proto, "LSTM").domain = "com.microsoft"


REFUSED = [
    (attribute("LSTM", "clip", 3.0), r"\(LSTM\) has clip=3.0, which is not supported"),
    (attribute("LSTM", "input_forget", 1), r"\(LSTM\) has input_forget=1, which is not supported"),
    (attribute("LSTM", "layout", 1), r"\(LSTM\) has layout=1, which is not supported"),
    (attribute("LSTM", "activations", ["Sigmoid", "Tanh", "Relu"]), r"\(LSTM\) has the activations .*'Relu'\]"),
    (attribute("LSTM", "activations", ["Softsign", "Tanh", "Tanh"]), r"\(LSTM\) has the activation Softsign"),
    (attribute("LSTM", "activations", ["HardSigmoid", "Tanh", "Tanh"]), "HardSigmoid with alpha=0.2 and beta=0.5"),
    (attribute("LSTM", "direction", "bidirectional"), r"\(LSTM\) has W \[1, 16, 3\] .*the direction 'bidirectional'"),
    (attribute("LSTM", "direction", "reverse"), "a first output that is not what its layers make"),
    (peepholes, r"\(LSTM\) has peepholes P, which are not supported"),
    (initial_state, "begins in a state that is neither zero nor an input"),
    (attribute("Softmax", "axis", 1), r"\(Softmax\) has {'axis': 1}, where {'axis': -1} is supported"),
    (replaced("Softmax", "LeakyRelu"), r"\(LeakyRelu\) has {'alpha': 0.01, 'axis': -1}, where {'alpha': 0.2}"),
    (replaced("Softmax", "Hardmax"), r"\(Hardmax\) is not supported"),
    (attribute("Transpose", "perm", [0, 2, 1]), r"\(LSTM\) needs x \[time, batch, features\], got the axes"),
    (weight("kernel", np.zeros((5, 2), np.float32)), "a layer that cannot be: .*kernel must be .*got .*5, 2"),
    (weight("kernel", np.zeros((4, 2), np.float16)), "in float16; float32 is supported"),
    (weight("bias", np.zeros((7,), np.float32)), "a layer that cannot be: .*bias must be"),
    (elsewhere, "has the weights .* in another file"),
    (old, "opset 13 or newer is needed"),
    (other_domain, r"\(LSTM\) of 'com.microsoft' is not supported"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_pyrnn_has_not_is_refused_by_name(change, message, tmp_path):
    parts = [Input((None, 3)), layers.LSTM(4, return_sequences=True), layers.Dense(2, activation="softmax")]
    proto = graph(tmp_path, *parts)
    change(proto)
    refused(tmp_path, proto, message)


def test_sums_and_cut_sequences_are_refused(tmp_path):
    proto = graph(tmp_path, Input((None, 3)), layers.Activation("silu"))
    node(proto, "Mul").input[1] = "x"
    refused(tmp_path, proto, r"\(Mul\) multiplies two results, which is not supported")
    proto = graph(tmp_path, Input((None, 3)), layers.Activation("gelu"))
    node(proto, "Mul").input[1] = node(proto, "Erf").output[0]
    refused(tmp_path, proto, "in a formula that is not supported")
    proto = graph(tmp_path, Input((None, 3)), layers.GRU(4, go_backwards=True, return_sequences=True))
    node(proto, "GRU").attribute.remove(next(each for each in node(proto, "GRU").attribute if each.name == "direction"))
    refused(tmp_path, proto, r"\(Slice\) takes a part of the steps")
    proto = onnx.load(FOLDER / "torch_last.onnx")
    halves = [each for each in proto.graph.node if each.op_type == "Concat"][-1]
    halves.input[:] = list(halves.input)[::-1]
    refused(tmp_path, proto, r"\(Concat\) puts results side by side")


# -- what is damaged ------------------------------------------------------------


def test_missing_file_and_missing_library(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        interop.load(tmp_path / "none.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install onnx"):
        interop.load(FOLDER / "torch_text.onnx")


@pytest.mark.promise("A damaged ONNX file gives a model or a ValueError")
@pytest.mark.parametrize("name", ["text", "last"])
def test_damaged_files_give_a_model_or_a_value_error(name, tmp_path, rng, figure):
    content = np.frombuffer((FOLDER / f"torch_{name}.onnx").read_bytes(), np.uint8)
    path, errors = tmp_path / "changed.onnx", 0
    damaged = [content[:size] for size in range(0, len(content), 97)]
    for _ in range(cases(200, 5000)):
        changed = content.copy()
        changed[rng.integers(0, len(content), 4)] = rng.integers(0, 256, 4)
        damaged.append(changed)
    for changed in damaged:
        path.write_bytes(changed.tobytes())
        try:
            assert isinstance(interop.load(path), Sequential)
        except ValueError as error:
            assert str(error).startswith(f"load: {path} ")
            errors += 1
    assert errors > len(damaged) / 8
    figure(f"{len(damaged):,} files, {errors:,} refused")
