"""Losses through the engine, against their formulas and against what Keras 3 and PyTorch compute."""

import json
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, _core, layers, losses, metrics
from pyrnn import reference_losses as ref

N, T, F = 6, 3, 4


def model(activation, units=F, steps=T, dtype="float64"):
    shape = (5,) if steps is None else (steps, 5)
    return Sequential([Input(shape), layers.Dense(units, activation=activation)], dtype=dtype)


def distributions(rng, shape=(N, T, F)):
    y = rng.random(shape)
    return y / y.sum(-1, keepdims=True)


def logits(made, x):
    kernel, bias = made.get_weights()
    return np.asarray(x) @ kernel + bias


def log_softmax(z):
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def log_sigmoid(z):
    return -np.log1p(np.exp(-z))


ELEMENTWISE = {
    "mean_squared_error": lambda y, p: (y - p) ** 2,
    "mse": lambda y, p: (y - p) ** 2,
    "mean_absolute_error": lambda y, p: np.abs(y - p),
    "mae": lambda y, p: np.abs(y - p),
}


@pytest.mark.parametrize("loss", ELEMENTWISE)
@pytest.mark.parametrize("activation", ["linear", "tanh", "softmax", "sigmoid", "relu"])
@pytest.mark.parametrize("steps", [None, T])
def test_elementwise(loss, activation, steps, rng):
    made = model(activation, steps=steps)
    made.compile(loss=loss)
    x, y = rng.normal(size=(N, *made.input_shape[1:])), rng.normal(size=(N, *made.output_shape[1:]))
    expected = ELEMENTWISE[loss](y, made.predict(x, verbose=0)).mean()
    assert made.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("steps", [None, T])
def test_categorical(from_logits, steps, rng):
    made = model(None if from_logits else "softmax", steps=steps)
    made.compile(loss=losses.CategoricalCrossentropy(from_logits=from_logits))
    x = rng.normal(size=(N, *made.input_shape[1:]))
    y = distributions(rng, (N, *made.output_shape[1:]))
    log_p = log_softmax(logits(made, x))
    assert made.evaluate(x, y, verbose=0) == pytest.approx(-(y * log_p).sum(-1).mean(), rel=1e-12)
    ids = rng.integers(0, F, y.shape[:-1])
    expected = -np.take_along_axis(log_p, ids[..., None], -1).mean()
    for one_hot in (
        np.eye(F),
        np.eye(F, dtype=bool),
        np.eye(F, dtype=int),
        np.eye(F, dtype=np.float32),
        np.eye(F, dtype=np.uint8),
    ):
        assert made.evaluate(x, one_hot[ids], verbose=0) == pytest.approx(expected, rel=1e-12)
    made.compile(loss=losses.SparseCategoricalCrossentropy(from_logits=from_logits))
    for y in (ids, ids[..., None], ids.astype(np.uint8), ids.tolist()):
        assert made.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-12)


def test_softmax_may_be_a_layer_of_its_own(rng):
    x, ids = rng.normal(size=(N, T, 5)), rng.integers(0, F, (N, T))
    made = Sequential(
        [Input((T, 5)), layers.TimeDistributed(layers.Dense(F)), layers.Activation("softmax")], dtype="float64"
    )
    made.compile(loss="sparse_categorical_crossentropy")
    expected = -np.take_along_axis(log_softmax(logits(made, x)), ids[..., None], -1).mean()
    assert made.evaluate(x, ids, verbose=0) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("units", [1, F])
def test_binary(from_logits, units, rng):
    made = model(None if from_logits else "sigmoid", units)
    made.compile(loss=losses.BinaryCrossentropy(from_logits=from_logits))
    x, y = rng.normal(size=(N, T, 5)), rng.random((N, T, units))
    z = logits(made, x)
    expected = -(y * log_sigmoid(z) + (1 - y) * log_sigmoid(-z)).mean()
    assert made.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-12)
    labels = y > 0.5
    expected = -np.where(labels, log_sigmoid(z), log_sigmoid(-z)).mean()
    for form in (labels, labels.astype(int), labels.astype(float)):
        assert made.evaluate(x, form, verbose=0) == pytest.approx(expected, rel=1e-12)
    if units == 1:
        assert made.evaluate(x, labels[..., 0], verbose=0) == pytest.approx(expected, rel=1e-12)


def test_crossentropy_stands_extreme_logits(rng):
    """Probabilities that round to 0 or 1 would give infinity; logits do not."""
    x = np.eye(5)[:1][None].repeat(T, 1) * 1.0
    for activation, loss, y in (("softmax", "sparse_categorical_crossentropy", np.zeros((1, T), int)),
                                ("sigmoid", "binary_crossentropy", np.ones((1, T, F)))):  # fmt: skip
        made = model(activation)
        kernel = np.zeros((5, F))
        kernel[0] = [-2000, 0, 0, 0] if activation == "softmax" else -2000
        made.set_weights([kernel, np.zeros(F)])
        made.compile(loss=loss)
        expected = 2000 + np.log(3) if activation == "softmax" else 2000
        assert made.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-12)
        made.fit(x, y, verbose=0)
        assert all(np.isfinite(weight).all() for weight in made.get_weights())


def test_get():
    assert isinstance(losses.get("mse"), losses.MeanSquaredError)
    assert isinstance(losses.get(losses.MeanAbsoluteError), losses.MeanAbsoluteError)
    assert isinstance(losses.get("BinaryCrossentropy"), losses.BinaryCrossentropy)
    loss = losses.CategoricalCrossentropy(from_logits=True, name="ce")
    again = losses.get({"class_name": "CategoricalCrossentropy", "config": loss.get_config()})
    assert again.get_config() == {"from_logits": True, "label_smoothing": 0.0, "name": "ce"}
    for loss in (losses.Huber(0.5), losses.BinaryCrossentropy(False, 0.25), losses.SparseCategoricalCrossentropy()):
        again = losses.get({"class_name": type(loss).__name__, "config": loss.get_config()})
        assert again.get_config() == loss.get_config()


# ------------------------------------------------------------------------------------------- Options, goldens, threads

REFERENCE = {
    "crossentropy": ref.categorical_crossentropy,
    "binary_crossentropy": ref.binary_crossentropy,
    "huber": ref.huber,
}


def numerical_gradient(f, x, step=1e-6):
    gradient = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[place] += step
        below[place] -= step
        gradient[place] = (f(above) - f(below)) / (2 * step)
    return gradient


@pytest.mark.parametrize("loss", REFERENCE)
@pytest.mark.parametrize("option", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("leading", [(5,), (3, 2)])
@pytest.mark.parametrize("weighted", [None, "rows", "steps"])
def test_gradients_of_the_reference(loss, option, leading, weighted, rng):
    if loss == "huber":
        option = option or 2.0  # delta; else label smoothing
    x, y = 2 * rng.normal(size=(*leading, 4)), rng.random((*leading, 4))
    weights = None if weighted is None else rng.random(leading[:1] if weighted == "rows" else leading)

    def mean(x):
        return ref.weighted_mean(*REFERENCE[loss](x, y, option), weights)

    np.testing.assert_allclose(mean(x)[1], numerical_gradient(lambda x: mean(x)[0], x), rtol=1e-6, atol=1e-8)


def load(name):
    """{case: {"options": ..., "input": {name: array}, peer: {dtype: {name: array}}}}"""
    cases = {}
    with np.load(Path(__file__).parent / "goldens" / f"{name}.npz") as arrays:
        for key, value in arrays.items():
            if key != "versions":
                case, *path, last = key.split("/")
                at = cases.setdefault(case, {})
                for part in path:
                    at = at.setdefault(part, {})
                at[last] = json.loads(str(value)) if last == "options" else value
    return cases


OBJECTIVE = load("objective")
GOLDENS = [
    pytest.param(golden["options"], golden["input"], expected, dtype, id=f"{case}-{peer}-{dtype}")
    for case, golden in OBJECTIVE.items()
    for peer in ("keras", "torch")
    for dtype, expected in golden.get(peer, {}).items()
]


def engine(z, y, weights, loss, activation, **options):
    """Loss evaluated, loss in training and gradient by z, of a network whose output is activation(z)."""
    kernel = np.ascontiguousarray(z.reshape(-1, z.shape[-1]))
    ops = [{"op": "dense", "units": kernel.shape[1], "activation": activation, "use_bias": False}]
    network = _core.Network(str(z.dtype), len(kernel), z.ndim == 3, False, ops)
    network.set_weight(0, "kernel", kernel)
    network.compile(loss, options.pop("from_logits", False), [], {"name": "sgd"}, **options)
    x = np.eye(len(kernel), dtype=z.dtype).reshape(*z.shape[:-1], len(kernel))
    index = np.arange(len(x))
    (evaluated,) = network.evaluate_batch(x, y, index, weights)
    (trained,) = network.train_batch(x, y, index, 1.0, weights)
    return evaluated, trained, (kernel - network.get_weight(0, "kernel")).reshape(z.shape)


def assert_close(actual, expected, dtype, what):
    tolerance = {"float32": 2e-5, "float64": 1e-10}[dtype]
    np.testing.assert_allclose(actual, expected, tolerance, tolerance * np.abs(expected).max(), err_msg=what)


@pytest.mark.parametrize(("options", "given", "expected", "dtype"), GOLDENS)
def test_goldens(options, given, expected, dtype):
    z, y = given["z"].astype(dtype), given["y"].astype(dtype)
    weights = given["weights"].astype(dtype) if "weights" in given else None
    evaluated, trained, dz = engine(z, y, weights, **options)
    assert_close(evaluated, expected["loss"], dtype, "loss, evaluated")
    assert_close(trained, expected["loss"], dtype, "loss, trained")
    assert_close(dz, expected["dz"], dtype, "dz")
    if options["loss"] == "crossentropy":
        _, _, by_ids = engine(z, y.argmax(axis=-1), weights, **options)
        assert_close(by_ids, expected["dz"], dtype, "dz of ids")


@pytest.mark.parametrize(
    ("options", "given", "expected", "dtype"),
    [golden for golden in GOLDENS if golden.values[0]["loss"] in REFERENCE],
)
def test_goldens_of_the_reference(options, given, expected, dtype):
    z, y, weights = (np.float64(given[key]) if key in given else None for key in ("z", "y", "weights"))
    option = options.get("delta", 1.0) if options["loss"] == "huber" else options.get("label_smoothing", 0.0)
    loss, dz = ref.weighted_mean(*REFERENCE[options["loss"]](z, y, option), weights)
    assert_close(loss, expected["loss"], dtype, "loss")
    assert_close(dz, expected["dz"], dtype, "dz")


@pytest.mark.parametrize("features", [1, 3, 15, 16, 17, 33])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "option"), [("binary_crossentropy", 0), ("binary_crossentropy", 0.2), ("huber", 0.7)])
def test_small_and_large_values(loss, option, features, dtype, rng):
    scale = rng.choice([1e-6, 0.1, 1, 10, 1000], size=(31, features))
    z, y = (scale * rng.normal(size=scale.shape)).astype(dtype), rng.random(scale.shape).astype(dtype)
    options = {"delta": option} if loss == "huber" else {"label_smoothing": option, "from_logits": True}
    evaluated, trained, dz = engine(z, y, None, loss, "linear", **options)
    expected, expected_dz = ref.weighted_mean(*REFERENCE[loss](np.float64(z), np.float64(y), option))
    assert evaluated == trained == pytest.approx(expected, rel={"float32": 1e-6, "float64": 1e-13}[dtype])
    digits = np.finfo(dtype).eps  # of which the kernel, from which dz is subtracted, keeps this many
    np.testing.assert_allclose(dz, expected_dz, atol=2 * digits * (1 / z.size + np.abs(z).max()))


def test_smoothed_probabilities(rng):
    """A network of nothing but the activation takes the logarithm of what the activation made."""
    for activation, loss in (("softmax", "crossentropy"), ("sigmoid", "binary_crossentropy")):
        network = _core.Network("float64", F, False, False, [{"op": "activation", "activation": activation}])
        network.compile(loss, False, [], {"name": "sgd"}, label_smoothing=0.2)
        z, y = rng.normal(size=(N, F)), np.eye(F)[rng.integers(F, size=N)]
        expected = REFERENCE[loss](z, y, 0.2)[0].mean()
        assert network.evaluate_batch(z, y, np.arange(N)) == (pytest.approx(expected, rel=1e-12),)


@pytest.mark.parametrize(
    "loss", [losses.CategoricalCrossentropy(True, 0.1), losses.BinaryCrossentropy(True, 0.1), losses.Huber(0.5)]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_any_number_of_threads_gives_the_same_bits(loss, weighted, rng):
    x, y = rng.normal(size=(33, 4, 5)), rng.random((33, 4, 6))
    weights = rng.random((33, 4)) if weighted else None
    found = []
    for threads in (1, 2, 3):
        pyrnn.set_num_threads(threads)
        pyrnn.utils.set_random_seed(4)
        made = Sequential([Input((4, 5)), layers.LSTM(17, return_sequences=True), layers.Dense(6)])
        made.compile("adam", loss, metrics=["mse", "r2_score"], weighted_metrics=["mae"])
        history = made.fit(x, y, 16, epochs=2, sample_weight=weights, verbose=0).history
        found.append((history, [weight.tobytes() for weight in made.get_weights()]))
    pyrnn.set_num_threads(0)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    "kind", [name for name in losses.__all__ if isinstance(getattr(losses, name), type) and name != "Loss"]
)
@pytest.mark.parametrize("reduction", ["sum", "mean", "mean_with_sample_weight", "none", None])
def test_refused_reductions(kind, reduction):
    assert getattr(losses, kind)(reduction="sum_over_batch_size").get_config() == getattr(losses, kind)().get_config()
    with pytest.raises(ValueError, match=f"{kind}: reduction must be one of 'sum_over_batch_size', got {reduction!r}"):
        getattr(losses, kind)(reduction=reduction)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: losses.CategoricalCrossentropy(label_smoothing=-0.1),
            ValueError,
            "CategoricalCrossentropy: label_smoothing must be at least 0, got -0.1",
        ),
        (
            lambda: losses.BinaryCrossentropy(label_smoothing=1.5),
            ValueError,
            "BinaryCrossentropy: label_smoothing must be at most 1, got 1.5",
        ),
        (lambda: losses.Huber(0), ValueError, "Huber: delta must be more than 0, got 0"),
        (lambda: losses.Huber(delta="1"), TypeError, "Huber: delta must be a number, got '1'"),
        (lambda: losses.BinaryCrossentropy(from_logits=1), TypeError, "from_logits must be True or False, got 1"),
        (lambda: losses.get("dice"), ValueError, "loss must be one of 'categorical_crossentropy'.*got 'dice'"),
        (lambda: losses.get(metrics.MeanSquaredError()), TypeError, "loss must be a name or a Loss, got <"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
