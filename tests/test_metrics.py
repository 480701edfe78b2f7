"""Metrics through the engine, against their formulas and Keras 3, and which one "accuracy" is."""

import json
from pathlib import Path

import numpy as np
import pytest

from pyrnn import Input, Sequential, layers, losses, metrics
from pyrnn import reference_losses as ref

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
    y = np.eye(F)[rng.integers(0, F, (N, T))]
    logs, p = evaluated(rng, None, losses.CategoricalCrossentropy(from_logits=True), ["mse"], y)
    assert logs["mse"] == pytest.approx(((y - p) ** 2).mean(), rel=1e-12)


def test_top_k_accuracy(rng):
    ids = rng.integers(0, F, (N, T))
    kinds = [metrics.TopKCategoricalAccuracy(k, f"top_{k}") for k in (1, 2, 3, 4)]
    for loss, y, more in (
        ("categorical_crossentropy", np.eye(F)[ids], ["top_k_categorical_accuracy"]),
        ("sparse_categorical_crossentropy", ids, ["sparse_top_k_categorical_accuracy"]),
    ):
        with pytest.raises(
            ValueError, match=f"metric '{more[0]}' must have a k of at most the output's 4 symbols, got 5"
        ):
            evaluated(rng, "softmax", loss, more, y)
        logs, p = evaluated(rng, "softmax", loss, [*kinds, metrics.SparseTopKCategoricalAccuracy(2), "accuracy"], y)
        for k in (1, 2, 3, 4):
            assert logs[f"top_{k}"] == pytest.approx(ref.top_k_accuracy(p, ids, k), rel=1e-12)
        assert logs["sparse_top_k_categorical_accuracy"] == logs["top_2"]
        assert logs["accuracy"] == logs["top_1"] < logs["top_2"] < logs["top_3"] < logs["top_4"] == 1


def test_ties_are_among_the_top(rng):
    """As in Keras: all of equally large outputs are found, where fewer than k are larger."""
    made = Sequential([Input((1,)), layers.Dense(F, activation="softmax", kernel_initializer="zeros")], dtype="float64")
    made.compile(
        "sgd", "sparse_categorical_crossentropy", ["accuracy", metrics.SparseTopKCategoricalAccuracy(1, "top")]
    )
    _, accuracy, top = made.evaluate(np.ones((F, 1)), np.arange(F), verbose=0)
    assert (accuracy, top) == (1 / F, 1)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
def test_threshold(threshold, rng):
    y = rng.integers(0, 2, (N, T, F))
    names = [metrics.BinaryAccuracy(threshold=threshold)]
    logs, p = evaluated(rng, "sigmoid", "binary_crossentropy", names, y)
    assert logs["binary_accuracy"] == pytest.approx(((p > threshold) == y).mean(), rel=1e-12)
    assert 0 < logs["binary_accuracy"] < 1
    logs, z = evaluated(rng, None, losses.BinaryCrossentropy(from_logits=True), [metrics.BinaryAccuracy("b", -0.2)], y)
    assert logs["b"] == pytest.approx(((z > -0.2) == y).mean(), rel=1e-12)


def test_binary_accuracy_of_labels_between_0_and_1(rng):
    """As in Keras they are never equal to the output cut in two."""
    y = rng.uniform(0.1, 0.9, (N, T, 2)) * [1, 0]
    logs, p = evaluated(rng, "sigmoid", "binary_crossentropy", ["binary_accuracy"], y, units=2)
    assert logs["binary_accuracy"] == pytest.approx((p[..., 1] <= 0.5).mean() / 2, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_perplexity_and_bits(smoothing, from_logits, soft, rng):
    """Of the whole epoch, not the mean over batches, and of y without smoothing."""
    ids = rng.integers(0, F, (N, T))
    y = rng.dirichlet(np.ones(F), (N, T)) if soft else np.eye(F)[ids]
    loss = losses.CategoricalCrossentropy(from_logits, smoothing)
    activation = None if from_logits else "softmax"
    logs, p = evaluated(rng, activation, loss, ["perplexity", "bits_per_character", "accuracy"], y)
    z = p if from_logits else np.log(p)
    nats = ref.categorical_crossentropy(z, y)[0].mean()
    assert logs["loss"] == pytest.approx(ref.categorical_crossentropy(z, y, smoothing)[0].mean(), rel=1e-12)
    assert logs["perplexity"] == pytest.approx(np.exp(nats), rel=1e-12)
    assert logs["bits_per_character"] == pytest.approx(nats / np.log(2), rel=1e-12)


def test_perplexity_beyond_all_numbers():
    assert metrics.Perplexity().result([1e9]) == np.inf


@pytest.mark.parametrize("way", ["uniform_average", "variance_weighted_average"])
@pytest.mark.parametrize("steps", [None, T])
def test_regression_of_the_whole_epoch(way, steps, rng):
    shape = (N, F) if steps is None else (N, T, F)
    y = rng.normal(size=shape) * [1, 2, 3, 4] + [5, 0, 0, 1]
    names = ["root_mean_squared_error", metrics.R2Score(way), "mse"]
    logs, p = evaluated(rng, None, "mse", names, y, steps=steps)
    assert logs["root_mean_squared_error"] == pytest.approx(np.sqrt(((y - p) ** 2).mean()), rel=1e-12)
    weights = None if way == "uniform_average" else y.reshape(-1, F).var(axis=0)
    assert logs["r2_score"] == pytest.approx(np.average(ref.r2_score(p, y), weights=weights), rel=1e-9)


def test_r2_score_of_a_y_that_never_changes():
    assert metrics.R2Score().result([2.0, 4.0, 1.0]) == 0
    assert np.isnan(metrics.R2Score().result([2.0, 4.0, 0.0]))


def load(name):
    with np.load(Path(__file__).parent / "goldens" / f"{name}.npz") as arrays:
        return dict(arrays.items())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ["rows", "rows_weighted", "steps", "steps_weighted"])
def test_goldens(case, dtype):
    """Two batches of a model that hands its input through, so that the recorded p are its output."""
    arrays = load("metrics")
    given = {key.split("/")[-1]: value for key, value in arrays.items() if key.startswith(f"{case}/input/")}
    weighted = json.loads(str(arrays[f"{case}/options"]))["weighted"]
    p = given["p"].astype(dtype)
    made = Sequential([Input(p.shape[1:]), layers.Dense(4, use_bias=False)], dtype=dtype)
    made.set_weights([np.eye(4, dtype=dtype)])
    numbers = ["mean_squared_error", "mean_absolute_error", "root_mean_squared_error", "r2_score"]
    of_y = [
        "categorical_accuracy",
        metrics.TopKCategoricalAccuracy(k=2),
        *numbers,
        metrics.R2Score("variance_weighted_average", "variance_weighted_r2_score"),
    ]
    weights = given["weights"] if weighted else None
    size = 8 if p.ndim == 2 else 4
    for y, kinds in ((given["y"], of_y), (given["labels"], [metrics.BinaryAccuracy(threshold=0.4)])):
        made.compile("sgd", "mse", **{"weighted_metrics" if weighted else "metrics": kinds})
        logs = made.evaluate(p, y, batch_size=size, sample_weight=weights, verbose=0, return_dict=True)
        for name in list(logs)[1:]:
            assert logs[name] == pytest.approx(arrays[f"{case}/keras/float32/{name}"], rel=2e-5), name


def test_names():
    assert metrics.get("mse").name == "mse"
    assert metrics.get("mean_squared_error").name == "mean_squared_error"
    assert metrics.MeanSquaredError().name == "mean_squared_error"
    assert metrics.get({"class_name": "BinaryAccuracy", "config": {"name": "b"}}).name == "b"
    for metric in (metrics.BinaryAccuracy(threshold=0.1), metrics.TopKCategoricalAccuracy(3), metrics.R2Score()):
        again = metrics.get({"class_name": type(metric).__name__, "config": metric.get_config()})
        assert again.get_config() == metric.get_config()


@pytest.mark.parametrize("name", metrics.__all__)
def test_every_metric_refuses_what_keras_calls_dtype(name):
    if name not in ("Metric", "get"):
        with pytest.raises(TypeError, match=f"{name}: dtype is not supported: give it to the model"):
            getattr(metrics, name)(dtype="float32")


@pytest.mark.parametrize("metric", ["perplexity", "bits_per_character"])
@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy", "huber"])
def test_only_crossentropy_has_a_perplexity(metric, loss, rng):
    words = f"metric '{metric}' needs the loss categorical_crossentropy or sparse_categorical_crossentropy, got "
    with pytest.raises(ValueError, match=words):
        evaluated(rng, "sigmoid", loss, [metric], rng.integers(0, 2, (N, T, F)))


@pytest.mark.parametrize("metric", ["mse", "r2_score", "root_mean_squared_error", "binary_accuracy"])
def test_ids_are_no_values(metric, rng):
    with pytest.raises(ValueError, match=f"metric '{metric}' cannot compare ids with the output; use categorical"):
        evaluated(rng, "softmax", "sparse_categorical_crossentropy", [metric], rng.integers(0, F, (N, T)))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: metrics.BinaryAccuracy(threshold=None),
            TypeError,
            "BinaryAccuracy: threshold must be a number, got None",
        ),
        (
            lambda: metrics.TopKCategoricalAccuracy(0),
            ValueError,
            "TopKCategoricalAccuracy: k must be at least 1, got 0",
        ),
        (
            lambda: metrics.SparseTopKCategoricalAccuracy(from_sorted_ids=True),
            TypeError,
            "SparseTopKCategoricalAccuracy: from_sorted_ids is not supported: ",
        ),
        (lambda: metrics.R2Score(num_regressors=1), TypeError, "R2Score: num_regressors is not supported"),
        (
            lambda: metrics.R2Score(None),
            ValueError,
            "R2Score: class_aggregation must be one of 'uniform_average', 'variance_weighted_average', got None",
        ),
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
