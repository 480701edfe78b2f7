"""The probe of the machine's peak, which benchmarks divide by."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyrnn
from pyrnn import _core


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_peak_is_a_rate(dtype):
    peak = _core.fma_peak(dtype)
    assert isinstance(peak, float) and math.isfinite(peak) and peak > 0


@pytest.mark.parametrize("isa", pyrnn.cpu_info()["available"])
def test_every_instruction_set_has_a_probe(isa):
    code = "from pyrnn import _core; print(_core.fma_peak('float32') > 0, _core.fma_peak('float64') > 0)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYRNN_ISA": isa},
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert result.stdout.split() == ["True", "True"]


def test_a_dtype_without_kernels_is_refused():
    with pytest.raises(ValueError, match="fma_peak: dtype must be float32 or float64, got float16"):
        _core.fma_peak("float16")
