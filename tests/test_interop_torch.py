"""State dicts that PyTorch wrote, see goldens/make_interop_torch.py: its outputs, and the way back to its names and values."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pyrnn import Seq2Seq, Sequential, layers
from pyrnn.interop import torch

FOLDER = Path(__file__).parent / "goldens" / "interop"
MODELS = {
    "text": {"table": {}, "lstm": {}, "head": {"activation": "softmax"}},
    "last": {"encoder.gru": {"return_sequences": False}, "classify": {}},
    "plain": {"project": {"activation": "tanh"}, "rnn": {"activation": "relu"}, "head": {}},
    "bare": {"": {}},
    "double": {"encoder.gru": {"return_sequences": False}, "classify": {}},
}


def path(name):
    return FOLDER / f"torch_{name}.safetensors"


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_pytorch(name):
    model = torch.from_state_dict(path(name), MODELS[name])
    with np.load(FOLDER / "torch.npz") as arrays:
        x, y = arrays[f"{name}/x"], arrays[f"{name}/y"]
    predicted = model.predict(x, verbose=0)
    assert predicted.dtype == y.dtype
    tolerance = {"float32": 1e-6, "float64": 1e-14}[str(y.dtype)]
    np.testing.assert_allclose(predicted, y, rtol=0, atol=tolerance * np.abs(y).max())


@pytest.mark.parametrize("name", MODELS)
def test_the_way_back_has_pytorchs_names_shapes_and_values(name):
    model = torch.from_state_dict(path(name), MODELS[name])
    state, original = torch.to_state_dict(model, modules=list(MODELS[name])), load_file(path(name))
    assert state.keys() == original.keys()
    for key, value in state.items():
        assert value.flags.c_contiguous
        assert (value.shape, value.dtype) == (original[key].shape, original[key].dtype)
        if "bias_ih" in key and name == "text":  # an LSTM has one bias
            np.testing.assert_array_equal(value, original[key] + original[key.replace("_ih", "_hh")])
        elif "bias_hh" in key and name == "text":
            assert not value.any()
        else:
            np.testing.assert_array_equal(value, original[key])


@pytest.mark.promise("Weights go to PyTorch's state dicts and come back without a changed bit")
def test_round_trips_are_exact(rng, tmp_path, figure):
    kinds = list(product([layers.LSTM, layers.GRU, layers.SimpleRNN], [False, True], [False, True]))
    for kind in kinds:
        assert_exact_round_trip(*kind, rng, tmp_path)
    figure(f"{len(kinds)} models, as dictionaries and as files")


def assert_exact_round_trip(cell, both, use_bias, rng, tmp_path):
    def recurrent(name):
        options = {"use_bias": use_bias, "return_sequences": True}
        if both:
            return layers.Bidirectional(cell(3, **options), name=name)
        return cell(3, name=name, **options)

    model = Sequential(
        [layers.Embedding(5, 2, name="table", input_shape=(None,)), recurrent("r_l0"), recurrent("r_l1")]
    )
    model.add(layers.Dropout(0.5))
    model.add(layers.TimeDistributed(layers.Dense(2), name="head"))
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    state = torch.to_state_dict(model, prefix="net.")
    save_file(state, tmp_path / "state.safetensors")
    for source in (state, tmp_path / "state.safetensors"):
        again = torch.from_state_dict(source, ["table", "r", "head"], prefix="net.")
        assert [layer.name for layer in again.layers] == ["table", "r_l0", "r_l1", "head"]
        for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_order_of_a_mapping_is_that_of_the_modules():
    state = load_file(path("text"))
    ordered = {key: state[key] for module in ("table", "lstm", "head") for key in state if key.startswith(module)}
    model = torch.from_state_dict(ordered)
    assert [layer.name for layer in model.layers] == ["table", "lstm_l0", "lstm_l1", "head"]
    with pytest.raises(ValueError, match="modules must be given, as a file has no order of"):
        torch.from_state_dict(path("text"))
    bare = torch.from_state_dict(path("bare"))
    assert [layer.name for layer in bare.layers] == ["gru_l0", "gru_l1"]


def test_linear_layers_alone_read_vectors():
    state = {
        "a.weight": np.ones((3, 2), "float32"),
        "a.bias": np.zeros(3, "float32"),
        "b.weight": np.ones((1, 3), "f4"),
    }
    model = torch.from_state_dict(state)
    assert model.input_shape == (None, 2)
    np.testing.assert_array_equal(model.predict(np.array([[1.0, 2.0]]), verbose=0), [[9.0]])


def changed(changes, name="text"):
    return {**load_file(path(name)), **{key: np.zeros(shape, "float32") for key, shape in changes.items()}}


@pytest.mark.parametrize(
    ("state", "modules", "message"),
    [
        (
            changed({"lstm.weight_hr_l0": (2, 4)}),
            None,
            r"'lstm' has weight_hr_l0 \(proj_size\), which is not supported",
        ),
        (changed({"lstm.weight_hh_l5": (16, 4)}), None, "'lstm' lacks bias_hh_l2"),
        (changed({"lstm.weight_hh_l0": (20, 4)}), None, r"'lstm' is no LSTM, GRU or RNN: .* is \[20, 4\]"),
        (changed({"lstm.weight_hh_l0": ()}), None, r"'lstm' is no LSTM, GRU or RNN: .* is \["),
        (changed({"lstm.bias_hh_l0": (15,)}), None, r"bias_hh_l0 is \[15\]"),
        (
            changed({"lstm.weight_ih_l1": (16, 7)}),
            ["table", "lstm"],
            r"forward_kernel must be .*\[8, 16\], got .*\[7, 16\]",
        ),
        (
            changed({"head.weight": (5, 9)}),
            ["table", "lstm", "head"],
            r"'head': kernel must be .*\[8, 5\], got .*\[9, 5\]",
        ),
        (changed({"head.bias": (4,)}), ["table", "lstm", "head"], r"'head': bias must be .*\[5\], got .*\[4\]"),
        (
            changed({"conv.weight": (3, 3, 3)}),
            None,
            r"module 'conv' is none that can be read: it has {'weight': \[3, 3, 3\]}",
        ),
        (changed({"norm.weight": (3,), "norm.running_mean": (3,)}), None, "module 'norm' is none that can be read"),
        (changed({}), ["table", "rnn"], "state has no module 'rnn'; it has 'head', 'lstm', 'table'"),
        ({}, None, "state and modules must not be empty"),
        ({"a.weight": np.ones((2, 2), "int64")}, None, "must be all float32 or all float64, got int64"),
        (changed({}), {"table": {}, "lstm": {"units": 3}}, "options of 'lstm' must not have units"),
    ],
)
def test_what_does_not_fit_is_named(state, modules, message):
    with pytest.raises(ValueError, match=f"^from_state_dict: .*{message}"):
        torch.from_state_dict(state, modules)


def test_what_is_no_array_or_no_file(tmp_path):
    class OnAnotherDevice:
        def __array__(self, *args, **kwargs):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(TypeError, match=r"a\.weight must be an array: can't convert cuda:0"):
        torch.from_state_dict({"a.weight": OnAnotherDevice()})
    with pytest.raises(FileNotFoundError):
        torch.from_state_dict(tmp_path / "none.safetensors")
    content = path("text").read_bytes()
    for size in range(0, len(content), 97):
        (tmp_path / "short").write_bytes(content[:size])
        with pytest.raises(ValueError, match="short is damaged or no safetensors file"):
            torch.from_state_dict(tmp_path / "short", ["table"])


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.GRU(3, reset_after=False), "reset_after=False, where PyTorch has True"),
        (layers.LSTM(3, activation="relu"), "activation='relu', where PyTorch has 'tanh'"),
        (layers.LSTM(3, recurrent_activation="hard_sigmoid"), "recurrent_activation='hard_sigmoid'"),
        (layers.SimpleRNN(3, activation="sigmoid"), "activation='sigmoid', where PyTorch has 'tanh'"),
        (layers.GRU(3, zoneout=0.5), "zoneout=0.5"),
        (layers.GRU(3, layer_norm=True), "layer_norm=True"),
        (layers.GRU(3, go_backwards=True), "go_backwards=True"),
        (layers.Bidirectional(layers.GRU(3), merge_mode="sum"), "merge_mode='sum', where PyTorch has 'concat'"),
        (layers.LayerNormalization(), "is no LSTM, GRU, RNN, Linear or Embedding"),
    ],
)
def test_what_pytorch_has_not_is_refused_by_name(layer, message):
    with pytest.raises(ValueError, match=f"^to_state_dict: {type(layer).__name__} '.*' .*{message}"):
        torch.to_state_dict(Sequential([layers.Input((4, 2)), layer]))


def test_modules_and_stacks_are_checked():
    stack = [layers.GRU(3, return_sequences=True, name="r_l0"), layers.GRU(4, name="r_l1")]
    with pytest.raises(ValueError, match=r"layers r_l0 \.\.\. must be alike to be one module"):
        torch.to_state_dict(Sequential([layers.Input((4, 2)), *stack]))
    model = Sequential([layers.Input((2,)), layers.Dense(3, name="a"), layers.Dense(3, name="b")])
    for modules in (["one"], ["one", "one"], ["one", "two", "three"]):
        with pytest.raises(ValueError, match=r"modules must be 2 names, for a, b, got \['one'"):
            torch.to_state_dict(model, modules)
    encoder = Sequential([layers.GRU(4, input_shape=(None, 4))])
    decoder = Sequential([layers.GRU(4, input_shape=(None, 4), return_sequences=True)])
    with pytest.raises(TypeError, match="model must be a Sequential"):
        torch.to_state_dict(Seq2Seq(encoder, decoder))
