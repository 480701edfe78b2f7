"""Penalties of weights: in the loss that is reported, in the gradient that is followed, in configurations and files."""

import json
from pathlib import Path

import numpy as np
import pytest

import pyrnn
import pyrnn as keras
from pyrnn import Input, Sequential, _core, layers, optimizers, reference, regularizers
from pyrnn.regularizers import L1, L1L2, L2, l1, l1_l2, l2

RECURRENT = (layers.LSTM, layers.GRU, layers.SimpleRNN)
NAMES = ("kernel_regularizer", "recurrent_regularizer", "bias_regularizer")


def recurrent(cls, units=5, **options):
    return cls(
        units,
        kernel_regularizer=L1L2(0.01, 0.02),
        recurrent_regularizer=L2(0.03),
        bias_regularizer=L1(0.04),
        **options,
    )


def dense(units=4, **options):
    return layers.Dense(units, kernel_regularizer=L2(0.05), bias_regularizer=L1L2(0.06, 0.07), **options)


EVERY_LAYER = {
    "lstm": lambda: [recurrent(layers.LSTM)],
    "gru": lambda: [recurrent(layers.GRU)],
    "gru_reset_before": lambda: [recurrent(layers.GRU, reset_after=False)],
    "simple_rnn": lambda: [recurrent(layers.SimpleRNN)],
    "no_bias": lambda: [recurrent(layers.LSTM, use_bias=False)],
    "bidirectional": lambda: [layers.Bidirectional(recurrent(layers.GRU, 17), merge_mode="sum")],
    "embedding": lambda: [layers.Embedding(9, 3, embeddings_regularizer=L1L2(0.01, 0.02)), layers.LSTM(5)],
    "normalization": lambda: [
        layers.LSTM(5),
        layers.LayerNormalization(gamma_regularizer=L1(0.1), beta_regularizer=L2(0.2)),
    ],
    "time_distributed": lambda: [
        layers.TimeDistributed(dense(6, activation="tanh")),
        layers.SimpleRNN(3, recurrent_regularizer="l1_l2"),
    ],
}
every_layer = pytest.mark.parametrize("made", EVERY_LAYER.values(), ids=EVERY_LAYER)


def model(stack, rng, dtype="float64", **compiled):
    """With a regularized Dense at its end, and weights of which none is zero."""
    ids = isinstance(stack[0], layers.Embedding)
    made = Sequential([Input((6,) if ids else (6, 3)), *stack, dense()], dtype=dtype)
    made.compile(**{"optimizer": optimizers.SGD(0.5), "loss": "mse"} | compiled)
    made.set_weights([rng.normal(size=w.shape, scale=0.5) for w in made.get_weights()])
    x = rng.integers(9, size=(7, 6)) if ids else rng.normal(size=(7, 6, 3))
    return made, x, rng.normal(size=(7, 4))


def factors(made):
    """l1 and l2 of every weight of a model, in order."""
    specs = [spec for layer in made.layers for spec in layer.weight_specs]
    return [(s.regularizer.l1, s.regularizer.l2) if s.regularizer else (0.0, 0.0) for s in specs]


def by_hand(made, weights):
    return sum(a * np.abs(w).sum() + b * np.square(w).sum() for w, (a, b) in zip(weights, factors(made), strict=True))


# ------------------------------------------------------------------------------------------------------------- Functions


def test_the_reference_gradient_is_that_of_the_penalty(rng):
    w, epsilon = rng.normal(size=(3, 4)), 1e-6
    _, gradient = reference.penalty(w, 0.3, 0.7)
    for place in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[place] = epsilon
        up, down = (reference.penalty(w + sign * step, 0.3, 0.7)[0] for sign in (1, -1))
        np.testing.assert_allclose(gradient[place], (up - down) / (2 * epsilon), rtol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 15, 16, 17, 2048, 5001])
@pytest.mark.parametrize("factor", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.7), (0.3, 0.7)], ids=["none", "l1", "l2", "both"])
def test_the_engine_has_the_reference_penalty(rng, size, factor, dtype):
    w = rng.normal(size=size).astype(dtype)
    w[0] = 0
    value, gradient = _core.penalty(w, *factor)
    expected_value, expected = reference.penalty(w.astype(np.float64), *factor)
    tolerance = {"float32": 1e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(value, expected_value, rtol=1e-13)
    np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance)
    assert gradient.dtype == dtype
    assert gradient[0] == 0


def test_a_broken_weight_shows():
    value, gradient = _core.penalty(np.array([1.0, np.nan]), 0.1, 0.1)
    assert np.isnan(value)
    assert np.isnan(gradient).tolist() == [False, True]


# --------------------------------------------------------------------------------------------------------- Whole losses


@every_layer
def test_finite_differences_of_the_loss_with_its_penalty(made, rng):
    """SGD moves every weight by its rate times the gradient of what evaluate_batch and train_batch report."""
    built, x, y = model(made(), rng)
    start = built.get_weights()
    built.train_on_batch(x, y)
    gradients = [(before - after) / 0.5 for before, after in zip(start, built.get_weights(), strict=True)]
    epsilon = 1e-6
    for k, weight in enumerate(start):
        for place in map(tuple, rng.integers(weight.shape, size=(4, weight.ndim))):
            losses = []
            for sign in (1, -1):
                moved = [w.copy() for w in start]
                moved[k][place] += sign * epsilon
                built.set_weights(moved)
                losses.append(built.test_on_batch(x, y))
            slope = (losses[0] - losses[1]) / (2 * epsilon)
            np.testing.assert_allclose(gradients[k][place], slope, rtol=1e-6, atol=1e-7, err_msg=f"weight {k}{place}")


@every_layer
def test_losses_have_the_penalty_of_the_weights_before_the_update(made, rng):
    built, x, y = model(made(), rng, metrics=["mse"])
    penalty = by_hand(built, built.get_weights())
    assert penalty > 0.1
    data = np.square(built.predict(x, verbose=0) - y).mean()
    for loss, metric in (built.evaluate(x, y, batch_size=3, verbose=0), built.train_on_batch(x, y)):
        np.testing.assert_allclose([loss, metric], [data + penalty, data], rtol=1e-12)


def test_an_epoch_reports_the_mean_over_batches_of_loss_and_penalty(rng):
    built, x, y = model([recurrent(layers.LSTM)], rng)
    start, expected = built.get_weights(), 0.0
    for rows in (slice(0, 4), slice(4, 7)):
        expected += built.train_on_batch(x[rows], y[rows]) * len(x[rows]) / 7
    built.set_weights(start)
    history = built.fit(x, y, batch_size=4, shuffle=False, verbose=0, validation_data=(x, y)).history
    np.testing.assert_allclose(history["loss"], [expected], rtol=1e-12)
    np.testing.assert_allclose(history["val_loss"], [built.evaluate(x, y, verbose=0)], rtol=1e-12)


def test_sample_weight_leaves_the_penalty_whole(rng):
    built, x, y = model([recurrent(layers.LSTM)], rng)
    penalty = by_hand(built, built.get_weights())
    np.testing.assert_allclose(built.test_on_batch(x, y, sample_weight=np.zeros(7)), penalty, rtol=1e-12)


def test_a_gradient_is_clipped_with_its_penalty(rng):
    built, x, y = model([recurrent(layers.GRU)], rng, optimizer=optimizers.SGD(1.0, global_clipnorm=0.1))
    start = built.get_weights()
    built.train_on_batch(x, y)
    moved = sum(np.square(a - b).sum() for a, b in zip(start, built.get_weights(), strict=True))
    np.testing.assert_allclose(np.sqrt(moved), 0.1, rtol=1e-12)


def test_a_stack_that_was_built_before_compile_and_one_that_grows_keep_their_penalty(rng):
    built, x, y = model([recurrent(layers.LSTM)], rng)
    built.predict(x, verbose=0)
    built.add(layers.Dense(2, kernel_regularizer="l1"))
    built.compile("sgd", "mse")
    penalty = by_hand(built, built.get_weights())
    data = np.square(built.predict(x, verbose=0) - y[:, :2]).mean()
    np.testing.assert_allclose(built.evaluate(x, y[:, :2], verbose=0), data + penalty, rtol=1e-12)
    assert factors(built)[-2:] == [(0.01, 0.0), (0.0, 0.0)]


# --------------------------------------------------------------------------------------------------------------- Threads


@pytest.fixture
def threads():
    before = pyrnn.get_num_threads()
    yield pyrnn.set_num_threads
    pyrnn.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cls", RECURRENT, ids=lambda cls: cls.__name__)
def test_threads_change_no_bit(cls, dtype, threads):
    results = []
    for n in (1, 2, 3):
        threads(n)
        rng = np.random.default_rng(0)
        stack = [recurrent(cls, 48, return_sequences=True), layers.Bidirectional(recurrent(cls, 33))]
        built, x, y = model(stack, rng, dtype, optimizer=optimizers.Adam(0.01, global_clipnorm=1.0))
        x, y = rng.normal(size=(40, 6, 3)), rng.normal(size=(40, 4))
        losses = built.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"]
        results.append([losses, built.evaluate(x, y, verbose=0), *built.get_weights()])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


# ----------------------------------------------------------------------------------------------------------- Keras' own

GOLDENS = Path(__file__).parent / "goldens" / "regularizers.npz"


def load_goldens():
    cases = {}
    with np.load(GOLDENS) as arrays:
        for key in arrays.files:
            if key != "versions":
                case, _, path = key.partition("/")
                cases.setdefault(case, {})[path] = arrays[key]
    return cases


CASES = load_goldens()
PRECISIONS = [(c, d) for c in CASES for d in ("float32", "float64") if f"keras/{d}/loss" in CASES[c]]


def layer_of(name, config):
    if name == "Bidirectional":
        return layers.Bidirectional(layer_of(*config["layer"]))
    return getattr(layers, name)(**config)


@pytest.mark.parametrize(("case", "dtype"), PRECISIONS)
def test_keras_trains_to_the_same_weights_and_losses(case, dtype):
    options = json.loads(str(CASES[case]["options"]))
    given = {path[6:]: value for path, value in CASES[case].items() if path.startswith("input/")}
    expected = {path.rpartition("/")[2]: v for path, v in CASES[case].items() if path.startswith(f"keras/{dtype}/")}
    rule, config = options["optimizer"]
    x, y = given["x"], given["y"]
    made = Sequential([Input(x.shape[1:]), *(layer_of(*layer) for layer in options["layers"])], dtype=dtype)
    count = sum(key.startswith("weight") for key in given)
    made.set_weights([given[f"weight{i}"] for i in range(count)])
    made.compile(getattr(optimizers, rule)(**config), "sparse_categorical_crossentropy")
    size, epochs = options["batch_size"], options["epochs"]
    weighted = given.get("sample_weight")
    history = made.fit(x, y, size, epochs, shuffle=False, sample_weight=weighted, verbose=0).history
    tolerance = {"float32": 2e-5, "float64": 1e-10}[dtype]
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=tolerance)
    np.testing.assert_allclose(made.evaluate(x, y, size, verbose=0), expected["evaluated"], rtol=tolerance)
    for i, weight in enumerate(made.get_weights()):
        wanted = expected[f"weight{i}"]
        scale = tolerance * np.abs(wanted).max()
        np.testing.assert_allclose(weight, wanted, tolerance, scale, err_msg=f"weight {i}")


# ------------------------------------------------------------------------------------------------- Names and descriptions


def test_names_of_keras():
    assert (l1, l2, l1_l2) == (L1, L2, L1L2)
    assert keras.regularizers.L2(1e-4).get_config() == {"l2": 1e-4}
    assert [regularizers.get(name).get_config() for name in ("l1", "l2", "l1_l2", "L1L2")] == [
        {"l1": 0.01},
        {"l2": 0.01},
        {"l1": 0.01, "l2": 0.01},
        {"l1": 0.0, "l2": 0.0},
    ]
    assert regularizers.get(None) is None
    assert type(regularizers.get(L1)) is L1
    assert [L1(None).l1, L2(None).l2, L1L2(None, None).l1] == [0.01, 0.01, 0.0]


@pytest.mark.parametrize("given", [L1(0.3), L2(0.2), L1L2(0.1, 0.4)], ids=["l1", "l2", "l1l2"])
def test_a_regularizer_comes_back_from_its_configuration(given):
    made = regularizers.get({"class_name": type(given).__name__, "config": given.get_config()})
    assert type(made) is type(given)
    assert (made.l1, made.l2) == (given.l1, given.l2)
    assert regularizers.get(given) is given


@every_layer
def test_configurations_and_files_keep_them(made, rng, tmp_path):
    built, x, y = model(made(), rng)
    expected = factors(built)
    assert any(pair != (0.0, 0.0) for pair in expected[:-2])
    again = Sequential.from_config(json.loads(json.dumps(built.get_config())))
    assert factors(again) == expected
    built.save(tmp_path / "model.safetensors")
    loaded = pyrnn.load_model(tmp_path / "model.safetensors")
    assert loaded.get_config() == built.get_config()
    assert loaded.test_on_batch(x, y) == built.test_on_batch(x, y)
    assert loaded.train_on_batch(x, y) == built.train_on_batch(x, y)


def test_a_file_from_before_they_were_there_has_none():
    config = recurrent(layers.LSTM).get_config()
    old = layers.LSTM.from_config({key: value for key, value in config.items() if key not in NAMES})
    assert [getattr(old, name) for name in NAMES] == [None, None, None]


class Own(regularizers.Regularizer):
    def __init__(self):
        super().__init__(0.1, 0.1)


REFUSED = [
    (lambda: L1(-0.1), ValueError, "L1: l1 must be at least 0, got -0.1"),
    (lambda: L2("much"), TypeError, "L2: l2 must be a number, got 'much'"),
    (lambda: L1L2(l2=float("nan")), ValueError, "L1L2: l2 must be finite, got nan"),
    (lambda: regularizers.get("l3"), ValueError, "regularizer must be one of 'l1', 'l2', 'l1_l2', got 'l3'"),
    (lambda: regularizers.get(0.01), TypeError, "regularizer must be a name or a Regularizer, got 0.01"),
    (
        lambda: layers.LSTM(3, recurrent_regularizer=Own()),
        TypeError,
        "LSTM: recurrent_regularizer must be an L1, L2 or L1L2",
    ),
    (
        lambda: layers.Dense(3, kernel_regularizer=lambda w: 0.1),
        TypeError,
        "Dense: kernel_regularizer must be a name or a Regularizer",
    ),
    (lambda: layers.Embedding(3, 2, embeddings_regularizer="l0"), ValueError, "Embedding: embeddings_regularizer must"),
    (lambda: layers.LayerNormalization(beta_regularizer="l0"), ValueError, "LayerNormalization: beta_regularizer must"),
    (lambda: layers.GRU(3, activity_regularizer="l2"), TypeError, "GRU: activity_regularizer is not supported"),
    (
        lambda: layers.Dropout(0.5, kernel_regularizer="l2"),
        TypeError,
        "Dropout: kernel_regularizer is not supported: give it to a layer that has this weight",
    ),
    (
        lambda: _core.Network("float32", 2, False, False, [{"op": "dense", "units": 1, "regularizers": {"k": (0, 1)}}]),
        ValueError,
        "op 0 has no weight k",
    ),
]


@pytest.mark.parametrize(("make", "error", "words"), REFUSED)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
