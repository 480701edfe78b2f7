"""Metrics through the engine, against their formulas, and which one "accuracy" is."""

import numpy as np
import pytest

from pyrnn import Input, Sequential, layers, metrics

N, T, F = 31, 3, 4


def evaluated(rng, activation, loss, names, y, units=F, steps=T):
    """The metrics of a new model, and its output."""
    shape = (5,) if steps is None else (steps, 5)
    made = Sequential([Input(shape), layers.Dense(units, activation=activation)], dtype="float64")
    made.compile(loss=loss, metrics=names)
    x = rng.normal(size=(N, *shape))
    return made.evaluate(x, y, batch_size=8, verbose=0, return_dict=True), made.predict(x, verbose=0)


@pytest.mark.parametrize("steps", [None, T])
def test_categorical_accuracy(steps, rng):
    ids = rng.integers(0, F, (N,) if steps is None else (N, T))
    names = ["accuracy", "categorical_accuracy", metrics.SparseCategoricalAccuracy(name="hits")]
    soft = np.eye(F)[ids] * 0.6 + 0.1
    for loss, y in (
        ("sparse_categorical_crossentropy", ids),
        ("categorical_crossentropy", np.eye(F)[ids]),
        ("categorical_crossentropy", soft),
    ):
        logs, p = evaluated(rng, "softmax", loss, names, y, steps=steps)
        expected = (p.argmax(-1) == ids).mean()
        assert 0 < expected < 1
        assert [logs[name] for name in ("accuracy", "categorical_accuracy", "hits")] == pytest.approx(
            [expected] * 3, rel=1e-12
        )


def test_accuracy_of_one_output_is_binary(rng):
    y = rng.integers(0, 2, (N, T))
    logs, p = evaluated(rng, "sigmoid", "binary_crossentropy", ["acc"], y, units=1)
    assert logs["acc"] == pytest.approx(((p[..., 0] > 0.5) == y).mean(), rel=1e-12)
    assert 0 < logs["acc"] < 1


def test_binary_accuracy_of_many_outputs(rng):
    y = rng.integers(0, 2, (N, T, F))
    logs, p = evaluated(rng, "sigmoid", "binary_crossentropy", ["binary_accuracy", "accuracy"], y)
    assert logs["binary_accuracy"] == pytest.approx(((p > 0.5) == y).mean(), rel=1e-12)
    assert logs["accuracy"] == pytest.approx((p.argmax(-1) == y.argmax(-1)).mean(), rel=1e-12)  # as Keras 3 decides


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy"])
def test_errors(loss, rng):
    """Beside categorical crossentropy these need one-hot y as values, not as ids."""
    y = np.eye(F)[rng.integers(0, F, (N, T))]
    logs, p = evaluated(rng, "softmax", loss, ["mse", metrics.MeanAbsoluteError(), "accuracy"], y)
    assert logs["mse"] == pytest.approx(((y - p) ** 2).mean(), rel=1e-12)
    assert logs["mean_absolute_error"] == pytest.approx(np.abs(y - p).mean(), rel=1e-12)
    assert logs["accuracy"] == pytest.approx((p.argmax(-1) == y.argmax(-1)).mean(), rel=1e-12)


def test_metrics_see_the_last_activation(rng):
    """The engine takes softmax and loss in one; metrics still mean probabilities, and logits where the loss is given logits."""
    from pyrnn import losses

    y = np.eye(F)[rng.integers(0, F, (N, T))]
    logs, p = evaluated(rng, None, losses.CategoricalCrossentropy(from_logits=True), ["mse"], y)
    assert logs["mse"] == pytest.approx(((y - p) ** 2).mean(), rel=1e-12)


def test_names():
    assert metrics.get("mse").name == "mse"
    assert metrics.get("mean_squared_error").name == "mean_squared_error"
    assert metrics.MeanSquaredError().name == "mean_squared_error"
    assert metrics.get({"class_name": "BinaryAccuracy", "config": {"name": "b"}}).name == "b"


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: metrics.BinaryAccuracy(threshold=0.4), ValueError, "BinaryAccuracy: threshold must be 0.5, got 0.4"),
        (
            lambda: metrics.CategoricalAccuracy(dtype="float32"),
            TypeError,
            "CategoricalAccuracy: dtype is not supported",
        ),
        (lambda: metrics.get("accuracy"), ValueError, r"means something only in compile\(\)"),
        (lambda: metrics.get("f1"), ValueError, "metric must be one of .*got 'f1'"),
        (lambda: metrics.get(len), TypeError, "metric must be a name or a Metric, got <built-in"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
