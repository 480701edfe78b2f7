"""Layer-normalised LSTM and GRU: reference.py by finite differences, the engine by reference.py, both by goldens."""

import numpy as np
import pytest

from pyrnn import _core
from pyrnn import reference as ref
from tests.test_functions import DTYPES, UNITS, in_float64
from tests.test_goldens import assert_close as assert_golden
from tests.test_goldens import goldens, implementation, load

CELLS = ["lstm", "gru"]
WEIGHTS = {
    "lstm": ("kernel", "recurrent_kernel", "bias", "gamma", "gamma_h", "beta_h"),
    "gru": ("kernel", "recurrent_kernel", "bias", "gamma"),
}
STATES = {"lstm": ("h0", "c0"), "gru": ("h0",)}
ACTIVATIONS = [
    {},
    {"activation": "sigmoid"},
    {"activation": "linear", "recurrent_activation": "tanh"},
    {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
]


def arguments(rng, cell, dtype, B, T, I, H, ids=False):
    """By name: of forward, then dh (and dc). States are distinct and far from zero."""
    G, lstm = {"lstm": 4, "gru": 3}[cell], cell == "lstm"
    given = {"x": rng.integers(I, size=(B, T)) if ids else rng.normal(size=(B, T, I))}
    for name in (*STATES[cell], *(["dc"] if lstm else [])):
        given[name] = rng.uniform(0.5, 1, size=(B, H)) * rng.choice([-1, 1], size=(B, H))
    given["kernel"], given["recurrent_kernel"] = rng.normal(size=(I, G * H)), rng.normal(size=(H, G * H))
    given["bias"] = rng.normal(size=G * H if lstm else (2, G * H)) / 2
    given["gamma"] = rng.uniform(0.3, 1, size=(2, G * H))
    if lstm:
        given["gamma_h"], given["beta_h"] = rng.uniform(0.3, 1, size=H), rng.normal(size=H) / 2
    given["dh"] = rng.normal(size=(B, T, H))
    return {name: value if name == "x" and ids else value.astype(dtype) for name, value in given.items()}


def run(functions, cell, given, options):
    """Results of both directions, by name."""
    names = ("x", *STATES[cell], *WEIGHTS[cell])
    inputs = [given[name] for name in names]
    outputs = getattr(functions, f"layer_norm_{cell}_forward")(*inputs, **options)
    upstream = [given[name] for name in ("dh", "dc") if name in given]
    gradients = getattr(functions, f"layer_norm_{cell}_backward")(*upstream, *inputs, **options)
    results = dict(zip(("h", "c"), outputs, strict=True)) if cell == "lstm" else {"h": outputs}
    return results | dict(zip((f"d{name}" for name in names), gradients, strict=True))


# ------------------------------------------------------------------------------------------------ Reference, by differences


@pytest.mark.parametrize("options", ACTIVATIONS)
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_the_reference(rng, cell, ids, options):
    given = arguments(rng, cell, "float64", 2, 3, 5, 4, ids)
    results = run(ref, cell, given, options)

    def loss(name, value):
        changed = run(ref, cell, given | {name: value}, options)
        return (given["dh"] * changed["h"]).sum() + ((given["dc"] * changed["c"][:, -1]).sum() if "c" in changed else 0)

    step = 1e-6
    for name in (*STATES[cell], *WEIGHTS[cell], *([] if ids else ["x"])):
        expected = np.empty(given[name].shape)
        for at in np.ndindex(expected.shape):
            moved = np.zeros(expected.shape)
            moved[at] = step
            expected[at] = (loss(name, given[name] + moved) - loss(name, given[name] - moved)) / (2 * step)
        np.testing.assert_allclose(results[f"d{name}"], expected, rtol=1e-5, atol=1e-6, err_msg=name)
    assert (results["dx"] is None) == ids


# ------------------------------------------------------------------------------------------------- Engine, by the reference

SIZES = [(1, 1, 3), (5, 3, 7), (17, 2, 33), (33, 9, 16), (70, 4, 100)]  # B, T, I


def assert_engine(cell, given, options):
    """Errors up to some roundings of the terms, which are of size 1: normalisation lets them cancel."""
    actual = run(_core, cell, given, options)
    expected = run(ref, cell, dict(zip(given, in_float64(given.values()), strict=True)), options)
    B, T = given["x"].shape[:2]
    for name, value in actual.items():
        if expected[name] is None:
            assert value is None, name
            continue
        assert value.dtype == given["kernel"].dtype and value.shape == expected[name].shape, name
        terms = T * (B if name[1:] in WEIGHTS[cell] else 1) + len(given["kernel"])
        tolerance = {"float32": 1e-5, "float64": 2e-14}[str(value.dtype)] * np.sqrt(terms)
        scale = max(1, np.abs(expected[name]).max())
        np.testing.assert_allclose(value, expected[name], rtol=tolerance, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("cell", CELLS)
def test_sizes(rng, cell, units, size, ids, dtype):
    B, T, I = size
    steps = min(T, 3) if units == 1 else T  # of one unit LN(h R) is nearly a step at h = 0, and roundings grow with T
    assert_engine(cell, arguments(rng, cell, dtype, B, steps, I, units, ids), {})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", ACTIVATIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_options(rng, cell, options, dtype):
    assert_engine(cell, arguments(rng, cell, dtype, 5, 4, 7, 19), options)


# -------------------------------------------------------------------------------------------------------------- Networks

OPTION = {"layer_norm": True}
STACK = [
    {"op": "lstm", "units": 100, "return_sequences": True, **OPTION},
    {"op": "gru", "units": 33, "return_sequences": True, "go_backwards": True, **OPTION},
    {"op": "lstm", "units": 17, **OPTION},
    {"op": "repeat_vector", "n": 4},
    {"op": "gru", "units": 20, "return_sequences": True, **OPTION},
    {"op": "lstm", "units": 31, "return_sequences": True, "bidirectional": "sum", **OPTION},
    {"op": "dense", "units": 5},
]


@pytest.fixture
def threads():
    yield _core.set_num_threads
    _core.set_num_threads(0)


def weight_names(op):
    names = WEIGHTS.get(op["op"], {"dense": ("kernel", "bias")}.get(op["op"], ()))
    return [f"{side}_{name}" for side in ("forward", "backward") for name in names] if "bidirectional" in op else names


def network(ops, dtype, features, ids=False):
    net = _core.Network(dtype, features, True, ids, ops)
    rng = np.random.default_rng(1)
    for i, op in enumerate(ops):
        for name in weight_names(op):
            low, high = (0.5, 1.5) if "gamma" in name else (-0.5, 0.5)
            net.set_weight(i, name, rng.uniform(low, high, net.get_weight(i, name).shape).astype(dtype))
    net.compile("mean_squared_error", False, [], {"name": "adam", "global_clipnorm": 0.5})
    return net


def results(schedule, dtype, batch, lengths):
    """Predictions and weights of two training batches of ids."""
    net = network(STACK, dtype, 11, ids=True)
    net.set_schedule(schedule)
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 11, (batch, 7)), rng.normal(size=(batch, 4, 5))
    if lengths:
        x = x, np.stack([np.zeros(batch, np.int64), rng.integers(0, 8, batch)], axis=1), None, None, None
    index = np.arange(batch)
    losses = [net.train_batch(x, y, index, 0.01) for _ in range(2)]
    out = np.empty((batch, 4, 5), dtype)
    net.predict_batch(x, index, out)
    return [
        np.array(losses),
        out,
        *(net.get_weight(i, name) for i, op in enumerate(STACK) for name in weight_names(op)),
    ]


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("batch", [1, 7, 70])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bits_whatever_the_threads(threads, dtype, batch, lengths):
    threads(1)
    expected = results("serial", dtype, batch, lengths)
    for n in (1, 2, 3):
        threads(n)
        for schedule in ("auto", "rows", "panels"):
            for value, wanted in zip(results(schedule, dtype, batch, lengths), expected, strict=True):
                np.testing.assert_array_equal(value, wanted, err_msg=f"{n} threads, {schedule}")


# -------------------------------------------------------------------------------------------------------------- Goldens

GOLDENS = load("layer_norm_cells")


@goldens(GOLDENS)
def test_goldens(options, given, expected, dtype, who):
    functions, given = implementation(who, given, dtype)
    options = dict(options)
    cell, sequences = options.pop("cell").lower(), options.pop("return_sequences")
    given["x"] = given.pop("ids") if "ids" in given else given["x"]
    if not sequences:
        last, given["dh"] = given["dh"], np.zeros((*given["x"].shape[:2], given["h0"].shape[1]), given["dh"].dtype)
        given["dh"][:, -1] = last
    results = run(functions, cell, given, options)
    results["h"] = results["h"] if sequences else results["h"][:, -1]
    if "c" in results:
        results["c_last"] = results["c"][:, -1]
    for name, value in expected.items():
        assert_golden(results[name], value, dtype, name)
