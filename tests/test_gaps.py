"""Masks whose real steps do not follow each other: a state passes over the gaps, as in Keras."""

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, layers
from tests.test_goldens import assert_close, goldens, load
from tests.test_lengths import FEATURES, N, T, assert_same, model


@pytest.fixture
def gaps(rng):
    """A mask of which a row has all steps, one has none, one has a single one, and the others have some."""
    mask = rng.integers(2, size=(N, T)).astype(bool)
    mask[0], mask[1], mask[2] = True, False, np.arange(T) == 3
    mask[3] = [True, False, True, False, False, True, False]
    return mask


@pytest.mark.parametrize("sequences", [False, True])
def test_a_state_passes_over_the_gaps_of_a_mask(rng, gaps, sequences):
    """To the bit what the real steps alone give; the output stands at them, zeros at the others."""
    made = model(sequences)
    x = np.where(gaps[..., None], rng.normal(size=(N, T, FEATURES)), np.nan)
    ways = [made.predict(x, 3, mask=gaps, verbose=0), made.predict_on_batch(x, mask=gaps)]
    for row in range(1, N):
        alone = made.predict(x[row, gaps[row]][None], verbose=0)[0] if gaps[row].any() else None
        for out in ways:
            if alone is not None:
                np.testing.assert_array_equal(out[row, gaps[row]] if sequences else out[row], alone)
            assert not (sequences and out[row, ~gaps[row]].any())


def test_a_mask_with_gaps_trains_as_the_real_steps_do(rng, gaps):
    """Targets and weights are those of the real steps, given for all of them or for these alone."""
    x, y = (np.where(gaps[..., None], rng.normal(size=(N, T, size)), np.nan) for size in (FEATURES, 2))
    weights = np.where(gaps, np.arange(T) + 1.0, np.nan)
    lists = [[row[real] for row, real in zip(array, gaps, strict=True)] for array in (x, y, weights)]
    options = {"batch_size": 3, "epochs": 2, "verbose": 0, "validation_split": 0.3}
    made, logs = [], []
    for way in (
        {"x": x, "y": y, "sample_weight": weights, "mask": gaps},
        {"x": x, "y": lists[1], "sample_weight": lists[2], "mask": gaps},
        {"x": lists[0], "y": lists[1], "sample_weight": lists[2]},
    ):
        made.append(model(metrics=["mae"]))
        logs.append(made[-1].fit(**way, **options).history)
    assert np.isfinite(logs[0]["loss"]).all() and logs[0] == logs[1] == logs[2]
    assert_same(made[0], made[1])
    assert_same(made[0], made[2])
    by_row = np.where(gaps.any(axis=1), np.arange(N), np.nan)
    expected = made[0].evaluate(lists[0], lists[1], sample_weight=by_row, verbose=0)
    assert made[0].evaluate(x, y, sample_weight=by_row, mask=gaps, verbose=0) == expected
    assert made[0].train_on_batch(x, y, by_row, mask=gaps) == pytest.approx(expected, rel=1e-12)


def test_class_weight_with_gaps(rng, gaps):
    x, ids = rng.normal(size=(N, T, FEATURES)), np.where(gaps, rng.integers(2, size=(N, T)), -99)
    made, other = (model(loss="sparse_categorical_crossentropy", activation="softmax") for _ in range(2))
    loss = made.train_on_batch(x, ids, class_weight={1: 3.0}, mask=gaps)
    assert loss == other.train_on_batch(x, ids, np.where(ids == 1, 3.0, 1.0), mask=gaps)
    assert_same(made, other)


@pytest.mark.parametrize("loss", ["mse", "ctc"])
def test_targets_that_are_not_of_steps_stay_where_they_are(rng, gaps, loss):
    """Of a whole row, of steps that the model has of its own, and labels."""
    x, lists = rng.normal(size=(N, T, FEATURES)), []
    lists = [row[real] for row, real in zip(x, gaps, strict=True)]
    made = model(loss="ctc", units=4) if loss == "ctc" else Sequential([Input((T, FEATURES)), layers.LSTM(4)])
    y = np.array([[1, 0]] * N) if loss == "ctc" else rng.normal(size=(N, T, 4))
    if loss == "mse":
        made.add(layers.RepeatVector(T))
        made.compile("sgd", "mse")
        np.testing.assert_array_equal(made.predict(x, mask=gaps, verbose=0), made.predict(lists, verbose=0))
    assert made.evaluate(x, y, mask=gaps, verbose=0) == made.evaluate(lists, y, verbose=0)


@goldens(load("masks"), implementations=["Sequential"])
def test_what_keras_makes_of_them(options, given, expected, dtype, who):
    """Output and gradients by all weights, of masks with gaps and padding on either side."""
    given = {name: value if name == "real" else value.astype(dtype) for name, value in given.items()}
    stack = [getattr(layers, name)(**config) for name, config in options["layers"]]
    made = Sequential([Input(given["x"].shape[1:]), *stack], dtype=dtype)
    before = [given[f"weight{i}"] for i in range(len(made.weights))]
    made.set_weights(before)
    y = made.predict(given["x"], verbose=0)
    made.compile(pyrnn.optimizers.SGD(1.0), "mse")
    counted = np.count_nonzero(given["real"]) * y.shape[-1] if "real" in given else y.size
    made.train_on_batch(given["x"], y - given["dy"] * (counted / 2))
    gradients = {f"dweight{i}": w - after for i, (w, after) in enumerate(zip(before, made.get_weights(), strict=True))}
    for name, value in expected.items():
        assert_close(y if name == "y" else gradients[name], value, dtype, name)
