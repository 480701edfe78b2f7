"""Where recurrent layers begin and end: states told and returned."""

import numpy as np
import pytest

import pyrnn
from pyrnn import Sequential, _core, layers, reference
from tests.test_goldens import assert_close, load

GOLDENS = load("states")
CELLS = [
    (layers.LSTM, {}),
    (layers.GRU, {}),
    (layers.GRU, {"reset_after": False}),
    (layers.SimpleRNN, {}),
    (layers.LSTM, {"layer_norm": True}),
    (layers.GRU, {"layer_norm": True}),
]
NAMES = ["lstm", "gru", "gru_before", "simple_rnn", "layer_norm_lstm", "layer_norm_gru"]
cells = pytest.mark.parametrize(("cell", "options"), CELLS, ids=NAMES)
FORWARD = {
    layers.LSTM: reference.lstm_forward,
    layers.GRU: reference.gru_forward,
    layers.SimpleRNN: reference.simple_rnn_forward,
}
NORMALIZED = {layers.LSTM: reference.layer_norm_lstm_forward, layers.GRU: reference.layer_norm_gru_forward}
T, I, H = 7, 5, 19


def model_of(cell, options, sequences=True, dtype="float64", units=H, **more):
    """Two recurrent layers of different widths and a Dense one; only the second may give one output of all steps."""
    model = Sequential(
        [
            pyrnn.Input((None, I)),
            cell(units, return_sequences=True, return_state=True, **options, **more),
            cell(units - 2, return_sequences=sequences, return_state=True, **options, **more),
            layers.Dense(2),
        ],
        dtype=dtype,
    )
    rng = np.random.default_rng(5)
    model.set_weights([rng.uniform(-0.5, 0.5, weight.shape) for weight in model.weights])
    model.compile(pyrnn.optimizers.SGD(1.0), "mse")
    return model


def twin(model):
    """The same model without states of its own."""
    config = model.get_config()
    for layer in config["layers"]:
        if "stateful" in layer["config"]:
            layer["config"]["stateful"] = False
    other = Sequential.from_config(config)
    other.set_weights(model.get_weights())
    other.compile(pyrnn.optimizers.SGD(1.0), "mse")
    return other


def nested(model, flat):
    """predict's list of states as initial_state has them."""
    flat = list(flat)
    return [tuple(flat.pop(0) for _ in layer.state_units()) for layer in model.layers if layer.state_units()]


def random_state(model, rng, rows):
    return nested(model, [rng.normal(size=(rows, n)) for layer in model.layers for n in layer.state_units()])


class Dataset:
    def __init__(self, *batches):
        self._batches = batches

    def __iter__(self):
        return iter(self._batches)


def by_reference(model, x, state):
    """The output of model_of's, and its last states."""
    last = []
    for layer, first in zip(model.layers[:2], state, strict=True):
        normalized = getattr(layer, "layer_norm", False)
        function = (NORMALIZED if normalized else FORWARD)[type(layer)]
        own = {"reset_after": layer.reset_after} if isinstance(layer, layers.GRU) and not normalized else {}
        made = function(x, *first, *layer.get_weights(), **own)
        states = (made if isinstance(made, tuple) else (made,))[: layer.states]
        last += [array[:, -1] for array in states]
        x = states[0]
    if len(model.output_shape) == 2:
        x = x[:, -1]
    kernel, bias = model.layers[2].get_weights()
    return [x @ kernel + bias, *last]


# ---------------------------------------------------------------------------------------------------- Told and returned


@cells
@pytest.mark.parametrize("sequences", [False, True])
def test_output_and_last_states(cell, options, sequences, rng):
    model = model_of(cell, options, sequences)
    x, state = rng.normal(size=(4, T, I)), random_state(model, rng, 4)
    answer, expected = model.predict(x, initial_state=state, verbose=0), by_reference(model, x, state)
    assert len(answer) == len(expected) == 1 + sum(map(len, state))
    for value, wanted in zip(answer, expected, strict=True):
        np.testing.assert_allclose(value, wanted, 0, 1e-13)


@cells
@pytest.mark.parametrize("schedule", ["serial", "rows", "panels"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_halves_are_a_whole_bit_for_bit(cell, options, schedule, dtype, rng):
    model = model_of(cell, options, dtype=dtype, units=67)
    model._require_network().set_schedule(schedule)
    x = rng.normal(size=(50, T, I))
    whole = model.predict(x, batch_size=50, verbose=0)
    first = model.predict(x[:, :3], batch_size=20, verbose=0)
    second = model.predict(x[:, 3:], initial_state=nested(model, first[1:]), verbose=0)
    assert (np.concatenate([first[0], second[0]], axis=1) == whole[0]).all()
    for value, wanted in zip(second[1:], whole[1:], strict=True):
        assert (value == wanted).all()


@cells
@pytest.mark.parametrize("sequences", [False, True])
def test_gradients_from_a_told_state(cell, options, sequences, rng):
    """By differences: an update at rate 1 moves every weight by its gradient."""
    model = model_of(cell, options, sequences)
    x, state = rng.normal(size=(4, T, I)), random_state(model, rng, 4)
    y = rng.normal(size=(4, T, 2) if sequences else (4, 2))
    before = model.get_weights()
    model.train_on_batch(x, y, initial_state=state)
    gradients = [old - new for old, new in zip(before, model.get_weights(), strict=True)]
    for i, weight in enumerate(before):
        direction = rng.normal(size=weight.shape)
        losses = []
        for step in (1e-5, -1e-5):
            moved = [w + step * direction if j == i else w for j, w in enumerate(before)]
            model.set_weights(moved)
            losses.append(model.evaluate(x, y, initial_state=state, verbose=0))
        assert (losses[0] - losses[1]) / 2e-5 == pytest.approx((gradients[i] * direction).sum(), rel=1e-6, abs=1e-9)


@cells
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_ragged_rows_end_in_the_states_that_they_have_alone(cell, options, sequences, left, rng):
    model = model_of(cell, options, sequences)
    lengths = np.array([3, 0, T, 1, 5])
    x, state = rng.normal(size=(5, T, I)), random_state(model, rng, 5)
    mask = np.arange(T) < lengths[:, None]
    mask = mask[:, ::-1].copy() if left else mask
    output, *last = model.predict(x, mask=mask, initial_state=state, verbose=0)
    for row, length in enumerate(lengths):
        own = [tuple(array[row : row + 1] for array in arrays) for arrays in state]
        alone = [array for arrays in own for array in arrays]  # a row without steps ends where it begins
        if length:
            value, *alone = model.predict(x[row : row + 1, mask[row]], initial_state=own, verbose=0)
            assert (value[0] == (output[row][mask[row]] if sequences else output[row])).all()
        for array, wanted in zip(last, alone, strict=True):
            assert (array[row] == wanted[0]).all()


def test_rows_without_steps_end_at_zero_where_nobody_told_a_state(rng):
    model = model_of(layers.SimpleRNN, {})
    model.predict(rng.normal(size=(3, T, I)), verbose=0)  # leaves its own states in memory
    _, *last = model.predict(rng.normal(size=(3, T, I)), lengths=[0, 2, 0], verbose=0)
    for array in last:
        assert not array[[0, 2]].any()
        assert array[1].any()


@pytest.mark.parametrize("merge_mode", ["concat", "sum"])
@pytest.mark.parametrize("H", [19, 32])  # two of 32 work in the place of their concatenation
def test_bidirectional_layers_have_the_states_of_both_directions(merge_mode, H, rng):
    inner = layers.LSTM(H, return_sequences=True, return_state=True)
    model = Sequential([pyrnn.Input((None, I)), layers.Bidirectional(inner, merge_mode)], dtype="float64")
    forward = Sequential(
        [layers.LSTM(H, return_sequences=True, return_state=True, input_shape=(None, I))], dtype="float64"
    )
    backward = Sequential(
        [layers.LSTM(H, return_state=True, go_backwards=True, input_shape=(None, I))], dtype="float64"
    )
    forward.set_weights(model.get_weights()[:3])
    backward.set_weights(model.get_weights()[3:])
    x, state = rng.normal(size=(3, T, I)), rng.normal(size=(4, 3, H))
    output, *last = model.predict(x, initial_state=[tuple(state)], verbose=0)
    by_forward = forward.predict(x, initial_state=[tuple(state[:2])], verbose=0)
    by_backward = backward.predict(x, initial_state=[tuple(state[2:])], verbose=0)
    for array, wanted in zip(last, by_forward[1:] + by_backward[1:], strict=True):
        assert (array == wanted).all()
    if merge_mode == "concat":
        assert (output[:, :, :H] == by_forward[0]).all()
    else:
        assert (output[:, 0] == by_forward[0][:, 0] + by_backward[0]).all()


def test_fit_shuffles_states_with_their_rows(rng):
    model = model_of(layers.GRU, {})
    x, y, state = rng.normal(size=(6, T, I)), rng.normal(size=(6, T, 2)), random_state(model, rng, 6)
    other = twin(model)
    pyrnn.utils.set_random_seed(3)
    model.fit(x, y, batch_size=6, initial_state=state, verbose=0)
    other.train_on_batch(x, y, initial_state=state)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, 0, 1e-12)


def test_validation_split_splits_states_too(rng):
    model = model_of(layers.GRU, {})
    x, y, state = rng.normal(size=(6, T, I)), rng.normal(size=(6, T, 2)), random_state(model, rng, 6)
    history = model.fit(x, y, batch_size=4, initial_state=state, validation_split=1 / 3, verbose=0).history
    held_out = [tuple(array[4:] for array in arrays) for arrays in state]
    assert history["val_loss"][0] == pytest.approx(
        model.evaluate(x[4:], y[4:], initial_state=held_out, verbose=0), rel=1e-12
    )


def test_one_recurrent_layer_needs_no_nesting(rng):
    model = Sequential([layers.LSTM(2, input_shape=(T, I))])
    x, h, c = rng.normal(size=(3, T, I)), np.ones((3, 2)), np.full((3, 2), 0.5)
    expected = model.predict(x, initial_state=[(h, c)], verbose=0)
    assert (model.predict(x, initial_state=[h, c], verbose=0) == expected).all()
    assert (model.predict_on_batch(x, initial_state=(h, c)) == expected).all()
    assert (expected != model.predict(x, verbose=0)).all()


def test_predict_of_a_dataset_returns_states(rng):
    model = model_of(layers.LSTM, {})
    x = rng.normal(size=(6, T, I))
    for one, two in zip(model.predict(Dataset(x[:4], x[4:]), verbose=0), model.predict(x, verbose=0), strict=True):
        assert (one == two).all()


@pytest.mark.parametrize("case", GOLDENS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_goldens(case, dtype):
    options, given, expected = (GOLDENS[case][key] for key in ("options", "input", "keras"))
    expected = expected[dtype]

    def recurrent(units):
        layer = getattr(layers, options["cell"])(units, return_sequences=True, return_state=True)
        return layers.Bidirectional(layer) if options["bidirectional"] else layer

    model = Sequential([pyrnn.Input((None, 3)), recurrent(5), recurrent(4)], dtype=dtype)
    names = [name for name in given if name.startswith("w")]
    model.set_weights([given[name] for name in names])
    before = model.get_weights()
    state = [[given[name] for name in given if name.startswith(f"state{i}")] for i in (0, 1)]
    y, *last = model.predict(given["x"].astype(dtype), initial_state=state, verbose=0)
    assert_close(y, expected["y"], dtype, "y")
    for value, name in zip(last, [name for name in expected if name.startswith("last")], strict=False):
        assert_close(value, expected[name], dtype, name)
    model.compile(pyrnn.optimizers.SGD(1.0), "mse")
    targets = expected["y"] - given["dy"].astype("float64") * (y.size / 2)  # so that mse has the gradient dy
    model.train_on_batch(given["x"].astype(dtype), targets.astype(dtype), initial_state=state)
    tolerance = 1e-9 if dtype == "float64" else 2e-4  # weights lost digits when the gradient was taken from them
    for name, old, new in zip(names, before, model.get_weights(), strict=True):
        scale = np.abs(expected[f"d{name}"]).max()
        np.testing.assert_allclose(old - new, expected[f"d{name}"], rtol=0, atol=tolerance * (scale + 1), err_msg=name)


# ------------------------------------------------------------------------------------------------------------- Refusals


def fit(model, **arguments):
    y = np.zeros((4, T, 2) if len(model.output_shape) == 3 else (4, 2))
    model.fit(np.zeros((4, T, I)), y, verbose=0, **arguments)


LSTM = (layers.LSTM, {})


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: fit(model_of(*LSTM, stateful=True)), ValueError, "fit: shuffle must be False for stateful layers"),
        (
            lambda: fit(model_of(*LSTM, stateful=True), batch_size=3, shuffle=False),
            ValueError,
            "batches must have equal numbers of rows for the stateful LSTM '.*', but 4 samples leave 1 for the last of 3",
        ),
        (
            lambda: fit(model_of(*LSTM, sequences=False), tbptt=2),
            ValueError,
            "an output for every step of x, but LSTM '.*' makes one",
        ),
        (
            lambda: fit(model_of(*LSTM, go_backwards=True), tbptt=2),
            ValueError,
            "chunk by chunk, but LSTM '.*' reads it from its end",
        ),
        (lambda: fit(model_of(*LSTM), tbptt=0), ValueError, "fit: tbptt must be at least 1, got 0"),
        (lambda: fit(model_of(*LSTM), tbptt="2"), TypeError, "fit: tbptt must be an integer, got '2'"),
        (
            lambda: fit(model_of(*LSTM), initial_state=np.zeros((4, H))),
            TypeError,
            "initial_state must be a list of 2, one tuple .* got ndarray",
        ),
        (lambda: fit(model_of(*LSTM), initial_state=[]), ValueError, "initial_state must be a list of 2, .* got 0"),
        (
            lambda: fit(model_of(*LSTM), initial_state=[(np.zeros((4, H)),)] * 2),
            ValueError,
            r"initial_state\[0\] must be 2 arrays, for LSTM",
        ),
        (
            lambda: fit(model_of(layers.GRU, {}), initial_state=[(np.zeros((4, H)),), (np.zeros((3, H - 2)),)]),
            ValueError,
            r"initial_state\[1\]\[0\] must be \[4, 17\], got float64 \[3, 17\]",
        ),
        (
            lambda: fit(model_of(layers.GRU, {}), initial_state=[("ab",), ("ab",)]),
            TypeError,
            r"initial_state\[0\]\[0\] must be an array, got str",
        ),
        (lambda: layers.LSTM(2, stateful=1), TypeError, "LSTM: stateful must be True or False, got 1"),
        (lambda: layers.GRU(2, return_state=None), TypeError, "GRU: return_state must be True or False, got None"),
    ],
)
def test_refusals(act, error, words):
    with pytest.raises(error, match=words):
        act()


def test_another_number_of_rows_needs_a_reset(rng):
    model = model_of(layers.LSTM, {}, stateful=True)
    x, y = rng.normal(size=(4, T, I)), rng.normal(size=(4, T, 2))
    model.predict(x, verbose=0)
    kept = [array.copy() for array in model.layers[0].kept_state]
    for act in (lambda: model.predict(x[:3], verbose=0), lambda: model.fit(x[:3], y[:3], shuffle=False, verbose=0)):
        with pytest.raises(ValueError, match="has the state of 4 rows, but the batch has 3; call reset_state()"):
            act()
    for array, before in zip(model.layers[0].kept_state, kept, strict=True):
        assert (array == before).all()
    model.reset_state()
    model.predict(x[:3], verbose=0)


@pytest.mark.parametrize(
    ("first", "last", "error", "words"),
    [
        ([], None, ValueError, r"first\[0\] is missing"),
        ([np.zeros((2, 3))] * 3, None, ValueError, "first must have 2 arrays, got 3"),
        (
            [np.zeros((2, 3)), np.zeros((2, 4))],
            None,
            ValueError,
            r"first\[1\] must be float64 \[2, 3\], got float64 \[2, 4\]",
        ),
        ([np.zeros((2, 3)), 1], None, TypeError, r"first\[1\] must be an array"),
        (None, [np.zeros((2, 3)), np.zeros((2, 3), np.float32)], ValueError, r"last\[1\] must be float64 \[2, 3\]"),
    ],
)
def test_the_engine_refuses_states_that_do_not_fit(first, last, error, words):
    network = _core.Network("float64", I, True, False, [{"op": "lstm", "units": 3}])
    with pytest.raises(error, match=words):
        network.predict_batch((np.zeros((2, T, I)), None, first, last, None), np.arange(2), np.empty((2, 3)))
