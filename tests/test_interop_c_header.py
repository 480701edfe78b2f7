"""Models as C99 headers: what they declare, and that their steps are those of Python's streams."""

import re

import numpy as np
import pytest

import pyrnn
from pyrnn import layers
from pyrnn.interop import c_header
from tests.native.building import ROOT, run, tool

ACTIVATIONS = layers._base.ACTIVATIONS
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def randomized(*stack, seed=3):
    """A model with weights of its own, none of them zero."""
    model = pyrnn.Sequential(stack)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.4, weight.shape) for weight in model.weights])
    return model


def steps_of_header(folder, model, x, ids=False):
    """What csrc/c/examples/header.c prints for x, ids [T] or vectors [T, I]."""
    model.export(folder / "model.h")
    source, options = ROOT / "csrc" / "c" / "examples" / "header.c", ["-DMODEL_READS_IDS"] * ids
    run(tool("cc", "gcc", "clang"), *STRICT, "-O2", f"-I{folder}", *options, source, "-o", folder / "header", "-lm")
    text = run(folder / "header", text=" ".join(f"{value:.9g}" for value in x.ravel()))
    return np.array([line.split() for line in text.splitlines()], np.float32)


def assert_same_steps(folder, model, x, ids=False):
    expected = model.stream().run(x[:, None])[:, 0]
    got = steps_of_header(folder, model, x, ids)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    "make",
    [
        lambda: [layers.LSTM(13)],
        lambda: [layers.LSTM(5, use_bias=False, activation="relu", recurrent_activation="hard_sigmoid", zoneout=0.25)],
        lambda: [layers.GRU(13)],
        lambda: [layers.GRU(5, use_bias=False)],
        lambda: [layers.GRU(13, reset_after=False)],
        lambda: [layers.GRU(5, reset_after=False, use_bias=False, activation="linear", dropout=0.1, seed=1)],
        lambda: [layers.SimpleRNN(13)],
        lambda: [layers.SimpleRNN(5, use_bias=False, activation="sigmoid")],
        lambda: [layers.Masking(), layers.Activation("tanh"), layers.LSTM(4)],
        lambda: [
            layers.LSTM(17, return_sequences=True, name="größe"),
            layers.Dropout(0.5),
            layers.GRU(9, return_sequences=True, name="a b-2"),
            layers.TimeDistributed(layers.Dense(6, use_bias=False)),
            layers.Activation("softmax"),
        ],
    ],
)
def test_steps_of_vectors_are_those_of_streams(tmp_path, rng, make):
    model = randomized(layers.Input((None, 7)), *make())
    assert_same_steps(tmp_path, model, rng.normal(size=(12, 7)).astype(np.float32))


@pytest.mark.parametrize(
    "make",
    [
        lambda: [layers.LSTM(13)],
        lambda: [layers.Dense(6), layers.SimpleRNN(5)],
        lambda: [layers.Embedding(9, 5), layers.GRU(6), layers.Dense(9, activation="softmax")],
        lambda: [layers.OneHot(9), layers.GRU(6, reset_after=False)],
        lambda: [layers.OneHot(9), layers.Activation("linear"), layers.LSTM(6)],
    ],
)
def test_steps_of_ids_are_those_of_streams(tmp_path, rng, make):
    stack = make()
    reads_ids = isinstance(stack[0], layers.Embedding | layers.OneHot)
    model = randomized(layers.Input((None,) if reads_ids else (None, 9)), *stack)
    assert_same_steps(tmp_path, model, rng.integers(0, 9, 12).astype(np.int32), ids=True)
    declared = (tmp_path / "model.h").read_text()
    assert ("void model_step(" in declared) != reads_ids
    assert "int model_step_id(" in declared


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_that_of_the_engine(tmp_path, activation):
    model = randomized(layers.Input((None, 5)), layers.Dense(5, activation=activation))
    model.set_weights([np.eye(5), np.zeros(5)])
    x = np.linspace(-8, 8, 60).astype(np.float32).reshape(12, 5)
    assert_same_steps(tmp_path, model, x)


def test_an_id_out_of_range_is_refused_by_the_step(tmp_path):
    randomized(layers.Input((None, 4)), layers.LSTM(3)).export(tmp_path / "m.h")
    (tmp_path / "main.c").write_text(
        '#include "m.h"\n'
        "int main(void) {\n  m_state s;\n  float y[M_OUTPUTS];\n  m_reset(&s);\n"
        "  return m_step_id(&s, 4, y) + m_step_id(&s, -1, y) * 2 + (m_step_id(&s, 3, y) != 1) * 4;\n}\n"
    )
    run(tool("cc", "gcc", "clang"), *STRICT, tmp_path / "main.c", "-o", tmp_path / "main", "-lm")
    run(tmp_path / "main")


def test_the_header_needs_nothing_but_math_h(tmp_path):
    model = randomized(layers.Embedding(4, 3, input_shape=(None,)), layers.GRU(3), layers.Dense(2, "softmax"))
    path = tmp_path / "2 parts.h"
    model.export(str(path))
    text = path.read_text("ascii")
    assert re.findall("#.*include.*", text) == ["#include <math.h>"]
    assert "malloc" not in text and "memset" not in text
    assert "void _2_parts_reset(_2_parts_state *state)" in text
    (tmp_path / "two.cpp").write_text(f'#include "{path}"\nint main() {{ return _2_PARTS_OUTPUTS - 2; }}\n')
    run(tool("c++", "g++", "clang++"), "-Wall", "-Wextra", "-Werror", tmp_path / "two.cpp", "-o", tmp_path / "two")
    run(tmp_path / "two")


@pytest.mark.parametrize(
    "layer, words",
    [
        (lambda: layers.Bidirectional(layers.LSTM(3)), "cannot have Bidirectional 'bidirectional.*; it can have LSTM"),
        (lambda: layers.LayerNormalization(), "cannot have LayerNormalization"),
        (lambda: layers.TimeDistributed(layers.LayerNormalization()), "cannot have TimeDistributed"),
        (lambda: layers.Flatten(), "cannot have Flatten"),
        (lambda: layers.GlobalMaxPooling1D(), "cannot have GlobalMaxPooling1D"),
        (lambda: layers.LSTM(3, layer_norm=True), "cannot have LSTM .* with layer_norm=True"),
        (lambda: layers.GRU(3, go_backwards=True), "cannot have GRU .* with go_backwards=True"),
    ],
)
def test_layers_that_it_cannot_have_are_named(tmp_path, layer, words):
    model = pyrnn.Sequential([layers.Input((3, 4)), layer()])
    with pytest.raises(ValueError, match=words):
        model.export(tmp_path / "m.h")
    assert not list(tmp_path.iterdir())


def test_models_that_it_cannot_be_are_told(tmp_path):
    path = tmp_path / "m.h"
    with pytest.raises(ValueError, match="dtype must be float32 for a C header, got float64"):
        pyrnn.Sequential([layers.LSTM(3, input_shape=(None, 2))], dtype="float64").export(path)
    with pytest.raises(ValueError, match="needs a model that reads sequences"):
        pyrnn.Sequential([layers.Dense(3, input_shape=(2,))]).export(path)
    with pytest.raises(ValueError, match="no shapes yet"):
        pyrnn.Sequential([layers.LSTM(3)]).export(path)
    model = pyrnn.Sequential([layers.Dense(1, input_shape=(None, 1), name="d")])
    model.set_weights([[[np.nan]], [0.0]])
    with pytest.raises(ValueError, match="weights must be finite, but those of d/kernel are not"):
        model.export(path)
    encoder = pyrnn.Sequential([layers.Input((None, 4)), layers.LSTM(3)])
    decoder = pyrnn.Sequential([layers.Input((None, 4)), layers.LSTM(3, return_sequences=True), layers.Dense(4)])
    with pytest.raises(TypeError, match="a Seq2Seq cannot be a C header"):
        pyrnn.Seq2Seq(encoder, decoder, start=0).export(path)
    with pytest.raises(TypeError, match="states"):
        model.export(path, states=True)
    with pytest.raises(ValueError, match="must end in '.onnx' or '.h', got 'm.txt'"):
        model.export("m.txt")
    assert not path.exists()
    assert c_header.identifier("") == "_"
