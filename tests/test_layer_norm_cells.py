"""Layer-normalised LSTM and GRU: reference.py by finite differences, the engine by reference.py, both by goldens."""

import numpy as np
import pytest

import pyrnn
from pyrnn import _core, layers
from pyrnn import reference as ref
from tests.test_cells import assert_a_step_follows_the_gradient
from tests.test_functions import DTYPES, UNITS, in_float64
from tests.test_goldens import assert_close as assert_golden
from tests.test_goldens import goldens, implementation, load

CELLS = ["lstm", "gru"]
WEIGHTS = {
    "lstm": ("kernel", "recurrent_kernel", "bias", "gamma", "gamma_h", "beta_h"),
    "gru": ("kernel", "recurrent_kernel", "bias", "gamma"),
}
STATES = {"lstm": ("h0", "c0"), "gru": ("h0",)}
ACTIVATIONS = [
    {},
    {"activation": "sigmoid"},
    {"activation": "linear", "recurrent_activation": "tanh"},
    {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
]


def arguments(rng, cell, dtype, B, T, I, H, ids=False):
    """By name: of forward, then dh (and dc). States are distinct and far from zero."""
    G, lstm = {"lstm": 4, "gru": 3}[cell], cell == "lstm"
    given = {"x": rng.integers(I, size=(B, T)) if ids else rng.normal(size=(B, T, I))}
    for name in (*STATES[cell], *(["dc"] if lstm else [])):
        given[name] = rng.uniform(0.5, 1, size=(B, H)) * rng.choice([-1, 1], size=(B, H))
    given["kernel"], given["recurrent_kernel"] = rng.normal(size=(I, G * H)), rng.normal(size=(H, G * H))
    given["bias"] = rng.normal(size=G * H if lstm else (2, G * H)) / 2
    given["gamma"] = rng.uniform(0.3, 1, size=(2, G * H))
    if lstm:
        given["gamma_h"], given["beta_h"] = rng.uniform(0.3, 1, size=H), rng.normal(size=H) / 2
    given["dh"] = rng.normal(size=(B, T, H))
    return {name: value if name == "x" and ids else value.astype(dtype) for name, value in given.items()}


def run(functions, cell, given, options):
    """Results of both directions, by name."""
    names = ("x", *STATES[cell], *WEIGHTS[cell])
    inputs = [given[name] for name in names]
    outputs = getattr(functions, f"layer_norm_{cell}_forward")(*inputs, **options)
    upstream = [given[name] for name in ("dh", "dc") if name in given]
    gradients = getattr(functions, f"layer_norm_{cell}_backward")(*upstream, *inputs, **options)
    results = dict(zip(("h", "c"), outputs, strict=True)) if cell == "lstm" else {"h": outputs}
    return results | dict(zip((f"d{name}" for name in names), gradients, strict=True))


# ------------------------------------------------------------------------------------------------ Reference, by differences


@pytest.mark.parametrize("options", ACTIVATIONS)
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_the_reference(rng, cell, ids, options):
    given = arguments(rng, cell, "float64", 2, 3, 5, 4, ids)
    results = run(ref, cell, given, options)

    def loss(name, value):
        changed = run(ref, cell, given | {name: value}, options)
        return (given["dh"] * changed["h"]).sum() + ((given["dc"] * changed["c"][:, -1]).sum() if "c" in changed else 0)

    step = 1e-6
    for name in (*STATES[cell], *WEIGHTS[cell], *([] if ids else ["x"])):
        expected = np.empty(given[name].shape)
        for at in np.ndindex(expected.shape):
            moved = np.zeros(expected.shape)
            moved[at] = step
            expected[at] = (loss(name, given[name] + moved) - loss(name, given[name] - moved)) / (2 * step)
        np.testing.assert_allclose(results[f"d{name}"], expected, rtol=1e-5, atol=1e-6, err_msg=name)
    assert (results["dx"] is None) == ids


# ------------------------------------------------------------------------------------------------- Engine, by the reference

SIZES = [(1, 1, 3), (5, 3, 7), (17, 2, 33), (33, 9, 16), (70, 4, 100)]  # B, T, I


def assert_engine(cell, given, options):
    """Errors up to some roundings of the terms, which are of size 1: normalisation lets them cancel."""
    actual = run(_core, cell, given, options)
    expected = run(ref, cell, dict(zip(given, in_float64(given.values()), strict=True)), options)
    B, T = given["x"].shape[:2]
    for name, value in actual.items():
        if expected[name] is None:
            assert value is None, name
            continue
        assert value.dtype == given["kernel"].dtype and value.shape == expected[name].shape, name
        terms = T * (B if name[1:] in WEIGHTS[cell] else 1) + len(given["kernel"])
        tolerance = {"float32": 1e-5, "float64": 2e-14}[str(value.dtype)] * np.sqrt(terms)
        scale = max(1, np.abs(expected[name]).max())
        np.testing.assert_allclose(value, expected[name], rtol=tolerance, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("cell", CELLS)
def test_sizes(rng, cell, units, size, ids, dtype):
    B, T, I = size
    steps = min(T, 3) if units == 1 else T  # of one unit LN(h R) is nearly a step at h = 0, and roundings grow with T
    assert_engine(cell, arguments(rng, cell, dtype, B, steps, I, units, ids), {})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", ACTIVATIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_options(rng, cell, options, dtype):
    assert_engine(cell, arguments(rng, cell, dtype, 5, 4, 7, 19), options)


# -------------------------------------------------------------------------------------------------------------- Networks

OPTION = {"layer_norm": True}
STACK = [
    {"op": "lstm", "units": 100, "return_sequences": True, **OPTION},
    {"op": "gru", "units": 33, "return_sequences": True, "go_backwards": True, **OPTION},
    {"op": "lstm", "units": 17, **OPTION},
    {"op": "repeat_vector", "n": 4},
    {"op": "gru", "units": 20, "return_sequences": True, **OPTION},
    {"op": "lstm", "units": 31, "return_sequences": True, "bidirectional": "sum", **OPTION},
    {"op": "dense", "units": 5},
]


@pytest.fixture
def threads():
    yield _core.set_num_threads
    _core.set_num_threads(0)


def weight_names(op):
    names = WEIGHTS.get(op["op"], {"dense": ("kernel", "bias")}.get(op["op"], ()))
    return [f"{side}_{name}" for side in ("forward", "backward") for name in names] if "bidirectional" in op else names


def network(ops, dtype, features, ids=False):
    net = _core.Network(dtype, features, True, ids, ops)
    rng = np.random.default_rng(1)
    for i, op in enumerate(ops):
        for name in weight_names(op):
            low, high = (0.5, 1.5) if "gamma" in name else (-0.5, 0.5)
            net.set_weight(i, name, rng.uniform(low, high, net.get_weight(i, name).shape).astype(dtype))
    net.compile("mean_squared_error", False, [], {"name": "adam", "global_clipnorm": 0.5})
    return net


def results(schedule, dtype, batch, lengths):
    """Predictions and weights of two training batches of ids."""
    net = network(STACK, dtype, 11, ids=True)
    net.set_schedule(schedule)
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 11, (batch, 7)), rng.normal(size=(batch, 4, 5))
    if lengths:
        x = x, np.stack([np.zeros(batch, np.int64), rng.integers(0, 8, batch)], axis=1), None, None, None
    index = np.arange(batch)
    losses = [net.train_batch(x, y, index, 0.01) for _ in range(2)]
    out = np.empty((batch, 4, 5), dtype)
    net.predict_batch(x, index, out)
    return [
        np.array(losses),
        out,
        *(net.get_weight(i, name) for i, op in enumerate(STACK) for name in weight_names(op)),
    ]


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("batch", [1, 7, 70])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bits_whatever_the_threads(threads, dtype, batch, lengths):
    threads(1)
    expected = results("serial", dtype, batch, lengths)
    for n in (1, 2, 3):
        threads(n)
        for schedule in ("auto", "rows", "panels"):
            for value, wanted in zip(results(schedule, dtype, batch, lengths), expected, strict=True):
                np.testing.assert_array_equal(value, wanted, err_msg=f"{n} threads, {schedule}")


# ---------------------------------------------------------------------------------------------------------------- Layers

CLASSES = {"lstm": layers.LSTM, "gru": layers.GRU}


def randomized(model, rng):
    """Gains and biases that are neither one, zero nor equal."""
    weights = model.get_weights()
    model.set_weights([weight + rng.uniform(-0.3, 0.3, weight.shape) for weight in weights])
    return model


def model_of(rng, cell, *more, dtype="float64", **options):
    layer = CLASSES[cell](19, layer_norm=True, **options)
    return randomized(pyrnn.Sequential([pyrnn.Input((None, 5)), layer, *more], dtype=dtype), rng)


def by_reference(model, x):
    """h [B, T, H] of the first layer."""
    layer = model.layers[0]
    cell = type(layer).__name__.lower()
    weights = {weight.name: weight.numpy() for weight in layer.weights}
    no_bias = np.zeros(4 * layer.units if cell == "lstm" else (2, 3 * layer.units))
    given = [weights.get(name, no_bias) for name in WEIGHTS[cell]]
    states = [np.zeros((len(x), layer.units))] * len(STATES[cell])
    h = getattr(ref, f"layer_norm_{cell}_forward")(x, *states, *given)
    return h[0] if cell == "lstm" else h


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_predicts_and_learns(rng, cell, use_bias, backwards):
    more = CLASSES[cell](7, layer_norm=True, use_bias=use_bias), layers.Dense(3)
    model = model_of(rng, cell, *more, use_bias=use_bias, go_backwards=backwards, return_sequences=True)
    x, y = rng.normal(size=(40, 6, 5)), rng.normal(size=(40, 3))
    alone = model_of(rng, cell, use_bias=use_bias, go_backwards=backwards, return_sequences=True)
    np.testing.assert_allclose(alone.predict(x), by_reference(alone, x[:, ::-1] if backwards else x), atol=1e-12)
    assert_a_step_follows_the_gradient(rng, model, x, y, model.predict)


@pytest.mark.parametrize("cell", CELLS)
def test_bidirectional_layers_learn(rng, cell):
    both = layers.Bidirectional(CLASSES[cell](9, layer_norm=True))
    model = randomized(pyrnn.Sequential([pyrnn.Input((6, 5)), both, layers.Dense(3)], dtype="float64"), rng)
    x, y = rng.normal(size=(20, 6, 5)), rng.normal(size=(20, 3))
    assert_a_step_follows_the_gradient(rng, model, x, y, model.predict)


@pytest.mark.parametrize("cell", CELLS)
def test_a_repeated_vector_is_a_sequence_of_equal_ones(rng, cell):
    first, second = (CLASSES[cell](6, return_sequences=True, layer_norm=True) for _ in range(2))
    repeated = pyrnn.Sequential([pyrnn.Input((3,)), layers.RepeatVector(5), first], dtype="float64")
    plain = pyrnn.Sequential([pyrnn.Input((5, 3)), second], dtype="float64")
    plain.set_weights(randomized(repeated, rng).get_weights())
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 5, 6))
    sequence = np.repeat(x[:, None], 5, axis=1)
    for model, values in ((repeated, x), (plain, sequence)):
        model.compile("sgd", "mse")
        model.fit(values, y, batch_size=9, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(repeated.predict(x), plain.predict(sequence), rtol=1e-9)
    for a, b in zip(repeated.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_stream_takes_the_steps_of_a_sequence(rng, cell, dtype):
    model = model_of(rng, cell, return_sequences=True, dtype=dtype)
    x = rng.normal(size=(9, 6, 5)).astype(dtype)
    stream = model.stream(batch_size=9)
    steps = np.stack([stream.step(np.ascontiguousarray(x[:, t])).copy() for t in range(6)], axis=1)
    np.testing.assert_array_equal(steps, model.predict(x))
    assert [len(state) for state in stream.state] == [len(STATES[cell])]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_ragged_row_is_as_if_it_were_alone(rng, cell, sequences, dtype):
    model = model_of(rng, cell, return_sequences=sequences, dtype=dtype)
    x, lengths = rng.normal(size=(9, 6, 5)).astype(dtype), np.array([3, 6, 0, 1, 5, 6, 2, 4, 3])
    together = model.predict(x, lengths=lengths)
    for row, length in enumerate(lengths):
        if length:
            alone = model.predict(x[row : row + 1, :length])[0]
            np.testing.assert_array_equal(together[row, :length] if sequences else together[row], alone)


@pytest.mark.parametrize("cell", CELLS)
def test_ragged_rows_train_as_their_real_steps(rng, cell):
    """The gradient of rows of different lengths is the mean of what each would give alone."""
    x, y, lengths = rng.normal(size=(3, 6, 5)), rng.normal(size=(3, 19)), np.array([2, 6, 3])
    model = model_of(rng, cell)
    before = model.get_weights()

    def moved(x, y, lengths):
        model.set_weights(before)
        model.compile(pyrnn.optimizers.SGD(1.0), "mse")
        model.fit(x, y, batch_size=3, epochs=1, shuffle=False, verbose=0, lengths=lengths)
        return [new - old for new, old in zip(model.get_weights(), before, strict=True)]

    together = moved(x, y, lengths)
    alone = [moved(x[i : i + 1, :n], y[i : i + 1], None) for i, n in enumerate(lengths)]
    for index, step in enumerate(together):
        np.testing.assert_allclose(step, np.mean([steps[index] for steps in alone], axis=0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_a_model_comes_back_from_its_file(rng, cell, tmp_path):
    model = model_of(rng, cell, layers.Dense(3), dtype="float32")
    model.save(tmp_path / "model.safetensors")
    again, x = pyrnn.load_model(tmp_path / "model.safetensors"), rng.normal(size=(4, 6, 5))
    assert again.layers[0].layer_norm and again.get_config() == model.get_config()
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


@pytest.mark.parametrize("cell", CELLS)
def test_a_small_model_learns(rng, cell):
    """Which of 8 symbols stood first in a sequence of 10."""
    pyrnn.utils.set_random_seed(1)
    model = pyrnn.Sequential([CLASSES[cell](24, layer_norm=True, input_shape=(10, 8)), layers.Dense(8)])
    model.compile(
        pyrnn.optimizers.Adam(0.01), pyrnn.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"]
    )
    x = rng.integers(8, size=(1024, 10))
    model.fit(x, x[:, 0], batch_size=32, epochs=15, verbose=0)
    _, accuracy = model.evaluate(x, x[:, 0], verbose=0)
    assert accuracy > 0.95


# -------------------------------------------------------------------------------------------------------------- Goldens

GOLDENS = load("layer_norm_cells")


@goldens(GOLDENS)
def test_goldens(options, given, expected, dtype, who):
    functions, given = implementation(who, given, dtype)
    options = dict(options)
    cell, sequences = options.pop("cell").lower(), options.pop("return_sequences")
    given["x"] = given.pop("ids") if "ids" in given else given["x"]
    if not sequences:
        last, given["dh"] = given["dh"], np.zeros((*given["x"].shape[:2], given["h0"].shape[1]), given["dh"].dtype)
        given["dh"][:, -1] = last
    results = run(functions, cell, given, options)
    results["h"] = results["h"] if sequences else results["h"][:, -1]
    if "c" in results:
        results["c_last"] = results["c"][:, -1]
    for name, value in expected.items():
        assert_golden(results[name], value, dtype, name)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize(
    "rates",
    [
        {"dropout": 0.3},
        {"recurrent_dropout": 0.3},
        {"zoneout": 0.3},
        dict.fromkeys(("dropout", "recurrent_dropout", "zoneout"), 0.2),
    ],
)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_gradients_of_cells_that_drop(rng, kind, rates, ids, sequences):
    """By differences of the loss that training sees: the masks of one iteration are always the same."""
    op = {"op": kind, "units": 19, "layer_norm": True, "return_sequences": sequences, "seed": 3, **rates}
    network = _core.Network("float64", 4, True, False, [op])
    names = ["kernel", "recurrent_kernel", "bias", "gamma", *(("gamma_h", "beta_h") if kind == "lstm" else ())]
    weights = {name: rng.uniform(-0.7, 0.7, network.get_weight(0, name).shape) for name in names}
    network.compile("mean_squared_error", False, [], {"name": "sgd"})
    x = rng.integers(0, 4, (5, 6)) if ids else rng.normal(size=(5, 6, 4))
    spans = np.stack([np.zeros(5, np.int64), [6, 0, 2, 5, 6]], axis=1)
    y = rng.normal(size=(5, 6, 19) if sequences else (5, 19))

    def loss(values, rate=0.0):
        for name, value in values.items():
            network.set_weight(0, name, value)
        network.set_optimizer_state({**network.get_optimizer_state(), "iterations": 0})
        return network.train_batch((x, spans, None, None, None), y, np.arange(5), rate)[0]

    loss(weights, rate=1.0)
    gradients = {name: weights[name] - network.get_weight(0, name) for name in names}
    for name in names:
        direction = rng.normal(size=weights[name].shape)
        up, down = (loss({**weights, name: weights[name] + step * direction}) for step in (1e-6, -1e-6))
        assert (up - down) / 2e-6 == pytest.approx((gradients[name] * direction).sum(), rel=1e-5, abs=1e-8)
