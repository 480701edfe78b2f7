"""sample_weight, class_weight and weighted_metrics, with Keras 3's meaning."""

import json
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, _core, layers, losses, optimizers
from pyrnn import reference_losses as ref

N, T, F = 13, 3, 4


def compiled(steps=T, units=F, activation="softmax", loss="categorical_crossentropy", seed=3, **kinds):
    pyrnn.utils.set_random_seed(seed)
    shape = (5,) if steps is None else (steps, 5)
    made = Sequential([Input(shape), layers.Dense(units, activation=activation)], dtype="float64")
    made.compile(optimizers.SGD(0.5), loss, **kinds)
    return made


def data(rng, steps=T):
    shape = (N,) if steps is None else (N, steps)
    return rng.normal(size=(*shape, 5)), np.eye(F)[rng.integers(F, size=shape)]


def expected(made, x, y, weights):
    p = made.predict(x, verbose=0)
    return ref.weighted_mean(ref.categorical_crossentropy(np.log(p), y)[0], np.zeros_like(p), weights)[0]


@pytest.mark.parametrize("steps", [None, T])
@pytest.mark.parametrize("shape", ["samples", "steps"])
def test_loss_and_metrics(steps, shape, rng):
    x, y = data(rng, steps)
    weights = rng.choice([0, 0.5, 1, 7], size=y.shape[:1] if shape == "samples" else y.shape[:-1])
    kinds = ["accuracy", "mse", "perplexity", "r2_score"]
    made = compiled(steps, metrics=kinds, weighted_metrics=[*kinds, "mae"])
    names = ["loss", *kinds, *(f"weighted_{kind}" for kind in kinds), "mae"]
    assert made.metrics_names == names
    plain = made.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    logs = made.evaluate(x, y, batch_size=5, sample_weight=weights, verbose=0, return_dict=True)
    assert list(logs) == names
    for kind in kinds:
        assert plain[f"weighted_{kind}"] == pytest.approx(plain[kind], rel=1e-12)
        assert logs[kind] == plain[kind] != logs[f"weighted_{kind}"]
    assert logs["loss"] == pytest.approx(expected(made, x, y, weights), rel=1e-12)
    p = made.predict(x, verbose=0)
    w = np.broadcast_to(weights.reshape(weights.shape + (1,) * (y.ndim - 1 - weights.ndim)), y.shape[:-1])
    nats = ref.categorical_crossentropy(np.log(p), y)[0]
    found = {
        "weighted_accuracy": np.average(p.argmax(-1) == y.argmax(-1), weights=w),
        "weighted_mse": np.average(((y - p) ** 2).mean(-1), weights=w),
        "weighted_perplexity": np.exp(np.average(nats, weights=w)),
        "weighted_r2_score": ref.r2_score(p, y, w).mean(),
        "mae": np.average(np.abs(y - p).mean(-1), weights=w),
    }
    assert {name: logs[name] for name in found} == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize(
    "loss", ["crossentropy", "binary_crossentropy", "mean_squared_error", "mean_absolute_error", "huber"]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", [np.float64, np.float32, np.int64, bool])
def test_a_weight_multiplies_a_steps_gradient(loss, dtype, form, rng):
    z, y = rng.normal(size=(6, F)).astype(dtype), rng.random((6, F)).astype(dtype)
    weights = rng.choice([0, 1, 3], size=6).astype(form)
    gradients = {}
    for name, own in (("without", None), ("with", weights), ("strided", np.repeat(weights, 2)[::2])):
        network = _core.Network(dtype, 6, False, False, [{"op": "dense", "units": F, "use_bias": False}])
        network.set_weight(0, "kernel", z)
        network.compile(loss, "crossentropy" in loss, [], {"name": "sgd"})
        network.train_batch(np.eye(6, dtype=dtype), y, np.arange(6), 1.0, own)
        gradients[name] = z - network.get_weight(0, "kernel")
    np.testing.assert_allclose(gradients["with"], weights[:, None] * gradients["without"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(gradients["with"], gradients["strided"])
    assert np.abs(gradients["without"]).min() > 0


@pytest.mark.parametrize(
    "loss", ["crossentropy", "binary_crossentropy", "mean_squared_error", "mean_absolute_error", "huber"]
)
def test_a_step_of_weight_0_adds_nothing_even_where_it_is_no_number(loss, rng):
    """Keras has 0 times NaN, NaN; a step that does not count should not be able to spoil the others."""
    table, y, weights = rng.normal(size=(6, F)), rng.random((1, 6, F)), np.array([[1, 0, 2, 1, 0, 0.5]])
    table[1], table[4] = np.nan, np.inf
    ids, index = np.arange(6)[None], np.zeros(1, int)
    network = _core.Network("float64", 6, True, True, [{"op": "embedding", "output_dim": F}])
    network.set_weight(0, "embeddings", table)
    network.compile(loss, "crossentropy" in loss, [{"name": "mean_absolute_error", "weighted": True}], {"name": "sgd"})
    counted = weights > 0
    found = np.array(network.evaluate_batch(ids, y, index, weights))
    alone = np.array(network.evaluate_batch(ids[:, counted[0]], y[:, counted[0]], index, weights[:, counted[0]]))
    np.testing.assert_allclose(found, alone * counted.mean(), rtol=1e-12)
    assert found.tolist() == list(network.train_batch(ids, y, index, 1.0, weights))
    np.testing.assert_array_equal(
        (network.get_weight(0, "embeddings") != table).any(axis=1), [True, True, True, True, False, True]
    )  # NaN is unequal to itself
    assert np.isfinite(network.get_weight(0, "embeddings")[counted[0]]).all()


def test_training_goes_on_where_every_weight_is_0(rng):
    x, y = data(rng)
    made = compiled(weighted_metrics=["accuracy", "r2_score"])
    before = made.get_weights()
    logs = made.fit(x, y, sample_weight=np.zeros(N), verbose=0).history
    assert logs["loss"] == [0] and logs["accuracy"] == [0]
    assert all((a == b).all() for a, b in zip(made.get_weights(), before, strict=True))


def test_weights_of_1_change_no_bit(rng):
    x, y = data(rng)
    found = []
    for weights in (None, np.ones(N), np.ones((N, T), int)):
        made = compiled(metrics=["accuracy"])
        history = made.fit(x, y, batch_size=4, epochs=2, sample_weight=weights, verbose=0).history
        found.append((history, [weight.tobytes() for weight in made.get_weights()]))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("schedule", ["serial", "rows", "panels"])
def test_every_schedule_weighs_alike(schedule, rng):
    """Threads that take blocks of rows, and threads that take all rows together."""
    x, y, index = rng.normal(size=(33, T, 5)), rng.normal(size=(33, T, F)), rng.permutation(33)
    weights, found = rng.random((33, T)), []
    for wanted, threads in (("serial", 1), (schedule, 2), (schedule, 3)):
        pyrnn.set_num_threads(threads)
        ops = [{"op": "lstm", "units": 40, "return_sequences": True}, {"op": "dense", "units": F}]
        network = _core.Network("float32", 5, True, False, ops)
        kernel = np.random.default_rng(0).normal(size=(40, F)).astype("f")
        network.set_weight(1, "kernel", kernel)
        network.compile("huber", False, [{"name": "r2_score", "weighted": True}], {"name": "adam"})
        network.set_schedule(wanted)
        results = [network.train_batch(x, y, index, 0.01, weights) for _ in range(3)]
        assert network.schedule() == wanted
        found.append((results, network.get_weight(1, "kernel").tobytes()))
    pyrnn.set_num_threads(0)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("steps", [None, T])
@pytest.mark.parametrize("form", ["ids", "one_hot", "values"])
def test_class_weight(steps, form, rng):
    x, y = data(rng, steps)
    ids = y.argmax(axis=-1)
    loss = {"ids": "sparse_categorical_crossentropy", "one_hot": "categorical_crossentropy", "values": "mse"}[form]
    given, table = ids.astype(np.uint8) if form == "ids" else y, np.array([0.5, 1, 1, 3])
    trained = []
    for weights in ({"class_weight": {0: 0.5, 3: 3}}, {"sample_weight": table[ids]}):
        made = compiled(steps, loss=loss, weighted_metrics=["accuracy"])
        results = made.train_on_batch(x, given, **weights)
        history = made.fit(x, given, 4, 2, verbose=0, shuffle=False, validation_split=0.3, **weights).history
        history.pop("val_loss"), history.pop("val_accuracy")  # which class_weight leaves as they are
        trained.append((results, history, [weight.tobytes() for weight in made.get_weights()]))
    assert trained[0] == trained[1]


@pytest.mark.parametrize("loss", ["binary_crossentropy", "mse"])
def test_class_weight_of_one_output(loss, rng):
    x, y = rng.normal(size=(N, T, 5)), rng.integers(0, 2, (N, T))
    results = []
    for weights in ({"class_weight": {1: 5.0}}, {"sample_weight": np.where(y == 1, 5.0, 1.0)}):
        made = compiled(units=1, activation="sigmoid", loss=loss)
        results.append(made.train_on_batch(x, y, **weights))
    assert results[0] == results[1]


def test_class_weight_of_values_that_are_rounded(rng):
    """As in Keras; a class that the dictionary leaves out has the weight 1, however far away it is."""
    x, y = rng.normal(size=(5, 5)), np.array([-3.2, 0.6, 2.4, 1e30, 1.2])
    results = []
    for weights in ({"class_weight": {1: 5.0, 2: 0.0}}, {"sample_weight": np.array([1, 5, 0, 1, 5])}):
        results.append(compiled(None, 1, "linear", "mae").train_on_batch(x, y, **weights))
    assert results[0] == results[1]


def test_validation_has_weights_of_its_own(rng):
    x, y = data(rng)
    weights = rng.random((N, T))
    made = compiled(metrics=["accuracy"], weighted_metrics=["mse"])
    logs = made.fit(x, y, validation_data=(x, y, weights), class_weight={0: 9}, verbose=0).history
    found = made.evaluate(x, y, sample_weight=weights, verbose=0)
    assert [logs[f"val_{name}"][0] for name in made.metrics_names] == found == made.test_on_batch(x, y, weights)
    logs = made.fit(x, y, validation_split=0.4, sample_weight=weights, verbose=0).history
    assert logs["val_mse"] == [made.evaluate(x[7:], y[7:], sample_weight=weights[7:], verbose=0)[2]]


def test_a_saved_model_keeps_its_weighted_metrics(tmp_path, rng):
    x, y = data(rng)
    made = compiled(loss=losses.Huber(0.3), metrics=["mae"], weighted_metrics=["accuracy", "mae"])
    made.save(tmp_path / "model.safetensors")
    again = pyrnn.load_model(tmp_path / "model.safetensors")
    assert again.metrics_names == ["loss", "mae", "accuracy", "weighted_mae"]
    assert again.metric_direction("val_weighted_mae") == "min" and again.metric_direction("accuracy") == "max"
    assert again.test_on_batch(x, y, rng.random(N))[0] != made.test_on_batch(x, y)[0]
    assert again.test_on_batch(x, y) == made.test_on_batch(x, y)


def load():
    cases = {}
    with np.load(Path(__file__).parent / "goldens" / "weighted.npz") as arrays:
        for key, value in arrays.items():
            cases.setdefault(key.split("/")[0], {})[key.split("/", 1)[-1]] = value
    return cases


GOLDENS = load()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ["rows", "steps", "classes"])
def test_goldens(case, dtype):
    golden = GOLDENS[case]
    x, ids, kernel, bias = (golden[f"input/{name}"] for name in ("x", "ids", "kernel", "bias"))
    class_weight = json.loads(str(golden["options"]))["class_weight"]
    made = Sequential([Input(x.shape[2:]), layers.Dense(4, activation="softmax")], dtype=dtype)
    made.set_weights([kernel.astype(dtype), bias.astype(dtype)])
    made.compile(optimizers.SGD(0.5), "categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
    results = []
    for i in range(3):
        if class_weight is None:
            weights = {"sample_weight": golden["input/weights"][i]}
        else:
            weights = {"class_weight": {int(key): value for key, value in class_weight.items()}}
        results.append(made.train_on_batch(x[i], np.eye(4)[ids[i]], **weights))
    tolerance = {"float32": 2e-5, "float64": 1e-10}[dtype]
    loss, accuracy, weighted_accuracy = zip(*results, strict=True)
    np.testing.assert_allclose(loss, golden[f"keras/{dtype}/loss"], tolerance)
    np.testing.assert_allclose(accuracy, golden[f"keras/{dtype}/accuracy"], 1e-6)
    np.testing.assert_allclose(weighted_accuracy, golden[f"keras/{dtype}/weighted_accuracy"], 1e-6)
    for name, found in zip(("kernel", "bias"), made.get_weights(), strict=True):
        wanted = golden[f"keras/{dtype}/{name}"]
        np.testing.assert_allclose(found, wanted, tolerance, tolerance * np.abs(wanted).max(), err_msg=name)


# ------------------------------------------------------------------------------------------------------------- Refusals


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (np.ones(N + 1), ValueError, r"sample_weight must be \[13\] or \[13, 3\], got float64 \[14\]"),
        (np.ones((N, T, F)), ValueError, r"sample_weight must be \[13\] or \[13, 3\], got float64 \[13, 3, 4\]"),
        (2.0, ValueError, r"sample_weight must be \[13\] or \[13, 3\], got float64 \[\]"),
        (np.full(N, np.nan), ValueError, "sample_weight must be finite float64 values, got nan at row 0"),
        ("balanced", TypeError, "sample_weight must be an array, got str"),
        (np.ones(N, complex), TypeError, "sample_weight must hold booleans, integers or floats"),
    ],
)
def test_refused_sample_weight(method, weights, error, words, rng):
    made = compiled()
    x, y = data(rng)
    with pytest.raises(error, match=f"{method}: {words}"):
        getattr(made, method)(x, y, sample_weight=weights)


def test_rows_without_steps_have_one_weight_each(rng):
    x, y = data(rng, None)
    with pytest.raises(ValueError, match=r"fit: sample_weight must be \[13\], got float64 \[13, 1\]"):
        compiled(None).fit(x, y, sample_weight=np.ones((N, 1)))


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ("balanced", TypeError, "class_weight must be a dictionary of class to weight, got 'balanced'"),
        ({}, TypeError, "class_weight must be a dictionary of class to weight, got {}"),
        ({4: 1.0}, ValueError, "classes in class_weight must be from 0 to 3, got 4"),
        ({-1: 1.0}, ValueError, "a class in class_weight must be at least 0, got -1"),
        ({"0": 1.0}, TypeError, "a class in class_weight must be an integer, got '0'"),
        ({0: np.inf}, ValueError, r"class_weight\[0\] must be finite, got inf"),
        ({0: None}, TypeError, r"class_weight\[0\] must be a number, got None"),
    ],
)
def test_refused_class_weight(method, weights, error, words, rng):
    x, y = data(rng)
    with pytest.raises(error, match=f"{method}: {words}"):
        getattr(compiled(), method)(x, y, class_weight=weights)


def test_refused_together(rng):
    x, y = data(rng)
    made = compiled()
    with pytest.raises(ValueError, match="fit: one of class_weight and sample_weight must be given, not both"):
        made.fit(x, y, class_weight={0: 1.0}, sample_weight=np.ones(N))
    made = compiled(activation="sigmoid", loss="binary_crossentropy")
    with pytest.raises(
        ValueError, match="class_weight needs one class for each y, which binary_crossentropy of 4 outputs"
    ):
        made.fit(x, y, class_weight={0: 1.0})
    with pytest.raises(TypeError, match="evaluate: class_weight is not supported"):
        made.evaluate(x, y, class_weight={0: 1.0})
    with pytest.raises(ValueError, match=r"fit: validation_data must be \(x, y\) or \(x, y, sample_weight\)"):
        made.fit(x, y, validation_data=(x, y, np.ones(N), np.ones(N)))
    with pytest.raises(TypeError, match="compile: weighted_metrics must be a list of names or metrics, got 'accuracy'"):
        made.compile("sgd", "mse", weighted_metrics="accuracy")
    with pytest.raises(ValueError, match="compile: metrics must have distinct names"):
        made.compile("sgd", "mse", weighted_metrics=["mae", "mae"])


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (np.ones(6), ValueError, "index must be from 0 to 5 for weights, got 6"),
        (np.ones((9, 2)), ValueError, r"weights must be \[N\] or \[N, 3\], got shape \[9, 2\]"),
        (np.ones(9, "f2"), TypeError, "weights must be bool, integer, float32 or float64"),
        ([1.0] * 9, TypeError, "incompatible function arguments"),
    ],
)
def test_refused_by_the_engine(weights, error, words, rng):
    network = _core.Network("float64", 5, True, False, [{"op": "dense", "units": F}])
    network.compile("huber", False, [], {"name": "sgd"})
    with pytest.raises(error, match=words):
        network.train_batch(rng.normal(size=(9, T, 5)), rng.normal(size=(9, T, F)), np.arange(9), 0.1, weights)
