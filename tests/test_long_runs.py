"""Work that goes on for long: memory and speed stay what they were. Each kind of work has a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises import cases

ROOT = Path(__file__).parent.parent

# Calls step() so often as argv[2] says after argv[1] to warm up. Prints the growth of the resident memory in KB, and the
# median time of the last hundred by that of the first: in seconds of this process, so that others do not count.
STEPS = """
import gc, json, resource, sys, time
import numpy as np
import pyrnn
from pyrnn import layers

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024

rng = np.random.default_rng(0)
warm_up, steps = int(sys.argv[1]), int(sys.argv[2])
times = np.zeros(steps)
{setting}
for _ in range(warm_up):
    step()
before = resident()
for i in range(steps):
    start = time.process_time_ns()
    step()
    times[i] = time.process_time_ns() - start
after = resident()  # before np.median, which loads more of NumPy
print(json.dumps([after - before, np.median(times[-100:]) / np.median(times[:100])]))
"""
IDS = """
model = pyrnn.Sequential([layers.Embedding(30, 16, input_shape=(None,)), layers.LSTM(32), layers.Dropout(0.2), layers.Dense(30)])
model.compile("adam", pyrnn.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
x, y = rng.integers(30, size=(400, 20)), rng.integers(30, size=400)
"""
WORK = {
    "train_on_batch": f"""{IDS}
step = lambda: model.train_on_batch(x[:32], y[:32])
""",
    "batches of ever other shapes": f"""{IDS}
def step():
    rows, steps = rng.integers(1, 40), rng.integers(1, 20)
    model.train_on_batch(x[:rows, :steps], y[:rows], lengths=rng.integers(0, steps + 1, rows))
for _ in range(200):
    step()
""",
    "fit, evaluate and predict": f"""{IDS}
def step():
    model.fit(x[:64], y[:64], validation_split=0.5, verbose=0)
    model.evaluate(x[:32], y[:32], verbose=0)
    model.predict(x[:32], verbose=0)
""",
    "steps of a stream": """
model = pyrnn.Sequential([layers.Input((None, 8)), layers.GRU(32), layers.Dense(4)])
stream, x = model.stream(), rng.normal(size=(1, 8))
def step():
    for _ in range(10):
        stream.step(x)
""",
    "generated text": """
model = pyrnn.Sequential([layers.Input((None, 3)), layers.GRU(16), layers.Dense(3, activation="softmax")])
vocabulary = pyrnn.text.Vocabulary("abc")
step = lambda: pyrnn.text.generate_batch(model, vocabulary, ["ab", "c"], 20, seed=1)
""",
    "errors": f"""{IDS}
model.train_on_batch(x, y)
def step():
    for wrong in ({{"x": x + 30}}, {{"y": y[:5]}}, {{"sample_weight": "abc"}}):
        try:
            model.train_on_batch(**{{"x": x, "y": y, **wrong}})
        except (TypeError, ValueError):
            pass
""",
    "models created and dropped": """
x, y = rng.normal(size=(16, 10, 4)), rng.normal(size=(16, 1))
def step():
    model = pyrnn.Sequential([layers.Input((None, 4)), layers.Bidirectional(layers.LSTM(24)), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    model.predict(x, verbose=0)
    other = pyrnn.Sequential([layers.Input((None, 4)), layers.GRU(24), layers.Dense(1)])
    other.stream(3).step(x[:3, 0])
""",
}
# Steps in a normal run, and where the table of promises is made: ten thousand batches, a thousand models of each of two kinds
STEPS_OF = {
    "fit, evaluate and predict": (50, 5000),
    "generated text": (100, 3000),
    "errors": (200, 10_000),
    "models created and dropped": (60, 1000),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.promise(
    "Memory and speed stay what they were in long runs: growth below 1 MB, last hundred steps as the first"
)
@pytest.mark.parametrize("work", WORK)
def test_long_runs(work, figure):
    steps = cases(*STEPS_OF.get(work, (200, 10_000)))
    command = [sys.executable, "-c", STEPS.format(setting=WORK[work]), str(cases(50, 300)), str(steps)]
    environment = {**os.environ, "PYRNN_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    growth, ratio = json.loads(result.stdout)
    assert growth < 1024
    figure(f"{steps} steps: {growth} KB more, time of the last hundred {ratio:.3f} of the first")
