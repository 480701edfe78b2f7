"""Padded sequences, and windows of a series."""

import numpy as np
import pytest

import pyrnn
from pyrnn.utils import pad_sequences, timeseries_dataset_from_array

RAGGED = [[1, 2, 3], [], [4]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [[1, 2, 3], [0, 0, 0], [0, 0, 4]]),
        ({"padding": "post"}, [[1, 2, 3], [0, 0, 0], [4, 0, 0]]),
        ({"maxlen": 2}, [[2, 3], [0, 0], [0, 4]]),
        ({"maxlen": 2, "truncating": "post"}, [[1, 2], [0, 0], [0, 4]]),
        ({"maxlen": 4, "padding": "post", "value": -1}, [[1, 2, 3, -1], [-1] * 4, [4, -1, -1, -1]]),
    ],
)
def test_padding(arguments, expected):
    padded = pad_sequences(RAGGED, **arguments)
    np.testing.assert_array_equal(padded, expected)
    assert padded.dtype == np.int32


def test_padding_of_vectors():
    padded = pad_sequences([np.ones((2, 3)), np.empty((0, 3)), np.full((1, 3), 2.0)], dtype="float32", value=0.5)
    assert (padded.shape, padded.dtype) == ((3, 2, 3), np.float32)
    np.testing.assert_array_equal(padded[:, :, 0], [[1, 1], [0.5, 0.5], [0.5, 2]])


def test_one_place_has_several_names():
    assert pyrnn.preprocessing.sequence.pad_sequences is pad_sequences
    assert pyrnn.preprocessing.timeseries_dataset_from_array is timeseries_dataset_from_array


@pytest.mark.parametrize(
    ("sequences", "arguments", "error", "words"),
    [
        (3, {}, TypeError, "sequences must be a list of sequences, got int"),
        ("abc", {}, TypeError, "sequences must be a list of sequences, got str"),
        ([[1], 2], {}, TypeError, "sequences must be a list of sequences, got 2 as number 1"),
        ([[0.5]], {}, TypeError, "dtype must be one that can hold float64, got int32"),
        ([[1], [[1, 2]]], {}, ValueError, r"sequences must differ in their lengths only, got entries \(\) and \(2,\)"),
        (RAGGED, {"value": 0.5}, ValueError, "value must be a value of dtype int32, got 0.5"),
        (RAGGED, {"padding": "left"}, ValueError, "padding must be one of 'pre', 'post', got 'left'"),
        (RAGGED, {"truncating": "left"}, ValueError, "truncating must be one of 'pre', 'post', got 'left'"),
        (RAGGED, {"maxlen": 0}, ValueError, "maxlen must be at least 1, got 0"),
    ],
)
def test_padding_refuses(sequences, arguments, error, words):
    with pytest.raises(error, match=f"^pad_sequences: {words}"):
        pad_sequences(sequences, **arguments)


def windows_by_hand(data, targets, length, stride, rate, begin, end):
    """(x, y) by the definition, window by window."""
    end = len(data) if end is None else end
    data, targets = data[begin:end], targets[begin:end]
    starts = [s for s in range(0, len(data), stride) if s + (length - 1) * rate < len(data) and s < len(targets)]
    return np.array([[data[s + i * rate] for i in range(length)] for s in starts]), np.array(
        [targets[s] for s in starts]
    )


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("rate", [1, 2])
@pytest.mark.parametrize(("begin", "end"), [(None, None), (2, None), (3, 17)])
@pytest.mark.parametrize("missing", [0, 6])
def test_windows(rng, stride, rate, begin, end, missing):
    data, targets = rng.normal(size=(20, 2)), np.arange(20 - missing)
    dataset = timeseries_dataset_from_array(data, targets, 4, stride, rate, 3, start_index=begin, end_index=end)
    x, y = windows_by_hand(data, targets, 4, stride, rate, begin or 0, end)
    for _ in range(2):  # a pass leaves the next one whole
        batches = list(dataset)
        np.testing.assert_array_equal(np.concatenate([batch[0] for batch in batches]), x)
        np.testing.assert_array_equal(np.concatenate([batch[1] for batch in batches]), y)
    assert (dataset.samples, len(dataset)) == (len(x), len(batches))
    assert [len(batch[0]) for batch in batches[:-1]] == [3] * (len(batches) - 1)


def test_windows_without_targets_and_without_batches():
    (batch,) = timeseries_dataset_from_array(np.arange(5), None, 3)
    np.testing.assert_array_equal(batch, [[0, 1, 2], [1, 2, 3], [2, 3, 4]])
    single = timeseries_dataset_from_array(np.arange(5), np.arange(5), 3, batch_size=None)
    assert [(x.tolist(), int(y)) for x, y in single] == [([0, 1, 2], 0), ([1, 2, 3], 1), ([2, 3, 4], 2)]
    assert len(single) == 3


def test_shuffled_windows_keep_their_targets_and_follow_the_seed():
    def passes(seed):
        dataset = timeseries_dataset_from_array(np.arange(40), np.arange(40), 2, batch_size=7, shuffle=True, seed=seed)
        return [[(x.tolist(), y.tolist()) for x, y in dataset] for _ in range(2)]

    first, second = passes(5)
    assert first != second
    assert passes(5) == [first, second] != passes(6)
    for batches in first, second:
        assert all(pair == [start, start + 1] for x, y in batches for pair, start in zip(x, y, strict=True))
        assert sorted(start for _, y in batches for start in y) == list(range(39))
    pyrnn.utils.set_random_seed(3)
    drawn = passes(None)
    pyrnn.utils.set_random_seed(3)
    assert passes(None) == drawn


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"data": "abc"}, TypeError, "data must be an array of numbers"),
        ({"targets": 3}, TypeError, r"targets must be an array of numbers, got int64 \[\]"),
        ({"sequence_length": 0}, ValueError, "sequence_length must be at least 1, got 0"),
        ({"sequence_stride": 0}, ValueError, "sequence_stride must be at least 1, got 0"),
        ({"sampling_rate": 1.5}, TypeError, "sampling_rate must be an integer, got 1.5"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"start_index": -1}, ValueError, "start_index must be at least 0, got -1"),
        ({"end_index": 11}, ValueError, "end_index must be at most 10, which data have, got 11"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False, got 1"),
        ({"sequence_length": 11}, ValueError, "data must have at least 11 entries .*, got 10 and 10"),
        (
            {"start_index": 7, "sequence_length": 4, "targets": None},
            ValueError,
            "data must have at least 4 entries .*, got 3$",
        ),
        ({"targets": []}, ValueError, "data must have .*targets one for each window, got 10 and 0"),
        ({"format": "grain"}, TypeError, "format is not supported"),
    ],
)
def test_windows_refuse(arguments, error, words):
    with pytest.raises(error, match=f"^timeseries_dataset_from_array: {words}"):
        timeseries_dataset_from_array(
            **{"data": np.zeros(10), "targets": np.zeros(10), "sequence_length": 3} | arguments
        )
