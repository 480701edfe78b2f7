"""The engine asks for memory when it meets a larger batch than before, and at no other time."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pyrnn import _core

ROOT = Path(__file__).parent.parent

OPS = [
    {"op": "embedding", "output_dim": 32},
    {"op": "lstm", "units": 64, "return_sequences": True},
    {"op": "dropout", "rate": 0.2, "seed": 1},
    {"op": "lstm", "units": 48},
    {"op": "repeat_vector", "n": 3},
    {"op": "lstm", "units": 20, "return_sequences": True},
    {"op": "dense", "units": 20, "activation": "softmax"},
]

STREAMED = [*OPS[:4], OPS[6]]

# Requests for memory in 100 calls of each function, after five to warm up: large enough that threads share the batch.
COUNT = f"""
import ctypes, json, sys
import numpy as np
from pyrnn import _core

allocations = ctypes.CDLL(None).allocations
allocations.restype = ctypes.c_long

def count(call):
    for _ in range(5):
        call()
    before = allocations()
    for _ in range(100):
        call()
    return allocations() - before

_core.set_num_threads(int(sys.argv[1]))
rng = np.random.default_rng(0)
x, y = rng.integers(20, size=(64, 9)), rng.integers(20, size=(64, 3))
index, out = rng.permutation(64), np.empty((64, 3, 20), np.float32)
network = _core.Network("float32", 20, True, True, {OPS})
network.compile("crossentropy", False, [{{"name": "categorical_accuracy"}}], {{"name": "adam", "global_clipnorm": 1.0}})
options = {{"weight_decay": 0.1, "clipnorm": 1.0, "use_ema": True, "gradient_accumulation_steps": 2}}
with_options = _core.Network("float32", 20, True, True, {OPS})
with_options.compile("crossentropy", False, [], {{"name": "nadam", **options}})
stream = _core.Network("float32", 20, True, True, {STREAMED}).stream(1)
step_out, run_out, ids = np.empty((1, 20), np.float32), np.empty((9, 1, 20), np.float32), x[0][:, None]
calls = {{
    "nothing": lambda: None,
    "an array": lambda: np.empty(5000),
    "train_batch": lambda: network.train_batch(x, y, index, 0.01),
    "train_batch with an optimizer's options": lambda: with_options.train_batch(x, y, index, 0.01),
    "evaluate_batch": lambda: network.evaluate_batch(x, y, index),
    "predict_batch": lambda: network.predict_batch(x, index, out),
    "step of an id": lambda: stream.step(7, step_out),
    "step of an array": lambda: stream.step(ids[0], step_out),
    "run": lambda: stream.run(ids, run_out),
}}
print(json.dumps({{name: count(call) for name, call in calls.items()}}))
"""

# Growth of the resident memory in KB over 10,080 batches, 63 in each epoch, the last of 8 rows instead of 16.
GROW = """
import resource
import numpy as np
import pyrnn
from pyrnn import layers

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024

rng = np.random.default_rng(0)
x, y = rng.normal(size=(1000, 5, 3)), rng.normal(size=(1000, 1))
model = pyrnn.Sequential([layers.Input((5, 3)), layers.LSTM(8), layers.Dropout(0.1), layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, y, batch_size=16, epochs=20, verbose=0)
before = resident()
model.fit(x, y, batch_size=16, epochs=160, verbose=0)
print(resident() - before)
"""


def run(code, *arguments, **environment):
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if platform.libc_ver()[0] != "glibc" or not compiler:
        pytest.skip("needs glibc and a C compiler")
    library = tmp_path_factory.mktemp("counter") / "count_allocations.so"
    source = ROOT / "tests" / "native" / "count_allocations.c"
    subprocess.run([compiler, "-O1", "-fno-builtin", "-shared", "-fPIC", source, "-o", library], check=True)
    return library


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_batch_asks_for_no_memory(counter, threads):
    counts = run(COUNT, threads, LD_PRELOAD=str(counter))
    assert counts["nothing"] == 0
    assert counts["an array"] >= 100, "the counter does not count"
    del counts["nothing"], counts["an array"]
    assert counts == dict.fromkeys(counts, 0)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_ten_thousand_batches_leave_no_trace():
    assert run(GROW) < 512


def train(network, batch, steps):
    x, y, index = np.zeros((batch, steps), int), np.zeros((batch, 3), int), np.arange(batch)
    network.train_batch(x, y, index, 0.01)
    network.evaluate_batch(x, y, index)
    network.predict_batch(x, index, np.empty((batch, 3, 20), np.float32))


def test_the_arena_is_as_large_as_the_largest_batch_needs():
    def memory(*shapes):
        network = _core.Network("float32", 20, True, True, OPS)
        network.compile("crossentropy", False, [], {"name": "adam"})
        sizes = []
        for batch, steps in shapes:
            train(network, batch, steps)
            sizes.append(network.memory())
        return sizes

    shapes = [(5, 7), (40, 3), (2, 30), (33, 12), (1, 1)]
    alone = [memory(shape)[0] for shape in shapes]
    together = memory(*shapes, *shapes, *reversed(shapes))
    assert together == [*np.maximum.accumulate(alone), *[max(alone)] * 10]
