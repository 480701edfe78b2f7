"""Stateful layers: what a batch leaves, the next one begins with."""

import numpy as np

import pyrnn
from pyrnn import Sequential, layers
from tests.test_states import Dataset, I, T, cells, model_of, nested, random_state, twin


@cells
def test_stateful_layers_continue_until_reset(cell, options, rng):
    model = model_of(cell, options, stateful=True)
    plain = twin(model)
    x, y = rng.normal(size=(4, T, I)), rng.normal(size=(4, T, 2))
    whole = plain.predict(x, verbose=0)[0]
    for reset in (model.reset_state, model.reset_states, lambda: [layer.reset_state() for layer in model.layers]):
        halves = [model.predict(x[:, :3], verbose=0)[0], model.predict(x[:, 3:], verbose=0)[0]]
        assert (np.concatenate(halves, axis=1) == whole).all()
        reset()
    # batch j + 1 has the rows of batch j
    long = x.reshape(2, 2 * T, I)
    parts = np.concatenate([long[:, :T], long[:, T:]])
    assert (
        model.predict(parts, batch_size=2, verbose=0)[0].reshape(2, 2, T, 2).swapaxes(0, 1).reshape(2, 2 * T, 2)
        == plain.predict(long, verbose=0)[0]
    ).all()
    model.reset_state()
    assert model.evaluate(x[:, :3], y[:, :3], verbose=0) == plain.evaluate(x[:, :3], y[:, :3], verbose=0)
    first = plain.predict(x[:, :3], verbose=0)[1:]
    assert model.test_on_batch(x[:, 3:], y[:, 3:]) == plain.test_on_batch(
        x[:, 3:], y[:, 3:], initial_state=nested(plain, first)
    )


def test_one_layer_may_be_stateful_beside_others(rng):
    model = Sequential(
        [layers.GRU(4, return_sequences=True, stateful=True, input_shape=(None, I)), layers.GRU(3, return_state=True)],
        dtype="float64",
    )
    x = rng.normal(size=(2, T, I))
    below = Sequential(
        [layers.GRU(4, return_sequences=True, return_state=True, input_shape=(None, I))], dtype="float64"
    )
    above = Sequential([layers.GRU(3, input_shape=(None, 4))], dtype="float64")
    below.set_weights(model.get_weights()[:3])
    above.set_weights(model.get_weights()[3:])
    _, state = below.predict(x, verbose=0)
    model.predict(x, verbose=0)
    again = below.predict(x, initial_state=[state], verbose=0)[0]
    assert (model.predict(x, verbose=0)[0] == above.predict(again, verbose=0)).all()


def test_a_told_state_replaces_the_kept_one(rng):
    model = model_of(layers.LSTM, {}, stateful=True)
    x, state = rng.normal(size=(4, T, I)), random_state(model, rng, 4)
    model.predict(x, verbose=0)
    told = model.predict(x[:, :3], initial_state=state, verbose=0)[0]
    rest = model.predict(x[:, 3:], verbose=0)[0]
    assert (np.concatenate([told, rest], axis=1) == twin(model).predict(x, initial_state=state, verbose=0)[0]).all()


def test_training_of_stateful_layers_is_that_of_told_states(rng):
    model = model_of(layers.LSTM, {}, stateful=True)
    other = twin(model)
    x, y = rng.normal(size=(6, T, I)), rng.normal(size=(6, T, 2))
    model.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0, validation_data=(x[:3], y[:3]))
    state = None
    for _ in range(2):
        for rows in (slice(0, 2), slice(2, 4), slice(4, 6)):
            after = other.predict(x[rows], initial_state=state, verbose=0)[1:]
            other.train_on_batch(x[rows], y[rows], initial_state=state)
            state = nested(other, after)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        assert (one == two).all()


def test_stateful_models_take_datasets_and_are_saved(rng, tmp_path):
    model = model_of(layers.GRU, {}, stateful=True)
    x = rng.normal(size=(6, T, I))
    expected = model.predict(x, batch_size=2, verbose=0)[0]
    model.reset_state()
    model.save(tmp_path / "model.safetensors")
    loaded = pyrnn.load_model(tmp_path / "model.safetensors")
    assert loaded.layers[0].stateful
    assert loaded.layers[0].return_state

    assert (loaded.predict(Dataset(x[:2], x[2:4], x[4:]), verbose=0)[0] == expected).all()
