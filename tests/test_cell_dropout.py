"""Dropout and zoneout inside the recurrent cells: reference.py by differences, the engine by reference.py, both by goldens."""

import numpy as np
import pytest

from pyrnn import _core
from pyrnn import reference as ref
from tests.test_cells import arguments, assert_engine, run
from tests.test_functions import DTYPES

CELLS = [
    pytest.param("lstm", {}, id="lstm"),
    pytest.param("gru", {}, id="gru"),
    pytest.param("gru", {"reset_after": False}, id="gru_before"),
    pytest.param("simple_rnn", {"activation": "relu"}, id="simple_rnn"),
]
MASKS = ("dropout_mask", "recurrent_mask", "zoneout_mask")


def masks(rng, dtype, B, T, I, H, names=MASKS):
    """As in training: zeros, and what the others are multiplied by."""
    shapes = {"dropout_mask": (B, I), "recurrent_mask": (B, H), "zoneout_mask": (B, T, H)}
    kept = {"dropout_mask": 1 / 0.7, "recurrent_mask": 1 / 0.6, "zoneout_mask": 1.0}
    return {name: ((rng.random(shapes[name]) < 0.6) * kept[name]).astype(dtype) for name in names}


# ------------------------------------------------------------------------------------------------ Reference, by differences


@pytest.mark.parametrize("names", [*((name,) for name in MASKS), MASKS], ids="+".join)
@pytest.mark.parametrize(("cell", "options"), CELLS)
def test_gradients_of_the_reference(rng, cell, options, names):
    sizes = 2, 3, 3, 4
    given = arguments(rng, cell, "float64", *sizes, reset_after=options.get("reset_after", True))
    options = options | masks(rng, "float64", *sizes, names)
    results = run(ref, cell, given, options)

    def loss(name, value):
        changed = run(ref, cell, given | {name: value}, options)
        c = (given["dc"] * changed["c"][:, -1]).sum() if "c" in changed else 0
        return (given["dh"] * changed["h"]).sum() + c

    step = 1e-6
    for name in ("x", "h0", "c0", "kernel", "recurrent_kernel", "bias"):
        if name not in given:
            continue
        expected = np.empty(given[name].shape)
        for at in np.ndindex(expected.shape):
            up, down = given[name].copy(), given[name].copy()
            up[at] += step
            down[at] -= step
            expected[at] = (loss(name, up) - loss(name, down)) / (2 * step)
        np.testing.assert_allclose(results[f"d{name}"], expected, rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize(("cell", "options"), CELLS)
def test_what_the_masks_of_the_reference_mean(rng, cell, options):
    """A dropped input or state is as good as none, and a state that is kept at all steps is the first."""
    B, T, _, H = sizes = 3, 4, 5, 6
    given = arguments(rng, cell, "float64", *sizes, reset_after=options.get("reset_after", True))
    drawn = masks(rng, "float64", *sizes)
    dropped = run(ref, cell, given, options | {"dropout_mask": drawn["dropout_mask"]})
    masked = run(ref, cell, given | {"x": given["x"] * drawn["dropout_mask"][:, None]}, options)
    np.testing.assert_array_equal(dropped["h"], masked["h"])
    without = run(ref, cell, given, options | {"recurrent_mask": np.zeros((B, H))})
    no_product = run(ref, cell, given | {"recurrent_kernel": np.zeros_like(given["recurrent_kernel"])}, options)
    np.testing.assert_array_equal(without["h"], no_product["h"])
    given |= {"dc": np.zeros((B, H))} if "dc" in given else {}  # of zoneout, which leaves the cell state alone
    kept = run(ref, cell, given, options | {"zoneout_mask": np.zeros((B, T, H))})
    np.testing.assert_array_equal(kept["h"], np.repeat(given["h0"][:, None], T, axis=1))
    np.testing.assert_allclose(kept["dh0"], given["dh"].sum(axis=1), rtol=1e-12)
    all_pass = run(ref, cell, given, options | {"zoneout_mask": np.ones((B, T, H))})
    np.testing.assert_array_equal(all_pass["h"], run(ref, cell, given, options)["h"])


# ------------------------------------------------------------------------------------------------- Engine, by the reference


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("size", [(1, 1, 1, 1), (5, 3, 7, 17), (33, 9, 16, 16), (37, 4, 20, 83)])
@pytest.mark.parametrize(("cell", "options"), CELLS)
def test_the_engine_with_given_masks(rng, cell, options, size, ids, dtype):
    given = arguments(rng, cell, dtype, *size, ids, reset_after=options.get("reset_after", True))
    assert_engine(cell, given, options | masks(rng, dtype, *size))


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize(("cell", "options"), CELLS)
def test_the_engine_with_one_mask(rng, cell, options, name):
    size = 19, 4, 7, 17
    given = arguments(rng, cell, "float64", *size, reset_after=options.get("reset_after", True))
    assert_engine(cell, given, options | masks(rng, "float64", *size, (name,)))


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_of_another_shape_is_refused(rng, name):
    given = arguments(rng, "simple_rnn", "float64", 2, 3, 4, 5)
    with pytest.raises(ValueError, match=rf"{name} must be float64"):
        run(_core, "simple_rnn", given, {name: np.ones((2, 3))})
