"""Losses through the engine, against their formulas."""

import numpy as np
import pytest

from pyrnn import Input, Sequential, layers, losses, metrics

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
    assert again.get_config() == {"from_logits": True, "name": "ce"}


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: losses.CategoricalCrossentropy(label_smoothing=0.1),
            TypeError,
            "CategoricalCrossentropy: label_smoothing is not supp",
        ),
        (lambda: losses.MeanSquaredError(reduction="sum"), TypeError, "MeanSquaredError: reduction is not supported"),
        (lambda: losses.BinaryCrossentropy(from_logits=1), TypeError, "from_logits must be True or False, got 1"),
        (lambda: losses.get("huber"), ValueError, "loss must be one of 'categorical_crossentropy'.*got 'huber'"),
        (lambda: losses.get(metrics.MeanSquaredError()), TypeError, "loss must be a name or a Loss, got <"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
