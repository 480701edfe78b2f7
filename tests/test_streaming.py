"""A stream's steps are the model's steps: the bits of predict, the state in the caller's hand, no copy of the weights."""

import threading

import numpy as np
import pytest

import pyrnn
from pyrnn import layers

V, T = 11, 9


def model_of(*stack, dtype="float32", shape=(None, V)):
    pyrnn.utils.set_random_seed(3)
    return pyrnn.Sequential([layers.Input(shape), *stack], dtype=dtype)


STACKS = {
    "one": lambda: model_of(layers.LSTM(33)),
    "two": lambda: model_of(
        layers.LSTM(17, return_sequences=True),
        layers.Dropout(0.5),
        layers.LSTM(100),
        layers.Dense(5, activation="softmax"),
    ),
    "embedding": lambda: model_of(
        layers.Embedding(V, 7),
        layers.LSTM(16, return_sequences=True),
        layers.Dense(3, activation="tanh"),
        shape=(None,),
    ),
    "dense first": lambda: model_of(layers.Dense(6), layers.LSTM(15)),
    "float64": lambda: model_of(layers.LSTM(31), layers.Dense(2), dtype="float64"),
    "normalised": lambda: model_of(
        layers.LSTM(17, return_sequences=True),
        layers.LayerNormalization(),
        layers.SpatialDropout1D(0.5),
        layers.LSTM(5),
        layers.Activation("hard_sigmoid"),
    ),
    "no recurrence": lambda: model_of(layers.Dense(4, activation="sigmoid")),
}


def last_outputs(model, x):
    """[n, B, F]: what the model predicts after 1, 2, ... steps of x [B, T, ..]."""
    outputs = [model.predict(x[:, : t + 1], verbose=0) for t in range(x.shape[1])]
    return np.stack([output[:, -1] if output.ndim == 3 else output for output in outputs])


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("name", STACKS)
def test_each_step_has_the_bits_of_predict(name, batch, rng):
    model = STACKS[name]()
    stream = model.stream(batch)
    ids = rng.integers(0, V, (batch, T))
    xs = [ids] if name == "embedding" else [ids, rng.standard_normal((batch, T, V))]
    for x in xs:
        expected = last_outputs(model, x)
        stream.reset()
        for t in range(T):
            np.testing.assert_array_equal(stream.step(x[:, t]), expected[t])
        stream.reset()
        np.testing.assert_array_equal(stream.run(np.ascontiguousarray(x.swapaxes(0, 1))), expected)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_steps_are_shared_by_threads_to_the_same_bits(threads, rng):
    pyrnn.set_num_threads(threads)
    try:
        for units, batch in ((512, 1), (64, 200)):
            model = model_of(layers.LSTM(units))
            x = rng.integers(0, V, (batch, 3))
            stream = model.stream(batch)
            for t in range(3):
                step = stream.step(x[:, t])
            np.testing.assert_array_equal(step, model.predict(x, verbose=0))
    finally:
        pyrnn.set_num_threads(0)


def test_an_id_may_be_a_number_or_an_array_of_any_integer_type():
    stream = STACKS["one"]().stream()
    expected = stream.step(4)
    for x in (np.int8(4), np.array([4], np.uint8), np.array([4]), np.array([0, 4, 0])[1::3]):
        stream.reset()
        np.testing.assert_array_equal(stream.step(x), expected)


def test_ids_and_vectors_may_take_turns(rng):
    stream = STACKS["one"]().stream()
    one_hot = np.eye(V)
    expected = [stream.step(i) for i in (3, 5, 7)]
    stream.reset()
    mixed = [stream.step(3), stream.step(one_hot[[5]]), stream.step(7)]
    np.testing.assert_allclose(mixed, expected, rtol=0, atol=1e-6)


def test_out_is_filled_and_returned():
    stream = STACKS["one"]().stream(2)
    ids = np.array([1, 2])
    expected = stream.step(ids)
    stream.reset()
    out = np.full((2, 33), np.nan, np.float32)
    assert stream.step(ids, out) is out
    np.testing.assert_array_equal(out, expected)
    steps = np.full((1, 2, 33), np.nan, np.float32)
    stream.reset()
    assert stream.run(ids[None], steps) is steps
    np.testing.assert_array_equal(steps[0], expected)


def test_state_is_read_and_set(rng):
    model = STACKS["two"]()
    stream = model.stream(2)
    assert [[part.shape for part in layer] for layer in stream.state] == [[(2, 17), (2, 17)], [(2, 100), (2, 100)]]
    assert not any(part.any() for layer in stream.state for part in layer)
    x = rng.integers(0, V, (3, 2))
    stream.step(x[0])
    state = stream.state
    assert all(part.any() for layer in state for part in layer)
    first = [stream.step(x[1]), stream.step(x[2])]
    stream.set_state(state)
    np.testing.assert_array_equal([stream.step(x[1]), stream.step(x[2])], first)
    other = model.stream(2)
    other.set_state([[part.tolist() for part in layer] for layer in state])
    np.testing.assert_array_equal(other.step(x[1]), first[0])
    stream.reset()
    assert not any(part.any() for layer in stream.state for part in layer)


def test_h_is_the_output_of_an_lstm():
    stream = STACKS["one"]().stream()
    out = stream.step(2)
    h, c = stream.state[0]
    np.testing.assert_array_equal(out, h)
    assert (np.abs(h) < np.abs(c)).all()


def test_streams_of_one_model_are_apart_and_follow_its_training(rng):
    model = model_of(layers.LSTM(8), layers.Dense(V, activation="softmax"))
    a, b = model.stream(), model.stream()
    a.step(1)
    assert not any(part.any() for layer in b.state for part in layer)
    before = b.step(1)
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    x, y = rng.integers(0, V, (20, 4)), rng.integers(0, V, 20)
    model.fit(x, y, verbose=0)
    b.reset()
    assert (b.step(1) != before).any()
    np.testing.assert_array_equal(model.stream().step(1), model.predict(np.array([[1]]), verbose=0))


def test_steps_while_the_model_trains_in_another_thread(rng):
    model = model_of(layers.LSTM(32), layers.Dense(V, activation="softmax"))
    model.compile("adam", loss="sparse_categorical_crossentropy")
    x, y = rng.integers(0, V, (2000, 20)), rng.integers(0, V, 2000)
    trainer = threading.Thread(target=lambda: model.fit(x, y, verbose=0))
    stream, steps = model.stream(), 0
    trainer.start()
    while trainer.is_alive():
        assert np.isfinite(stream.step(steps % V)).all()
        steps += 1
    trainer.join()
    assert steps > 0


def test_streams_of_one_model_in_many_threads(rng):
    model = model_of(layers.LSTM(40, return_sequences=True), layers.GRU(24), layers.Dense(V, activation="softmax"))
    xs = [rng.integers(0, V, (300 + i, 1)) for i in range(8)]
    expected = [model.stream().run(x) for x in xs]
    outputs = [None] * len(xs)

    def run(i, stream):
        outputs[i] = np.stack([stream.step(x) for x in xs[i]])

    threads = [threading.Thread(target=run, args=(i, model.stream())) for i in range(len(xs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for output, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(output, wanted)


def test_a_stream_outlives_its_model():
    model = STACKS["one"]()
    expected = model.predict(np.array([[3]]), verbose=0)
    stream = model.stream()
    del model
    np.testing.assert_array_equal(stream.step(3), expected)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (11, ValueError, "x: ids must be from 0 to 10, got 11"),
        (-1, ValueError, "x: ids must be from 0 to 10, got -1"),
        (10**30, ValueError, "cannot fit"),
        ("a", TypeError, "x must be an integer id or a NumPy array, got str"),
        (1.5, TypeError, "x must be an integer id or a NumPy array, got float"),
        (np.zeros((1, 12)), ValueError, r"x must be \[N, 11\] or integer ids \[N\] of 11 symbols, got shape \[1, 12\]"),
        (np.zeros((2, 11)), ValueError, "x must have 1 rows, the stream's batch_size, got 2"),
        (np.zeros(1), ValueError, r"got shape \[1\]"),
        (np.array([[1]]), ValueError, r"got shape \[1, 1\]"),
        (np.zeros((1, 11), complex), (TypeError, ValueError), "x"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_state_kept(x, error, words):
    stream = STACKS["one"]().stream()
    stream.step(1)
    before = stream.state
    with pytest.raises(error, match=words):
        stream.step(x)
    np.testing.assert_array_equal(stream.state, before)


@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        (np.zeros((1, 33)), ValueError, r"out must be float32 \[1, 33\], got float64 \[1, 33\]"),
        (np.zeros((1, 34), "f4"), ValueError, r"out must be float32 \[1, 33\], got float32 \[1, 34\]"),
        (np.zeros((1, 66), "f4")[:, ::2], ValueError, "in C order"),
        ([0.0] * 33, TypeError, r"out must be float32 \[1, 33\], got list"),
    ],
)
def test_an_out_that_does_not_fit_is_refused_and_the_state_kept(out, error, words):
    stream = STACKS["one"]().stream()
    with pytest.raises(error, match=words):
        stream.step(1, out)
    assert not any(part.any() for layer in stream.state for part in layer)


def test_a_read_only_out_is_refused():
    out = np.zeros((1, 33), np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="writ"):
        STACKS["one"]().stream().step(1, out)


def test_a_plain_id_is_for_one_row():
    with pytest.raises(ValueError, match="x must have 3 rows, the stream's batch_size, got 1"):
        STACKS["one"]().stream(3).step(1)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ([], "state must have 1 tuples, one for each recurrent layer, got 0"),
        ([[np.zeros((1, 33), "f4")]], r"state\[0\] must have 2 arrays, got 1"),
        ([[np.zeros((1, 33)), np.zeros((1, 32))]], r"state\[0\]\[1\] must be float32 \[1, 33\], got float64 \[1, 32\]"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_whole(state, words):
    stream = STACKS["one"]().stream()
    stream.step(1)
    before = stream.state
    with pytest.raises(ValueError, match=words):
        stream.set_state(state)
    np.testing.assert_array_equal(stream.state, before)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: model_of(layers.LSTM(4), layers.RepeatVector(2), layers.LSTM(4)), "RepeatVector"),
        (lambda: model_of(layers.Dense(4), shape=(V,)), r"must read sequences \[B, T, F\]"),
        (lambda: pyrnn.Sequential([layers.LSTM(4)]), "no shapes yet"),
    ],
)
def test_models_that_cannot_be_streamed_say_why(model, words):
    with pytest.raises(ValueError, match=words):
        model().stream()


def test_batch_size_must_be_a_positive_integer():
    model = STACKS["one"]()
    with pytest.raises(ValueError, match="stream: batch_size must be at least 1, got 0"):
        model.stream(0)
    with pytest.raises(TypeError, match="stream: batch_size must be an integer, got 1.5"):
        model.stream(1.5)
