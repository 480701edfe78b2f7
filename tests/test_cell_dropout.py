"""Dropout and zoneout inside the recurrent cells: reference.py by differences, the engine by reference.py, both by goldens."""

import numpy as np
import pytest

import pyrnn
from pyrnn import _core, layers
from pyrnn import _reference_layers as ref_layers
from pyrnn import reference as ref
from tests.test_cells import FUNCTIONS, arguments, assert_engine, run
from tests.test_functions import DTYPES
from tests.test_goldens import assert_close as assert_golden
from tests.test_goldens import goldens, implementation, load

CELLS = [
    pytest.param("lstm", {}, id="lstm"),
    pytest.param("gru", {}, id="gru"),
    pytest.param("gru", {"reset_after": False}, id="gru_before"),
    pytest.param("simple_rnn", {"activation": "relu"}, id="simple_rnn"),
]
MASKS = ("dropout_mask", "recurrent_mask", "zoneout_mask")


def masks(rng, dtype, B, T, I, H, names=MASKS):
    """As in training: zeros, and what the others are multiplied by."""
    shapes = {"dropout_mask": (B, I), "recurrent_mask": (B, H), "zoneout_mask": (B, T, H)}
    kept = {"dropout_mask": 1 / 0.7, "recurrent_mask": 1 / 0.6, "zoneout_mask": 1.0}
    return {name: ((rng.random(shapes[name]) < 0.6) * kept[name]).astype(dtype) for name in names}


# ------------------------------------------------------------------------------------------------ Reference, by differences


@pytest.mark.parametrize("names", [*((name,) for name in MASKS), MASKS], ids="+".join)
@pytest.mark.parametrize(("cell", "options"), CELLS)
def test_gradients_of_the_reference(rng, cell, options, names):
    sizes = 2, 3, 3, 4
    given = arguments(rng, cell, "float64", *sizes, reset_after=options.get("reset_after", True))
    options = options | masks(rng, "float64", *sizes, names)
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


@pytest.mark.parametrize(("cell", "options"), CELLS)
def test_what_the_masks_of_the_reference_mean(rng, cell, options):
    """A dropped input or state is as good as none, and a state that is kept at all steps is the first."""
    B, T, _, H = sizes = 3, 4, 5, 6
    given = arguments(rng, cell, "float64", *sizes, reset_after=options.get("reset_after", True))
    drawn = masks(rng, "float64", *sizes)
    dropped = run(ref, cell, given, options | {"dropout_mask": drawn["dropout_mask"]})
    masked = run(ref, cell, given | {"x": given["x"] * drawn["dropout_mask"][:, None]}, options)
    np.testing.assert_array_equal(dropped["h"], masked["h"])
    without = run(ref, cell, given, options | {"recurrent_mask": np.zeros((B, H))})
    no_product = run(ref, cell, given | {"recurrent_kernel": np.zeros_like(given["recurrent_kernel"])}, options)
    np.testing.assert_array_equal(without["h"], no_product["h"])
    given |= {"dc": np.zeros((B, H))} if "dc" in given else {}  # of zoneout, which leaves the cell state alone
    kept = run(ref, cell, given, options | {"zoneout_mask": np.zeros((B, T, H))})
    np.testing.assert_array_equal(kept["h"], np.repeat(given["h0"][:, None], T, axis=1))
    np.testing.assert_allclose(kept["dh0"], given["dh"].sum(axis=1), rtol=1e-12)
    all_pass = run(ref, cell, given, options | {"zoneout_mask": np.ones((B, T, H))})
    np.testing.assert_array_equal(all_pass["h"], run(ref, cell, given, options)["h"])


# ------------------------------------------------------------------------------------------------- Engine, by the reference


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("size", [(1, 1, 1, 1), (5, 3, 7, 17), (33, 9, 16, 16), (37, 4, 20, 83)])
@pytest.mark.parametrize(("cell", "options"), CELLS)
def test_the_engine_with_given_masks(rng, cell, options, size, ids, dtype):
    given = arguments(rng, cell, dtype, *size, ids, reset_after=options.get("reset_after", True))
    assert_engine(cell, given, options | masks(rng, dtype, *size))


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize(("cell", "options"), CELLS)
def test_the_engine_with_one_mask(rng, cell, options, name):
    size = 19, 4, 7, 17
    given = arguments(rng, cell, "float64", *size, reset_after=options.get("reset_after", True))
    assert_engine(cell, given, options | masks(rng, "float64", *size, (name,)))


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_of_another_shape_is_refused(rng, name):
    given = arguments(rng, "simple_rnn", "float64", 2, 3, 4, 5)
    with pytest.raises(ValueError, match=rf"{name} must be float64"):
        run(_core, "simple_rnn", given, {name: np.ones((2, 3))})


# -------------------------------------------------------------------------------------------------------------- Goldens


@goldens(load("cell_dropout"))
def test_goldens(options, given, expected, dtype, who):
    functions, given = implementation(who, given, dtype)
    given["x"] = given.pop("ids") if "ids" in given else given["x"]
    chosen = {name: value for name, value in options.items() if name in ("activation", "reset_after")}
    chosen |= {name: given.pop(name) for name in MASKS if name in given}
    results = run(functions, FUNCTIONS[options["cell"]], given, chosen)
    if "c" in results:
        results["c_last"] = results["c"][:, -1]
    for name, value in expected.items():
        assert_golden(results[name], value, dtype, name)


# ---------------------------------------------------------------------------------------- Layers, with the masks they draw

LAYERS = [
    pytest.param("LSTM", {}, id="lstm"),
    pytest.param("GRU", {}, id="gru"),
    pytest.param("GRU", {"reset_after": False}, id="gru_before"),
    pytest.param("SimpleRNN", {"activation": "relu"}, id="simple_rnn"),
]
RATES = {"dropout": 0.3, "recurrent_dropout": 0.4, "zoneout": 0.2}
SEED = 2**40 + 9


def key(seed, mask):
    """Of a layer's three masks; the third is the seed of a Bidirectional's other direction too."""
    return (seed + (mask + 1) * 0x9E3779B97F4A7C15) % 2**64


def drawn(B, T, I, H, iteration, seed=SEED):
    """By Philox, as kernels/random.h says where a value stands."""
    of = ref_layers.dropout_mask
    return {
        "dropout_mask": of((B, 1, I), RATES["dropout"], key(seed, 0), iteration, True)[:, 0],
        "recurrent_mask": of((B, 1, H), RATES["recurrent_dropout"], key(seed, 1), iteration, True)[:, 0],
        "zoneout_mask": ref_layers.zoneout_mask((B, T, H), RATES["zoneout"], key(seed, 2), iteration),
    }


def given_to(cell, x, weights, H):
    """By name, from a state of zeros."""
    states = dict.fromkeys(("h0", "c0", "dc") if cell == "LSTM" else ("h0",), np.zeros((len(x), H)))
    return {"x": x, **states, **dict(zip(("kernel", "recurrent_kernel", "bias"), weights, strict=True))}


def by_reference(cell, options, x, weights, target, chosen):
    """Gradients of the mean squared error of every step's h, whose masks are `chosen`."""
    given = given_to(cell, x, weights, target.shape[2])
    given["dh"] = np.zeros(target.shape)
    h = run(ref, FUNCTIONS[cell], given, options | chosen)["h"]
    given["dh"] = 2 * (h - target) / target.size
    return run(ref, FUNCTIONS[cell], given, options | chosen)


def moved(model, x, y, iterations=2):
    """By how much each batch moves each weight, all batches from the same weights."""
    model.compile(pyrnn.optimizers.SGD(1.0), "mse")
    before = model.get_weights()
    for _ in range(iterations):
        model.set_weights(before)
        model.train_on_batch(x, y)
        yield [old - new for old, new in zip(before, model.get_weights(), strict=True)]


@pytest.mark.parametrize("kind", ["values", "ids", "repeated", "backwards"])
@pytest.mark.parametrize(("cell", "options"), LAYERS)
def test_training_follows_the_reference(rng, cell, options, kind):
    B, T, I, H = 37, 5, 6, 19
    layer = getattr(layers, cell)(
        H, return_sequences=True, go_backwards=kind == "backwards", seed=SEED, **RATES, **options
    )
    inputs = [pyrnn.Input((I,)), layers.RepeatVector(T)] if kind == "repeated" else [pyrnn.Input((T, I))]
    model = pyrnn.Sequential([*inputs, layer], dtype="float64")
    x = rng.integers(I, size=(B, T)) if kind == "ids" else rng.normal(size=(B, I) if kind == "repeated" else (B, T, I))
    y = rng.normal(size=(B, T, H))
    seen = {"repeated": lambda: np.repeat(x[:, None], T, axis=1), "backwards": lambda: x[:, ::-1]}
    seen = seen.get(kind, lambda: x)()
    weights = model.get_weights()
    for iteration, gradients in enumerate(moved(model, x, y)):
        expected = by_reference(cell, options, seen, weights, y, drawn(B, T, I, H, iteration))
        for name, gradient in zip(("dkernel", "drecurrent_kernel", "dbias"), gradients, strict=True):
            np.testing.assert_allclose(gradient, expected[name], rtol=1e-9, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("merge", [None, "sum", "concat"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("cell", "options"), LAYERS)
def test_the_gradient_of_x(rng, cell, options, backwards, merge):
    """Below is a Dense layer whose kernel is x, of the identity matrix; the directions have masks of their own."""
    B, T, I, H = 9, 5, 6, 16 if merge == "concat" else 19
    layer = getattr(layers, cell)(H, return_sequences=True, go_backwards=backwards, seed=SEED, **RATES, **options)
    layer = layers.Bidirectional(layer, merge) if merge else layer
    identity = np.eye(B * T).reshape(B, T, B * T)
    model = pyrnn.Sequential([pyrnn.Input((T, B * T)), layers.Dense(I, use_bias=False), layer], dtype="float64")
    x, y = rng.normal(size=(B, T, I)), rng.normal(size=(B, T, 2 * H if merge == "concat" else H))
    model.set_weights([x.reshape(B * T, I), *model.get_weights()[1:]])
    weights = model.get_weights()[1:]
    directions = [(weights[:3], SEED, backwards), (weights[3:], key(SEED, 2), not backwards)][: 1 + bool(merge)]
    for iteration, (dx, *_) in enumerate(moved(model, identity, y)):

        def of_direction(index, dh, iteration=iteration):
            """The second one's outputs stand in the order of the first one's."""
            own, seed, reverse = directions[index]
            flip = slice(None, None, -1) if index else slice(None)
            half = slice(index * H, (index + 1) * H) if merge == "concat" else slice(None)
            given = given_to(cell, x[:, ::-1] if reverse else x, own, H) | {"dh": dh[:, flip, half]}
            results = run(ref, FUNCTIONS[cell], given, options | drawn(B, T, I, H, iteration, seed))
            return results["h"][:, flip], results["dx"][:, ::-1] if reverse else results["dx"]

        h = [of_direction(index, np.zeros(y.shape))[0] for index in range(len(directions))]
        h = np.concatenate(h, axis=2) if merge == "concat" else sum(h)
        expected = sum(of_direction(index, 2 * (h - y) / y.size)[1] for index in range(len(directions)))
        np.testing.assert_allclose(dx.reshape(B, T, I), expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize(("cell", "options"), LAYERS)
def test_rows_of_different_lengths(rng, cell, options, ids, backwards):
    """Their masks are those of their places in the order of falling lengths."""
    T, I, H = 5, 6, 19
    lengths = np.array([2, 5, 1, 0, 5, 3, 4, 2])
    B = len(lengths)
    layer = getattr(layers, cell)(H, go_backwards=backwards, seed=SEED, **RATES, **options)
    model = pyrnn.Sequential([pyrnn.Input((T, I)), layer], dtype="float64")
    x = rng.integers(I, size=(B, T)) if ids else rng.normal(size=(B, T, I))
    y = rng.normal(size=(B, H))
    weights = model.get_weights()
    model.compile(pyrnn.optimizers.SGD(1.0), "mse")
    model.fit(x, y, lengths=lengths, batch_size=B, epochs=1, shuffle=False, verbose=0)
    gradients = [old - new for old, new in zip(weights, model.get_weights(), strict=True)]
    expected = dict.fromkeys(("dkernel", "drecurrent_kernel", "dbias"), 0)
    for place, row in enumerate(np.argsort(-lengths, kind="stable")):
        if not (n := lengths[row]):
            continue
        masks_of_row = {name: mask[place : place + 1] for name, mask in drawn(B, T, I, H, 0).items()}
        masks_of_row["zoneout_mask"] = masks_of_row["zoneout_mask"][:, :n]
        own = x[row : row + 1, :n]
        given = given_to(cell, own[:, ::-1] if backwards else own, weights, H) | {"dh": np.zeros((1, n, H))}
        h = run(ref, FUNCTIONS[cell], given, options | masks_of_row)["h"]
        given["dh"][:, -1] = 2 * (h[:, -1] - y[row]) / (H * np.count_nonzero(lengths))
        for name, gradient in run(ref, FUNCTIONS[cell], given, options | masks_of_row).items():
            if name in expected:
                expected[name] = expected[name] + gradient
    for gradient, (name, wanted) in zip(gradients, expected.items(), strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-9, atol=1e-13, err_msg=name)


@pytest.mark.parametrize(("cell", "options"), LAYERS)
def test_outside_training(rng, cell, options):
    """Nothing is dropped, and zoneout is what it is on average: in batches and in streams."""
    B, T, I, H = 7, 5, 6, 19
    layer = getattr(layers, cell)(H, return_sequences=True, **RATES, **options)
    model = pyrnn.Sequential([pyrnn.Input((T, I)), layer], dtype="float64")
    x = rng.normal(size=(B, T, I))
    given = given_to(cell, x, model.get_weights(), H) | {"dh": np.zeros((B, T, H))}
    average = {"zoneout_mask": np.full((B, T, H), 1 - RATES["zoneout"])}
    h = run(ref, FUNCTIONS[cell], given, options | average)["h"]
    np.testing.assert_allclose(model.predict(x, verbose=0), h, rtol=1e-12, atol=1e-14)
    stream = model.stream(batch_size=B)
    for t in range(T):
        np.testing.assert_allclose(stream.step(np.ascontiguousarray(x[:, t])), h[:, t], rtol=1e-12, atol=1e-14)
    last = pyrnn.Sequential([pyrnn.Input((T, I)), getattr(layers, cell)(H, **RATES, **options)], dtype="float64")
    last.set_weights(model.get_weights())
    np.testing.assert_array_equal(last.predict(x, verbose=0), model.predict(x, verbose=0)[:, -1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("merge", [None, "concat"])
@pytest.mark.parametrize(("cell", "options"), LAYERS)
def test_the_same_bits_for_any_threads_and_schedule(rng, cell, options, merge, dtype):
    B, T, I, H = 45, 6, 21, 80
    options = {"op": FUNCTIONS[cell], "units": H, **RATES, **options}
    first = options | {"return_sequences": True, "seed": 3} | ({"bidirectional": merge} if merge else {})
    ops = [first, options | {"seed": 4}, {"op": "dense", "units": 3}]
    x, y = rng.normal(size=(B, T, I)).astype(dtype), rng.normal(size=(B, 3)).astype(dtype)
    spans = np.stack([np.zeros(B, np.int64), rng.integers(0, T + 1, size=B)], axis=1)
    names = [
        f"{way}{name}"
        for way in (("forward_", "backward_") if merge else ("",))
        for name in ("kernel", "recurrent_kernel", "bias")
    ]
    weights = [*((0, name) for name in names), (1, "kernel"), (1, "recurrent_kernel"), (1, "bias")]

    def trained(threads, schedule):
        _core.set_num_threads(threads)
        net = _core.Network(dtype, I, True, False, ops)
        start = np.random.default_rng(1)
        for op, name in weights:
            net.set_weight(op, name, start.uniform(-0.3, 0.3, net.get_weight(op, name).shape).astype(dtype))
        net.compile("mean_squared_error", False, [], {"name": "adam"})
        net.set_schedule(schedule)
        for given in (x, (x, spans, None, None, None), x):
            net.train_batch(given, y, np.arange(B), 0.01)
        return [net.get_weight(op, name) for op, name in weights]

    try:
        expected = trained(1, "serial")
        for threads in (1, 2, 3):
            for schedule in ("rows", "panels"):
                for a, b in zip(trained(threads, schedule), expected, strict=True):
                    np.testing.assert_array_equal(a, b, err_msg=f"{schedule}, {threads} threads")
    finally:
        _core.set_num_threads(0)


def test_masks_are_drawn_as_often_as_the_rate_says():
    chosen = drawn(200, 9, 40, 50, 3)
    for name, rate in zip(MASKS, RATES.values(), strict=True):
        assert abs(np.mean(chosen[name] == 0) - rate) < 0.02, name
        assert len(np.unique(chosen[name].reshape(200, -1), axis=0)) == 200, "each row has a mask of its own"
    assert abs(np.mean(chosen["dropout_mask"]) - 1) < 0.03
    assert set(np.unique(chosen["zoneout_mask"])) == {0, 1}
    again = drawn(200, 9, 40, 50, 4)
    assert all((again[name] != chosen[name]).any() for name in MASKS), "each batch has masks of its own"


@pytest.mark.parametrize("rate", RATES)
def test_the_seed_decides_the_masks(rng, rate):
    x, y = rng.normal(size=(20, 6, 5)), rng.normal(size=(20, 4))

    def trained(**options):
        model = pyrnn.Sequential([pyrnn.Input((6, 5)), layers.GRU(4, **options)], dtype="float64")
        weights = np.random.default_rng(2)
        model.set_weights([weights.normal(size=w.shape) / 3 for w in model.get_weights()])
        model.compile("sgd", "mse")
        return model.train_on_batch(x, y)

    assert trained(**{rate: 0.4}, seed=1) == trained(**{rate: 0.4}, seed=1)
    assert trained(**{rate: 0.4}, seed=1) != trained(**{rate: 0.4}, seed=2)
    losses = []
    for seed in (5, 5, 6):
        pyrnn.utils.set_random_seed(seed)
        losses.append(trained(**{rate: 0.4}))
    assert losses[0] == losses[1] != losses[2]


def test_nothing_is_drawn_where_nothing_is_dropped():
    states = []
    for options in ({}, {"dropout": 0.0, "recurrent_dropout": 0, "zoneout": 0.0}, {"zoneout": 0.1}):
        pyrnn.utils.set_random_seed(1)
        model = pyrnn.Sequential([pyrnn.Input((3, 2)), layers.LSTM(4, **options)])
        model.predict(np.zeros((1, 3, 2)), verbose=0)
        states.append(pyrnn.layers.Dropout(0.5).training_options()["seed"])
    assert states[0] == states[1] != states[2]


@pytest.mark.parametrize("wrap", [lambda layer: layer, layers.Bidirectional])
def test_files_keep_the_rates(tmp_path, rng, wrap):
    model = pyrnn.Sequential([pyrnn.Input((6, 5)), wrap(layers.LSTM(4, seed=7, **RATES))])
    model.save(tmp_path / "model.pyrnn")
    again = pyrnn.load_model(tmp_path / "model.pyrnn")
    assert again.get_config() == model.get_config()
    config = model.layers[0].get_config()
    config = config.get("layer", {}).get("config", config)
    assert {name: config[name] for name in RATES} == RATES
    x, y = rng.normal(size=(9, 6, 5)).astype("f"), rng.normal(size=(9, model.output_shape[-1]))
    losses = []
    for one in (model, again):
        one.compile("sgd", "mse")
        losses.append(one.train_on_batch(x, y))
    assert losses[0] == losses[1]
