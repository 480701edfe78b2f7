"""Seeds and one-hot rows."""

import random

import numpy as np
import pytest

import pyrnn
from pyrnn import utils


def test_seed_starts_all_three_streams():
    def draw():
        utils.set_random_seed(11)
        return random.random(), np.random.rand(), pyrnn.initializers.GlorotUniform()((2, 2))

    first, second = draw(), draw()
    assert first[:2] == second[:2]
    np.testing.assert_array_equal(first[2], second[2])


def test_numpys_own_stream_leaves_pyrnns_alone():
    utils.set_random_seed(11)
    expected = pyrnn.initializers.GlorotUniform()((3, 3))
    utils.set_random_seed(11)
    np.random.rand(100)
    random.random()
    np.testing.assert_array_equal(pyrnn.initializers.GlorotUniform()((3, 3)), expected)


@pytest.mark.parametrize(
    ("seed", "error"), [(-1, ValueError), (2**32, ValueError), (1.0, TypeError), ("1", TypeError), (True, TypeError)]
)
def test_seed_is_refused(seed, error):
    with pytest.raises(error, match="set_random_seed: seed must be"):
        utils.set_random_seed(seed)


def test_to_categorical():
    ids = np.array([[0, 3], [1, 2]], np.uint8)
    rows = utils.to_categorical(ids, 5)
    assert rows.shape == (2, 2, 5)
    np.testing.assert_array_equal(rows.argmax(-1), ids)
    assert (rows.sum(-1) == 1).all()
    assert utils.to_categorical([[1], [0]]).shape == (2, 2)  # the last axis of size 1 goes


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([0.5],), TypeError, "x must be integers, got float64"),
        (([0, 3], 3), ValueError, "x must be from 0 to 2, got 0 to 3"),
        (([-1, 0],), ValueError, "x must be from 0 to 0, got -1 to 0"),
        ((np.empty(0, int),), ValueError, "num_classes must be given"),
        (([0], 0), ValueError, "num_classes must be at least 1, got 0"),
    ],
)
def test_to_categorical_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        utils.to_categorical(*arguments)
