"""reference.py against central finite differences, the first link of the chain of trust."""

import ast
import doctest
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrnn import (
    _reference_basics,
    _reference_cells,
    _reference_layer_norm_cells,
    _reference_optimizers,
    _reference_sampling,
)
from pyrnn import _reference_layers as ref_layers
from pyrnn import reference as ref

MODULES = [ref, ref_layers, _reference_basics, _reference_cells, _reference_layer_norm_cells, _reference_optimizers]
MODULES += [_reference_sampling]
ACTIVATIONS = ["linear", "tanh", "sigmoid", "relu", "softmax"]
ACTIVATIONS += ["hard_sigmoid", "softplus", "elu", "leaky_relu", "exponential"]
SHAPES = [(1, 1, 1, 1), (2, 3, 4, 5), (3, 7, 5, 3), (5, 2, 1, 7)]  # B, T, I, H


def numerical_gradient(f, array, step=1e-5):
    """df/darray by central differences; f reads `array`, whose elements are moved one by one."""
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + step
        above = f()
        array[index] = value - step
        below = f()
        array[index] = value
        gradient[index] = (above - below) / (2 * step)
    return gradient


def assert_gradients(f, analytic, arrays):
    for name, array in arrays.items():
        np.testing.assert_allclose(analytic[name], numerical_gradient(f, array), rtol=1e-6, atol=1e-8, err_msg=name)


def lstm_arguments(rng, B, T, I, H, ids=False):
    x = rng.integers(I, size=(B, T)) if ids else rng.normal(size=(B, T, I))
    h0, c0 = rng.normal(size=(2, B, H))
    return x, h0, c0, rng.normal(size=(I, 4 * H)), rng.normal(size=(H, 4 * H)), rng.normal(size=4 * H)


# ----------------------------------------------------------------------------------------------------------------- LSTM


@pytest.mark.parametrize("ids", [False, True], ids=["values", "ids"])
@pytest.mark.parametrize("shape", SHAPES)
def test_lstm_backward(rng, shape, ids):
    arguments = lstm_arguments(rng, *shape, ids=ids)
    cache = h, c, _ = ref.lstm_forward(*arguments)
    dh, dc = rng.normal(size=h.shape), rng.normal(size=c[:, -1].shape)

    def loss():
        h, c, _ = ref.lstm_forward(*arguments)
        return np.sum(dh * h) + np.sum(dc * c[:, -1])

    results = ref.lstm_backward(dh, dc, *arguments[:-1], *cache)
    names = ("x", "h0", "c0", "kernel", "recurrent_kernel", "bias")
    analytic, arrays = dict(zip(names, results, strict=True)), dict(zip(names, arguments, strict=True))
    if ids:
        assert analytic.pop("x") is None
        arrays.pop("x")
    assert_gradients(loss, analytic, arrays)


def test_lstm_gates_are_in_the_order_i_f_c_o(rng):
    x, h0, c0, kernel, recurrent_kernel, _ = lstm_arguments(rng, 2, 1, 3, 4)
    bias = np.repeat([-1000.0, 1000.0, 0.0, 1000.0], 4)  # nothing in, all kept, all shown
    h, c, gates = ref.lstm_forward(x, h0, c0, kernel, recurrent_kernel, bias)
    np.testing.assert_array_equal(c[:, 0], c0)
    np.testing.assert_array_equal(h[:, 0], np.tanh(c0))
    i, f, c_tilde, o = np.split(gates[:, 0], 4, axis=1)
    assert (i == 0).all() and (f == 1).all() and (abs(c_tilde) < 1).all() and (o == 1).all()


@given(split=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_lstm_in_two_parts_is_the_whole(split, seed):
    x, h0, c0, *weights = lstm_arguments(np.random.default_rng(seed), 2, 7, 3, 5)
    h, c, gates = ref.lstm_forward(x, h0, c0, *weights)
    first = ref.lstm_forward(x[:, :split], h0, c0, *weights)
    second = ref.lstm_forward(x[:, split:], first[0][:, -1], first[1][:, -1], *weights)
    for whole, a, b in zip((h, c, gates), first, second, strict=True):
        np.testing.assert_allclose(whole, np.concatenate([a, b], axis=1), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_ids_mean_one_hot_rows(rng, dtype):
    x, h0, c0, kernel, recurrent_kernel, bias = lstm_arguments(rng, 3, 4, 6, 5, ids=True)
    dh, dc, rows = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 5)), np.eye(6)[x]
    by_ids = ref.lstm_forward(x.astype(dtype), h0, c0, kernel, recurrent_kernel, bias)
    by_rows = ref.lstm_forward(rows, h0, c0, kernel, recurrent_kernel, bias)
    for a, b in zip(by_ids, by_rows, strict=True):
        np.testing.assert_array_equal(a, b)
    by_ids = ref.lstm_backward(dh, dc, x.astype(dtype), h0, c0, kernel, recurrent_kernel, *by_ids)
    by_rows = ref.lstm_backward(dh, dc, rows, h0, c0, kernel, recurrent_kernel, *by_rows)
    for a, b in zip(by_ids[1:], by_rows[1:], strict=True):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------------------------- Dense, embedding, cross-entropy


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("leading", [(1,), (5,), (3, 2)])
@pytest.mark.parametrize("ids", [False, True], ids=["values", "ids"])
def test_dense_backward(rng, leading, activation, ids):
    x = rng.integers(7, size=leading) if ids else rng.normal(size=(*leading, 7))
    kernel, bias = rng.normal(size=(7, 5)), rng.normal(size=5)
    y = ref.dense_forward(x, kernel, bias, activation)
    dy = rng.normal(size=y.shape)
    results = dict(zip(("x", "kernel", "bias"), ref.dense_backward(dy, x, kernel, y, activation), strict=True))
    arrays = {"x": x, "kernel": kernel, "bias": bias}
    if ids:
        assert results.pop("x") is None
        arrays.pop("x")
    assert_gradients(lambda: np.sum(dy * ref.dense_forward(x, kernel, bias, activation)), results, arrays)


@pytest.mark.parametrize("activation", [*ACTIVATIONS, "silu", "gelu"])
def test_activate_backward(rng, activation):
    z = 4 * rng.normal(size=(5, 7))
    dy = rng.normal(size=z.shape)
    saved = z if activation in ("silu", "gelu") else ref.activate(z, activation)
    analytic = {"z": ref.activate_backward(dy, saved, activation)}
    assert_gradients(lambda: np.sum(dy * ref.activate(z, activation)), analytic, {"z": z})


def test_unknown_activations_are_refused():
    one = np.ones((1, 1))
    message = "activation must be linear, tanh, sigmoid, relu, softmax, .* or gelu, got 'Tanh'"
    with pytest.raises(ValueError, match=f"activate: {message}"):
        ref.dense_forward(one, one, one[0], "Tanh")
    with pytest.raises(ValueError, match=f"activate_backward: {message}"):
        ref.dense_backward(one, one, one, one, "Tanh")
    with pytest.raises(
        ValueError, match="dense_backward: activation must be one whose derivative is written by y, got"
    ):
        ref.dense_backward(one, one, one, one, "gelu")


def test_embedding_backward(rng):
    ids, embeddings, dy = rng.integers(5, size=(3, 7)), rng.normal(size=(6, 4)), rng.normal(size=(3, 7, 4))
    analytic = {"embeddings": ref.embedding_backward(dy, ids, 6)}
    assert_gradients(lambda: np.sum(dy * ref.embedding_forward(ids, embeddings)), analytic, {"embeddings": embeddings})
    assert not analytic["embeddings"][5].any(), "symbol 5 stands nowhere"


@pytest.mark.parametrize("targets", ["ids", "distributions", "any weights"])
@pytest.mark.parametrize("leading", [(1,), (5,), (3, 4)])
def test_crossentropy(rng, leading, targets):
    z = rng.normal(size=(*leading, 7))
    y = rng.uniform(size=z.shape)
    if targets == "ids":
        y = rng.integers(7, size=leading)
    elif targets == "distributions":
        y /= y.sum(axis=-1, keepdims=True)
    loss, dz = ref.crossentropy(z, y)
    assert isinstance(loss, float)
    assert_gradients(lambda: ref.crossentropy(z, y)[0], {"z": dz}, {"z": z})


def test_crossentropy_of_ids_is_that_of_one_hot_rows(rng):
    z, y = rng.normal(size=(3, 4, 6)), rng.integers(6, size=(3, 4))
    by_ids, by_rows = ref.crossentropy(z, y), ref.crossentropy(z, np.eye(6)[y])
    assert by_ids[0] == by_rows[0]
    np.testing.assert_array_equal(by_ids[1], by_rows[1])


def test_crossentropy_of_no_knowledge_is_the_logarithm_of_the_symbols():
    assert ref.crossentropy(np.full((4, 57), 3.0), np.array([0, 1, 55, 56]))[0] == pytest.approx(np.log(57), rel=1e-14)


@pytest.mark.parametrize("z", [-1e4, -745.0, -1e-300, 0.0, 1e-300, 745.0, 1e4])
def test_no_overflow(z):
    y = ref.sigmoid(np.array([z, -z]))
    assert y.sum() == pytest.approx(1, rel=1e-15)
    np.testing.assert_allclose(ref.softmax(np.array([z, 0.0])), y, rtol=1e-14)
    loss, dz = ref.crossentropy(np.array([[z, 0.0]]), np.array([1]))
    assert loss == pytest.approx(max(z, 0.0) + np.log1p(np.exp(-abs(z))))
    assert np.isfinite(dz).all()


# --------------------------------------------------------------------------------------------- Layers without a kernel


@pytest.mark.parametrize("shape", [(1, 2), (3, 7), (2, 3, 5)])
def test_layer_normalization_backward(rng, shape):
    x, dy, gamma, beta = rng.normal(size=shape), rng.normal(size=shape), *rng.normal(size=(2, shape[-1]))
    names = ("x", "gamma", "beta")
    analytic = dict(zip(names, ref_layers.layer_normalization_backward(dy, x, gamma, 0.1), strict=True))
    arrays = dict(zip(names, (x, gamma, beta), strict=True))
    assert_gradients(lambda: np.sum(dy * ref_layers.layer_normalization_forward(x, gamma, beta, 0.1)), analytic, arrays)


@pytest.mark.parametrize("kind", ["average", "max"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 4)])
def test_global_pooling_backward(rng, shape, kind):
    """Of all steps, and of the real ones alone: none in the first row."""
    forward, backward = (getattr(ref_layers, f"global_{kind}_pooling_{way}") for way in ("forward", "backward"))
    x, dy = rng.normal(size=shape), rng.normal(size=(shape[0], shape[2]))
    some = rng.integers(2, size=shape[:2]).astype(bool)
    some[0] = False
    for mask in (np.ones(shape[:2], bool), some):
        dx = backward(dy, mask) if kind == "average" else backward(dy, x, mask)
        assert_gradients(lambda mask=mask: np.sum(dy * forward(x, mask)), {"x": dx}, {"x": x})
        assert not dx[~mask].any() and not forward(x, mask)[~mask.any(axis=1)].any()


# ----------------------------------------------------------------------------------------------------------- Optimizers


def test_clip_by_global_norm(rng):
    gradients = [rng.normal(size=(3, 5)), rng.normal(size=7)]
    norm = np.sqrt(np.sum(gradients[0] ** 2) + np.sum(gradients[1] ** 2))
    half = ref.clip_by_global_norm(gradients, norm / 2)
    for clipped, gradient in zip(half, gradients, strict=True):
        np.testing.assert_allclose(clipped, gradient / 2, rtol=1e-14)
    for clipped, gradient in zip(ref.clip_by_global_norm(gradients, norm * 2), gradients, strict=True):
        np.testing.assert_array_equal(clipped, gradient)
    zeros = ref.clip_by_global_norm([np.zeros(3)], 1.0)
    np.testing.assert_array_equal(zeros[0], np.zeros(3))


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_clip_by_global_norm_shows_a_broken_gradient(poison):
    a, b = ref.clip_by_global_norm([np.array([1.0, poison]), np.array([2.0])], 1.0)
    assert np.isnan(a).all() and np.isnan(b).all()


def test_options_that_are_off_use_no_state(rng):
    w, g, state = rng.normal(size=(3, 4))
    nothing = np.full(4, np.nan)
    w_new, velocity = ref.sgd_step(w, g, nothing, 0.1, 0.0, False)
    assert velocity is nothing and np.isfinite(w_new).all()
    w_new, v, buffer, average = ref.rmsprop_step(w, g, state**2, nothing, nothing, 0.1, 0.9, 0.0, 1e-7, False)
    assert buffer is nothing and average is nothing and np.isfinite(w_new).all() and np.isfinite(v).all()


# ------------------------------------------------------------------------------------------------------------ The whole


def test_nothing_is_changed_in_place(rng):
    def fixed(*arrays):
        for array in arrays:
            array.flags.writeable = False
        return arrays

    x, h0, c0, *weights = fixed(*lstm_arguments(rng, 2, 3, 4, 5))
    cache = fixed(*ref.lstm_forward(x, h0, c0, *weights))
    dh, dc = fixed(rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 5)))
    ref.lstm_backward(dh, dc, x, h0, c0, *weights[:2], *cache)
    kernel, bias = fixed(rng.normal(size=(5, 6)), rng.normal(size=6))
    for activation in ACTIVATIONS:
        (y,) = fixed(ref.dense_forward(dh, kernel, bias, activation))
        ref.dense_backward(y, dh, kernel, y, activation)
    (ids,) = fixed(rng.integers(5, size=(2, 3)))
    ref.embedding_forward(ids, kernel)
    ref.embedding_backward(dh, ids, 5)
    ref.crossentropy(dh, ids)
    ref.crossentropy(dh, fixed(ref.softmax(dh))[0])
    g, m, v, average = fixed(*rng.uniform(1, 2, size=(4, 6)))
    ref.sgd_step(bias, g, m, 0.1, 0.9, True)
    ref.rmsprop_step(bias, g, v, m, fixed(average / 8)[0], 0.1, 0.9, 0.5, 1e-7, True)
    ref.adam_step(bias, g, m, v, 3, 0.1, 0.9, 0.999, 1e-7)
    ref.amsgrad_step(bias, g, m, v, v, 3, 0.1, 0.9, 0.999, 1e-7)
    ref.nadam_step(bias, g, m, v, 3, 0.1, 0.9, 0.999, 1e-7)
    ref.adagrad_step(bias, g, v, 0.1, 1e-7)
    ref.lion_step(bias, g, m, 0.1, 0.9, 0.99)
    ref.decay_weights(bias, 0.1, 0.5)
    ref.moving_average(average, bias, 0.9, 2)
    for clip in (ref.clip_by_norm, ref.clip_by_value, ref.clip_by_global_norm):
        clip([g, m], 1.0)


def test_examples():
    failed, tried = np.sum([doctest.testmod(module) for module in MODULES], axis=0)
    names = [module.__name__ for module in MODULES]
    public = [
        name for name, value in vars(ref).items() if callable(value) and value.__module__ in names and name[0] != "_"
    ]
    assert failed == 0 and tried >= len(public)
    assert all(">>>" in getattr(ref, name).__doc__ for name in public)


def test_reads_with_numpy_alone():
    own = {module.__name__.removeprefix("pyrnn.") for module in MODULES}
    for module in MODULES:
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
        assert names - own - {"math", "statistics"} <= {"numpy", "numpy.typing"}, "but for what NumPy lacks"
