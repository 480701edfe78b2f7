"""Exported graphs in onnxruntime against the models that they are of, at several numbers of rows and of steps."""

import sys
from itertools import product

import numpy as np
import pytest

from pyrnn import Input, Seq2Seq, Sequential, layers
from pyrnn.interop import onnx as interop

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SIZES = [(1, 1), (3, 5), (7, 12)]
RELATIVE = 1e-6


def with_weights(rng, *parts):
    model = Sequential(parts)
    model.set_weights([rng.normal(size=weight.shape) * 0.5 for weight in model.weights])
    return model


class Session:
    """A graph in onnxruntime, its results by name, and the model that pyrnn loads from it."""

    def __init__(self, model, tmp_path, loads=True, **options):
        path = tmp_path / "m.onnx"
        model.export(path, **options)
        threads = onnxruntime.SessionOptions()
        threads.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, threads, providers=["CPUExecutionProvider"])
        self.loaded = interop.load(path) if loads else None
        self.inputs = {port.name: port for port in self._session.get_inputs()}
        self.outputs = {port.name: port for port in self._session.get_outputs()}

    def __call__(self, **feed):
        return dict(zip(self.outputs, self._session.run(None, feed), strict=True))


def assert_close(actual, expected):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=RELATIVE * np.abs(expected).max())


def values(rng, N, T, F=3):
    return rng.normal(size=(N, T, F)).astype(np.float32)


def assert_same(model, loaded, x, **told):
    """The same weights, and predictions of the same bits."""
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0, **told), model.predict(x, verbose=0, **told))


CELLS = [
    *(
        (kind, {"activation": activation, "recurrent_activation": gate, **more})
        for kind, more in [(layers.LSTM, {}), (layers.GRU, {}), (layers.GRU, {"reset_after": False})]
        for activation, gate in [
            ("tanh", "sigmoid"),
            ("relu", "hard_sigmoid"),
            ("linear", "sigmoid"),
            ("hard_sigmoid", "tanh"),
        ]
    ),
    *((layers.SimpleRNN, {"activation": activation}) for activation in ("tanh", "relu", "sigmoid")),
]


@pytest.mark.promise("Models exported to ONNX answer in onnxruntime as here, and come back without a changed bit")
def test_cells(rng, tmp_path, figure):
    for (cell, options), (return_sequences, use_bias) in product(CELLS, [(False, True), (True, False)]):
        assert_same_in_onnxruntime(cell, options, return_sequences, use_bias, rng, tmp_path)
    figure(f"{2 * len(CELLS)} models at {len(SIZES)} sizes, outputs within {RELATIVE:.0e} of the largest")


def assert_same_in_onnxruntime(cell, options, return_sequences, use_bias, rng, tmp_path):
    layer = cell(4, return_sequences=return_sequences, use_bias=use_bias, **options)
    model = with_weights(rng, Input((None, 3)), layer, layers.Dense(2))
    session = Session(model, tmp_path)
    for N, T in SIZES:
        x = values(rng, N, T)
        assert_close(session(x=x)["y"], model.predict(x, verbose=0))
        assert_same(model, session.loaded, x)


@pytest.mark.parametrize("cell", [layers.LSTM, layers.GRU, layers.SimpleRNN])
@pytest.mark.parametrize("merge_mode", ["concat", "sum", "ave", "mul"])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_both_directions_with_states_and_lengths(cell, merge_mode, return_sequences, rng, tmp_path):
    inner = cell(4, return_sequences=return_sequences, return_state=True)
    layer = layers.Bidirectional(inner, merge_mode=merge_mode, name="both")
    model = with_weights(rng, Input((None, 3)), layer)
    session = Session(model, tmp_path, states=True, lengths=True)
    names = ["h", "c"][: inner.states]
    for N, T in SIZES:
        x, lengths = values(rng, N, T), rng.integers(1, T + 1, N)
        state = {
            f"both.{way}_initial_{name}": values(rng, N, 1, 4)[:, 0]
            for way in ("forward", "backward")
            for name in names
        }
        got = session(x=x, lengths=lengths, **state)
        expected, *last = model.predict(x, lengths=lengths, initial_state=[tuple(state.values())], verbose=0)
        again = session.loaded.predict(x, lengths=lengths, initial_state=[tuple(state.values())], verbose=0)
        np.testing.assert_array_equal(again, expected)
        real = np.arange(T) < lengths[:, None] if return_sequences else np.ones(N, bool)
        assert_close(got["y"][real], expected[real])
        finals = [f"both.{way}_final_{name}" for way in ("forward", "backward") for name in names]
        for name, value in zip(finals, flat(last), strict=True):
            assert_close(got[name], value)


def flat(nested):
    return [array for part in nested for array in (flat(part) if isinstance(part, list | tuple) else [part])]


def test_states_carry_a_sequence_on(rng, tmp_path):
    first = layers.LSTM(4, return_sequences=True, stateful=True, name="a")
    model = with_weights(rng, Input((None, 3)), first, layers.GRU(5, return_sequences=True, name="b"))
    session = Session(model, tmp_path, states=True)
    assert list(session.inputs) == ["x", "a.initial_h", "a.initial_c", "b.initial_h"]
    assert list(session.outputs) == ["y", "a.final_h", "a.final_c", "b.final_h"]
    x = values(rng, 2, 9)
    state = {name: np.zeros((2, port.shape[1]), np.float32) for name, port in session.inputs.items() if name != "x"}
    parts = []
    for chunk in (x[:, :4], x[:, 4:5], x[:, 5:]):
        got = session(x=chunk, **state)
        parts.append(got.pop("y"))
        state = {name.replace("final", "initial"): value for name, value in got.items()}
    assert_close(np.concatenate(parts, axis=1), model.predict(x, verbose=0))


def test_return_state_has_outputs_without_inputs(rng, tmp_path):
    model = with_weights(rng, Input((None, 3)), layers.LSTM(4, return_state=True, name="a"))
    session = Session(model, tmp_path)
    assert (list(session.inputs), list(session.outputs)) == (["x"], ["y", "a.final_h", "a.final_c"])
    got = session(x=values(rng, 2, 3))
    np.testing.assert_array_equal(got["y"], got["a.final_h"])


@pytest.mark.parametrize("return_sequences", [False, True])
def test_go_backwards(return_sequences, rng, tmp_path):
    layer = layers.GRU(4, return_sequences=return_sequences, go_backwards=True)
    model = with_weights(rng, Input((None, 3)), layer)
    session = Session(model, tmp_path)
    for N, T in SIZES:
        x = values(rng, N, T)
        assert_close(session(x=x)["y"], model.predict(x, verbose=0))
        assert_same(model, session.loaded, x)


@pytest.mark.parametrize("activation", layers._base.ACTIVATIONS)
def test_activations(activation, rng, tmp_path):
    model = with_weights(
        rng,
        Input((None, 3)),
        layers.TimeDistributed(layers.Dense(4, activation=activation)),
        layers.Activation(activation),
    )
    x = values(rng, 3, 5)
    session = Session(model, tmp_path)
    assert_close(session(x=x)["y"], model.predict(x, verbose=0))
    assert_same(model, session.loaded, x)


IDS = [
    [layers.OneHot(9, input_shape=(None,)), layers.LSTM(5)],
    [
        layers.Embedding(9, 4, input_shape=(None,)),
        layers.LSTM(5, return_sequences=True),
        layers.Dropout(0.5),
        layers.GRU(5),
    ],
    [layers.LSTM(5, input_shape=(None, 9)), layers.Dense(9, activation="softmax")],
]


@pytest.mark.parametrize("index", range(len(IDS)))
def test_ids(index, rng, tmp_path):
    parts = [type(layer).from_config({**layer.get_config()}) for layer in IDS[index]]
    model = Sequential([Input((None, 9) if index == 2 else (None,)), *parts])
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    session = Session(model, tmp_path, ids=True)
    assert session.inputs["x"].type == "tensor(int64)"
    for N, T in SIZES:
        x = rng.integers(0, 9, (N, T))
        assert_close(session(x=x)["y"], model.predict(x, verbose=0))
        assert_same(model, session.loaded, x)


@pytest.mark.parametrize("first", ["masking", "embedding"])
def test_masked_models_take_lengths(first, rng, tmp_path):
    begin = layers.Masking(0.0) if first == "masking" else layers.Embedding(9, 3, mask_zero=True)
    model = Sequential([Input((None, 3) if first == "masking" else (None,)), begin, layers.GRU(4)])
    session = Session(model, tmp_path, lengths=True)
    for N, T in SIZES:
        x, lengths = values(rng, N, T) if first == "masking" else rng.integers(1, 9, (N, T)), rng.integers(1, T + 1, N)
        x[np.arange(T) >= lengths[:, None]] = 0
        assert_close(session(x=x, lengths=lengths)["y"], model.predict(x, verbose=0))


@pytest.mark.parametrize("pooling", [layers.GlobalAveragePooling1D, layers.GlobalMaxPooling1D])
@pytest.mark.parametrize("lengths", [False, True])
def test_pooling(pooling, lengths, rng, tmp_path):
    model = with_weights(rng, Input((None, 3)), layers.LSTM(4, return_sequences=True), pooling(), layers.Dense(2))
    session = Session(model, tmp_path, loads=not lengths, lengths=lengths)
    for N, T in SIZES:
        x = values(rng, N, T)
        told = {"lengths": rng.integers(1, T + 1, N)} if lengths else {}
        assert_close(session(x=x, **told)["y"], model.predict(x, verbose=0, **told))


def test_encoder_and_decoder_in_a_row(rng, tmp_path):
    model = with_weights(
        rng,
        Input((None, 3)),
        layers.LSTM(5),
        layers.RepeatVector(4),
        layers.LSTM(5, return_sequences=True),
        layers.LayerNormalization(epsilon=1e-2, center=False),
        layers.Dense(3, activation="softmax"),
    )
    session = Session(model, tmp_path, lengths=True)
    assert session.outputs["y"].shape == ["batch", 4, 3]
    x, lengths = values(rng, 3, 6), np.array([6, 2, 4])
    assert_close(session(x=x, lengths=lengths)["y"], model.predict(x, lengths=lengths, verbose=0))
    assert_same(model, session.loaded, x, lengths=lengths)


def test_known_steps_stay_for_flatten_alone(rng, tmp_path):
    parts = [Input((5, 3)), layers.GRU(4, return_sequences=True)]
    model = with_weights(rng, *parts, layers.Flatten(), layers.LayerNormalization(scale=False))
    session = Session(model, tmp_path)
    assert session.inputs["x"].shape == ["batch", 5, 3]
    x = values(rng, 2, 5)
    assert_close(session(x=x)["y"], model.predict(x, verbose=0))
    free = with_weights(rng, Input((5, 3)), layers.GRU(4, return_sequences=True))
    assert Session(free, tmp_path).inputs["x"].shape == ["batch", "time", 3]


def test_the_file_is_of_opset_17(rng, tmp_path):
    with_weights(rng, Input((None, 3)), layers.GRU(4)).export(tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    assert proto.ir_version == 8
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", 17)]
    assert [node.op_type for node in proto.graph.node] == ["Transpose", "GRU", "Transpose", "Reshape", "Identity"]
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


STEPS = (None, 3)
REFUSED = [
    ([Input(STEPS), layers.LSTM(4, layer_norm=True, name="a")], {}, "LSTM 'a' has layer_norm=True, which ONNX has not"),
    ([Input(STEPS), layers.GRU(4, zoneout=0.5, name="b")], {}, "GRU 'b' has zoneout=0.5, which ONNX has not"),
    ([Input(STEPS), layers.GRU(4, stateful=True, name="c")], {}, "GRU 'c' is stateful; give states=True"),
    (
        [Input(STEPS), layers.Masking(name="d"), layers.GRU(4)],
        {},
        "Masking 'd' masks steps by their values; give lengths",
    ),
    ([Input((4, 3)), layers.Flatten(name="e")], {"lengths": True}, "Flatten 'e' needs all steps"),
    (
        [Input(STEPS), layers.GRU(4, go_backwards=True, name="f")],
        {"lengths": True},
        "GRU 'f' has go_backwards=True, .*lengths",
    ),
    (
        [Input(STEPS), layers.Bidirectional(layers.GRU(4, go_backwards=True), name="g")],
        {},
        "'g' has go_backwards=True, which cannot be exported in a Bidirectional",
    ),
    ([Input((3,)), layers.Dense(4)], {"lengths": True}, "lengths=True needs an input of sequences"),
    (
        [Input(STEPS), layers.LayerNormalization(name="h")],
        {"ids": True},
        "needs a first layer that reads ids, got .* 'h'",
    ),
]


@pytest.mark.parametrize(("parts", "options", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_onnx_cannot_be_told_is_refused_by_name(parts, options, message, tmp_path):
    with pytest.raises(ValueError, match=f"^export: .*{message}"):
        Sequential(parts).export(tmp_path / "m.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_other_models_names_and_a_missing_library(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="model must be float32, got float64"):
        Sequential([layers.GRU(4, input_shape=(None, 3))], dtype="float64").export(tmp_path / "m.onnx")
    model = Sequential([layers.GRU(4, input_shape=(None, 4))])
    with pytest.raises(ValueError, match=r"filepath must end in '\.onnx' or '\.h', got '.*m\.bin'"):
        model.export(tmp_path / "m.bin")
    with pytest.raises(TypeError, match="states"):
        model.export(tmp_path / "m.onnx", states=1)
    decoder = Sequential([layers.GRU(4, input_shape=(None, 4), return_sequences=True)])
    seq2seq = Seq2Seq(Sequential([layers.GRU(4, input_shape=(None, 4))]), decoder)
    with pytest.raises(TypeError, match="model must be a Sequential"):
        seq2seq.export(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install onnx"):
        model.export(tmp_path / "m.onnx")
