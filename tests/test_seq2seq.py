"""Seq2Seq: outputs by the layers apart, gradients by differences and by Keras."""

import numpy as np
import pytest

import pyrnn
from pyrnn import Seq2Seq, Sequential, _core, layers
from tests.test_goldens import assert_close, load

GOLDENS = load("seq2seq")
CELLS = [(layers.LSTM, {}), (layers.GRU, {}), (layers.GRU, {"reset_after": False}), (layers.SimpleRNN, {})]
CELLS += [(cell, {"layer_norm": True}) for cell in (layers.LSTM, layers.GRU)]
NAMES = ["lstm", "gru", "gru_before", "simple_rnn", "layer_norm_lstm", "layer_norm_gru"]
cells = pytest.mark.parametrize(("cell", "options"), CELLS, ids=NAMES)
V, START, STOP = 6, 4, 5


def model_of(
    cell=layers.LSTM, options=None, bidirectional=False, dtype="float64", units=7, features=3, stop=None, seed=5
):
    """Two layers each; the decoder reads and writes ids."""

    def below(width, **more):
        layer = cell(width, return_sequences=True, **(options or {}), **more)
        return layers.Bidirectional(layer) if bidirectional and more else layer

    ways = 1 + bidirectional
    encoder = [pyrnn.Input((None, features)), below(units, name=f"e1_{units}"), cell(units + 2, **(options or {}))]
    decoder = [
        pyrnn.Input((None, V)),
        below(units * ways),
        below(units + 2),
        layers.Dense(V, activation="softmax"),
    ]
    model = Seq2Seq(Sequential(encoder, dtype=dtype), Sequential(decoder, dtype=dtype), START, stop)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(-0.7, 0.7, weight.shape) for weight in model.weights])
    model.compile(pyrnn.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    return model


def apart(model):
    """Encoder and decoder as models of their own, with all states to be told and returned."""
    config, weights, parts = model.get_config(), model.get_weights(), []
    for part in ("encoder", "decoder"):
        for layer in config[part]["layers"]:
            inner = layer["config"].get("layer", layer)["config"]
            if "return_state" in inner:
                inner["return_state"] = True
        one = Sequential.from_config(config[part])
        count = len(one.get_weights())
        one.set_weights(weights[:count])
        weights = weights[count:]
        parts.append(one)
    return parts


def handed_over(encoder, decoder, states):
    """The encoder's list of last states as the decoder's initial_state."""
    states, initial = list(states), []
    for one in (layer for layer in encoder.layers if layer.state_units()):
        own = [states.pop(0) for _ in one.state_units()]
        if isinstance(one, layers.Bidirectional):
            half = len(own) // 2
            own = [np.concatenate(pair, axis=1) for pair in zip(own[:half], own[half:], strict=True)]
        initial.append(tuple(own))
    return initial


def shifted(y):
    return np.concatenate([np.full((len(y), 1), START), y[:, :-1]], axis=1)


# ------------------------------------------------------------------------------------------------------ Teacher forcing


@cells
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
def test_output_is_that_of_the_parts(cell, options, bidirectional, ragged, rng):
    model = model_of(cell, options, bidirectional)
    encoder, decoder = apart(model)
    x, y = rng.normal(size=(6, 5, 3)), rng.integers(0, V, (6, 4))
    lengths = np.array([5, 1, 3, 0, 2, 5]) if ragged else None
    states = encoder.predict(x, lengths=lengths, verbose=0)[1:]
    expected = decoder.predict(shifted(y), initial_state=handed_over(encoder, decoder, states), verbose=0)[0]
    assert (model.predict(x, y, lengths=lengths, verbose=0) == expected).all()
    p = np.take_along_axis(expected, y[..., None], axis=2)[lengths > 0 if ragged else slice(None)]
    assert model.evaluate(x, y, lengths=lengths, verbose=0) == pytest.approx(-np.log(p).mean(), rel=1e-12)


@cells
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("units", [7, 16])
def test_gradients(cell, options, bidirectional, ragged, units, rng):
    """By differences: an update at rate 1 moves every weight by its gradient."""
    model = model_of(cell, options, bidirectional, units=units)
    x, y = rng.normal(size=(6, 5, 3)), rng.integers(0, V, (6, 4))
    lengths = np.array([5, 1, 3, 0, 2, 5]) if ragged else None
    before = model.get_weights()
    model.train_on_batch(x, y, lengths=lengths)
    gradients = [old - new for old, new in zip(before, model.get_weights(), strict=True)]
    for i, weight in enumerate(before):
        direction, losses = rng.normal(size=weight.shape), []
        for step in (1e-5, -1e-5):
            model.set_weights([w + step * direction if j == i else w for j, w in enumerate(before)])
            losses.append(model.evaluate(x, y, lengths=lengths, verbose=0))
        assert (losses[0] - losses[1]) / 2e-5 == pytest.approx((gradients[i] * direction).sum(), rel=1e-5, abs=1e-9)
        assert gradients[i].any()


@pytest.mark.parametrize("case", GOLDENS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_goldens(case, dtype):
    """With vectors to read: what the decoder reads late is what the goldens' decoder reads."""
    options, given, expected = (GOLDENS[case][key] for key in ("options", "input", "keras"))
    expected = expected[dtype]
    cell = getattr(layers, options["cell"])
    inner = cell(6 // (1 + options["bidirectional"]))
    encoder = [pyrnn.Input((None, 3)), layers.Bidirectional(inner) if options["bidirectional"] else inner]
    decoder = [pyrnn.Input((None, 6)), cell(6, return_sequences=True)]
    model = Seq2Seq(Sequential(encoder, dtype=dtype), Sequential(decoder, dtype=dtype))
    names = [name for name in given if name.startswith("w_")]
    model.set_weights([given[name] for name in names])
    network = model._require_network()
    x, read = given["x"].astype(dtype), given["read"].astype(dtype)
    out, rows = np.empty((4, 5, 6), dtype), np.arange(4)
    network.predict_batch((x, None, None, None, read), rows, out)
    assert_close(out, expected["y"], dtype, "y")
    before = model.get_weights()
    model.compile(pyrnn.optimizers.SGD(1.0), "mse")
    targets = (expected["y"] - given["dy"].astype("float64") * (out.size / 2)).astype(
        dtype
    )  # so that mse has the gradient dy
    network.train_batch((x, None, None, None, read), targets, rows, 1.0)
    tolerance = 1e-9 if dtype == "float64" else 2e-4  # weights lost digits when the gradient was taken from them
    for name, old, new in zip(names, before, model.get_weights(), strict=True):
        scale = np.abs(expected[f"d{name}"]).max()
        np.testing.assert_allclose(old - new, expected[f"d{name}"], rtol=0, atol=tolerance * (scale + 1), err_msg=name)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_threads_and_schedules_change_nothing(bidirectional, rng):
    x, y = rng.normal(size=(70, 5, 3)), rng.integers(0, V, (70, 4))
    lengths = rng.integers(0, 6, 70)

    def trained(threads, schedule):
        _core.set_num_threads(threads)
        model = model_of(layers.GRU, {}, bidirectional, "float32", units=67)
        model._require_network().set_schedule(schedule)
        losses = [model.train_on_batch(x, y, lengths=lengths) for _ in range(2)]
        return [np.array(losses), *model.get_weights()]

    try:
        one, *others = [
            trained(*how) for how in [(1, "serial"), (2, "rows"), (3, "rows"), (2, "panels"), (3, "panels")]
        ]
    finally:
        _core.set_num_threads(0)
    for other in others:
        for a, b in zip(one, other, strict=True):
            assert (a == b).all()


def test_rows_of_y_that_differ_in_length_weigh_their_steps(rng):
    model = model_of()
    x, y = rng.normal(size=(3, 5, 3)), rng.integers(0, V, (3, 4))
    weights = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]], float)
    expected = model.evaluate(x, y, sample_weight=weights, verbose=0)
    assert model.evaluate(x, [y[0], y[1, :1], y[2, :2]], verbose=0) == pytest.approx(expected, rel=1e-14)
    with pytest.raises(ValueError, match="sample_weight must not be given with rows of y that differ"):
        model.evaluate(x, [y[0], y[1, :1], y[2, :2]], sample_weight=weights, verbose=0)


def test_fit_takes_one_hot_targets_validation_and_datasets(rng):
    x, y = rng.normal(size=(12, 5, 3)), rng.integers(0, V, (12, 4))
    model, other = model_of(), model_of()
    other.compile(pyrnn.optimizers.SGD(1.0), "categorical_crossentropy", metrics=["accuracy"])
    pyrnn.utils.set_random_seed(1)
    model.fit(x, y, batch_size=4, verbose=0)
    pyrnn.utils.set_random_seed(1)
    logs = other.fit(x, np.eye(V)[y], batch_size=4, verbose=0, validation_split=0.25).history
    assert set(logs) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    other = model_of()

    class Dataset:
        def __iter__(self):
            return iter([(x[:4], y[:4]), (x[4:], y[4:])])

    other.fit(Dataset(), verbose=0)
    model = model_of()
    model.train_on_batch(x[:4], y[:4])
    model.train_on_batch(x[4:], y[4:])
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        assert (one == two).all()


# ---------------------------------------------------------------------------------------------------- Files and refusals


def test_it_is_saved_and_loaded(rng, tmp_path):
    model = model_of(layers.LSTM, {}, bidirectional=True, stop=STOP)
    x, y = rng.normal(size=(4, 5, 3)), rng.integers(0, V, (4, 4))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.safetensors")
    loaded = pyrnn.load_model(tmp_path / "model.safetensors")
    assert isinstance(loaded, Seq2Seq)
    assert (loaded.start, loaded.stop) == (START, STOP)
    assert (loaded.predict(x, y, verbose=0) == model.predict(x, y, verbose=0)).all()
    assert (loaded.decode(x, 8, 2) == model.decode(x, 8, 2)).all()
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    text = []
    loaded.summary(print_fn=text.append)
    assert "Handover" in text[0]


def test_the_parts_keep_their_weights_and_are_used_up():
    encoder = Sequential([layers.Input((None, 3)), layers.GRU(4)])
    decoder = Sequential([layers.Input((None, 2)), layers.GRU(4, return_sequences=True), layers.Dense(2)])
    weights = encoder.get_weights() + decoder.get_weights()
    encoder.predict(np.zeros((1, 2, 3)), verbose=0)
    model = Seq2Seq(encoder, decoder)
    for one, two in zip(weights, model.get_weights(), strict=True):
        assert (one == two).all()
    with pytest.raises(ValueError, match="has no layers"):
        encoder.predict(np.zeros((1, 2, 3)), verbose=0)


def of(encoder=None, decoder=None, **options):
    encoder = encoder or [layers.LSTM(4, input_shape=(None, 3))]
    decoder = decoder or [
        layers.LSTM(4, return_sequences=True, input_shape=(None, V)),
        layers.Dense(V, activation="softmax"),
    ]
    return Seq2Seq(Sequential(encoder), Sequential(decoder), **{"start": 0, **options})


def sequence(units, **options):
    return layers.LSTM(units, return_sequences=True, **options)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Seq2Seq(layers.LSTM(3), None), TypeError, "encoder must be a Sequential model, got <LSTM"),
        (lambda: Seq2Seq(Sequential([layers.LSTM(3)]), Sequential()), ValueError, "has no shapes yet"),
        (
            lambda: of([layers.LSTM(4, input_shape=(None, 3)), layers.Dense(2)]),
            ValueError,
            "encoder must end with a recurrent layer, got Dense",
        ),
        (
            lambda: of([layers.LSTM(5, input_shape=(None, 3))]),
            ValueError,
            "LSTM '.*' must be a LSTM of 5 units, to begin in the state of LSTM '.*', got LSTM of 4",
        ),
        (lambda: of([layers.GRU(4, input_shape=(None, 3))]), ValueError, "must be a GRU of 4 units"),
        (
            lambda: of([layers.Bidirectional(layers.LSTM(4), input_shape=(None, 3))]),
            ValueError,
            "must be a LSTM of 8 units",
        ),
        (
            lambda: of([sequence(4, input_shape=(None, 3)), layers.LSTM(4)]),
            ValueError,
            "as many recurrent layers, got 2 and 1",
        ),
        (
            lambda: of(decoder=[layers.LSTM(4, input_shape=(None, V)), layers.Dense(V)]),
            ValueError,
            "must write step by step, but LSTM '.*'",
        ),
        (
            lambda: of(decoder=[sequence(4, input_shape=(None, V), go_backwards=True), layers.Dense(V)]),
            ValueError,
            "must write step by step",
        ),
        (
            lambda: of(decoder=[sequence(4, input_shape=(None, V)), layers.Dense(V + 1)]),
            ValueError,
            "must write what it reads, 6 features or symbols, got 7",
        ),
        (lambda: of([layers.LSTM(4, input_shape=(None, 3), stateful=True)]), ValueError, "must not be stateful"),
        (lambda: of(start=V), ValueError, "start must be one of the decoder's 6 symbols, got 6"),
        (lambda: of(stop=-1), ValueError, "stop must be at least 0, got -1"),
        (
            lambda: of(
                decoder=[layers.Dense(V, input_shape=(None, V)), sequence(4), layers.Dense(V)], start=None, stop=2.5
            ),
            TypeError,
            "stop must be an integer",
        ),
        (
            lambda: of(decoder=[layers.Embedding(V, 3, input_shape=(None,)), sequence(4), layers.Dense(V)], start=None),
            ValueError,
            "start must be given",
        ),
        (
            lambda: of(decoder=[layers.Masking(input_shape=(None, V)), sequence(4), layers.Dense(V)], start=None),
            ValueError,
            "must not mask",
        ),
        (lambda: of().add(layers.Dense(2)), TypeError, "a Seq2Seq takes no further layers"),
        (lambda: of().stream(), TypeError, "use decode"),
        (lambda: of().decode(np.zeros((1, 2, 3)), 0), ValueError, "decode: steps must be at least 1, got 0"),
        (lambda: of().decode(np.zeros((1, 2, 3)), 2, beam_width=0), ValueError, "beam_width must be at least 1"),
        (lambda: of().decode(np.zeros((1, 2, 4)), 2), ValueError, "decode: x must be"),
        (
            lambda: of().predict(np.zeros((2, 2, 3)), np.zeros((1, 2), int), verbose=0),
            ValueError,
            "as many rows, got 2 and 1",
        ),
        (
            lambda: of().predict(np.zeros((1, 2, 3)), np.full((1, 2), V), verbose=0),
            ValueError,
            "ids in x must be from 0 to 5, got 6",
        ),
        (
            lambda: of().predict(np.zeros((1, 2, 3)), np.zeros((1, 2, V)), verbose=0),
            ValueError,
            r"y must be ids \[N, T\]",
        ),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tbptt": 2}, "tbptt needs an output for every step of x"),
        ({"initial_state": []}, "initial_state is not supported"),
    ],
)
def test_what_fit_refuses(options, words, rng):
    with pytest.raises((ValueError, TypeError), match=words):
        model_of().fit(rng.normal(size=(3, 5, 3)), rng.integers(0, V, (3, 4)), verbose=0, **options)


@pytest.mark.parametrize(
    ("ops", "words"),
    [
        (
            [{"op": "lstm", "units": 3}, {"op": "handover", "features": 2}],
            "as many recurrent ops as the encoder, 1, got 0",
        ),
        (
            [{"op": "handover", "features": 2}, {"op": "lstm", "units": 3}],
            "as many recurrent ops as the encoder, 0, got 1",
        ),
        (
            [{"op": "lstm", "units": 3}, {"op": "handover", "features": 2}, {"op": "lstm", "units": 4}],
            "2 of 3 units, got 2 of 4",
        ),
        (
            [{"op": "lstm", "units": 3}, {"op": "handover", "features": 2}, {"op": "gru", "units": 3}],
            "2 of 3 units, got 1 of 3",
        ),
        ([{"op": "lstm", "units": 3}, *[{"op": "handover", "features": 2}] * 2], "one handover, got a second"),
        (
            [{"op": "lstm", "units": 3}, {"op": "handover", "features": 0}],
            "features of handover must be at least 1, got 0",
        ),
    ],
)
def test_the_engine_refuses(ops, words):
    with pytest.raises(ValueError, match=words):
        _core.Network("float64", 3, True, False, ops)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (None, "a network with a decoder needs what the decoder reads"),
        (np.zeros((1, 2, 2)), "index must be from 0 to 0 for the decoder's x, got 1"),
        (np.zeros((2, 0, 2)), "the decoder's x must have at least one step"),
        (np.zeros((2, 2, 3)), r"the decoder's x must be \[N, T, 2\] or integer ids \[N, T\] of 2 symbols"),
        (np.array([[0, 2], [0, 1]]), "the decoder's x: ids must be from 0 to 1, got 2 at row 0, step 1"),
    ],
)
def test_the_engine_refuses_a_second_input(second, words):
    ops = [
        {"op": "gru", "units": 3},
        {"op": "handover", "features": 2},
        {"op": "gru", "units": 3, "return_sequences": True},
    ]
    network = _core.Network("float64", 3, True, False, ops)
    with pytest.raises(ValueError, match=words):
        network.predict_batch(
            (np.zeros((2, 4, 3)), None, None, None, second),
            np.arange(2),
            np.empty((2, 4 if second is None else second.shape[1], 3)),
        )
