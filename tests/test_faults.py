"""What goes wrong in the middle of things: the model stands where its last whole step left it, and goes on."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import Sequential, callbacks, layers, optimizers
from tests.promises import cases

ROOT = Path(__file__).parent.parent
X = np.random.default_rng(0).normal(size=(64, 12, 3)).astype(np.float32)
Y = X.mean(axis=1)


def model(optimizer="adam"):
    pyrnn.utils.set_random_seed(3)
    made = Sequential([layers.Input((None, 3)), layers.GRU(16), layers.Dropout(0.2), layers.Dense(3)])
    made.compile(optimizer, "mse")
    return made


def scheduled():
    return model(optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 5, 0.9)))


def state(made):
    """All that the next step depends on, beside its data."""
    slots = made._require_network().get_optimizer_state()
    arrays = [value for of_slot in slots["slots"].values() for value in of_slot.values()]
    return [made.optimizer.iterations, slots["iterations"], *made.get_weights(), *arrays]


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_stands_after(made, batches, fresh):
    """`made` is as so many batches of 8 leave a fresh model, and trains on as that one does."""
    for number in range(batches):
        rows = slice(number % 8 * 8, number % 8 * 8 + 8)
        fresh.train_on_batch(X[rows], Y[rows])
    assert_same(state(made), state(fresh))
    for each in (made, fresh):
        each.train_on_batch(X, Y)
    assert_same(state(made), state(fresh))


class RaiseIn(callbacks.Callback):
    """Raises in the hook `name` when it is called for the `count`-th time."""

    def __init__(self, name, count):
        self.left = count
        setattr(self, name, self.hook)

    def hook(self, *_):
        self.left -= 1
        if not self.left:
            raise RuntimeError("from a callback")


# Hook, number of the call, batches of 8 rows trained by then
HOOKS = [
    ("on_train_begin", 1, 0),
    ("on_epoch_begin", 2, 8),
    ("on_train_batch_begin", 4, 3),
    ("on_train_batch_end", 11, 11),
    ("on_test_begin", 1, 8),
    ("on_test_batch_begin", 2, 8),
    ("on_test_batch_end", 9, 16),
    ("on_test_end", 2, 16),
    ("on_epoch_end", 1, 8),
    ("on_train_end", 1, 24),
]


@pytest.mark.promise("An exception in any hook of a callback leaves the model at its last whole batch")
def test_an_exception_in_a_callback(figure):
    for name, count, batches in HOOKS:
        made = scheduled()
        with pytest.raises(RuntimeError, match="^from a callback$"):
            made.fit(X, Y, 8, 3, 0, RaiseIn(name, count), validation_data=(X, Y), shuffle=False)
        assert_stands_after(made, batches, scheduled())
    figure(f"{len(HOOKS)} hooks, weights, optimizer and schedule bit for bit")


class Interrupt(callbacks.Callback):
    """A real SIGINT to this process, so many seconds after training has begun."""

    def __init__(self, seconds):
        self.timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT))

    def on_train_begin(self, logs=None):
        self.timer.start()


@pytest.mark.promise("Ctrl-C at any moment of fit leaves the model at its last whole batch, optimizer and schedule too")
def test_interrupts_of_training(figure):
    stopped = []
    tries = cases(8, 500)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for number in range(tries):
            made = scheduled()
            with pytest.raises(KeyboardInterrupt):
                made.fit(X, Y, 8, 10**6, 0, Interrupt(number / tries * 0.02), shuffle=False)
            stopped.append(made.optimizer.iterations)
            assert_stands_after(made, stopped[-1], scheduled())
    finally:
        signal.signal(signal.SIGINT, before)
    figure(f"{tries} signals, after {min(stopped)} to {max(stopped)} batches")


# Calls that would last for minutes, or are repeated.
ENDLESS = {
    "fit": "model.fit(x, y, batch_size=50, epochs=10**6, verbose=0)",
    "fit of long batches": "model.fit(x, y, batch_size=2000, epochs=10**6, verbose=0)",
    "fit of chunks of steps": "steps.fit(long, long, batch_size=8, epochs=10**6, tbptt=10, verbose=0)",
    "evaluate": "model.evaluate(x, y, batch_size=50, verbose=0)",
    "predict": "model.predict(x, batch_size=50, verbose=0)",
    "a long run of a stream": "stream.run(np.broadcast_to(x[:1, :1], (10**7, 1, 8)), np.empty((10**7, 1, 1), np.float32))",
    "generate": "''.join(pyrnn.text.generate(writer, pyrnn.text.Vocabulary('ab'), 'a', 10**7, seed=1))",
}
ENDLESS_CODE = """
import signal
import numpy as np
import pyrnn
from pyrnn import layers

signal.signal(signal.SIGINT, signal.default_int_handler)
model = pyrnn.Sequential([layers.Input((None, 8)), layers.LSTM(64), layers.Dense(1)])
steps = pyrnn.Sequential([layers.Input((None, 8)), layers.LSTM(64, return_sequences=True), layers.Dense(8)])
writer = pyrnn.Sequential([layers.Input((None, 2)), layers.GRU(64), layers.Dense(2, activation="softmax")])
for made in (model, steps):
    made.compile("adam", "mse")
x, y = np.ones((2000, 50, 8), np.float32), np.ones((2000, 1), np.float32)
long = np.ones((8, 100000, 8), np.float32)
stream = model.stream()
print("ready", flush=True)
try:
    while True:
        {call}
except KeyboardInterrupt:
    finite = all(np.isfinite(weight).all() for made in (model, steps) for weight in made.get_weights())
    model.train_on_batch(x[:5], y[:5])
    answer = stream.step(np.ones((1, 8)))
    print("usable" if finite and np.isfinite(answer).all() else "broken", flush=True)
"""


@pytest.mark.promise("Ctrl-C ends whatever runs, within a batch, and the model goes on")
@pytest.mark.parametrize("name", ENDLESS)
def test_ctrl_c_of_a_process(name, figure):
    seconds = []
    for number in range(cases(1, 10)):
        command = [sys.executable, "-c", ENDLESS_CODE.format(call=ENDLESS[name])]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout.readline() == "ready\n", process.stderr.read()
                time.sleep(0.1 + 0.05 * number)
                process.send_signal(signal.SIGINT)
                start = time.perf_counter()
                assert process.stdout.readline() == "usable\n", (process.wait(), process.stderr.read())
                seconds.append(time.perf_counter() - start)
                assert process.wait(timeout=60) == 0
            finally:
                process.kill()
    figure(f"{len(seconds)} signals, answered after {max(seconds) * 1e3:.0f} ms at most")


OUT_OF_MEMORY = ROOT / "tests" / "out_of_memory.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS and /proc")
@pytest.mark.promise("Where memory ends, in any call, that is a MemoryError, and model and optimizer are untouched")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_out_of_memory(threads, figure, tmp_path):
    command = [sys.executable, "-m", "tests.out_of_memory", str(cases(3, 40)), str(tmp_path)]
    environment = {**os.environ, "PYRNN_NUM_THREADS": threads, "MALLOC_MMAP_THRESHOLD_": "16384"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    refused = json.loads(result.stdout)
    assert min(refused.values()) > 0, f"memory never ended in some call: {refused}"
    figure(f"{threads} threads: {sum(refused.values())} errors in {len(refused)} calls")
