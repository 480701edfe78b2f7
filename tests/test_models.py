"""Sequential's structure and outputs, against the NumPy reference."""

import re
import threading

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, layers, reference


def forward(model, x):
    """The model's output in float64 NumPy; x holds ids [N, T] or vectors."""
    h = x
    for layer in model.layers:
        weights = [weight.astype(np.float64) for weight in layer.get_weights()]
        if isinstance(layer, layers.LSTM):
            zeros = np.zeros((len(h), layer.units))
            bias = weights[2] if layer.use_bias else np.zeros(4 * layer.units)
            h = reference.lstm_forward(h, zeros, zeros, weights[0], weights[1], bias)[0]
            h = h if layer.return_sequences else h[:, -1]
        elif isinstance(layer, layers.Dense | layers.TimeDistributed):
            dense = layer.layer if isinstance(layer, layers.TimeDistributed) else layer
            bias = weights[1] if len(weights) > 1 else np.zeros(dense.units)
            h = reference.dense_forward(h, weights[0], bias, dense.activation)
        elif isinstance(layer, layers.RepeatVector):
            h = np.repeat(h[:, None], layer.n, axis=1)
        elif isinstance(layer, layers.Embedding):
            h = reference.embedding_forward(h, weights[0])
        elif isinstance(layer, layers.OneHot):
            h = np.eye(layer.num_symbols)[h]
        elif isinstance(layer, layers.Activation):
            h = {"softmax": reference.softmax, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}[layer.activation](h)
    return h


def addition(units=9, dtype="float32", symbols=12):
    return Sequential(
        [
            Input((7, symbols)),
            layers.LSTM(units),
            layers.RepeatVector(4),
            layers.LSTM(units, return_sequences=True),
            layers.TimeDistributed(layers.Dense(symbols, activation="softmax")),
        ],
        dtype=dtype,
    )


# -- structure ----------------------------------------------------------------


def test_the_tutorials_model_has_keras_table(capsys):
    model = Sequential(name="addition")
    model.add(layers.LSTM(128, input_shape=(7, 12), name="lstm"))
    model.add(layers.RepeatVector(4, name="repeat_vector"))
    model.add(layers.LSTM(128, return_sequences=True, name="lstm_1"))
    model.add(layers.TimeDistributed(layers.Dense(12), name="time_distributed"))
    model.add(layers.Activation("softmax", name="activation"))
    model.summary()
    printed = capsys.readouterr().out
    assert "\x1b" not in printed  # plain where stdout is no terminal
    rows = [re.split(r"\s*[│┃]\s*", line)[1:4] for line in printed.splitlines() if "│" in line or "┃" in line]
    assert rows == [
        ["Layer (type)", "Output Shape", "Param #"],
        ["lstm (LSTM)", "(None, 128)", "72,192"],
        ["repeat_vector (RepeatVector)", "(None, 4, 128)", "0"],
        ["lstm_1 (LSTM)", "(None, 4, 128)", "131,584"],
        ["time_distributed (TimeDistributed)", "(None, 4, 12)", "1,548"],
        ["activation (Activation)", "(None, 4, 12)", "0"],
    ]
    assert printed.startswith('Model: "addition"\n')
    assert " Total params: 205,324 (802.05 KB)\n Trainable params: 205,324 (802.05 KB)\n" in printed
    texts = []
    model.summary(print_fn=texts.append)
    assert texts == [printed]


def test_summary_of_a_model_without_shapes(capsys):
    Sequential([layers.LSTM(3)]).summary()
    printed = capsys.readouterr().out
    assert "(unbuilt)" in printed
    assert "Total params: 0 (0.00 B)" in printed


def test_shapes_counts_and_layers():
    model = addition(128)
    assert (model.input_shape, model.output_shape) == ((None, 7, 12), (None, 4, 12))
    assert model.count_params() == 205_324
    assert [type(layer).__name__ for layer in model.layers] == ["LSTM", "RepeatVector", "LSTM", "TimeDistributed"]
    assert model.get_layer(index=2) is model.layers[2]
    assert model.get_layer(model.layers[1].name) is model.layers[1]
    assert [weight.name for weight in model.weights] == ["kernel", "recurrent_kernel", "bias"] * 2 + ["kernel", "bias"]


def test_config_makes_the_same_model_with_new_weights():
    model = addition()
    again = Sequential.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert [weight.shape for weight in again.weights] == [weight.shape for weight in model.weights]
    assert (again.get_weights()[0] != model.get_weights()[0]).any()


def test_same_seed_same_weights():
    def weights():
        pyrnn.utils.set_random_seed(3)
        return addition().get_weights()

    for first, second in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_adding_a_layer_to_a_model_in_use_keeps_weights(rng):
    model = Sequential([layers.LSTM(5, input_shape=(4, 3))])
    x = rng.normal(size=(6, 4, 3)).astype(np.float32)
    inner = model.predict(x, verbose=0)
    kept = model.get_weights()
    model.add(layers.Dense(2))
    for before, after in zip(kept, model.get_weights(), strict=False):
        np.testing.assert_array_equal(before, after)
    kernel, bias = model.layers[1].get_weights()
    np.testing.assert_allclose(model.predict(x, verbose=0), inner @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_first_data_decide_the_shapes(rng):
    model = Sequential([layers.LSTM(3), layers.Dense(2)])
    assert not model.built
    model.compile(loss="mse")
    assert model.predict(rng.normal(size=(5, 4, 6)), verbose=0).shape == (5, 2)
    assert model.input_shape == (None, 4, 6)
    model = Sequential([layers.Embedding(5, 2), layers.LSTM(3)])
    assert model.predict(np.zeros((2, 7), int), verbose=0).shape == (2, 3)


def test_build_fixes_shapes():
    model = Sequential([layers.Dense(3)])
    model.build((None, 4))
    assert model.count_params() == 15
    model.build((None, 4))  # the same again is no error
    with pytest.raises(
        ValueError, match=r"build: input_shape must be \(None, 4\), which the model has, got \(None, 5\)"
    ):
        model.build((None, 5))


def _with(layer, *more):
    model = Sequential([layer])
    for one in more:
        model.add(one)
    return model


SHARED = layers.Dense(2)

REFUSED = [
    (lambda: Sequential(dtype="float16"), ValueError, "Sequential: dtype must be one of 'float32', 'float64', got 'float16'"),
    (lambda: Sequential(trainable=False), TypeError, "Sequential: trainable is not supported"),
    (lambda: Sequential(["lstm"]), TypeError, "add: layer must be one of pyrnn.layers, got 'lstm'"),
    (lambda: Sequential([Sequential()]), TypeError, "add: layer must be one of pyrnn.layers, got <"),
    (lambda: _with(layers.Dense(2), Input((3,))), ValueError, "add: Input must come first, and once"),
    (lambda: _with(layers.Dense(2, name="a"), layers.Dense(2, name="a")), ValueError, "two called 'a'"),
    (lambda: _with(SHARED, SHARED), ValueError, "is part of a model already; make a new layer"),
    (lambda: _with(layers.Dense(2), layers.OneHot(3)), ValueError, "reads ids and must be the first layer"),
    (lambda: _with(Input((7, 3)), layers.LSTM(2), layers.LSTM(2)), ValueError, r"must be \[N, T, features\], got \[N, 2\]"),
    (lambda: Sequential().predict([[1.0]]), ValueError, "has no layers; add some first"),
    (lambda: Sequential([layers.Dense(2)]).get_weights(), ValueError, "has no shapes yet: begin it with Input"),
    (lambda: Sequential([layers.LSTM(2)]).predict([[1, 2]]), ValueError, "put OneHot or Embedding before it to read ids"),
    (lambda: addition().get_layer("nobody"), ValueError, "get_layer: no layer 'nobody' among 4"),
    (lambda: addition().get_layer(), ValueError, "one of name and index must be given"),
    (lambda: addition().set_weights([]), ValueError, r"weights must be a list of 8 arrays \(.*/kernel, .*\), got 0 arrays"),
    (lambda: addition().fit(np.zeros((1, 7), int), [[0]]), RuntimeError, "fit: model '.*' must be compiled first"),
    (lambda: setattr(addition(), "trainable", False), ValueError, "trainable must stay True"),
    (lambda: addition().optimizer, RuntimeError, "must be compiled first"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "words"), REFUSED)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_refused_layer_leaves_the_model_as_it_was(rng):
    model = Sequential([layers.LSTM(5, input_shape=(4, 3))])
    with pytest.raises(ValueError, match="input must be"):
        model.add(layers.LSTM(2))
    assert len(model.layers) == 1
    assert model.predict(rng.normal(size=(2, 4, 3)), verbose=0).shape == (2, 5)


# -- outputs ------------------------------------------------------------------

MODELS = [
    lambda: addition(),
    lambda: addition(17),
    lambda: Sequential([Input((7, 12)), layers.LSTM(5, use_bias=False), layers.Dense(3, activation="tanh")]),
    lambda: Sequential([Input((7, 12)), layers.LSTM(4, return_sequences=True), layers.LSTM(6), layers.Dense(12), layers.Activation("softmax")]),
    lambda: Sequential([Input((7, 12)), layers.Dense(5, activation="sigmoid"), layers.Dropout(0.5), layers.LSTM(3)]),
    lambda: Sequential([Input((7, 12)), layers.TimeDistributed(layers.Dense(5, activation="relu")), layers.LSTM(3, return_sequences=True)]),
]  # fmt: skip
IDS_MODELS = [
    lambda: Sequential([layers.OneHot(12), layers.LSTM(5), layers.Dense(12, activation="softmax")]),
    lambda: Sequential([Input((7,)), layers.OneHot(12), layers.Dense(5)]),
    lambda: Sequential([layers.OneHot(12, input_shape=(7,)), layers.Dropout(0.3), layers.LSTM(5)]),
    lambda: Sequential([Input((None,)), layers.Embedding(12, 6), layers.LSTM(5, return_sequences=True)]),
]


@pytest.mark.parametrize("make", MODELS)
def test_vectors_give_the_references_output(make, rng):
    model = make()
    x = rng.normal(size=(5, 7, 12))
    out = model.predict(x, verbose=0)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, forward(model, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", MODELS + IDS_MODELS)
def test_ids_give_the_references_output(make, rng):
    model = make()
    ids = rng.integers(0, 12, (5, 7))
    np.testing.assert_allclose(model.predict(ids, verbose=0), forward(model, ids), rtol=1e-5, atol=1e-5)


def test_float64_models_compute_in_float64(rng):
    model = addition(dtype="float64")
    x = rng.normal(size=(5, 7, 12))
    out = model.predict(x, verbose=0)
    assert out.dtype == np.float64 and model.get_weights()[0].dtype == np.float64
    np.testing.assert_allclose(out, forward(model, x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("make", MODELS)
def test_ids_and_one_hot_arrays_are_the_same_input(make, rng):
    model = make()
    ids = rng.integers(0, 12, (6, 7))
    expected = model.predict(ids, verbose=0)
    for dtype in (bool, np.uint8, np.float32, np.float64):
        np.testing.assert_array_equal(model.predict(np.eye(12, dtype=dtype)[ids], verbose=0), expected)
    for dtype in (np.uint8, np.int8, np.int32, np.uint64):
        np.testing.assert_array_equal(model.predict(ids.astype(dtype), verbose=0), expected)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint16, np.float16, np.float32, ">f4"])
def test_any_real_dtype_is_read(dtype, rng):
    model = addition()
    x = rng.integers(0, 2, (5, 7, 12)).astype(dtype)
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x.astype(np.float64), verbose=0))


def test_strided_arrays_are_read_in_place(rng):
    model = addition()
    ids = rng.integers(0, 12, 60).astype(np.uint8)
    views = np.lib.stride_tricks.sliding_window_view(ids, 7)[::3]
    np.testing.assert_array_equal(model.predict(views, verbose=0), model.predict(views.copy(), verbose=0))
    x = rng.normal(size=(12, 7, 5)).T
    assert not x.flags.c_contiguous
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x.copy(), verbose=0))
    np.testing.assert_array_equal(
        model.predict(x[::-1, ::-1], verbose=0), model.predict(x[::-1, ::-1].copy(), verbose=0)
    )


@pytest.mark.parametrize("make", MODELS)
def test_results_do_not_depend_on_the_batch_size(make, rng):
    model = make()
    x = rng.normal(size=(37, 7, 12)).astype(np.float32)
    whole = model.predict(x, verbose=0)
    for size in (1, 5, 32, 37, 100):
        np.testing.assert_array_equal(model.predict(x, batch_size=size, verbose=0), whole)
    np.testing.assert_array_equal(model.predict_on_batch(x), whole)
    np.testing.assert_array_equal(model.predict(x[::-1], verbose=0), whole[::-1])


def test_any_number_of_steps_where_the_input_leaves_it_open(rng):
    model = Sequential([Input((None, 3)), layers.LSTM(4, return_sequences=True), layers.Dense(2)])
    for steps in (1, 9, 4):
        x = rng.normal(size=(3, steps, 3))
        out = model.predict(x, verbose=0)
        assert out.shape == (3, steps, 2)
        np.testing.assert_allclose(out, forward(model, x), rtol=1e-5, atol=1e-6)


def test_one_feature_may_go_without_its_axis(rng):
    model = Sequential([Input((6, 1)), layers.LSTM(3)])
    x = rng.normal(size=(4, 6))
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x[..., None], verbose=0))


def test_dense_model_on_plain_vectors_and_ids(rng):
    model = Sequential([Input((5,)), layers.Dense(4, activation="relu"), layers.Dense(2, activation="softmax")])
    x = rng.normal(size=(9, 5))
    np.testing.assert_allclose(model.predict(x, verbose=0), forward(model, x), rtol=1e-5, atol=1e-6)
    ids = rng.integers(0, 5, 9)
    np.testing.assert_allclose(model.predict(ids, verbose=0), forward(model, np.eye(5)[ids]), rtol=1e-5, atol=1e-6)


def test_set_weights_changes_the_output(rng):
    model, other = addition(), addition()
    x = rng.integers(0, 12, (4, 7))
    model.predict(x, verbose=0)  # the engine has the weights from here on
    model.set_weights(other.get_weights())
    np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))
    model.layers[0].set_weights([np.zeros((12, 36)), np.zeros((9, 36)), np.zeros(36)])
    assert (model.get_weights()[1] == 0).all()
    np.testing.assert_allclose(model.predict(x, verbose=0), forward(model, x), rtol=1e-5, atol=1e-6)


def test_predictions_in_many_threads_at_once_and_while_the_model_learns(rng):
    model = Sequential([Input((None, 5)), layers.LSTM(40), layers.Dense(3)])
    model.compile("sgd", "mse")
    xs = [rng.standard_normal((30 + i, 4 + i % 3, 5)) for i in range(8)]
    expected = [model.predict(x, verbose=0) for x in xs]

    def in_threads(count):
        outputs = [None] * len(xs)

        def answer(i):
            for _ in range(count):
                outputs[i] = model.predict(xs[i], batch_size=7, verbose=0)

        threads = [threading.Thread(target=answer, args=(i,)) for i in range(len(xs))]
        for thread in threads:
            thread.start()
        return threads, outputs

    threads, outputs = in_threads(5)
    for thread in threads:
        thread.join()
    for output, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(output, wanted)

    threads, outputs = in_threads(20)
    model.fit(rng.standard_normal((500, 6, 5)), rng.standard_normal((500, 3)), epochs=3, verbose=0)
    for thread in threads:
        thread.join()
    assert all(np.isfinite(output).all() for output in outputs)
    after = [model.predict(x, verbose=0) for x in xs]
    threads, outputs = in_threads(1)  # the arenas made above read the weights as they are now
    for thread in threads:
        thread.join()
    for output, wanted, before in zip(outputs, after, expected, strict=True):
        np.testing.assert_array_equal(output, wanted)
        assert (output != before).any()
