"""Layers without a kernel in the engine: against the reference at sizes that fill no register, and on any threads."""

from statistics import NormalDist

import numpy as np
import pytest

import pyrnn
from pyrnn import _core, layers
from pyrnn import _reference_layers as ref
from pyrnn.reference import activate, activate_backward

DTYPES = ["float32", "float64"]
TOLERANCE = {"float32": 2e-5, "float64": 1e-10}
SHAPES = [(1, 1, 1), (3, 5, 15), (5, 2, 16), (7, 3, 17), (2, 4, 100)]  # B, T, F


def assert_close(actual, expected, dtype):
    for name, a, e in zip(("y", "dx", "dgamma", "dbeta"), actual, expected, strict=False):
        assert (a.shape, a.dtype) == (e.shape, dtype), name
        np.testing.assert_allclose(a, e, TOLERANCE[dtype], TOLERANCE[dtype] * np.abs(e).max(), err_msg=name)
    assert len(actual) == len(expected)


def normal(rng, dtype, *shapes):
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


# ------------------------------------------------------------------------------------------------ Against the reference


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES + [(5, 33)])
def test_layer_normalization(rng, run_layer, shape, dtype):
    x, dy, gamma, beta = normal(rng, dtype, shape, shape, shape[-1:], shape[-1:])
    wide = [array.astype("float64") for array in (dy, x, gamma)]
    expected = ref.layer_normalization_forward(*wide[1:], beta.astype("float64"), 1e-3)
    actual = run_layer(layers.LayerNormalization(), x, dy, gamma, beta)
    assert_close(actual, (expected, *ref.layer_normalization_backward(*wide, 1e-3)), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("left", [False, True])
def test_layer_normalization_of_real_steps(rng, run_layer, left, dtype):
    """Others have neither output nor gradient, and no part in those of the weights."""
    T, F = 4, 19
    shape = 5, T, F
    x, dy, gamma, beta = normal(rng, dtype, shape, shape, F, F)
    lengths = np.array([[2], [0], [4], [1], [3]])
    mask = np.arange(T) >= T - lengths if left else np.arange(T) < lengths
    wide = [array.astype("float64") for array in (dy[mask], x[mask], gamma)]
    y, dx = np.zeros(shape), np.zeros(shape)
    y[mask] = ref.layer_normalization_forward(*wide[1:], beta.astype("float64"), 1e-3)
    dx[mask], *of_weights = ref.layer_normalization_backward(*wide, 1e-3)
    actual = run_layer(layers.LayerNormalization(), x, dy, gamma, beta, mask=mask)
    assert_close(actual, (y, dx, *of_weights), dtype)


def test_layer_normalization_of_far_away_values(rng, run_layer):
    """The variance is that of differences from the mean, not a difference of large squares."""
    x, dy, gamma, beta = normal(rng, "float32", (4, 37), (4, 37), 37, 37)
    x += 1000
    y = run_layer(layers.LayerNormalization(), x, dy, gamma, beta)[0]
    expected = ref.layer_normalization_forward(*(array.astype("float64") for array in (x, gamma, beta)), 1e-3)
    np.testing.assert_allclose(y, expected, atol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["average", "max", "max of ties"])
@pytest.mark.parametrize("padding", [None, "right", "left"])
def test_global_pooling(rng, run_layer, padding, kind, shape, dtype):
    B, T, F = shape
    x, dy = normal(rng, dtype, shape, (B, F))
    if kind == "max of ties":
        x = np.round(x)
    lengths = rng.integers(0, T + 1, size=(B, 1)) if padding else np.full((B, 1), T)
    lengths[-1] = T
    mask = np.arange(T) < lengths if padding == "right" else np.arange(T) >= T - lengths
    wide_x, wide_dy = x.astype("float64"), dy.astype("float64")
    if kind == "average":
        layer, y = layers.GlobalAveragePooling1D(), ref.global_average_pooling_forward(wide_x, mask)
        dx = ref.global_average_pooling_backward(wide_dy, mask)
    else:
        layer, y = layers.GlobalMaxPooling1D(), ref.global_max_pooling_forward(wide_x, mask)
        dx = ref.global_max_pooling_backward(wide_dy, wide_x, mask)
    assert_close(run_layer(layer, x, dy, mask=mask if padding else None), (y, dx), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_flatten(rng, run_layer, shape, dtype):
    B, T, F = shape
    x, dy = normal(rng, dtype, shape, (B, T * F))
    expected = x.astype("float64").reshape(B, T * F), dy.astype("float64").reshape(shape)
    assert_close(run_layer(layers.Flatten(), x, dy), expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nan_is_the_maximum_of_its_steps(rng, dtype):
    x = rng.normal(size=(3, 4, 17)).astype(dtype)
    x[0, 0, 1] = x[1, 3, 16] = np.nan
    net = _core.Network(dtype, 17, True, False, [{"op": "max_pool"}])  # a model refuses NaN
    y = np.empty((3, 17), dtype)
    net.predict_batch(x, np.arange(3), y)
    np.testing.assert_array_equal(y, x.max(axis=1))


def test_flatten_of_vectors_is_the_vectors(rng, run_layer):
    x, dy = rng.normal(size=(2, 5, 17))
    y, dx = run_layer(layers.Flatten(), x, dy)
    np.testing.assert_allclose(y, x, rtol=1e-15)
    np.testing.assert_allclose(dx, dy, atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES + [(5, 33)])
@pytest.mark.parametrize("name", ["silu", "gelu"])
def test_activations_without_an_inverse(rng, run_layer, name, shape, dtype):
    x, dy = normal(rng, dtype, shape, shape)
    wide_x, wide_dy = 3 * x.astype("float64"), dy.astype("float64")
    expected = activate(wide_x, name), activate_backward(wide_dy, wide_x, name)
    assert_close(run_layer(layers.Activation(name), 3 * x, dy), expected, dtype)


def test_a_saved_model_has_them_all(rng, tmp_path):
    model = pyrnn.Sequential(
        [
            pyrnn.Input((5, 3)),
            layers.Dense(17, activation="elu"),
            layers.LayerNormalization(epsilon=1e-5, gamma_initializer="random_normal", beta_initializer="uniform"),
            layers.SpatialDropout1D(0.5, seed=1),
            layers.GaussianNoise(0.5, seed=1),
            layers.Flatten(),
            layers.RepeatVector(2),
            layers.GlobalMaxPooling1D(),
            layers.RepeatVector(2),
            layers.GlobalAveragePooling1D(),
        ]
    )
    x = rng.normal(size=(4, 5, 3)).astype("float32")
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.pyrnn")
    again = pyrnn.load_model(tmp_path / "model.pyrnn")
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
    assert expected.shape == (4, 85) and again.get_config() == model.get_config()


# -------------------------------------------------------------------------------------------------------------- Dropout


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("F", [1, 7, 16, 50, 130])
@pytest.mark.parametrize("kind", [layers.Dropout, layers.SpatialDropout1D])
def test_dropout_masks_are_those_of_philox(rng, kind, F, dtype):
    """Of two training steps: the gradient of a sum of squares by ones [B, T, F] is the square of the mask."""
    B, T, rate, seed = 5, 6, 0.4, 2**40 + 9
    model = pyrnn.Sequential(
        [pyrnn.Input((T, B * T)), layers.Dense(F, use_bias=False), kind(rate, seed=seed)], dtype=dtype
    )
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = B * T * F / 2
    identity = np.eye(B * T, dtype=dtype).reshape(B, T, B * T)
    for iteration in range(2):
        kernel = np.ones((B * T, F), dtype)
        model.set_weights([kernel])
        np.testing.assert_array_equal(model.predict(identity, verbose=0), 1)
        model.train_on_batch(identity, np.zeros((B, T, F)))
        squares = (kernel - model.get_weights()[0]).reshape(B, T, F)
        mask = ref.dropout_mask((B, T, F), rate, seed, iteration, kind is layers.SpatialDropout1D)
        np.testing.assert_allclose(squares, mask**2, rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("F", [1, 7, 16, 50, 130])
def test_gaussian_noise_is_that_of_philox(rng, F, dtype):
    """Of two training steps: the gradient of a sum of squares by a kernel whose outputs are the targets is the noise."""
    B, T, stddev, seed = 5, 6, 0.7, 2**40 + 9
    model = pyrnn.Sequential(
        [pyrnn.Input((T, B * T)), layers.Dense(F, use_bias=False), layers.GaussianNoise(stddev, seed=seed)], dtype=dtype
    )
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = B * T * F / 2
    identity, kernel = np.eye(B * T, dtype=dtype).reshape(B, T, B * T), rng.normal(size=(B * T, F)).astype(dtype)
    for iteration in range(2):
        model.set_weights([kernel])
        y = model.predict(identity, verbose=0)
        np.testing.assert_array_equal(y, kernel.reshape(B, T, F))
        model.train_on_batch(identity, y)
        noise = (kernel - model.get_weights()[0]).reshape(B, T, F)
        expected = ref.gaussian_noise((B, T, F), stddev, seed, iteration)
        np.testing.assert_allclose(noise, expected, atol={"float32": 5e-6, "float64": 1e-13}[dtype])


def test_gaussian_noise_is_normal():
    noise = ref.gaussian_noise((40, 50, 60), 2.0, 1, 0).ravel() / 2
    assert noise.mean() == pytest.approx(0, abs=0.01) and noise.std() == pytest.approx(1, abs=0.01)
    for bound in (-2, -0.5, 0, 1, 3):
        assert np.mean(noise < bound) == pytest.approx(NormalDist().cdf(bound), abs=0.003)


def test_spatial_dropout_drops_a_feature_at_all_steps_of_a_row():
    mask = ref.dropout_mask((40, 6, 50), 0.4, 1, 0, per_sequence=True)
    np.testing.assert_array_equal(mask, np.repeat(mask[:, :1], 6, axis=1))
    assert abs(np.mean(mask == 0) - 0.4) < 0.05
    assert len(np.unique(mask[:, 0], axis=0)) == 40, "each row has a mask of its own"
    assert (mask[:, 1:] != ref.dropout_mask((40, 6, 50), 0.4, 1, 0, per_sequence=False)[:, 1:]).any()


# -------------------------------------------------------------------------------------------------------------- Threads

OPS = {
    "flatten": [
        {"op": "lstm", "units": 21, "return_sequences": True},
        {"op": "layer_norm", "epsilon": 1e-3, "center": True, "scale": True},
        {"op": "dropout", "rate": 0.25, "seed": 3, "per_sequence": True},
        {"op": "gaussian_noise", "stddev": 0.25, "seed": 3},
        {"op": "dense", "units": 17, "activation": "silu"},
        {"op": "flatten", "steps": 5},
    ],
    "max": [
        {"op": "dense", "units": 150, "activation": "hard_sigmoid"},
        {"op": "layer_norm", "epsilon": 1e-3, "center": True, "scale": False},
        {"op": "lstm", "units": 130, "return_sequences": True},
        {"op": "max_pool"},
        {"op": "layer_norm", "epsilon": 1e-3, "center": False, "scale": True},
    ],
    "average": [
        {"op": "layer_norm", "epsilon": 1e-3, "center": True, "scale": True},
        {"op": "lstm", "units": 130, "return_sequences": True},
        {"op": "average_pool"},
    ],
}
FEATURES = 19


@pytest.fixture
def threads():
    yield _core.set_num_threads
    _core.set_num_threads(0)


def results(dtype, batch, schedule, ops):
    net = _core.Network(dtype, FEATURES, True, False, [*ops, {"op": "dense", "units": 6, "activation": "softplus"}])
    rng = np.random.default_rng(1)
    weights = []
    names = {"lstm": ["kernel", "recurrent_kernel", "bias"], "dense": ["kernel", "bias"]}
    for i, op in enumerate([*ops, {"op": "dense"}]):
        of_norm = [name for name, option in (("gamma", "scale"), ("beta", "center")) if op.get(option)]
        for name in names.get(op["op"], of_norm):
            weights.append((i, name))
            net.set_weight(i, name, rng.uniform(-0.5, 0.5, net.get_weight(i, name).shape).astype(dtype))
    net.compile("mean_squared_error", False, [], {"name": "adam", "global_clipnorm": 0.5})
    net.set_schedule(schedule)
    x, y = rng.normal(size=(batch, 5, FEATURES)).astype(dtype), rng.normal(size=(batch, 6)).astype(dtype)
    losses = np.array([net.train_batch(x, y, np.arange(batch), 0.01) for _ in range(2)])
    out = np.empty((batch, 6), dtype)
    net.predict_batch(x, np.arange(batch), out)
    return [losses, out, *(net.get_weight(i, name) for i, name in weights)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("batch", [1, 13, 75])
def test_the_same_bits_for_every_schedule_and_thread_count(dtype, batch, name, threads):
    threads(1)
    expected = results(dtype, batch, "serial", OPS[name])
    for n in (1, 2, 3, 5):
        threads(n)
        for schedule in ("serial", "rows", "panels", "auto"):
            for a, b in zip(results(dtype, batch, schedule, OPS[name]), expected, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=f"{schedule}, {n} threads")


# ----------------------------------------------------------------------------------------------------- What is refused


@pytest.mark.parametrize("layer", ["Flatten", "GlobalAveragePooling1D", "GlobalMaxPooling1D"])
def test_a_stream_refuses_what_needs_the_whole_sequence(layer):
    lstm = layers.LSTM(4, return_sequences=True)
    model = pyrnn.Sequential([pyrnn.Input((5, 3)), lstm, getattr(layers, layer)(), layers.Dense(2)])
    with pytest.raises(ValueError, match=f"stream: a model with {layer} needs its whole sequence before it answers"):
        model.stream(1)


def test_a_stream_takes_a_flatten_of_vectors(rng):
    model = pyrnn.Sequential([pyrnn.Input((5, 3)), layers.LSTM(4), layers.Flatten(), layers.LayerNormalization()])
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    np.testing.assert_array_equal(model.stream(2).run(x.swapaxes(0, 1).copy())[-1], model.predict(x, verbose=0))


CORE_REFUSED = [
    ({"op": "gaussian_noise", "stddev": -1.0}, "Network: stddev of gaussian_noise must be at least 0, got -1"),
    ({"op": "flatten", "steps": 0}, "Network: steps of flatten must be at least 1, got 0"),
    ({"op": "layer_norm", "epsilon": 0.0}, "Network: epsilon of layer_norm must be positive, got 0"),
    ({"op": "layer_norm", "epsilon": float("nan")}, "Network: epsilon of layer_norm must be positive, got nan"),
]


@pytest.mark.parametrize(("op", "message"), CORE_REFUSED)
def test_the_engine_refuses(op, message):
    with pytest.raises(ValueError, match=message):
        _core.Network("float32", 3, True, False, [op])


def test_the_engine_refuses_to_pool_vectors_and_other_steps_than_flatten_was_made_for():
    with pytest.raises(ValueError, match="Network: GlobalMaxPooling1D needs a sequence, got"):
        _core.Network("float32", 3, False, False, [{"op": "max_pool"}])
    net = _core.Network("float32", 3, True, False, [{"op": "flatten", "steps": 7}])
    with pytest.raises(ValueError, match="x must have 7 steps, as Flatten was made for, got 5"):
        net.predict_batch(np.zeros((2, 5, 3), np.float32), np.arange(2), np.empty((2, 21), np.float32))
