"""The work of a training step in instructions, which are the same on a busy machine as on an idle one; time is not.

Two runs under callgrind differ by four steps, so what starting Python costs falls out. After a change that is meant to
change the work, write what the test reports into RECORDED.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pyrnn

# Millions of instructions per training step, with AVX2 and one thread, built by GCC 12
RECORDED = {"LSTM(32), batch 32, 20 steps, Adam": 3.52, "LSTM(128) of ids, batch 32, 4 steps, RMSprop": 6.77}
MARGIN = 0.2  # another compiler may differ by some per cent

STEPS = """
import sys
import numpy as np
from pyrnn import _core

def train(n, network, x, y):
    index = np.arange(len(x))
    for _ in range(n):
        network.train_batch(x, y, index, 0.01)

rng = np.random.default_rng(0)
network = _core.Network("float32", 8, True, False, [{"op": "lstm", "units": 32}, {"op": "dense", "units": 4}])
network.compile("mean_squared_error", False, [], {"name": "adam"})
train(int(sys.argv[1]), network, rng.normal(size=(32, 20, 8)).astype("f"), rng.normal(size=(32, 4)).astype("f"))

ops = [{"op": "lstm", "units": 128}, {"op": "dense", "units": 50, "activation": "softmax"}]
network = _core.Network("float32", 50, True, True, ops)
network.compile("crossentropy", False, [], {"name": "rmsprop"})
train(int(sys.argv[2]), network, rng.integers(50, size=(32, 4)), rng.integers(50, size=32))
"""


def instructions(folder, *steps):
    """Of a whole process that trains so many steps of each network."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable, "-c", STEPS]
    one_thread = dict.fromkeys(["PYRNN_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    result = subprocess.run(
        [*command, *map(str, steps)],
        env={**os.environ, **one_thread, "PYRNN_ISA": "avx2", "PYTHONHASHSEED": "0"},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    collected = re.search(r"Collected : (\d+)", result.stderr)
    assert result.returncode == 0 and collected, result.stderr[-3000:]
    return int(collected[1])


@pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")
@pytest.mark.skipif("avx2" not in pyrnn.cpu_info()["available"], reason="the processor lacks AVX2")
def test_a_training_step_takes_the_recorded_number_of_instructions(tmp_path):
    base = instructions(tmp_path, 2, 2)
    found = dict(zip(RECORDED, [instructions(tmp_path, 6, 2) - base, instructions(tmp_path, 2, 6) - base], strict=True))
    for name, recorded in RECORDED.items():
        millions = found[name] / 4e6
        assert abs(millions / recorded - 1) < MARGIN, (
            f"{name}: {millions:.3f} million instructions, recorded are {recorded}. "
            "More: the step got slower. Fewer: it got faster, or leaves work out. If that is meant, record the new number."
        )
