"""Truncated backpropagation through time: long sequences in chunks, the state carried on."""

import re

import numpy as np
import pytest

import pyrnn
from pyrnn import Sequential, _core, layers
from pyrnn._batches import Batch, Data
from pyrnn._progress import Lines
from pyrnn._states import ContinuedBatches, States
from tests.test_states import I, T, cells, model_of, nested, twin


@cells
@pytest.mark.parametrize("ragged", [False, True])
def test_chunks_are_batches_that_continue_each_other(cell, options, ragged, rng):
    model = model_of(cell, options)
    other = twin(model)
    x, y, weights = rng.normal(size=(5, T, I)), rng.normal(size=(5, T, 2)), rng.uniform(0.5, 2, size=(5, T))
    lengths = np.array([5, 0, T, 2, 4]) if ragged else np.full(5, T)
    history = model.fit(
        x,
        y,
        batch_size=5,
        tbptt=3,
        shuffle=False,
        verbose=0,
        sample_weight=weights,
        lengths=lengths if ragged else None,
    ).history
    state, losses, counts = None, [], []
    for first in (0, 3, 6):
        chunk = slice(first, min(first + 3, T))
        mask = np.arange(T)[chunk] < lengths[:, None] if ragged else None
        after = other.predict(x[:, chunk], mask=mask, initial_state=state, verbose=0)[1:]
        losses.append(other.train_on_batch(x[:, chunk], y[:, chunk], weights[:, chunk], mask=mask, initial_state=state))
        counts.append(np.clip(lengths - first, 0, 3).sum())
        state = nested(other, after)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        assert (one == two).all()
    assert history["loss"][0] == pytest.approx(np.average(losses, weights=counts), rel=1e-12)


def test_chunks_learn_what_lies_behind_them(rng):
    """The parity of all bits so far can only be told from the state that a chunk before has left."""
    x = rng.integers(0, 2, size=(256, 48))
    y = x.cumsum(axis=1) % 2
    pyrnn.utils.set_random_seed(1)
    model = Sequential(
        [
            layers.OneHot(2, input_shape=(None,)),
            layers.GRU(16, return_sequences=True),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(pyrnn.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y[..., None], batch_size=32, epochs=40, tbptt=6, verbose=0)
    assert model.evaluate(x, y[..., None], verbose=0)[1] > 0.99


def test_chunks_are_views_and_those_without_steps_are_left_out(rng):
    model = model_of(layers.LSTM, {})
    data = Data(
        rng.normal(size=(4, 10, I)), rng.normal(size=(4, 10, 2)), None, np.array([[0, 3], [0, 2], [0, 0], [0, 4]]), True
    )

    class One:
        samples, steps, unit, time_steps = 4, 1, "samples", 9

        def __iter__(self):
            return iter([data.batch])

    batches = ContinuedBatches("fit", One(), States(model.layers, model.dtype), 2)
    chunks = list(batches)
    assert [chunk.losses for chunk in chunks] == [6, 3]
    assert [chunk.samples for chunk in chunks] == [6, 3]
    assert (batches.samples, batches.unit) == (9, "steps")
    for chunk in chunks:
        assert isinstance(chunk, Batch)
        assert np.shares_memory(chunk.x[0], data.x)
        assert np.shares_memory(chunk.y, data.y)


def test_threads_change_nothing(rng):
    x, y, lengths = rng.normal(size=(70, 9, I)), rng.normal(size=(70, 9, 2)), rng.integers(0, 10, 70)

    def trained(threads):
        _core.set_num_threads(threads)
        model = model_of(layers.GRU, {}, units=67, dtype="float32", stateful=True)
        model.fit(x, y, batch_size=35, tbptt=4, epochs=2, shuffle=False, lengths=lengths, verbose=0)
        return [*model.get_weights(), *model.layers[0].kept_state]

    try:
        one, *others = [trained(threads) for threads in (1, 2, 3)]
    finally:
        _core.set_num_threads(0)
    for other in others:
        for a, b in zip(one, other, strict=True):
            assert (a == b).all()


@pytest.mark.parametrize("lengths", [None, [9, 4, 0, 6]])
def test_speed_is_told_in_steps(rng, lengths, capsys, monkeypatch):
    x, y = rng.normal(size=(4, 9, I)), rng.normal(size=(4, 9, 2))
    told, update = [], Lines.update
    monkeypatch.setattr(Lines, "update", lambda self, done, means: told.append(done) or update(self, done, means))
    model_of(layers.GRU, {}).fit(x, y, batch_size=2, tbptt=4, shuffle=False, lengths=lengths, verbose=2)
    assert told == ([8, 16, 18, 26, 34, 36] if lengths is None else [8, 12, 13, 17, 19])
    assert re.match(r"Epoch 1/1 - \d+\.\ds - \d+ steps/s - loss: ", capsys.readouterr().out)


@pytest.mark.parametrize(("lengths", "steps"), [(None, 6), ([T, T, 2, 1], None)])
def test_callbacks_are_told_how_many_chunks_an_epoch_has(lengths, steps, rng):
    class Count(pyrnn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.last = batch + 1

    assert T == 7, "three chunks of 3 steps in each of two batches"
    model, count = Sequential([layers.LSTM(3, return_sequences=True), layers.Dense(1)]), Count()
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(4, T, I)), rng.normal(size=(4, T, 1))
    model.fit(x, y, batch_size=2, tbptt=3, lengths=lengths, shuffle=False, callbacks=count, verbose=0)
    assert count.params["steps"] == steps and count.last == (steps or 4)
