"""Callbacks that write logs: CSV, JSON lines, TensorBoard."""

import csv
import json
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, callbacks, layers

X = np.random.default_rng(0).normal(size=(10, 2))
Y = X @ [1.0, -1.0]


def fit(callback, made=None, **options):
    if made is None:
        pyrnn.utils.set_random_seed(0)
        made = Sequential([Input((2,)), layers.Dense(1)])
        made.compile(pyrnn.optimizers.SGD(0.05), "mse", ["mae"])
    return made.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=callback, **options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log"


def rows(path, delimiter=","):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


# -- CSVLogger --------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_has_a_line_per_epoch(path, separator):
    history = fit(callbacks.CSVLogger(path, separator=separator), validation_split=0.2)
    found = rows(path, separator)
    assert list(found[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [row["epoch"] for row in found] == ["0", "1", "2"]
    for name, values in history.history.items():
        assert [float(row[name]) for row in found] == values


def test_csv_begins_anew_or_goes_on(path):
    fit(callbacks.CSVLogger(path))
    fit(callbacks.CSVLogger(path))
    assert len(rows(path)) == 3
    logger = callbacks.CSVLogger(path, append=True)
    fit(logger)
    fit(logger)
    assert [row["epoch"] for row in rows(path)] == ["0", "1", "2"] * 3
    fit(callbacks.CSVLogger(path.with_name("new"), append=True))
    assert len(rows(path.with_name("new"))) == 3


def test_csv_keeps_its_columns(path):
    fit(callbacks.CSVLogger(path), validation_split=0.2)
    fit(callbacks.CSVLogger(path, append=True))
    assert [row["val_loss"] for row in rows(path)[3:]] == ["NA"] * 3
    fit(callbacks.CSVLogger(path))
    with pytest.raises(ValueError, match="CSVLogger: .*log has no column 'val_loss' .columns: epoch, loss, mae"):
        fit(callbacks.CSVLogger(path, append=True), validation_split=0.2)
    assert len(rows(path)) == 3


# -- JSONLogger -------------------------------------------------------------------


def test_json_has_an_object_per_line(path):
    history = fit(callbacks.JSONLogger(path), validation_split=0.2)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["epoch"] for row in found] == [0, 1, 2]
    for name, values in history.history.items():
        assert [row[name] for row in found] == values


def test_json_begins_anew_or_goes_on(path):
    for append, lines in ((False, 3), (False, 3), (True, 6)):
        fit(callbacks.JSONLogger(path, append=append))
        assert len(path.read_text().splitlines()) == lines


def test_json_of_what_is_not_finite(path):
    class Adds(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = (math.nan, -math.inf, 2)[epoch]

    fit([Adds(), callbacks.JSONLogger(path)])
    assert [json.loads(line)["score"] for line in path.read_text().splitlines()] == [None, None, 2]


@pytest.mark.parametrize("kind", [callbacks.CSVLogger, callbacks.JSONLogger])
def test_a_file_that_cannot_be_written_is_an_error_before_training(kind, path):
    made = Sequential([Input((2,)), layers.Dense(1)])
    made.compile("sgd", "mse")
    before = made.get_weights()[0]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        fit(kind(path / "nowhere"), made)
    np.testing.assert_array_equal(made.get_weights()[0], before)


# -- TensorBoard ------------------------------------------------------------------


class Writer:
    """What the callback asks of tensorboardX.SummaryWriter, and no more."""

    made = None  # of the test

    def __init__(self, logdir):
        self.logdir, self.scalars, self.histograms, self.flushed, self.closed = logdir, [], [], 0, False
        Writer.made.append(self)

    def add_scalar(self, tag, scalar_value, global_step):
        assert not self.closed
        self.scalars.append((tag, scalar_value, global_step))

    def add_histogram(self, tag, values, global_step):
        self.histograms.append((tag, values, global_step))

    def flush(self):
        self.flushed += 1

    def close(self):
        self.closed = True


@pytest.fixture
def writers(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", SimpleNamespace(SummaryWriter=Writer))
    monkeypatch.setattr(Writer, "made", [])
    return Writer.made


def test_tensorboard_per_epoch(writers, path):
    history = fit(callbacks.TensorBoard(path), validation_split=0.2).history
    train, validation = writers
    assert (train.logdir, validation.logdir) == (str(path / "train"), str(path / "validation"))
    for writer, prefix in ((train, ""), (validation, "val_")):
        for name in ("loss", "mae"):
            expected = [(f"epoch_{name}", value, epoch) for epoch, value in enumerate(history[prefix + name])]
            assert [scalar for scalar in writer.scalars if scalar[0] == f"epoch_{name}"] == expected
        assert writer.closed and writer.flushed == 3 and not writer.histograms
    assert [s for s in train.scalars if "rate" in s[0]] == [("epoch_learning_rate", 0.05, epoch) for epoch in range(3)]
    assert len(train.scalars) == 9 and len(validation.scalars) == 6


@pytest.mark.parametrize(("every", "steps"), [("batch", list(range(1, 10))), (1, list(range(1, 10))), (4, [4, 8])])
def test_tensorboard_per_batch(writers, path, every, steps):
    seen = []
    keep = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    fit([keep, callbacks.TensorBoard(path, update_freq=every)])
    assert [s for s in writers[0].scalars if s[0] == "batch_loss"] == [("batch_loss", seen[n - 1], n) for n in steps]


def test_tensorboard_histograms(writers, path):
    fit(callbacks.TensorBoard(path, histogram_freq=2))
    names = [(tag.split("/", 1)[1], values.shape, step) for tag, values, step in writers[0].histograms]
    assert names == [(name, shape, step) for step in (0, 2)
                     for name, shape in (("kernel/histogram", (2, 1)), ("bias/histogram", (1,)))]  # fmt: skip


def test_a_tensorboard_may_be_used_again(writers, path):
    board = callbacks.TensorBoard(path)
    fit(board)
    fit(board)
    assert len(writers) == 2 and all(writer.closed for writer in writers)


def test_tensorboard_with_the_real_library(path):
    pytest.importorskip("tensorboardX")
    fit(callbacks.TensorBoard(path, histogram_freq=1, update_freq="batch"), validation_split=0.2)
    for part in ("train", "validation"):
        (file,) = (path / part).iterdir()
        assert b"epoch_loss" in file.read_bytes()


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match="TensorBoard: the library tensorboardX is missing; pip install tensorboardX"):
        callbacks.TensorBoard()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: callbacks.CSVLogger("a", separator="--"), ValueError, "separator must be one character, got '--'"),
        (lambda: callbacks.CSVLogger("a", append=1), TypeError, "CSVLogger: append must be True or False, got 1"),
        (lambda: callbacks.CSVLogger("a", sep=","), TypeError, "CSVLogger: sep is not supported"),
        (lambda: callbacks.JSONLogger("a", append="yes"), TypeError, "JSONLogger: append must be True or False"),
        (lambda: callbacks.JSONLogger("a", separator=","), TypeError, "JSONLogger: separator is not supported"),
        (
            lambda: callbacks.TensorBoard(write_graph=True),
            TypeError,
            "write_graph is not supported: print model.summary",
        ),
        (
            lambda: callbacks.TensorBoard(profile_batch=2),
            TypeError,
            "TensorBoard: profile_batch is not supported: use a p",
        ),
        (lambda: callbacks.TensorBoard(histogram_freq=-1), ValueError, "histogram_freq must be at least 0, got -1"),
        (lambda: callbacks.TensorBoard(update_freq="often"), TypeError, "update_freq must be an integer, got 'often'"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
