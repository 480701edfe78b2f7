"""Batches from a dataset of the user's, in place of arrays."""

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, callbacks, layers
from pyrnn.utils import timeseries_dataset_from_array


class Batches:
    """The same batches at every pass; `passes` counts those begun. It has no length, as a generator's wrapper has none."""

    def __init__(self, *arrays, size=4):
        self.arrays, self.size, self.passes = arrays, size, 0

    def __iter__(self):
        self.passes += 1
        for first in range(0, len(self.arrays[0]), self.size):
            batch = tuple(array[first : first + self.size] for array in self.arrays)
            yield batch if len(batch) > 1 else batch[0]


def data(rng, samples=18):
    x = rng.normal(size=(samples, 5, 3))
    return x, x.sum(axis=(1, 2)), rng.uniform(0, 2, samples)


def model(built=True):
    pyrnn.utils.set_random_seed(3)
    made = Sequential([Input((5, 3))] if built else [])
    made.add(layers.LSTM(6))
    made.add(layers.Dense(1))
    made.compile(loss="mse", metrics=["mae"])
    return made


def assert_same(first, second):
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_dataset_trains_as_arrays_in_their_order_do(rng, weighted):
    x, y, weights = data(rng)
    dataset = Batches(x, y, weights) if weighted else Batches(x, y)
    one, other = model(), model()
    expected = one.fit(
        x, y, 4, 3, 0, validation_data=(x, y), shuffle=False, sample_weight=weights if weighted else None
    ).history
    found = other.fit(dataset, epochs=3, verbose=0, validation_data=Batches(x, y)).history
    assert found == expected
    assert dataset.passes == 3
    assert_same(one, other)


def test_class_weights_count_in_every_batch(rng):
    def classifier():
        pyrnn.utils.set_random_seed(3)
        made = Sequential([Input((5, 3)), layers.LSTM(6), layers.Dense(2, activation="softmax")])
        made.compile(loss="sparse_categorical_crossentropy")
        return made

    x, y, _ = data(rng)
    y = (y > 0).astype(int)
    one, other = classifier(), classifier()
    one.fit(x, y, 4, verbose=0, shuffle=False, class_weight={0: 1.0, 1: 3.0})
    other.fit(Batches(x, y), verbose=0, class_weight={0: 1.0, 1: 3.0})
    assert_same(one, other)


def test_evaluate_and_predict(rng):
    x, y, weights = data(rng)
    made = model()
    assert made.evaluate(Batches(x, y), verbose=0) == made.evaluate(x, y, 4, verbose=0)
    assert made.evaluate(Batches(x, y, weights), verbose=0) == made.evaluate(x, y, 4, 0, sample_weight=weights)
    expected = made.predict(x, verbose=0)
    for dataset in Batches(x), Batches(x, y), Batches(x, y, weights):
        np.testing.assert_array_equal(made.predict(dataset, verbose=0), expected)


def test_the_first_batch_decides_the_shape(rng):
    x, y, _ = data(rng)
    made = model(built=False)
    made.fit(Batches(x, y), verbose=0)
    assert made.input_shape == (None, 5, 3)
    assert model(built=False).predict(Batches(x), verbose=0).shape == (18, 1)


def test_callbacks_and_lines_count_batches_and_samples(rng, capsys):
    x, y, _ = data(rng)
    batches = []

    class Count(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append((batch, self.params["steps"]))

    model().fit(Batches(x, y), callbacks=Count(), verbose=2)
    assert batches == [(number, None) for number in range(5)]
    batches.clear()
    model().fit(timeseries_dataset_from_array(x[:, 0], y, 5, batch_size=4), callbacks=Count(), verbose=0)
    assert batches == [(number, 4) for number in range(4)]
    assert capsys.readouterr().out.count("samples/s") == 1


def test_windows_of_a_series_are_learnt():
    series = np.sin(np.arange(400) * 0.3)[:, None]
    windows = timeseries_dataset_from_array(series[:-1], series[10:, 0], 10, batch_size=32, shuffle=True, seed=1)
    pyrnn.utils.set_random_seed(0)
    made = Sequential([layers.LSTM(8), layers.Dense(1)])
    made.compile(pyrnn.optimizers.Adam(0.02), "mse")
    made.fit(windows, epochs=15, verbose=0)
    assert made.evaluate(windows, verbose=0) < 0.01  # the series' variance is 0.5


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_an_iterator_is_no_dataset(method, rng):
    x, y, _ = data(rng)
    with pytest.raises(TypeError, match=f"^{method}: x must be an array, got generator"):
        getattr(model(), method)(batch for batch in Batches(x, y))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 4}, "fit: batch_size must not be given with a dataset"),
        ({"sample_weight": np.ones(18)}, "fit: sample_weight must not be given with a dataset"),
        ({"validation_split": 0.5}, "fit: validation_split must not be given with a dataset"),
        ({"validation_data": 3}, r"fit: validation_data must be \(x, y\) or \(x, y, sample_weight\), got int"),
    ],
)
def test_arguments_that_a_dataset_decides(arguments, words, rng):
    x, y, _ = data(rng)
    made = model()
    before = made.get_weights()
    with pytest.raises(ValueError, match=f"^{words}"):
        made.fit(Batches(x, y), verbose=0, **arguments)
    for one, other in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_batches_are_named(method, rng):
    x, y, _ = data(rng)
    run = getattr(model(), method)
    with pytest.raises(
        ValueError, match=rf"^{method}: batch 0 must be \(x, y\) or \(x, y, sample_weight\), got ndarray"
    ):
        run(Batches(x), verbose=0)
    x[9, 1, 2] = np.nan
    with pytest.raises(ValueError, match=f"^{method}: batch 2: x must be finite .* at row 1, step 1, feature 2"):
        run(Batches(x, y), verbose=0)
    with pytest.raises(ValueError, match=f"^{method}: x must yield at least one batch, got none"):
        run(Batches(x[:0], y[:0]), verbose=0)


def test_predict_names_batches(rng):
    x, _, _ = data(rng)
    with pytest.raises(ValueError, match=r"^predict: batch 0: x must be \[N, 5, 3\]"):
        model().predict(Batches(x[:, 1:]), verbose=0)
    with pytest.raises(ValueError, match="^predict: x must yield at least one batch, got none"):
        model().predict(Batches(x[:0]), verbose=0)
