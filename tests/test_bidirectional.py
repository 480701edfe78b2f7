"""Bidirectional: the two directions by reference.py, gradients by differences, and Keras' goldens."""

import numpy as np
import pytest

import pyrnn
from pyrnn import _core, layers
from pyrnn import reference as ref
from tests.test_cells import FUNCTIONS, assert_a_step_follows_the_gradient
from tests.test_goldens import assert_close, load
from tests.test_ragged import ragged

MERGE = {
    "concat": lambda f, b: np.concatenate([f, b], axis=-1),
    "sum": lambda f, b: f + b,
    "mul": lambda f, b: f * b,
    "ave": lambda f, b: (f + b) / 2,
}
CELLS = [("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False}), ("SimpleRNN", {})]


def model_of(cell, sequences, merge_mode, dtype="float64", units=19, features=5, **options):
    inner = getattr(layers, cell)(units, return_sequences=sequences, **options)
    model = pyrnn.Sequential([pyrnn.Input((6, features)), layers.Bidirectional(inner, merge_mode)], dtype=dtype)
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(-0.5, 0.5, weight.shape) for weight in model.weights])
    return model


def by_reference(model, x, cell, sequences, merge_mode, **options):
    """The layer's output as reference.py has it."""
    weights = model.get_weights()
    outputs = []
    for own, steps in ((weights[:3], x), (weights[3:], x[:, ::-1])):
        state = [np.zeros((len(x), len(own[1])))] * (2 if cell == "LSTM" else 1)
        h = getattr(ref, f"{FUNCTIONS[cell]}_forward")(steps, *state, *own, **options)
        outputs.append(h[0] if isinstance(h, tuple) else h)
    forward, backward = outputs
    if sequences:
        return MERGE[merge_mode](forward, backward[:, ::-1])
    return MERGE[merge_mode](forward[:, -1], backward[:, -1])


@pytest.mark.parametrize("merge_mode", MERGE)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize(("cell", "options"), CELLS)
@pytest.mark.parametrize("units", [19, 32])  # those of whole cache lines work in the place of the concatenation
def test_outputs_and_gradients(rng, cell, options, sequences, merge_mode, units):
    model = model_of(cell, sequences, merge_mode, units=units, **options)
    x = rng.normal(size=(40, 6, 5))
    expected = by_reference(model, x, cell, sequences, merge_mode, **options)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-11, atol=1e-12)
    assert model.output_shape == (None, *expected.shape[1:])

    def output(x):
        return by_reference(model, x, cell, sequences, merge_mode, **options)

    assert_a_step_follows_the_gradient(rng, model, x, rng.normal(size=expected.shape), output)


GOLDENS = load("bidirectional")


@pytest.mark.parametrize("case", GOLDENS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_goldens(case, dtype):
    """With a layer below, whose weights' gradients need dx."""
    options, given = GOLDENS[case]["options"], GOLDENS[case]["input"]
    inner = getattr(layers, options["cell"])(
        given["recurrent_kernel_f"].shape[0], return_sequences=options["sequences"]
    )
    below = layers.Dense(given["x"].shape[2], use_bias=False)
    model = pyrnn.Sequential(
        [pyrnn.Input(given["x"].shape[1:]), below, layers.Bidirectional(inner, options["merge_mode"])], dtype=dtype
    )
    names = [f"{name}_{way}" for way in "fb" for name in ("kernel", "recurrent_kernel", "bias")]
    before = [np.eye(given["x"].shape[2]), *(given[name] for name in names)]
    model.set_weights(before)
    for expected in (GOLDENS[case][peer][dtype] for peer in ("keras", "torch") if dtype in GOLDENS[case].get(peer, {})):
        assert_close(model.predict(given["x"].astype(dtype)), expected["y"], dtype, "y")
        model.compile(pyrnn.optimizers.SGD(1.0), "mse")
        y = expected["y"] - given["dy"].astype("float64") * (expected["y"].size / 2)  # so that mse has the gradient dy
        model.train_on_batch(given["x"].astype(dtype), y.astype(dtype))
        after = model.get_weights()
        tolerance = 1e-9 if dtype == "float64" else 2e-4  # weights lost digits when the gradient was taken from them
        for name, old, new in zip(names, before[1:], after[1:], strict=True):
            scale = np.abs(expected[f"d{name}"]).max()
            np.testing.assert_allclose(
                old - new, expected[f"d{name}"], rtol=0, atol=tolerance * (scale + 1), err_msg=name
            )
        dx = expected["dx"].reshape(-1, given["x"].shape[2])
        d_below = given["x"].reshape(dx.shape).astype(np.float64).T @ dx
        np.testing.assert_allclose(before[0] - after[0], d_below, rtol=0, atol=tolerance * (np.abs(d_below).max() + 1))
        model.set_weights(before)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("merge_mode", ["concat", "mul"])
@pytest.mark.parametrize("units", [19, 32])
@pytest.mark.parametrize("some_short", [False, True])
def test_ragged_rows_are_as_if_alone_and_threads_change_nothing(rng, sequences, merge_mode, units, some_short):
    op = {"op": "lstm", "units": units, "return_sequences": sequences, "bidirectional": merge_mode}
    weights = [(i, f"{way}_{name}") for i in (0, 1) for way in ("forward", "backward")
               for name in ("kernel", "recurrent_kernel", "bias")]  # fmt: skip
    lengths = np.array([5, 0, 7, 1, 5, 7, 2, 0, 3, 6, 4, 1, 7] * 4)
    given = lambda x: ragged(x, lengths) if some_short else x
    lengths = lengths if some_short else np.full(52, 7)
    x = rng.normal(size=(52, 7, 3))
    y = rng.normal(size=(52, 7, 2) if sequences else (52, 2))

    def network():
        net = _core.Network(
            "float64", 3, True, False, [{**op, "return_sequences": True}, op, {"op": "dense", "units": 2}]
        )
        values = np.random.default_rng(1)
        for w in [*weights, (2, "kernel")]:
            net.set_weight(*w, values.uniform(-0.5, 0.5, net.get_weight(*w).shape))
        net.compile("mean_squared_error", False, [], {"name": "adam"})
        return net

    out = np.empty(y.shape)
    network().predict_batch(given(x), np.arange(52), out)
    for row, length in enumerate(lengths):
        if length:
            alone = np.empty((1, length, 2) if sequences else (1, 2))
            network().predict_batch(x[row : row + 1, :length], np.arange(1), alone)
            np.testing.assert_array_equal(out[row, :length] if sequences else out[row], alone[0])

    def trained(threads, schedule):
        _core.set_num_threads(threads)
        net = network()
        net.set_schedule(schedule)
        losses = [net.train_batch(given(x), y, np.arange(52), 0.01)[0] for _ in range(2)]
        return [np.array(losses), *(net.get_weight(*w) for w in weights)]

    try:
        expected = trained(1, "serial")
        for threads in (2, 3):
            for schedule in ("rows", "panels"):
                for a, b in zip(trained(threads, schedule), expected, strict=True):
                    np.testing.assert_array_equal(a, b, err_msg=f"{schedule}, {threads} threads")
    finally:
        _core.set_num_threads(0)


def test_it_is_saved_and_loaded(tmp_path, rng):
    model = model_of("GRU", True, "ave", reset_after=False)
    model.save(tmp_path / "model.safetensors")
    x = rng.normal(size=(3, 6, 5))
    np.testing.assert_array_equal(pyrnn.load_model(tmp_path / "model.safetensors").predict(x), model.predict(x))
    assert [weight.name for weight in model.weights][:4] == ["forward_kernel", "forward_recurrent_kernel",
                                                             "forward_bias", "backward_kernel"]  # fmt: skip


def test_ids_and_an_inner_seed():
    first, second = (
        pyrnn.Sequential([pyrnn.Input((6, 5)), layers.Bidirectional(layers.LSTM(4, seed=3))]) for _ in range(2)
    )
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    ids = np.random.default_rng(0).integers(5, size=(7, 6))
    np.testing.assert_array_equal(first.predict(ids), first.predict(np.eye(5, dtype=bool)[ids]))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: layers.Bidirectional(layers.Dense(2)), TypeError, "layer must be an LSTM, GRU or SimpleRNN layer"),
        (
            lambda: layers.Bidirectional(layers.LSTM(2), None),
            ValueError,
            "merge_mode must be one of 'concat'.*got None",
        ),
        (
            lambda: layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2)),
            TypeError,
            "backward_layer is not",
        ),
        (lambda: layers.Bidirectional(layers.LSTM(2, input_shape=(3, 2))), ValueError, "input_shape belongs to"),
        (lambda: model_of("LSTM", False, "concat").stream(), ValueError, "Bidirectional needs its whole sequence"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
