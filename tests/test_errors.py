"""Bad data and arguments: one clear sentence, and nothing lost."""

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, layers

X, Y = np.zeros((6, 7), int), np.zeros((6, 4), int)


def model(loss="sparse_categorical_crossentropy", metrics=("accuracy",)):
    made = Sequential(
        [
            Input((7, 12)),
            layers.LSTM(3),
            layers.RepeatVector(4),
            layers.LSTM(3, return_sequences=True),
            layers.Dense(12, activation="softmax"),
        ]
    )
    made.compile(loss=loss, metrics=list(metrics))
    return made


def regression():
    made = Sequential([Input((7, 2)), layers.LSTM(3), layers.Dense(1)])
    made.compile(loss="mse")
    return made


def ids_model():
    made = Sequential([layers.OneHot(12, input_shape=(7,)), layers.LSTM(3), layers.Dense(12, activation="softmax")])
    made.compile(loss="sparse_categorical_crossentropy")
    return made


def changed(array, index, value, dtype=float):
    array = array.astype(dtype)
    array[index] = value
    return array


def vectors(index, value):
    return changed(np.zeros((6, 7, 12)), index, value)


FIT = r"x must be \[N, 7, 12\] or integer ids \[N, 7\] of 12 symbols, got "

BAD_X = [
    (None, TypeError, "x must be an array, got NoneType"),
    ("text", TypeError, "x must be an array, got str"),
    ({"a": 1}, TypeError, "x must be an array, got dict"),
    ((row for row in X), TypeError, "x must be an array, got generator"),
    ([[[1, 2], [1]]] * 6, ValueError, "x must be a rectangular array"),
    ([[[1, 2], [1]], [[1]]], ValueError, r"x\[0\] must be a rectangular array"),
    (np.array([["a"]]), TypeError, "x must hold booleans, integers or floats of at most 64 bits, got dtype <U1"),
    (X.astype(object), TypeError, "x must hold booleans, integers or floats of at most 64 bits, got dtype object"),
    (X.astype(complex), TypeError, "x must hold booleans, .*got dtype complex128"),
    (X.astype(np.longdouble), TypeError, "x must hold booleans, .*got dtype float128"),
    (np.ma.masked_equal(X, 1), TypeError, "x must be an array without a mask"),
    (X[:, :6], ValueError, FIT + r"int64 \[6, 6\]"),
    (X.astype(np.float32), ValueError, FIT + r"float32 \[6, 7\]"),
    (X.astype(bool), ValueError, FIT + r"bool \[6, 7\]"),
    (np.zeros((6, 7, 11)), ValueError, FIT + r"float64 \[6, 7, 11\]"),
    (np.zeros((6, 8, 12), bool), ValueError, FIT + r"bool \[6, 8, 12\]"),
    (np.zeros((6, 7, 12, 1)), ValueError, FIT + r"float64 \[6, 7, 12, 1\]"),
    (np.float64(3), ValueError, FIT),
    (X[:0], ValueError, r"x is empty, got int64 \[0, 7\]"),
    (changed(X, (2, 5), 12, int), ValueError, "ids in x must be from 0 to 11, got 12 at row 2, step 5"),
    (changed(X, (5, 0), -1, np.int8), ValueError, "ids in x must be from 0 to 11, got -1 at row 5, step 0"),
    (vectors((3, 4, 5), np.nan), ValueError, "x must be finite float32 values, got nan at row 3, step 4, feature 5"),
    (vectors((5, 0, 0), np.inf), ValueError, "x must be finite float32 values, got inf at row 5, step 0, feature 0"),
    (
        vectors((0, 0, 1), -1e300),
        ValueError,
        r"x must be finite float32 values, got -1e\+300 at row 0, step 0, feature 1",
    ),
]


@pytest.mark.parametrize(
    "method", ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch"]
)
@pytest.mark.parametrize(("x", "error", "words"), BAD_X)
def test_bad_x(method, x, error, words):
    made = model()
    arguments = (x,) if method.startswith("predict") else (x, Y)
    if hasattr(x, "__next__"):
        arguments = (iter(()), *arguments[1:])
        words = "x must be an array, got tuple_iterator"
    with pytest.raises(error, match=f"^{method}: {words}"):
        getattr(made, method)(*arguments)


def test_nan_is_found_in_any_chunk_and_layout():
    x = np.zeros((50_000, 7, 12), np.float32)
    x[49_999, 6, 11] = np.nan
    with pytest.raises(ValueError, match="got nan at row 49999, step 6, feature 11"):
        model().predict(x)
    with pytest.raises(ValueError, match="got nan at row 0, step 0, feature 0"):
        model().predict(x[::-1, ::-1, ::-1])


SPARSE, ONE_HOT = (
    r"y must be integer ids \[6, 4\] for the loss sparse_categorical_crossentropy, got ",
    r"y must be \[6, 4, 12\]",
)

BAD_Y = [
    ("sparse_categorical_crossentropy", None, TypeError, "y must be an array, got NoneType"),
    ("sparse_categorical_crossentropy", Y[:5], ValueError, "y must have as many samples as x, 6, got 5 samples"),
    ("sparse_categorical_crossentropy", 3, ValueError, "y must have as many samples as x, 6, got a single number"),
    ("sparse_categorical_crossentropy", Y[:, :3], ValueError, SPARSE + r"int64 \[6, 3\]"),
    ("sparse_categorical_crossentropy", Y.astype(float), TypeError, SPARSE + r"float64 \[6, 4\]"),
    ("sparse_categorical_crossentropy", np.eye(12)[Y], TypeError, SPARSE + r"float64 \[6, 4, 12\]; one-hot rows go with the loss categorical"),
    ("sparse_categorical_crossentropy", Y - 1, ValueError, "ids in y must be from 0 to 11, got -1 at row 0, step 0"),
    ("categorical_crossentropy", Y, ValueError, ONE_HOT + r".*got int64 \[6, 4\]; ids go with the loss sparse_categorical"),
    ("categorical_crossentropy", np.zeros((6, 4, 11)), ValueError, ONE_HOT),
    ("categorical_crossentropy", np.full((6, 4, 12), 2.0), ValueError, "y must be from 0 to 1 for the loss categorical_cross.*from 2 to 2"),
    ("categorical_crossentropy", changed(np.zeros((6, 4, 12)), (1, 2, 3), np.nan), ValueError, "y must be finite.*row 1, step 2, feature 3"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "y", "error", "words"), BAD_Y)
def test_bad_y(loss, y, error, words):
    made = model(loss)
    for method in (made.fit, made.evaluate, made.train_on_batch):
        with pytest.raises(error, match=words):
            method(X, y)


def test_validation_data_are_named():
    with pytest.raises(ValueError, match=r"^fit: validation_data: x must be \[N, 7, 12\]"):
        model().fit(X, Y, validation_data=(X[:, 1:], Y))
    with pytest.raises(ValueError, match="^fit: validation_data: y must have as many samples"):
        model().fit(X, Y, validation_data=(X, Y[1:]))


BAD_FIT = [
    ({"batch_size": 0}, ValueError, "fit: batch_size must be at least 1, got 0"),
    ({"batch_size": 2.5}, TypeError, "fit: batch_size must be an integer, got 2.5"),
    ({"epochs": 0}, ValueError, "fit: epochs must be at least 1, got 0"),
    ({"verbose": 3}, ValueError, "fit: verbose must be 'auto', 0, 1 or 2, got 3"),
    ({"shuffle": "batch"}, TypeError, "fit: shuffle must be True or False, got 'batch'"),
    ({"validation_split": 1.0}, ValueError, "fit: validation_split must be at least 0 and less than 1, got 1"),
    ({"validation_split": 0.9}, ValueError, "fit: validation_split=0.9 of 6 samples leaves none"),
    ({"validation_split": 0.5, "validation_data": (X, Y)}, ValueError, "one of validation_data and validation_split"),
    ({"validation_data": X}, ValueError, r"validation_data must be \(x, y\) or \(x, y, sample_weight\)"),
    ({"validation_data": (X, Y, Y, Y)}, ValueError, r"validation_data must be \(x, y\) or \(x, y, sample_weight\)"),
    (
        {"callbacks": ["EarlyStopping"]},
        TypeError,
        "callbacks must be pyrnn.callbacks.Callback objects, got 'EarlyStopping'",
    ),
    ({"initial_epoch": -1}, ValueError, "initial_epoch must be at least 0, got -1"),
    ({"sample_weight": np.ones(5)}, ValueError, r"fit: sample_weight must be \[6\] or \[6, 4\], got float64 \[5\]"),
    ({"class_weight": [1, 2]}, TypeError, "fit: class_weight must be a dictionary of class to weight, got"),
    ({"steps_per_epoch": 3}, TypeError, "fit: steps_per_epoch is not supported"),
    ({"nb_epoch": 3, "epochs": 2}, TypeError, "fit: nb_epoch is the old name of epochs, and one of them must be given"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), BAD_FIT)
def test_bad_arguments_of_fit_train_nothing(arguments, error, words):
    made = model()
    before = made.get_weights()
    with pytest.raises(error, match=words):
        made.fit(X, Y, **arguments)
    for one, other in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, ValueError, "compile: loss must be given"),
        ({"loss": "mean_sqared_error"}, ValueError, "loss must be one of 'categorical_crossentropy'.*got 'mean_sqared_error'"),
        ({"loss": "mse", "optimizer": "adadelta"}, ValueError, "optimizer must be one of 'sgd', .*, 'lion', got 'adadelta'"),
        ({"loss": "mse", "metrics": ["auc"]}, ValueError, "metric must be one of.*got 'auc'"),
        ({"loss": "mse", "metrics": "accuracy"}, TypeError, "compile: metrics must be a list"),
        ({"loss": "mse", "metrics": ["mae", "mae"]}, ValueError, "metrics must have distinct names"),
        ({"loss": "mse", "loss_weights": [1]}, TypeError, "compile: loss_weights is not supported"),
        ({"loss": "binary_crossentropy"}, ValueError, "needs a last layer with the activation 'sigmoid', got 'softmax'"),
        ({"loss": pyrnn.losses.CategoricalCrossentropy(from_logits=True)}, ValueError, "needs a last layer without activation, got 'softmax'"),
        ({"loss": "sparse_categorical_crossentropy", "metrics": ["mse"]}, ValueError, "metric 'mse' cannot compare ids"),
        ({"loss": "categorical_crossentropy", "optimizer": "sparse"}, ValueError, "optimizer must be one of"),
        ({"loss": object()}, TypeError, "loss must be a name or a Loss"),
    ],
)  # fmt: skip
def test_bad_compile_leaves_the_last_one_standing(arguments, error, words):
    made = model()
    with pytest.raises(error, match=words):
        made.compile(**arguments)
    assert made.metrics_names == ["loss", "accuracy"]
    assert made.loss.name == "sparse_categorical_crossentropy"


def test_loss_needs_its_activation_also_where_shapes_come_late(rng):
    made = Sequential([layers.LSTM(3), layers.Dense(2)])
    made.compile(loss="categorical_crossentropy")
    with pytest.raises(ValueError, match="needs a last layer with the activation 'softmax', got 'linear'"):
        made.fit(rng.normal(size=(4, 3, 2)), np.eye(2)[[0, 1, 0, 1]])


def test_softmax_of_one_symbol_is_refused():
    made = Sequential([Input((3,)), layers.Dense(1, activation="softmax")])
    with pytest.raises(ValueError, match="needs an output of two symbols or more; use binary_crossentropy"):
        made.compile(loss="categorical_crossentropy")


def test_ids_models_take_nothing_else():
    with pytest.raises(TypeError, match=r"predict: x must be integer ids \[N, 7\] of 12 symbols, got float64 \[6, 7\]"):
        ids_model().predict(X.astype(float))
    with pytest.raises(
        ValueError, match=r"predict: x must be integer ids \[N, 7\] of 12 symbols, got bool \[6, 7, 12\]"
    ):
        ids_model().predict(np.zeros((6, 7, 12), bool))
    with pytest.raises(ValueError, match=r"fit: y must be integer ids \[6\]"):
        ids_model().fit(X, Y)


def test_regression_targets():
    x = np.zeros((6, 7, 2))
    with pytest.raises(ValueError, match=r"fit: y must be \[6, 1\], shaped like the output, got float64 \[6, 2\]"):
        regression().fit(x, np.zeros((6, 2)))
    with pytest.raises(ValueError, match="fit: y must be finite float32 values, got nan at row 4, step 0"):
        regression().fit(x, changed(np.zeros(6), 4, np.nan))


def test_binary_targets_must_be_probabilities():
    made = Sequential([Input((3,)), layers.Dense(1, activation="sigmoid")])
    made.compile(loss="binary_crossentropy")
    with pytest.raises(
        ValueError, match="y must be from 0 to 1 for the loss binary_crossentropy, got values from -1 to 1"
    ):
        made.fit(np.zeros((2, 3)), [-1, 1])


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("evaluate", {"steps": 1}, "evaluate: steps is not supported"),
        ("predict", {"steps": 1}, "predict: steps is not supported"),
        ("train_on_batch", {"reset_metrics": False}, "train_on_batch: reset_metrics is not supported"),
    ],
)
def test_unsupported_arguments_are_named(method, arguments, words):
    data = (X,) if method == "predict" else (X, Y)
    with pytest.raises(TypeError, match=words):
        getattr(model(), method)(*data, **arguments)


def test_a_failed_call_loses_nothing(rng):
    made = model()
    made.fit(X, Y, epochs=2, verbose=0)
    history, weights = made.history, made.get_weights()
    with pytest.raises(ValueError, match="ids in x"):
        made.fit(X + 12, Y)
    assert made.history is history
    for one, other in zip(weights, made.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
