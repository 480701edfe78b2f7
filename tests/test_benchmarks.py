"""The benchmarks' own arithmetic, and that each kind of work still runs; how long it takes is none of a test's business."""

import dataclasses

import numpy as np
import pytest

import pyrnn
from benchmarks.measure import measure_here
from benchmarks.works import WORKS, bidirectional, cell, check, ragged, sample

H = 128


def work(name):
    return next(work for work in WORKS if work.name.startswith(name))


def test_the_fewest_flops():
    # by hand: forward, with 8 H^2 flops for each row's recurrent product; training costs as much again for dx and for dW
    text = 39 * 8 * H * H + 2 * H * 57
    addition = (6 + 3 + 1) * 8 * H * H + 4 * 2 * H * 12
    assert work("text").flops() == 128 * 3 * text
    assert work("addition epoch H128").flops() == 128 * 3 * addition
    assert cell(H, H, 128, 40, 1, train=False).flops() == 128 * (39 + 40) * 8 * H * H
    assert cell(H, H, 128, 40, 1, train=True).flops() == 128 * (3 * 39 + 2 * 40) * 8 * H * H  # no dx below
    assert cell(H, H, 128, 40, 1, train=True, cell="GRU").flops() == 128 * (3 * 39 + 2 * 40) * 6 * H * H
    assert cell(H, H, 128, 40, 1, train=False, cell="SimpleRNN").flops() == 128 * (39 + 40) * 2 * H * H
    both = bidirectional(cell(H, H, 128, 40, 1, train=True))
    assert both.flops() == 2 * cell(H, H, 128, 40, 1, train=True).flops()
    some, padded = ragged(cell(64, H, 128, 100, 3, train=True))
    real = some.lengths().sum() / 3
    assert some.flops() == pytest.approx((3 * (real - 128) * H + 2 * real * 64) * 8 * H, rel=1e-12)
    assert 0.45 < some.flops() / padded.flops() < 0.55
    assert work("streamed step H128, ids").flops() == 8 * H * H
    assert work("streamed step H64").flops() == 8 * 64 * (64 + 1)


@pytest.fixture
def threads_as_before():
    yield
    pyrnn.set_num_threads(0)


KINDS = ["addition", "text", "small", "streamed step H128, ids of 57 in", "streamed step H128, ids of 57 in, many"]
CELLS = [f"{cell} {way} " for cell in ("LSTM", "GRU", "SimpleRNN") for way in ("fwd", "fwd+bwd")]
COMPOSED = ["bidirectional LSTM fwd ", "bidirectional LSTM fwd+bwd ", "ragged LSTM fwd+bwd "]


@pytest.mark.usefixtures("threads_as_before")
@pytest.mark.parametrize("name", KINDS + CELLS + COMPOSED)
def test_every_kind_of_work_runs_in_pyrnn(name):
    whole = work(name)
    steps = 60 if whole.kind == "run" else min(whole.steps, 3)
    batches = 60 if whole.kind == "stream" else 2
    part = dataclasses.replace(whole, hidden=16, batch=min(whole.batch, 4), steps=steps, batches=batches, scale=10)
    found = measure_here("pyrnn", dataclasses.replace(part, inputs=16), threads=1, repeat=3)
    assert len(found["times"]) == 3 and found["seconds"] == sorted(found["times"])[1] / batches * 10
    assert found["peak"] > 0 and found["system"].startswith("pyrnn ")
    assert len(set(found["answer"])) > 1, "an answer that is always the same checks nothing"


def test_a_sample_of_outputs_sees_most_units_and_steps():
    B, T, H = 128, 40, 128
    row, step, unit = np.unravel_index(np.array(sample(np.arange(B * T * H).reshape(B, T, H)), int), (B, T, H))
    assert min(len(set(row)), len(set(step)), len(set(unit))) > 25


def test_answers_that_differ_are_refused():
    given = work("text")
    check(given, [1.0, 2.0], [1.00001, 2.0])
    for other in ([1.001, 2.0], [float("nan"), 2.0]):
        with pytest.raises(AssertionError, match="text epoch H128 W40 B128: the answers differ by"):
            check(given, [1.0, 2.0], other)
