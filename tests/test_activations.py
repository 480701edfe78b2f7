"""Sigmoid and tanh of the kernels against exact values.

An error counts in ULP: the spacing of the result's format in the binade of the exact value, and below the smallest
normal that of the denormals. Calls of the engine flush denormals, so 0 is right as well where the exact value, or one
within the allowed error of it, lies below the smallest normal. NaN must come out where NaN went in.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import _core

MAX_ULP = 4
FUNCTIONS = ["sigmoid", "tanh"]
DTYPES = ["float32", "float64"]
LIMITS = [87, 87.3365, 88, 88.7229, 103.9, 9.01, 9.1, 708, 709, 709.79, 745.2, 19.06, 19.1, np.log(2) / 2, np.log(2)]


def exact(function, x):
    """The value in the next wider format: float64 for float32, where NumPy's error is 2^-29 of an ULP, else long double."""
    with np.errstate(invalid="ignore", over="ignore"):  # a signalling NaN; exp(-x) = inf, and its quotient 0 is right
        wide = x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)
        return np.tanh(wide) if function == "tanh" else 1 / (1 + np.exp(-wide))


def error_in_ulp(y, expected):
    """Signed error of each value; infinite where one of the two is NaN."""
    info, wide = np.finfo(y.dtype), expected.dtype.type
    exponent = np.where(expected == 0, info.minexp, np.maximum(np.frexp(expected)[1] - 1, info.minexp))
    with np.errstate(invalid="ignore"):
        error = (y - expected) / np.ldexp(wide(1), exponent - info.nmant)
    flushed = (y == 0) & (np.abs(expected) < info.smallest_normal * (1 + MAX_ULP * info.eps))
    error[flushed | (np.isnan(y) & np.isnan(expected))] = 0
    error[np.isnan(error)] = np.inf
    return error


def assert_accurate(function, x):
    error = np.abs(error_in_ulp(getattr(_core, function)(x), exact(function, x)))
    worst = np.argmax(error)
    assert error[worst] <= MAX_ULP, f"{function}({x[worst]!r}) is {error[worst]:.2f} ULP off"


def sample(dtype):
    """2^22 values whose bits are evenly spread, hence all exponents and both signs; then the range that is not flat."""
    bits = np.dtype(f"uint{8 * np.dtype(dtype).itemsize}")
    spread = np.arange(2**22, dtype=bits) * bits.type(2 ** (8 * bits.itemsize - 22) + 1)
    steep = np.linspace(-110, 110, 2**20) if dtype == "float32" else np.linspace(-750, 750, 2**20)
    return np.concatenate([spread.view(dtype), steep.astype(dtype), np.linspace(-1, 1, 2**18, dtype=dtype)])


needs_long_double = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 60, reason="long double is no wider than float64"
)
BY_DTYPE = pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=needs_long_double)])


# ------------------------------------------------------------------------------------------------------------- Accuracy


@pytest.mark.parametrize("function", FUNCTIONS)
@BY_DTYPE
def test_sample(dtype, function):
    assert_accurate(function, sample(dtype))


@pytest.mark.parametrize("function", FUNCTIONS)
@BY_DTYPE
def test_limits(dtype, function):
    """Where a range is clamped, a result saturates, vanishes or would overflow; extremes; denormals. And their neighbours."""
    info = np.finfo(dtype)
    extremes = [info.max, info.smallest_normal, info.smallest_subnormal, info.smallest_normal / 3, info.eps, 1]
    at = np.array([*LIMITS, *extremes], dtype)
    with np.errstate(over="ignore"):
        near = np.concatenate([at, np.nextafter(at, at.dtype.type(0)), np.nextafter(at, at.dtype.type(np.inf))])
    assert_accurate(function, np.concatenate([near, -near]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_specials(dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan], dtype)
    np.testing.assert_array_equal(_core.sigmoid(x), np.array([0.5, 0.5, 1, 0, np.nan, np.nan], dtype))
    y = _core.tanh(x)
    np.testing.assert_array_equal(y, np.array([0, 0, 1, -1, np.nan, np.nan], dtype))
    assert np.signbit(y).tolist()[:4] == [False, True, False, True]


@pytest.mark.parametrize("dtype", DTYPES)
def test_symmetry(dtype):
    x = sample(dtype)
    np.testing.assert_array_equal(_core.tanh(-x), -_core.tanh(x))


# ---------------------------------------------------------------------------------------------------------------- Arrays


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (15,), (16,), (3, 17), (2, 3, 4, 5), (4095,), (4096,), (4097,), (9001,)]
)
def test_shapes(rng, shape, dtype, function):
    """Every value is that of its own number wherever it stands, and nothing beyond the array is written."""
    x = rng.normal(size=shape).astype(dtype)
    y = getattr(_core, function)(x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    one_by_one = [getattr(_core, function)(np.array(value)) for value in x.ravel()[:100]]
    assert y.ravel()[:100].tolist() == [float(value) for value in one_by_one]
    np.testing.assert_allclose(y, exact(function, x).astype(dtype), rtol=MAX_ULP * np.finfo(dtype).eps)


def test_errors():
    with pytest.raises(TypeError, match=r"x must be float32 or float64, got int64 \[2\]"):
        _core.sigmoid(np.array([1, 2]))
    with pytest.raises(
        ValueError, match=r"x must be float32 \[3, 2\] in C order, got float32 \[3, 2\] in another order"
    ):
        _core.tanh(np.zeros((2, 3), np.float32).T)


# ------------------------------------------------------------------------------------------------------ Instruction sets


def digests():
    """A hash of all results of the samples, NaN apart: its sign and payload are the processor's."""
    results = []
    for dtype in DTYPES:
        x = sample(dtype)
        x = x[~np.isnan(x)]
        results += [hashlib.sha256(getattr(_core, function)(x)).hexdigest() for function in FUNCTIONS]
    return results


@pytest.mark.skipif("avx512" not in pyrnn.cpu_info()["available"], reason="the processor lacks AVX-512")
def test_same_bits_with_avx2_and_avx512():
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_activations as t; print(t.digests())"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYRNN_ISA": isa},
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for isa in ("avx2", "avx512")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 4 * 64


# ------------------------------------------------------------------------------------------------------------- Exhaustive


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_all_floats(function, capsys):
    """Every one of the 2^32 float32 numbers."""
    chunk, worst, where, total, count = 2**20, -1.0, np.float32(0), 0.0, 0
    for first in range(0, 2**32, chunk):
        x = np.arange(first, first + chunk, dtype=np.uint32).view(np.float32)
        error = np.abs(error_in_ulp(getattr(_core, function)(x), exact(function, x)))
        at = np.argmax(error)
        if error[at] > worst:
            worst, where = error[at], x[at]
        number = ~np.isnan(x)
        total, count = total + error[number].sum(), count + np.count_nonzero(number)
    with capsys.disabled():
        print(
            f"\n{function} ({pyrnn.cpu_info()['isa']}): at most {worst:.3f} ULP, at {where!r}; mean {total / count:.4f}"
        )
    assert worst <= MAX_ULP
