"""GRU, SimpleRNN and the LSTM's options: reference.py by finite differences, the engine by reference.py, both by goldens."""

import numpy as np
import pytest

import pyrnn
from pyrnn import _core, layers
from pyrnn import reference as ref
from tests.test_functions import DTYPES, SIZES, UNITS, assert_close, in_float64
from tests.test_goldens import assert_close as assert_golden
from tests.test_goldens import goldens, implementation, load

CELL_ACTIVATIONS = ["tanh", "sigmoid", "hard_sigmoid", "relu", "linear"]
# cell, options of its functions
VARIANTS = [
    pytest.param("gru", {}, id="gru"),
    pytest.param("gru", {"reset_after": False}, id="gru_before"),
    pytest.param("simple_rnn", {}, id="simple_rnn"),
    *(
        pytest.param(cell, {name: activation}, id=f"{cell}_{name}_{activation}")
        for cell, name in (("lstm", "activation"), ("lstm", "recurrent_activation"), ("gru", "activation"))
        for activation in CELL_ACTIVATIONS
    ),
    *(pytest.param("gru", {"recurrent_activation": a}, id=f"gru_recurrent_{a}") for a in CELL_ACTIVATIONS),
    *(
        pytest.param(
            "gru", {"reset_after": False, "activation": a, "recurrent_activation": b}, id=f"gru_before_{a}_{b}"
        )
        for a, b in zip(CELL_ACTIVATIONS, reversed(CELL_ACTIVATIONS), strict=True)
    ),
    *(pytest.param("simple_rnn", {"activation": a}, id=f"simple_rnn_{a}") for a in CELL_ACTIVATIONS),
]
GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}


def arguments(rng, cell, dtype, B, T, I, H, ids=False, reset_after=True):
    """By name: of forward, then dh (and dc). States are distinct and far from zero; sums inside the gates stay of size 1."""
    G = GATES[cell]
    given = {"x": rng.integers(I, size=(B, T)) if ids else rng.normal(size=(B, T, I))}
    for name in ("h0", "c0", "dc") if cell == "lstm" else ("h0",):
        given[name] = rng.uniform(0.5, 1, size=(B, H)) * rng.choice([-1, 1], size=(B, H))
    given["kernel"] = rng.normal(size=(I, G * H)) / (2 if ids else 2 * np.sqrt(I))
    given["recurrent_kernel"] = rng.normal(size=(H, G * H)) / (2 * np.sqrt(H))
    given["bias"] = rng.normal(size=(2, G * H) if cell == "gru" and reset_after else G * H) / 2
    given["dh"] = rng.normal(size=(B, T, H))
    return {name: value if name == "x" and ids else value.astype(dtype) for name, value in given.items()}


def run(functions, cell, given, options):
    """Results of both directions, by name."""
    state = [given[name] for name in ("h0", "c0") if name in given]
    weights = [given["kernel"], given["recurrent_kernel"]]
    saved = getattr(functions, f"{cell}_forward")(given["x"], *state, *weights, given["bias"], **options)
    saved = saved if isinstance(saved, tuple) else (saved,)
    upstream = [given[name] for name in ("dh", "dc") if name in given]
    gradients = getattr(functions, f"{cell}_backward")(*upstream, given["x"], *state, *weights, *saved, **options)
    names = ["dx", "dh0", *(["dc0"] if "c0" in given else []), "dkernel", "drecurrent_kernel", "dbias"]
    return dict(zip(("h", "c", "gates") if "c0" in given else ("h", "gates"), saved, strict=False)) | dict(
        zip(names, gradients, strict=True)
    )


# ------------------------------------------------------------------------------------------------ Reference, by differences


@pytest.mark.parametrize(("cell", "options"), VARIANTS)
def test_gradients_of_the_reference(rng, cell, options):
    given = arguments(rng, cell, "float64", 2, 3, 3, 4, reset_after=options.get("reset_after", True))
    results = run(ref, cell, given, options)

    def loss(name, value):
        changed = run(ref, cell, given | {name: value}, options)
        c = (given["dc"] * changed["c"][:, -1]).sum() if "c" in changed else 0
        return (given["dh"] * changed["h"]).sum() + c

    step = 1e-6
    for name in ("x", "h0", "c0", "kernel", "recurrent_kernel", "bias"):
        if name not in given:
            continue
        expected = np.empty(given[name].shape)
        for at in np.ndindex(expected.shape):
            up, down = given[name].copy(), given[name].copy()
            up[at] += step
            down[at] -= step
            expected[at] = (loss(name, up) - loss(name, down)) / (2 * step)
        np.testing.assert_allclose(results[f"d{name}"], expected, rtol=1e-6, atol=1e-7, err_msg=name)


# ------------------------------------------------------------------------------------------------- Engine, by the reference


def assert_engine(cell, given, options):
    actual = run(_core, cell, given, options)
    expected = run(ref, cell, dict(zip(given, in_float64(given.values()), strict=True)), options)
    B, T = given["x"].shape[:2]
    for name, value in actual.items():
        if expected[name] is None:
            assert value is None, name
            continue
        terms = T * (B if "kernel" in name or "bias" in name else 1) + len(given["kernel"])
        assert_close(value, expected[name], name, terms=4 * terms)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize(("cell", "options"), VARIANTS[:3])
def test_sizes(rng, cell, options, units, size, ids, dtype):
    given = arguments(rng, cell, dtype, *size, units, ids, options.get("reset_after", True))
    assert_engine(cell, given, options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cell", "options"), VARIANTS)
def test_options(rng, cell, options, dtype):
    given = arguments(rng, cell, dtype, 5, 4, 7, 19, reset_after=options.get("reset_after", True))
    assert_engine(cell, given, options)


# -------------------------------------------------------------------------------------------------------------- Goldens

CELLS = load("cells")
FUNCTIONS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "simple_rnn"}


@goldens(CELLS)
def test_goldens(options, given, expected, dtype, who):
    functions, given = implementation(who, given, dtype)
    options = dict(options)
    cell = FUNCTIONS[options.pop("cell")]
    sequences, backwards = options.pop("return_sequences"), options.pop("go_backwards", False)
    given["x"] = given.pop("ids") if "ids" in given else given["x"]
    if backwards:
        given["x"] = np.ascontiguousarray(given["x"][:, ::-1])
    if not sequences:
        given["dh"] = np.concatenate(
            [
                np.zeros((*given["x"].shape[:1], given["x"].shape[1] - 1, *given["dh"].shape[1:]), given["dh"].dtype),
                given["dh"][:, None],
            ],
            axis=1,
        )
    results = run(functions, cell, given, options)
    if not sequences:
        results["h"] = results["h"][:, -1]
    if "c" in results:
        results["c_last"] = results["c"][:, -1]
    if backwards:
        results["dx"] = results["dx"][:, ::-1]
    for name, value in expected.items():
        assert_golden(results[name], value, dtype, name)


# -------------------------------------------------------------------------------------------------------------- Layers


def assert_a_step_follows_the_gradient(rng, model, x, y, output):
    """One step of gradient descent moves every weight by its gradient, by differences of `output(x)`, which the weights make."""
    model.compile(pyrnn.optimizers.SGD(1.0), "mse")
    before = model.get_weights()
    model.fit(x, y, batch_size=len(x), epochs=1, shuffle=False, verbose=0)
    moved = [old - new for old, new in zip(before, model.get_weights(), strict=True)]
    for index, gradient in enumerate(moved):
        at = tuple(rng.integers(size) for size in gradient.shape)
        losses = []
        for sign in (1, -1):
            weights = [weight.copy() for weight in before]
            weights[index][at] += sign * 1e-6
            model.set_weights(weights)
            losses.append(np.mean((output(x) - y) ** 2))
        np.testing.assert_allclose(gradient[at], (losses[0] - losses[1]) / 2e-6, rtol=1e-4, atol=1e-8)


def stacked(cell, **options):
    return pyrnn.Sequential(
        [
            pyrnn.Input((6, 5)),
            getattr(layers, cell)(19, return_sequences=True, **options),
            getattr(layers, cell)(7, **options),
            layers.Dense(3),
        ],
        dtype="float64",
    )


def by_reference(model, x, cell, backwards, **options):
    """The model's output as reference.py has it."""
    for layer in model.layers[:2]:
        kernel, recurrent_kernel, bias = layer.get_weights()
        state = [np.zeros((len(x), layer.units))] * (2 if cell == "LSTM" else 1)
        x = x[:, ::-1] if backwards else x
        h = getattr(ref, f"{FUNCTIONS[cell]}_forward")(x, *state, kernel, recurrent_kernel, bias, **options)
        x = h[0] if isinstance(h, tuple) else h
    return ref.dense_forward(x[:, -1], *model.layers[2].get_weights(), "linear")


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("LSTM", {}),
        ("LSTM", {"activation": "relu", "recurrent_activation": "hard_sigmoid"}),
        ("GRU", {}),
        ("GRU", {"reset_after": False, "recurrent_activation": "hard_sigmoid"}),
        ("SimpleRNN", {}),
        ("SimpleRNN", {"activation": "relu"}),
    ],
)
def test_stacked_layers_predict_and_learn(rng, cell, options, backwards):
    model = stacked(cell, go_backwards=backwards, **options)
    x, y = rng.normal(size=(40, 6, 5)), rng.normal(size=(40, 3))
    np.testing.assert_allclose(
        model.predict(x), by_reference(model, x, cell, backwards, **options), rtol=1e-11, atol=1e-12
    )

    assert_a_step_follows_the_gradient(rng, model, x, y, model.predict)


@pytest.mark.parametrize("cell", ["GRU", "SimpleRNN"])
def test_without_bias(rng, cell):
    model = pyrnn.Sequential([pyrnn.Input((4, 3)), getattr(layers, cell)(5, use_bias=False)], dtype="float64")
    kernel, recurrent_kernel = model.get_weights()
    x = rng.normal(size=(6, 4, 3))
    bias = np.zeros((2, 15) if cell == "GRU" else 5)
    h = getattr(ref, f"{FUNCTIONS[cell]}_forward")(x, np.zeros((6, 5)), kernel, recurrent_kernel, bias)
    h = h[0] if isinstance(h, tuple) else h
    np.testing.assert_allclose(model.predict(x), h[:, -1], rtol=1e-12)
    model.compile("adam", "mse")
    before = model.evaluate(x, rng.normal(size=(6, 5)), verbose=0)
    assert np.isfinite(before)


@pytest.mark.parametrize(("cell", "options"), [("GRU", {}), ("GRU", {"reset_after": False}), ("SimpleRNN", {})])
def test_repeated_vectors_and_streams(rng, cell, options):
    """What RepeatVector saves changes nothing, and a stream's steps are those of a sequence."""
    first, second = (getattr(layers, cell)(6, return_sequences=True, **options) for _ in range(2))
    repeated = pyrnn.Sequential([pyrnn.Input((3,)), layers.RepeatVector(5), first], dtype="float64")
    plain = pyrnn.Sequential([pyrnn.Input((5, 3)), second], dtype="float64")
    plain.set_weights(repeated.get_weights())
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 5, 6))
    sequence = np.repeat(x[:, None], 5, axis=1)
    np.testing.assert_allclose(repeated.predict(x), plain.predict(sequence), rtol=1e-12)
    for model, values in ((repeated, x), (plain, sequence)):
        model.compile("sgd", "mse")
        model.fit(values, y, batch_size=9, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(repeated.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)

    stream = plain.stream(batch_size=9)
    steps = np.stack([stream.step(np.ascontiguousarray(sequence[:, t])).copy() for t in range(5)], axis=1)
    np.testing.assert_array_equal(steps, plain.predict(sequence))
    assert [len(state) for state in stream.state] == [1]


def test_a_stream_cannot_go_backwards():
    model = pyrnn.Sequential([pyrnn.Input((4, 3)), layers.GRU(5, go_backwards=True)])
    with pytest.raises(ValueError, match="go_backwards=True needs the last step"):
        model.stream()


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_the_output_of_gates_may_be_logits(cell, rng):
    """Their outputs are no activation of a sum, whatever the cell's activations are."""
    model = pyrnn.Sequential([pyrnn.Input((4, 3)), getattr(layers, cell)(5)], dtype="float64")
    x, y = rng.normal(size=(6, 4, 3)), rng.integers(5, size=6)
    z = model.predict(x)
    model.compile("sgd", pyrnn.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert model.train_on_batch(x, y) == pytest.approx(ref.crossentropy(z, y)[0], rel=1e-12)


def test_the_output_of_a_simple_rnn_may_be_probabilities(rng):
    model = pyrnn.Sequential([pyrnn.Input((4, 3)), layers.SimpleRNN(1, activation="sigmoid")], dtype="float64")
    x, y = rng.normal(size=(6, 4, 3)), rng.integers(2, size=(6, 1)).astype(float)
    p = model.predict(x)
    model.compile("sgd", "binary_crossentropy")
    expected = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert model.train_on_batch(x, y) == pytest.approx(expected, rel=1e-12)
