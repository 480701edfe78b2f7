"""How threads share a batch changes time only: the same bits for every schedule, thread count, load and company."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import _core

ROOT = Path(__file__).parent.parent
THREADS = [1, 2, 3, 5]
SCHEDULES = ["serial", "rows", "panels"]

# Every op, sizes that fill no tile; one to_sequence LSTM on values, one on a repeated vector, one on ids.
OPS = [
    {"op": "embedding", "output_dim": 9},
    {"op": "lstm", "units": 100, "return_sequences": True},
    {"op": "dropout", "rate": 0.25, "seed": 3},
    {"op": "lstm", "units": 33, "return_sequences": False},
    {"op": "repeat_vector", "n": 4},
    {"op": "lstm", "units": 17, "return_sequences": True},
    {"op": "dense", "units": 70, "activation": "tanh"},
    {"op": "dense", "units": 6, "activation": "softmax"},
]
# The same with few weights: their gradients are summed in pieces of the batch.
SMALL_OPS = [{**op, "units": min(op["units"], 20)} if "units" in op else op for op in OPS]
# The other cells
CELL_OPS = [
    {"op": "embedding", "output_dim": 9},
    {"op": "gru", "units": 100, "return_sequences": True},
    {"op": "gru", "units": 33, "reset_after": False, "return_sequences": True, "go_backwards": True},
    {"op": "simple_rnn", "units": 70, "activation": "relu"},
    {"op": "repeat_vector", "n": 4},
    {"op": "gru", "units": 17, "reset_after": False, "return_sequences": True},
    {"op": "simple_rnn", "units": 20, "return_sequences": True},
    {"op": "dense", "units": 6, "activation": "softmax"},
]


def weights_of(ops):
    """(place in `ops`, name) of every weight"""
    names = {"embedding": ["embeddings"], "dense": ["kernel", "bias"], "dropout": [], "repeat_vector": []}
    cell = ["kernel", "recurrent_kernel", "bias"]
    return [(i, name) for i, op in enumerate(ops) for name in names.get(op["op"], cell)]


ADAM = {"name": "adam", "global_clipnorm": 0.5}


@pytest.fixture
def threads():
    yield _core.set_num_threads
    _core.set_num_threads(0)


def network(dtype, ops=OPS, optimizer=ADAM):
    net = _core.Network(dtype, 11, True, True, ops)
    rng = np.random.default_rng(1)
    for op, name in weights_of(ops):
        shape = net.get_weight(op, name).shape
        net.set_weight(op, name, rng.uniform(-0.5, 0.5, shape).astype(dtype))
    net.compile("crossentropy", False, [], optimizer)
    return net


def results(dtype, batch, schedule, ops=OPS):
    """Losses, predictions and weights of two training batches."""
    net = network(dtype, ops)
    net.set_schedule(schedule)
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 11, (batch, 7)), rng.integers(0, 6, (batch, 4))
    index = np.arange(batch)
    found = [np.array([net.train_batch(x, y, index, 0.01) for _ in range(2)])]
    assert schedule in ("auto", net.schedule())
    found.append(np.array(net.evaluate_batch(x, y, index)))
    out = np.empty((batch, 4, 6), dtype)
    net.predict_batch(x, index, out)
    return [*found, out, *(net.get_weight(op, name) for op, name in weights_of(ops))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ops", [OPS, SMALL_OPS, CELL_OPS], ids=["large", "small", "cells"])
@pytest.mark.parametrize("batch", [1, 3, 13, 75])
def test_the_same_bits_for_every_schedule_and_thread_count(dtype, batch, ops, threads):
    threads(1)
    expected = results(dtype, batch, "serial", ops)
    for n in THREADS:
        threads(n)
        for schedule in [*SCHEDULES, "auto"]:
            for a, b in zip(results(dtype, batch, schedule, ops), expected, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=f"{schedule}, {n} threads")


def test_a_batch_in_pieces_has_the_gradient_of_all_its_rows(threads):
    threads(3)
    ops = [op for op in SMALL_OPS if op["op"] != "dropout"]
    weights = weights_of(ops)
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 11, (75, 7)), rng.integers(0, 6, (75, 4))

    def gradients(rows):
        net = _core.Network("float64", 11, True, True, ops)
        values = np.random.default_rng(4)
        before = []
        for op, name in weights:
            before.append(values.uniform(-0.5, 0.5, net.get_weight(op, name).shape))
            net.set_weight(op, name, before[-1])
        net.compile("crossentropy", False, [], {"name": "sgd"})
        net.train_batch(x, y, rows, 1.0)
        return [w - net.get_weight(op, name) for w, (op, name) in zip(before, weights, strict=True)]

    parts = np.array_split(np.arange(75), 5)  # too few rows for pieces
    of_parts = [gradients(part) for part in parts]
    for i, whole in enumerate(gradients(np.arange(75))):
        mean = sum(part[i] for part in of_parts) / 5
        assert np.abs(whole).max() > 1e-5
        np.testing.assert_allclose(whole, mean, rtol=0, atol=1e-14)


SPIN = "while True: pass"


def test_the_same_bits_while_other_work_holds_the_processors(threads):
    threads(1)
    expected = results("float32", 40, "serial")
    others = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(os.cpu_count() or 1)]
    try:
        for n in (2, 3, 5):
            threads(n)
            for schedule in SCHEDULES:
                for a, b in zip(results("float32", 40, schedule), expected, strict=True):
                    np.testing.assert_array_equal(a, b)
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_row_does_not_depend_on_the_rows_it_is_batched_with(schedule, threads):
    threads(2)
    net = network("float32")
    net.set_schedule(schedule)
    x = np.random.default_rng(4).integers(0, 11, (40, 7))
    together = np.empty((40, 4, 6), np.float32)
    net.predict_batch(x, np.arange(40), together)
    for batch in ([7], [39, 0, 7], list(range(13))):
        out = np.empty((len(batch), 4, 6), np.float32)
        net.predict_batch(x, np.array(batch), out)
        np.testing.assert_array_equal(out, together[batch])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("argument", ["x", "y"])
def test_an_error_in_one_thread_ends_the_batch_and_leaves_the_network_as_it_was(schedule, argument, threads):
    threads(3)
    net = network("float32")
    net.set_schedule(schedule)
    rng = np.random.default_rng(5)
    x, y, index = rng.integers(0, 11, (20, 7)), rng.integers(0, 6, (20, 4)), np.arange(20)
    before = [net.get_weight(op, name) for op, name in weights_of(OPS)]
    bad = {"x": x.copy(), "y": y.copy()}
    bad[argument][17, 2] = 99
    with pytest.raises(ValueError, match=f"{argument}: ids must be .* got 99 at row 17, step 2"):
        net.train_batch(bad["x"], bad["y"], index, 0.01)
    for (op, name), value in zip(weights_of(OPS), before, strict=True):
        np.testing.assert_array_equal(net.get_weight(op, name), value)
    assert np.isfinite(net.train_batch(x, y, index, 0.01)[0])


def chosen(batch, units, steps=20):
    net = _core.Network("float32", units, True, False, [{"op": "lstm", "units": units, "return_sequences": False}])
    net.predict_batch(np.zeros((batch, steps, units), np.float32), np.arange(batch), np.empty((batch, units), "f4"))
    return net.schedule()


def test_small_problems_run_serial_few_rows_by_panels_many_rows_by_rows(threads):
    threads(2)
    assert chosen(1, 16) == chosen(1, 32) == "serial"
    assert chosen(1, 128) == chosen(4, 64) == chosen(2, 1024) == "panels"
    assert chosen(32, 32) == chosen(128, 128) == chosen(64, 512) == "rows"
    threads(1)
    assert chosen(1, 128) == chosen(128, 128) == "serial"


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="schedule must be one of auto, serial, rows, panels, got columns"):
        network("float32").set_schedule("columns")
    assert pyrnn.get_num_threads() >= 1
