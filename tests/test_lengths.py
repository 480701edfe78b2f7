"""Rows of different lengths, as a model takes them: lengths, masks and lists; what is refused; what the means are over."""

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, layers

T, FEATURES = 7, 3
LENGTHS = np.array([5, 0, 7, 1, 4, 7, 2, 3, 6, 0])
N = len(LENGTHS)
REAL = np.arange(T) < LENGTHS[:, None]
STEPS = LENGTHS.sum()


def model(sequences=True, loss="mse", units=2, activation=None, **compiled):
    pyrnn.utils.set_random_seed(3)
    made = Sequential([Input((None, FEATURES)), layers.LSTM(6, return_sequences=sequences)], dtype="float64")
    made.add(layers.Dense(units, activation=activation))
    made.compile("adam", loss, **compiled)
    return made


@pytest.fixture
def x(rng):
    """Vectors [N, T, FEATURES], NaN where a step is not real."""
    return np.where(REAL[..., None], rng.normal(size=(N, T, FEATURES)), np.nan)


@pytest.fixture
def y(rng):
    return np.where(REAL[..., None], rng.normal(size=(N, T, 2)), np.nan)


def rows(array):
    return [row[:length] for row, length in zip(array, LENGTHS, strict=True)]


def moved_left(array):
    """The real steps at each row's end."""
    return np.stack([np.roll(row, T - length, axis=0) for row, length in zip(array, LENGTHS, strict=True)])


def assert_same(first, second):
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("sequences", [False, True])
def test_a_prediction_is_that_of_the_row_alone(x, sequences):
    made = model(sequences)
    given = {
        "lengths": made.predict(x, 4, lengths=LENGTHS, verbose=0),
        "mask": made.predict(x, 3, mask=REAL, verbose=0),
        "list": made.predict(rows(x), verbose=0),
        "tuple": made.predict(tuple(rows(x)), verbose=0),
        "batch": made.predict_on_batch(x, lengths=list(LENGTHS)),
    }
    left = made.predict(moved_left(x), mask=moved_left(REAL), verbose=0)
    for row, length in enumerate(LENGTHS):
        if not length:
            continue
        alone = made.predict(x[row : row + 1, :length], verbose=0)[0]
        for name, out in given.items():
            np.testing.assert_array_equal(out[row, :length] if sequences else out[row], alone, err_msg=name)
            assert not (sequences and out[row, length:].any()), name
        np.testing.assert_array_equal(left[row, T - length :] if sequences else left[row], alone)


@pytest.mark.parametrize("units", [1, 4])
def test_classes(x, units):
    made = model(units=units, loss="mse", activation="sigmoid")
    expected = made.predict(x, lengths=LENGTHS, verbose=0)
    expected = expected > 0.5 if units == 1 else expected.argmax(axis=-1)
    for given in ({"lengths": LENGTHS}, {"mask": REAL}):
        classes = made.predict_classes(x, **given)
        np.testing.assert_array_equal(classes, expected)
        assert not classes[~REAL].any() and classes[REAL].any()


def test_a_mask_padded_on_both_sides(x):
    made, mask = model(), np.zeros((1, T), bool)
    mask[0, 2:5] = True
    out = made.predict(x[2:3], mask=mask, verbose=0)[0]
    np.testing.assert_array_equal(out[2:5], made.predict(x[2:3, 2:5], verbose=0)[0])


@pytest.mark.parametrize("sequences", [False, True])
def test_evaluate_is_the_mean_over_real_steps(x, y, sequences):
    made = model(sequences, metrics=["mae"])
    y = y if sequences else np.where(LENGTHS[:, None] > 0, np.nan_to_num(y[:, 0]), np.nan)
    errors = made.predict(x, lengths=LENGTHS, verbose=0) - y
    errors = errors[REAL] if sequences else errors[LENGTHS > 0]
    for batch_size in (1, 4, 32):
        loss, mae = made.evaluate(x, y, batch_size, verbose=0, lengths=LENGTHS)
        assert loss == pytest.approx((errors**2).mean(), rel=1e-12)
        assert mae == pytest.approx(np.abs(errors).mean(), rel=1e-12)
    assert made.test_on_batch(x, y, lengths=LENGTHS) == pytest.approx([loss, mae], rel=1e-12)
    assert made.train_on_batch(x, y, mask=REAL) == pytest.approx([loss, mae], rel=1e-12)


def test_the_ways_to_say_it_train_alike(x, y):
    """To the bit, with y in a list too, weights for each step, and rows held out for validation."""
    weights = np.where(REAL, np.arange(T) + 1.0, np.nan)
    options = {"batch_size": 3, "epochs": 2, "verbose": 0, "validation_split": 0.3}
    ways = [
        {"x": x, "y": y, "sample_weight": weights, "lengths": LENGTHS},
        {"x": x, "y": y, "sample_weight": weights, "mask": REAL},
        {"x": rows(x), "y": rows(y), "sample_weight": rows(weights)},
    ]
    made, logs = [], []
    for way in ways:
        made.append(model())
        logs.append(made[-1].fit(**way, **options).history)
    assert np.isfinite(logs[0]["loss"]).all()
    assert logs[0] == logs[1] == logs[2]
    assert_same(made[0], made[1])
    assert_same(made[0], made[2])


def test_validation(x, y):
    """Held-out rows keep their lengths; validation_data has them in a list."""
    split = model()
    history = split.fit(x, y, validation_split=0.5, verbose=0, lengths=LENGTHS).history
    assert history["val_loss"] == [split.evaluate(x[5:], y[5:], verbose=0, lengths=LENGTHS[5:])]
    apart = model()
    data = (rows(x)[5:], rows(y)[5:])
    assert apart.fit(x[:5], y[:5], validation_data=data, verbose=0, lengths=LENGTHS[:5]).history == history


def test_a_dataset_of_lists(x, y):
    made, other = model(), model()
    batches = [(rows(x)[i : i + 5], rows(y)[i : i + 5]) for i in (0, 5)]

    class Dataset:
        def __iter__(self):
            return iter(batches)

    made.fit(Dataset(), verbose=0)
    other.fit(x, y, 5, shuffle=False, verbose=0, lengths=LENGTHS)
    assert_same(made, other)
    for out, one in zip(made.predict([row for row in rows(x) if len(row) > 2], verbose=0), (0, 2), strict=False):
        np.testing.assert_array_equal(out[: LENGTHS[one]], made.predict(rows(x)[one][None], verbose=0)[0])


def test_sample_weights_of_rows_and_steps(x, y):
    made = model()
    errors = ((made.predict(x, lengths=LENGTHS, verbose=0) - y) ** 2).mean(axis=-1)
    by_step, by_row = np.arange(N * T).reshape(N, T) / 50, np.where(LENGTHS > 0, np.arange(N) / 5, np.nan)
    for weights, full in ((by_step, by_step), (by_row, by_row[:, None] + np.zeros(T))):
        loss = made.evaluate(x, y, 4, sample_weight=weights, verbose=0, lengths=LENGTHS)
        assert loss == pytest.approx((errors * full)[REAL].sum() / STEPS, rel=1e-12)


def test_class_weight(x, rng):
    """It is as the sample_weight of each step's class; what y says in padding has no class."""
    ids = np.where(REAL, rng.integers(2, size=(N, T)), -99)
    made, other = (model(loss="sparse_categorical_crossentropy", activation="softmax") for _ in range(2))
    losses = made.train_on_batch(x, ids, class_weight={1: 3.0}, lengths=LENGTHS)
    assert losses == other.train_on_batch(x, ids, np.where(ids == 1, 3.0, 1.0), lengths=LENGTHS)
    assert_same(made, other)
    one = model(loss="binary_crossentropy", units=1, activation="sigmoid")
    values = np.where(REAL, ids, np.nan)
    with np.errstate(all="raise"):
        assert np.isfinite(one.train_on_batch(x, values, class_weight={1: 3.0}, lengths=LENGTHS))


def test_ids_and_one_hot_vectors_with_zeros_in_padding(rng):
    """Boolean vectors are read as the ids they mean: the same bits."""
    ids = np.where(REAL, rng.integers(5, size=(N, T)), 10**6)
    vectors = (ids[..., None] == np.arange(5)).astype(bool)
    made = Sequential([Input((T, 5)), layers.LSTM(4), layers.Dense(5, activation="softmax")])
    expected = made.predict(ids, lengths=LENGTHS, verbose=0)
    np.testing.assert_array_equal(made.predict(vectors, lengths=LENGTHS, verbose=0), expected)
    np.testing.assert_array_equal(made.predict(rows(ids), verbose=0), expected)
    assert made._adapt_x("predict", vectors, LENGTHS)[0].ndim == 2
    # a list whose longest row is shorter than the model's steps is filled up to them
    np.testing.assert_array_equal(made.predict(rows(ids)[6:8], verbose=0), expected[6:8])


def test_a_model_without_shapes_leaves_the_steps_open(x, y):
    made = Sequential([layers.GRU(4, return_sequences=True), layers.Dense(2)])
    made.compile("sgd", "mse")
    made.fit(rows(x)[3:5], rows(y)[3:5], verbose=0)
    assert made.input_shape == (None, None, FEATURES)
    assert made.predict(x, lengths=LENGTHS, verbose=0).shape == (N, T, 2)


def test_rows_without_steps_alone(x, y):
    made = model(metrics=["mae"])
    before = made.get_weights()
    history = made.fit(x, y, verbose=0, lengths=np.zeros(N, int)).history
    assert history == {"loss": [0.0], "mae": [0.0]}
    for one, other in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_encoder_and_decoder(x, rng):
    """The output has steps of its own: a row that has any real step has all of them."""
    made = Sequential([Input((T, FEATURES)), layers.LSTM(4), layers.RepeatVector(3)], dtype="float64")
    made.add(layers.LSTM(2, return_sequences=True))
    made.compile("sgd", "mse")
    y = rng.normal(size=(N, 3, 2))
    some = LENGTHS > 0
    expected = ((made.predict(rows(x), verbose=0) - y)[some] ** 2).mean()
    y[~some] = np.nan
    assert made.evaluate(rows(x), y, 3, verbose=0) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("pool", [layers.GlobalAveragePooling1D, layers.GlobalMaxPooling1D])
def test_pooling(x, y, pool):
    """Over the real steps alone; the loss is the mean over rows that have any."""
    made = Sequential([Input((None, FEATURES)), layers.LayerNormalization(), pool()], dtype="float64")
    made.add(layers.Dense(2))
    made.compile("sgd", "mse")
    out = made.predict(x, lengths=LENGTHS, verbose=0)
    for row in range(N):
        expected = made.predict(x[row : row + 1, : LENGTHS[row]], verbose=0)[0] if LENGTHS[row] else 0  # its bias
        np.testing.assert_array_equal(out[row], expected)
    np.testing.assert_array_equal(made.predict(moved_left(x), mask=moved_left(REAL), verbose=0), out)
    some = LENGTHS > 0
    expected = ((out - y[:, 0])[some] ** 2).mean()
    targets = np.where(some[:, None], np.nan_to_num(y[:, 0]), np.nan)
    assert made.evaluate(rows(x), targets, 3, verbose=0) == pytest.approx(expected, rel=1e-12)


def test_ctc_needs_labels_that_fit_the_rows_own_steps(x):
    made = model(loss="ctc", units=4)
    labels = np.array([[1, 2, 0]] * N)
    labels[3] = [1, 0, 0]
    labels[LENGTHS == 0] = 99
    loss = made.evaluate(x, labels, 4, verbose=0, lengths=LENGTHS)
    alone = [made.evaluate(x[i : i + 1, :n], labels[i : i + 1], verbose=0) for i, n in enumerate(LENGTHS) if n]
    assert loss == pytest.approx(np.mean(alone), rel=1e-12)
    labels[3] = [1, 2, 0]
    with pytest.raises(ValueError, match="labels that fit the output's 1 steps; those of row 3"):
        made.evaluate(x, labels, verbose=0, lengths=LENGTHS)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lengths": LENGTHS, "mask": REAL}, ValueError, "one of lengths and mask must be given, not both"),
        ({"lengths": LENGTHS[:3]}, ValueError, r"lengths must be \[10\], one per row of x, got int64 \[3\]"),
        ({"lengths": LENGTHS + 1}, ValueError, "lengths must be from 0 to 7, the steps of x, got 8 in row 2"),
        ({"lengths": LENGTHS - 1}, ValueError, "lengths must be from 0 to 7, the steps of x, got -1 in row 1"),
        ({"lengths": LENGTHS * 1.0}, TypeError, "lengths must be integers, got dtype float64"),
        ({"lengths": LENGTHS > 1}, TypeError, "lengths must be integers, got dtype bool"),
        ({"mask": REAL * 1}, TypeError, "mask must be booleans, True where a step is real, got dtype int64"),
        ({"mask": REAL[:, :5]}, ValueError, r"mask must be \[10, 7\], a value per step of x, got bool \[10, 5\]"),
    ],
)
def test_lengths_and_masks_that_do_not_fit_are_refused(x, options, error, words):
    with pytest.raises(error, match=f"predict: .*{words}"):
        model().predict(x, verbose=0, **options)


def test_other_refusals(x, y):
    made = model()
    with pytest.raises(ValueError, match="fit: lengths must not be given with a list x whose rows differ in length"):
        made.fit(rows(x), rows(y), lengths=LENGTHS)
    with pytest.raises(ValueError, match="fit: y must have as many steps as x in each row, 5 in row 0, got 4"):
        made.fit(rows(x), [row[:4] for row in rows(y)[:-1]] + [y[0]])
    with pytest.raises(ValueError, match=r"x must be arrays \[T, 3\], got float64 \[7, 2\] in row 2"):
        made.predict([*rows(x)[:2], x[2, :, :2]], verbose=0)
    with pytest.raises(ValueError, match="evaluate: mask must not be given with a dataset"):
        made.evaluate(_Dataset(), mask=REAL)
    with pytest.raises(ValueError, match="x must be finite float64 values, got nan at row 0, step 5, feature 0"):
        made.predict(x, lengths=LENGTHS + (np.arange(N) == 0), verbose=0)
    vectors = Sequential([Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="predict: lengths must not be given to a model that reads no sequences"):
        vectors.predict(np.zeros((2, 3)), lengths=[1, 1], verbose=0)
    flat = Sequential([Input((T, FEATURES)), layers.Flatten()])
    with pytest.raises(ValueError, match="rows of different lengths cannot be given to this model: Flatten needs all"):
        flat.predict(x, lengths=LENGTHS, verbose=0)


class _Dataset:
    def __iter__(self):
        return iter(())


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("value", [0.0, -2.5])
def test_masking(x, y, value, left):
    """It is a mask that x tells, and no op: the weights are in the layers after it."""
    if left:
        x, y = moved_left(x), moved_left(y)
    mask = ~np.isnan(x[..., 0])
    marked = np.where(mask[..., None], x, value)
    marked[2, 3, 0] = value  # one value alone is no padding
    marked[2, 1], mask[2, 1] = value, False
    made = [model() for _ in range(2)]
    pyrnn.utils.set_random_seed(3)
    masked = Sequential([layers.Masking(value, input_shape=(T, FEATURES)), *_fresh(made[0])], dtype="float64")
    masked.set_weights(made[0].get_weights())
    masked.compile("adam", "mse")
    expected = made[0].predict(marked, mask=mask, verbose=0)
    np.testing.assert_array_equal(masked.predict(marked, verbose=0), expected)
    assert masked.train_on_batch(marked, y) == made[0].train_on_batch(marked, y, mask=mask)
    assert_same(masked, made[0])
    loaded = Sequential.from_config(masked.get_config())
    assert loaded.layers[0].mask_value == value


def _fresh(made):
    return [type(layer).from_config(layer.get_config()) for layer in made.layers]


def test_masking_of_one_hot_vectors(rng):
    """They are read as ids, though padding is no one-hot vector."""
    ids = np.where(REAL, rng.integers(5, size=(N, T)), -1)
    vectors = (ids[..., None] == np.arange(5)).astype(bool)
    made = Sequential([Input((T, 5)), layers.Masking(), layers.LSTM(4)])
    assert made._adapt_x("predict", vectors)[0].ndim == 2
    plain = Sequential([Input((T, 5)), *_fresh(made)[1:]])
    plain.set_weights(made.get_weights())
    np.testing.assert_array_equal(made.predict(vectors, verbose=0), plain.predict(ids, lengths=LENGTHS, verbose=0))
    with pytest.raises(ValueError, match=r"x must be \[N, 7, 5\], got int64 \[10, 7\]"):
        made.predict(ids, verbose=0)


def test_embedding_with_mask_zero(rng):
    ids = np.where(REAL, rng.integers(1, 5, size=(N, T)), 0)
    made, plain = (
        Sequential([layers.Embedding(5, 3, mask_zero=mask_zero), layers.GRU(4)]) for mask_zero in (True, False)
    )
    made.build((None, T))
    plain.build((None, T))
    plain.set_weights(made.get_weights())
    expected = plain.predict(ids, lengths=LENGTHS, verbose=0)
    np.testing.assert_array_equal(made.predict(ids, verbose=0), expected)
    np.testing.assert_array_equal(made.predict(moved_left(ids), verbose=0), expected)
    assert (plain.predict(ids, verbose=0) != expected).any()
    assert Sequential.from_config(made.get_config()).layers[0].mask_zero
    ids[2, 3] = 0
    expected[2] = made.predict(np.append(np.delete(ids[2], 3), 0)[None], verbose=0)[0]
    np.testing.assert_array_equal(made.predict(ids, verbose=0), expected)


def test_refusals_of_masking(x):
    with pytest.raises(ValueError, match="add: Masking 'm' looks at x and must be the first layer"):
        Sequential([Input((T, 3)), layers.LSTM(2, return_sequences=True), layers.Masking(name="m")])
    with pytest.raises(ValueError, match=r"Masking 'm': input must be \[N, T, F\], got \[N, 3\]"):
        Sequential([Input((3,)), layers.Masking(name="m")])
    made = Sequential([Input((T, 3)), layers.Masking(), layers.LSTM(2)])
    for given in ({"x": x, "lengths": LENGTHS}, {"x": x, "mask": REAL}, {"x": rows(x)}):
        with pytest.raises(ValueError, match="the model's first layer finds the real steps in x"):
            made.predict(**given, verbose=0)
    alone = Sequential([Input((T, 3)), layers.Masking()], dtype="float64")
    np.testing.assert_array_equal(alone.predict(np.nan_to_num(x), verbose=0), np.nan_to_num(x))
