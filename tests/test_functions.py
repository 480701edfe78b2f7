"""The engine's plain functions against reference.py: every kernel, in both precisions, at sizes that fill no register evenly."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyrnn
from pyrnn import _core
from pyrnn import reference as ref

DTYPES = ["float32", "float64"]
ACTIVATIONS = ["linear", "tanh", "sigmoid", "relu", "softmax"]
ACTIVATIONS += ["hard_sigmoid", "softplus", "elu", "leaky_relu", "exponential"]
UNITS = [1, 15, 16, 17, 31, 33, 100]
SIZES = [(1, 1, 1), (5, 3, 7), (17, 2, 33), (33, 9, 16), (70, 4, 100)]  # B, T, I
LSTM_RESULTS = ("h", "c", "gates", "dx", "dh0", "dc0", "dkernel", "drecurrent_kernel", "dbias")


def assert_close(actual, expected, what, terms=1):
    """Errors up to some roundings of the result's scale, times sqrt(terms) for a sum of so many."""
    assert actual.shape == expected.shape, what
    tolerance = {"float32": 4e-6, "float64": 1e-14}[str(actual.dtype)] * np.sqrt(terms)
    scale = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale, err_msg=what)


def in_float64(arrays):
    return [array.astype(np.float64) if array.dtype == np.float32 else array for array in arrays]


def lstm_arguments(rng, dtype, B, T, I, H, ids=False):
    """Of lstm_forward, then dh and dc. States are distinct and far from zero; sums inside the gates stay of size 1."""
    x = rng.integers(I, size=(B, T)) if ids else rng.normal(size=(B, T, I)).astype(dtype)
    kernel = rng.normal(size=(I, 4 * H)) / (1 if ids else np.sqrt(I))
    recurrent_kernel = rng.normal(size=(H, 4 * H)) / np.sqrt(H)
    h0, c0, dc = rng.uniform(0.5, 1, size=(3, B, H)) * rng.choice([-1, 1], size=(3, B, H))
    floats = h0, c0, kernel, recurrent_kernel, rng.normal(size=4 * H), rng.normal(size=(B, T, H)), dc
    return [x, *(array.astype(dtype) for array in floats)]


def run_lstm(functions, x, h0, c0, kernel, recurrent_kernel, bias, dh, dc):
    """All results of both directions, by name."""
    cache = functions.lstm_forward(x, h0, c0, kernel, recurrent_kernel, bias)
    gradients = functions.lstm_backward(dh, dc, x, h0, c0, kernel, recurrent_kernel, *cache)
    return dict(zip(LSTM_RESULTS, (*cache, *gradients), strict=True))


def assert_lstm(arguments):
    B, T, I = *arguments[0].shape[:2], len(arguments[3])
    actual, expected = run_lstm(_core, *arguments), run_lstm(ref, *in_float64(arguments))
    for name, value in actual.items():
        if expected[name] is None:
            assert value is None, name
        else:
            assert value.dtype == arguments[1].dtype, name
            assert_close(value, expected[name], name, terms=T * (B if "kernel" in name or "bias" in name else 1) + I)


# ----------------------------------------------------------------------------------------------------------------- LSTM


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("units", UNITS)
def test_lstm(rng, units, size, dtype):
    assert_lstm(lstm_arguments(rng, dtype, *size, units))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("units", UNITS)
def test_lstm_of_ids(rng, units, size, dtype):
    assert_lstm(lstm_arguments(rng, dtype, *size, units, ids=True))


@given(
    B=st.integers(1, 40),
    T=st.integers(1, 5),
    I=st.integers(1, 40),
    H=st.integers(1, 40),
    dtype=st.sampled_from(DTYPES),
    ids=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_lstm_of_any_size(B, T, I, H, dtype, ids, seed):
    assert_lstm(lstm_arguments(np.random.default_rng(seed), dtype, B, T, I, H, ids))


@pytest.mark.parametrize("dtype", DTYPES)
def test_lstm_of_saturated_gates(rng, dtype):
    """Gates at 0 and 1 exactly, as a trained network has them: no NaN, and the same values."""
    arguments = lstm_arguments(rng, dtype, 5, 6, 7, 17)
    arguments[3] *= 300
    actual, expected = run_lstm(_core, *arguments), run_lstm(ref, *in_float64(arguments))
    gates = expected["gates"]
    assert (gates == 0).any() or (gates < 1e-40).any()
    for name in ("h", "c", "gates"):
        assert_close(actual[name], expected[name], name, terms=1e4)  # sums of size 300 lose 300 roundings
    assert all(np.isfinite(value).all() for value in actual.values())


@pytest.mark.parametrize("ids_dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_ids_of_any_integers_are_one_hot_rows(rng, ids_dtype):
    arguments = lstm_arguments(rng, "float32", 9, 4, 57, 33, ids=True)
    ids = arguments[0].astype(ids_dtype)
    by_ids, by_view = (
        run_lstm(_core, ids, *arguments[1:]),
        run_lstm(_core, np.repeat(ids, 2, 1)[:, ::2], *arguments[1:]),
    )
    by_rows = run_lstm(_core, np.eye(57, dtype="float32")[ids], *arguments[1:])
    assert by_ids.pop("dx") is None and by_view.pop("dx") is None
    for name, value in by_ids.items():
        assert_close(value, by_rows[name], name, terms=36)
        np.testing.assert_array_equal(value, by_view[name], name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ids", [False, True], ids=["values", "ids"])
def test_lstm_has_the_same_bits_for_any_number_of_threads(rng, dtype, ids):
    arguments = lstm_arguments(rng, dtype, 70, 5, 65, 100, ids)
    assert_same_for_all_threads(lambda: run_lstm(_core, *arguments).values())


def test_lstm_has_the_same_bits_for_any_batch_mates(rng):
    x, h0, c0, *weights, dh, dc = lstm_arguments(rng, "float32", 37, 5, 19, 33)
    together = run_lstm(_core, x, h0, c0, *weights, dh, dc)
    for rows in (slice(0, 1), slice(3, 20), slice(36, 37)):
        alone = run_lstm(_core, x[rows], h0[rows], c0[rows], *weights, dh[rows], dc[rows])
        for name in ("h", "c", "gates", "dx", "dh0", "dc0"):
            np.testing.assert_array_equal(alone[name], together[name][rows], name)


def assert_same_for_all_threads(run):
    try:
        pyrnn.set_num_threads(1)
        expected = list(run())
        for threads in (2, 3, 5):
            pyrnn.set_num_threads(threads)
            for actual, wanted in zip(run(), expected, strict=True):
                np.testing.assert_array_equal(actual, wanted, f"{threads} threads")
    finally:
        pyrnn.set_num_threads(0)


# ------------------------------------------------------------------------------------- Dense, embedding, cross-entropy


def run_dense(functions, x, kernel, bias, dy, activation):
    y = functions.dense_forward(x, kernel, bias, activation)
    return y, *functions.dense_backward(dy, x, kernel, y, activation)


def dense_arguments(rng, dtype, leading, I, N, ids):
    x = rng.integers(I, size=leading) if ids else rng.normal(size=(*leading, I)).astype(dtype)
    floats = rng.normal(size=(I, N)) / (1 if ids else np.sqrt(I)), rng.normal(size=N), rng.normal(size=(*leading, N))
    return [x, *(array.astype(dtype) for array in floats)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ids", [False, True], ids=["values", "ids"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize(("leading", "inputs"), [((1,), 1), ((33,), 17), ((5, 7), 100), ((2, 3, 4), 31)], ids=str)
def test_dense(rng, leading, inputs, units, activation, ids, dtype):
    arguments = dense_arguments(rng, dtype, leading, inputs, units, ids)
    actual, expected = run_dense(_core, *arguments, activation), run_dense(ref, *in_float64(arguments), activation)
    for name, a, e in zip(("y", "dx", "dkernel", "dbias"), actual, expected, strict=True):
        if e is None:
            assert ids and name == "dx" and a is None
        else:
            assert a.dtype == dtype
            assert_close(a, e, name, terms=np.prod(leading) + inputs + units)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ids", [False, True], ids=["values", "ids"])
def test_dense_has_the_same_bits_for_any_number_of_threads(rng, ids, dtype):
    arguments = dense_arguments(rng, dtype, (70, 3), 65, 100, ids)
    assert_same_for_all_threads(lambda: [a for a in run_dense(_core, *arguments, "softmax") if a is not None])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*ACTIVATIONS[:4], *ACTIVATIONS[5:], "silu", "gelu"])
def test_activations_of_large_and_small_values(activation, dtype):
    """What saturates does so at the right value, what grows reaches infinity, and nothing becomes NaN."""
    x = np.concatenate([sign * np.geomspace(1e-30, 1e30, 4001) for sign in (1, -1)]).astype(dtype)
    y = _core.dense_forward(x[:, None], np.ones((1, 1), dtype), np.zeros(1, dtype), activation)[:, 0]
    with np.errstate(over="ignore", under="ignore"):
        expected = ref.activate(x.astype("float64"), activation).astype(dtype)
    near_zero = {"silu": 1e-7, "gelu": np.finfo(dtype).eps}.get(activation, 1e-30)
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps, atol=near_zero)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_nan_shows_in_its_row_alone(rng, activation, dtype):
    x, kernel, bias, _ = dense_arguments(rng, dtype, (9,), 17, 33, ids=False)
    x[4, 2] = np.nan
    broken = np.arange(9) == 4
    y = _core.dense_forward(x, kernel, bias, activation)
    np.testing.assert_array_equal(np.isnan(y), np.repeat(broken[:, None], 33, axis=1))
    loss, dz = _core.crossentropy(y, np.arange(9))
    assert np.isnan(loss)
    np.testing.assert_array_equal(np.isnan(dz).all(axis=1), broken)
    np.testing.assert_array_equal(np.isnan(dz).any(axis=1), broken)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("leading", [(1,), (33,), (17, 5)])
@pytest.mark.parametrize("width", UNITS)
def test_embedding(rng, width, leading, dtype):
    ids, dy = rng.integers(11, size=leading), rng.normal(size=(*leading, width)).astype(dtype)
    embeddings = rng.normal(size=(13, width)).astype(dtype)
    y = _core.embedding_forward(ids, embeddings)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, ref.embedding_forward(ids, embeddings))
    assert_close(_core.embedding_backward(dy, ids, 13), ref.embedding_backward(dy, ids, 13), "d", terms=len(dy))
    assert_same_for_all_threads(lambda: [_core.embedding_backward(dy, ids, 13)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("targets", ["ids", "distributions", "any weights"])
@pytest.mark.parametrize("symbols", UNITS)
@pytest.mark.parametrize("leading", [(1,), (33,), (5, 7)])
def test_crossentropy(rng, leading, symbols, targets, dtype):
    z = (5 * rng.normal(size=(*leading, symbols))).astype(dtype)
    y = rng.uniform(size=z.shape).astype(dtype)
    if targets == "ids":
        y = rng.integers(symbols, size=leading)
    elif targets == "distributions":
        y /= y.sum(axis=-1, keepdims=True)
    loss, dz = _core.crossentropy(z, y)
    expected_loss, expected_dz = ref.crossentropy(*in_float64([z, y]))
    assert loss == pytest.approx(
        expected_loss, rel={"float32": 1e-5, "float64": 1e-13}[dtype], abs=1e-5 if symbols == 1 else 0
    )
    assert dz.dtype == dtype
    tolerance = {"float32": 1e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(dz * len(z), expected_dz * len(z), rtol=0, atol=tolerance * max(1, symbols / 4))


@pytest.mark.parametrize("dtype", DTYPES)
def test_crossentropy_of_a_certainty_that_is_wrong(dtype):
    z = np.array([[0.0, 1000.0], [1000.0, 0.0]], dtype)
    loss, dz = _core.crossentropy(z, np.array([0, 0]))
    assert loss == 500
    np.testing.assert_allclose(dz, [[-0.5, 0.5], [0, 0]], rtol=0, atol=1e-37)


# ----------------------------------------------------------------------------------------------------------- Optimizers


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (17,), (33, 100), (3, 5, 7)])
@pytest.mark.parametrize(
    ("name", "slots", "options"),
    [
        ("sgd_step", 1, (0.01, 0.0, False)),
        ("sgd_step", 1, (0.01, 0.9, False)),
        ("sgd_step", 1, (0.01, 0.9, True)),
        ("rmsprop_step", 3, (0.01, 0.9, 0.0, 1e-7, False)),
        ("rmsprop_step", 3, (0.01, 0.8, 0.9, 1e-3, False)),
        ("rmsprop_step", 3, (0.01, 0.9, 0.0, 1e-7, True)),
        ("rmsprop_step", 3, (0.01, 0.8, 0.9, 1e-3, True)),
        ("adam_step", 2, (1, 0.01, 0.9, 0.999, 1e-7)),
        ("adam_step", 2, (1000, 0.01, 0.8, 0.95, 1e-3)),
        ("amsgrad_step", 3, (1, 0.01, 0.9, 0.999, 1e-7)),
        ("amsgrad_step", 3, (1000, 0.01, 0.8, 0.95, 1e-3)),
        ("nadam_step", 2, (1, 0.01, 0.9, 0.999, 1e-7)),
        ("nadam_step", 2, (2, 0.01, 0.9, 0.999, 1e-7)),
        ("nadam_step", 2, (1000, 0.01, 0.999, 0.95, 1e-3)),
        ("adagrad_step", 1, (0.01, 1e-7)),
        ("adagrad_step", 1, (0.01, 1e-3)),
        ("lion_step", 1, (0.01, 0.9, 0.99)),
        ("lion_step", 1, (0.01, 0.3, 0.5)),
    ],
    ids=str,
)
def test_optimizer_step(rng, name, slots, options, shape, dtype):
    w, g, *state = rng.uniform(-1, 1, size=(2 + slots, *shape))
    if name == "rmsprop_step":  # v, momentum_buffer, average: v is at least the mean's square
        state[0] = state[2] ** 2 + rng.uniform(0.1, 1, size=shape)
    elif name != "sgd_step":  # sums of squares; in the place of a mean a value of one sign is as good as another
        state = [abs(array) for array in state]
    arguments = [array.astype(dtype) for array in (w, g, *state)]
    before = [array.copy() for array in arguments]
    actual = getattr(_core, name)(*arguments, *options)
    expected = getattr(ref, name)(*in_float64(arguments), *options)
    for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
        assert a.dtype == dtype
        assert_close(a, e, f"result {i}")
    for argument, copy in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(argument, copy, "arguments are left alone")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "limit"), [("clip_by_norm", 1.5), ("clip_by_norm", 30), ("clip_by_value", 0.3)])
def test_clip_each(rng, name, limit, dtype):
    gradients = [rng.normal(size=shape).astype(dtype) for shape in ((33, 100), (17,), (1,), (2,))]
    gradients[3][:] = 0
    actual = getattr(_core, name)(gradients, limit)
    for a, e in zip(actual, getattr(ref, name)(in_float64(gradients), limit), strict=True):
        assert a.dtype == dtype
        assert_close(a, e, "clipped")
    assert_same_for_all_threads(lambda: getattr(_core, name)(gradients, limit))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("name", "step"), [("clip_by_norm", None), ("clip_by_value", None), ("lion_step", 1)])
def test_broken_gradients_show(name, step, poison, dtype):
    """As the reference has it, NaN for NaN, and the tensor beside it is left alone by what looks at each."""
    gradients = [np.array([1.0, poison], dtype), np.array([2.0], dtype)]
    if name == "lion_step":
        zeros = np.zeros(2, dtype)
        actual, expected = (f(zeros, gradients[0], zeros, 0.1, 0.9, 0.9) for f in (_core.lion_step, ref.lion_step))
    else:
        actual, expected = (getattr(functions, name)(gradients, 0.5) for functions in (_core, ref))
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_clip_by_global_norm(rng, factor, dtype):
    gradients = [rng.normal(size=shape).astype(dtype) for shape in ((33, 100), (17,), (1,))]
    norm = float(np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients)))
    actual = _core.clip_by_global_norm(gradients, factor * norm)
    for a, e in zip(actual, ref.clip_by_global_norm(in_float64(gradients), factor * norm), strict=True):
        assert a.dtype == dtype
        assert_close(a, e, "clipped")
    if factor > 1:
        for a, g in zip(actual, gradients, strict=True):
            np.testing.assert_array_equal(a, g)
    assert_same_for_all_threads(lambda: _core.clip_by_global_norm(gradients, factor * norm))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_clip_by_global_norm_shows_a_broken_gradient(poison, dtype):
    gradients = [np.array([1.0, poison], dtype), np.array([2.0], dtype)]
    for clipped in _core.clip_by_global_norm(gradients, 1.0):
        assert np.isnan(clipped).all()


def test_clip_by_global_norm_of_zeros_is_zeros():
    (clipped,) = _core.clip_by_global_norm([np.zeros(3)], 1.0)
    np.testing.assert_array_equal(clipped, np.zeros(3))


# ----------------------------------------------------------------------------------------------- Every instruction set


@pytest.mark.skipif(bool(os.environ.get("PYRNN_ISA")), reason="an instruction set is forced: this is the inner run")
def test_every_instruction_set():
    """The same tests and the goldens again, for the instruction sets that this processor has but does not prefer."""
    files = [f"tests/test_{name}.py" for name in ("functions", "activations", "goldens", "losses", "ctc")]
    for isa in pyrnn.cpu_info()["available"]:
        if isa != pyrnn.cpu_info()["isa"]:
            result = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", *files],
                env={**os.environ, "PYRNN_ISA": isa},
                cwd=Path(__file__).parent.parent,
                capture_output=True,
                text=True,
                check=False,
            )
            assert result.returncode == 0, f"{isa}:\n{result.stdout[-5000:]}"
