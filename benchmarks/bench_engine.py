"""The engine's functions against the NumPy reference: the same names, arguments and answers.

T 40, B 128, H 128; x has I 128 values, or is ids of V 57 symbols.
"""

import os

import numpy as np
import pytest

import pyrnn
from pyrnn import _core, reference

T, B, H = 40, 128, 128
INPUTS = {"values": 128, "ids": 57}
ENGINES = {"float32": _core, "float64": _core, "reference": reference}
TOLERANCE = {"float32": 1e-4, "float64": 1e-10, "reference": 0.0}


def arguments(kind, dtype):
    """Of lstm_forward, and dh and dc."""
    rng = np.random.default_rng(3)
    inputs = INPUTS[kind]
    x = rng.standard_normal((B, T, inputs)) if kind == "values" else rng.integers(0, inputs, (B, T), np.uint8)
    h0, c0, dc = rng.standard_normal((3, B, H))
    weights = [rng.uniform(-1, 1, shape) / np.sqrt(H) for shape in ((inputs, 4 * H), (H, 4 * H), (4 * H,))]
    dh = rng.standard_normal((B, T, H))
    arrays = [array if array.dtype.kind == "u" else array.astype(dtype) for array in (x, h0, c0, *weights, dh, dc)]
    return arrays[:6], arrays[6:]


def forward(engine, given, _gradients):
    return engine.lstm_forward(*given)


def forward_backward(engine, given, gradients):
    x, h0, c0, kernel, recurrent_kernel, _ = given
    h, c, gates = engine.lstm_forward(*given)
    return engine.lstm_backward(*gradients, x, h0, c0, kernel, recurrent_kernel, h, c, gates)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("run", [forward, forward_backward])
@pytest.mark.parametrize("kind", INPUTS)
def test_lstm(kind, run, name, benchmark):
    given = arguments(kind, "float64" if name == "reference" else name)
    for found, wanted in zip(run(ENGINES[name], *given), run(reference, *arguments(kind, "float64")), strict=True):
        if wanted is None:
            assert found is None
        else:
            np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE[name] * np.abs(wanted).max())
    benchmark.group = f"LSTM {run.__name__} {kind}"
    benchmark.extra_info |= {**pyrnn.cpu_info(), "load": os.getloadavg()[0]}
    benchmark(run, ENGINES[name], *given)
