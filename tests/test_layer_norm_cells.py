"""Layer-normalised LSTM and GRU: reference.py by finite differences, the engine by reference.py, both by goldens."""

import numpy as np
import pytest

from pyrnn import reference as ref
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


# -------------------------------------------------------------------------------------------------------------- Goldens

GOLDENS = load("layer_norm_cells")
CHECKED = ["reference"]


@goldens(GOLDENS, CHECKED)
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
