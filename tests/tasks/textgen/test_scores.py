"""Bits, accuracy and perplexity against predictions made in one call."""

import math

import numpy as np
import pytest

import pyrnn
from tasks.textgen import recipes, scores, streams


@pytest.fixture
def ids(rng):
    return rng.integers(0, 5, 300).astype(np.uint8)


@pytest.fixture
def model():
    pyrnn.utils.set_random_seed(1)
    return streams.build(5, 8, 2, 0.3, pyrnn.layers.GRU)


@pytest.mark.parametrize("first", [1, 2, 250, 299])
@pytest.mark.parametrize("piece", [1, 7, 64, None])
def test_a_pass_is_that_of_the_text_read_in_one_piece(model, ids, first, piece):
    p = model.predict(ids[None, :-1], verbose=0)[0, first - 1 :]
    bits = -np.log2(p[np.arange(300 - first), ids[first:]].astype(np.float64)).mean()
    found = scores.one_pass(model, ids, first, piece)
    assert found.bits == pytest.approx(bits, rel=1e-6)
    assert found.accuracy == pytest.approx((p.argmax(axis=1) == ids[first:]).mean())
    assert found.symbols == 300 - first
    assert found.perplexity() == pytest.approx(2**bits, rel=1e-6)


def test_of_a_long_text_no_more_is_read_than_a_state_can_tell_of(model, ids, monkeypatch):
    monkeypatch.setattr(scores, "BEFORE", 10)
    assert scores.one_pass(model, ids, 250, 7) == scores.one_pass(model, ids[240:], 10, 7)
    less = scores.one_pass(model, ids, 250, 7)
    monkeypatch.undo()
    assert less != scores.one_pass(model, ids, 250, 7)


@pytest.mark.parametrize("keras", [False, True])
def test_windows_are_read_from_a_zero_state(model, ids, keras):
    if keras:
        model = recipes.build(window=12, symbols=5, hidden=6, depth=2)
    found = scores.by_windows(model, ids, 12, step=5)
    p = []
    for begin in range(0, 300 - 12, 5):
        answer = model.predict(ids[None, begin : begin + 12], verbose=0)[0]
        p.append(answer if keras else answer[-1])
    following = ids[12::5]
    of_it = np.array(p)[np.arange(len(p)), following].astype(np.float64)
    assert found.bits == pytest.approx(-np.log2(of_it).mean(), rel=1e-6)
    assert found.accuracy == pytest.approx((np.argmax(p, axis=1) == following).mean())
    assert found.symbols == len(p) == 58


def test_judging_by_windows_leaves_the_network_as_it_was(model, ids):
    before = model.predict(ids[None], verbose=0)
    scores.by_windows(model, ids, 12)
    np.testing.assert_array_equal(model.predict(ids[None], verbose=0), before)


def test_perplexity_beyond_what_a_float_holds():
    assert scores.Scores(2000.0, 0.0, 1).perplexity() == math.inf
    assert scores.Scores(3.0, 0.0, 1).perplexity() == 8
