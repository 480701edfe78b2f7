"""reference.py and the engine against what Keras 3 and PyTorch compute: see goldens/README.md."""

import json
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import _core, layers, optimizers
from pyrnn import _reference_layers as ref_layers
from pyrnn import reference as ref

TOLERANCE = {"float32": 2e-5, "float64": 1e-10}


def load(name):
    """{case: {"options": ..., "input": {name: array}, peer: {dtype: {name: array}}}}"""
    cases = {}
    with np.load(Path(__file__).parent / "goldens" / f"{name}.npz") as arrays:
        for key, value in arrays.items():
            case, *path, last = key.split("/") if "/" in key else ("", key)
            at = cases.setdefault(case, {})
            for part in path:
                at = at.setdefault(part, {})
            at[last] = json.loads(str(value)) if last in ("options", "versions") else value
    cases.pop("")
    return cases


LAYERS = load("layers")
LSTM, DENSE, LOSSES, OPTIMIZERS, MODELS = map(load, ("lstm", "dense", "losses", "optimizers", "models"))


def goldens(cases, implementations=("reference", "engine"), peers=("keras", "torch")):
    """Run a test for every case, peer, precision and implementation."""
    chosen = [
        pytest.param(golden["options"], golden["input"], expected, dtype, who, id=f"{case}-{peer}-{dtype}-{who}")
        for case, golden in cases.items()
        for peer in peers
        for dtype, expected in golden.get(peer, {}).items()
        for who in implementations
    ]
    return pytest.mark.parametrize(("options", "given", "expected", "dtype", "who"), chosen)


def implementation(who, given, dtype):
    """The functions, and the inputs in the precision in which they compute."""
    functions, own = (ref, "float64") if who == "reference" else (_core, dtype)
    return functions, {key: value.astype(own) if value.dtype == np.float32 else value for key, value in given.items()}


def assert_close(actual, expected, dtype, what):
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(actual, expected, tolerance, tolerance * np.abs(expected).max(), err_msg=what)


# ------------------------------------------------------------------------------------------------------ Plain functions


@goldens(LSTM)
def test_lstm(options, given, expected, dtype, who):
    functions, given = implementation(who, given, dtype)
    state_and_weights = [given[key] for key in ("h0", "c0", "kernel", "recurrent_kernel", "bias")]
    x = given["ids"] if "ids" in given else given["x"]
    h, c, gates = functions.lstm_forward(x, *state_and_weights)
    dh = given["dh"]
    if not options["return_sequences"]:
        dh = np.zeros_like(h)
        dh[:, -1] = given["dh"]
    dx, *others = functions.lstm_backward(dh, given["dc"], x, *state_and_weights[:-1], h, c, gates)
    assert_close(h if options["return_sequences"] else h[:, -1], expected["h"], dtype, "h")
    assert_close(c[:, -1], expected["c_last"], dtype, "c")
    for name, actual in zip(("dh0", "dc0", "dkernel", "drecurrent_kernel", "dbias"), others, strict=True):
        assert_close(actual, expected[name], dtype, name)
    if "ids" in given:
        assert dx is None
    else:
        assert_close(dx, expected["dx"], dtype, "dx")


@goldens(DENSE)
def test_dense(options, given, expected, dtype, who):
    functions, given = implementation(who, given, dtype)
    y = functions.dense_forward(given["x"], given["kernel"], given["bias"], options["activation"])
    assert_close(y, expected["y"], dtype, "y")
    results = functions.dense_backward(given["dy"], given["x"], given["kernel"], y, options["activation"])
    for name, actual in zip(("dx", "dkernel", "dbias"), results, strict=True):
        assert_close(actual, expected[name], dtype, name)


def is_crossentropy_of_logits(options):
    """Of softmax(z), or of z itself as logits: both are what `crossentropy` computes."""
    return "categorical" in options["loss"] and (options["from_logits"] or options["activation"] == "softmax")


@goldens({case: golden for case, golden in LOSSES.items() if is_crossentropy_of_logits(golden["options"])})
def test_crossentropy(options, given, expected, dtype, who):
    functions, given = implementation(who, given, dtype)
    loss, dz = functions.crossentropy(given["z"], given["y"])
    assert_close(loss, expected["loss"], dtype, "loss")
    assert_close(dz, expected["dz"], dtype, "dz")


def new_slots(w):
    return {name: np.zeros_like(w) for name in ("velocity", "v", "momentum_buffer", "average", "m")}


def optimizer_step(functions, o, step, w, g, slots):
    """One step of the rule that options `o` describe, in Keras' words and with Keras' defaults."""
    rate, momentum, epsilon = o["learning_rate"], o.get("momentum", 0.0), o.get("epsilon", 1e-7)
    match o["name"]:
        case "sgd":
            names = ("velocity",)
            results = functions.sgd_step(w, g, slots["velocity"], rate, momentum, o.get("nesterov", False))
        case "rmsprop":
            names = ("v", "momentum_buffer", "average")
            more = rate, o.get("rho", 0.9), momentum, epsilon, o.get("centered", False)
            results = functions.rmsprop_step(w, g, *(slots[name] for name in names), *more)
        case "adam":
            names = ("m", "v")
            more = step, rate, o.get("beta_1", 0.9), o.get("beta_2", 0.999), epsilon
            results = functions.adam_step(w, g, *(slots[name] for name in names), *more)
    w, *slots_after = results
    return w, slots | dict(zip(names, slots_after, strict=True))


@goldens(OPTIMIZERS)
def test_optimizer_functions(options, given, expected, dtype, who):
    functions, given = implementation(who, given, dtype)
    weights = [given["w0"], given["w1"]]
    slots = [new_slots(w) for w in weights]
    for step in range(3):
        gradients = [given["g0"][step], given["g1"][step]]
        if "global_clipnorm" in options:
            gradients = functions.clip_by_global_norm(gradients, options["global_clipnorm"])
        for k in range(2):
            weights[k], slots[k] = optimizer_step(functions, options, step + 1, weights[k], gradients[k], slots[k])
            assert_close(weights[k], expected[f"w{k}"][step], dtype, f"w{k} after step {step + 1}")


# -------------------------------------------------------------------------------------------------------------- Network


def network_of_kernel(kernel, activation, sequence):
    """A network whose prediction is activation(kernel), a row for each row of its kernel, because x is the identity."""
    ops = [{"op": "dense", "units": kernel.shape[1], "activation": activation, "use_bias": False}]
    network = _core.Network(str(kernel.dtype), len(kernel), sequence, False, ops)
    network.set_weight(0, "kernel", kernel)
    return network


SGD = {"name": "sgd", "momentum": 0.0, "nesterov": False, "global_clipnorm": 0.0}


@goldens(LOSSES, implementations=["network"])
def test_losses_of_network(options, given, expected, dtype, who):
    _, given = implementation(who, given, dtype)
    z, y = given["z"], given["y"]
    kernel = np.ascontiguousarray(z.reshape(-1, z.shape[-1]))
    network = network_of_kernel(kernel, options["activation"], sequence=z.ndim == 3)
    loss = "crossentropy" if "categorical" in options["loss"] else options["loss"]
    network.compile(loss, options["from_logits"], [], SGD)
    x = np.eye(len(kernel), dtype=dtype).reshape(*z.shape[:-1], len(kernel))
    index = np.arange(len(x))
    assert_close(network.evaluate_batch(x, y, index), expected["loss"], dtype, "loss, evaluated")
    assert_close(network.train_batch(x, y, index, 1.0), expected["loss"], dtype, "loss, trained")
    dz = (kernel - network.get_weight(0, "kernel")).reshape(z.shape)  # learning rate 1
    assert_close(dz, expected["dz"], dtype, "dz")


@goldens(OPTIMIZERS, implementations=["network"], peers=["keras"])
def test_optimizers_of_network(options, given, expected, dtype, who):
    _, given = implementation(who, given, dtype)
    network = network_of_kernel(np.vstack([given["w0"], given["w1"]]), "linear", sequence=False)
    rule = {"SGD": optimizers.SGD, "RMSPROP": optimizers.RMSprop, "ADAM": optimizers.Adam}[options["name"].upper()]
    rule = rule(**{key: value for key, value in options.items() if key != "name"})
    network.compile("mean_squared_error", False, [], rule.engine_spec())
    for step in range(3):
        gradient = np.vstack([given["g0"][step], given["g1"][step]])
        w = network.get_weight(0, "kernel")
        y = w - gradient * (w.size / 2)  # mean((w - y)^2) has this gradient by w
        network.train_batch(np.eye(len(w), dtype=dtype), y, np.arange(len(w)), rule.learning_rate)
        w = network.get_weight(0, "kernel")
        assert_close(w[:-1], expected["w0"][step], dtype, f"w0 after step {step + 1}")
        assert_close(w[-1], expected["w1"][step], dtype, f"w1 after step {step + 1}")
    assert network.get_optimizer_state()["iterations"] == 3


# --------------------------------------------------------------------------------------------- Layers without a kernel


def reference_layer(options, given):
    """y, dx and the weights' gradients."""
    x, dy = given["x"], given["dy"]
    mask = given.get("mask", np.ones(x.shape[:2], bool))
    match options["layer"]:
        case "LayerNormalization":
            gamma, beta = given.get("gamma", np.ones(x.shape[-1])), given.get("beta", np.zeros(x.shape[-1]))
            epsilon = options.get("epsilon", 1e-3)
            gradients = dict(
                zip(
                    ("dx", "dgamma", "dbeta"),
                    ref_layers.layer_normalization_backward(dy, x, gamma, epsilon),
                    strict=True,
                )
            )
            return {"y": ref_layers.layer_normalization_forward(x, gamma, beta, epsilon), **gradients}
        case "GlobalAveragePooling1D":
            y = ref_layers.global_average_pooling_forward(x, mask)
            dx = ref_layers.global_average_pooling_backward(dy, mask)
        case "GlobalMaxPooling1D":
            y = ref_layers.global_max_pooling_forward(x, mask)
            dx = ref_layers.global_max_pooling_backward(dy, x, mask)
        case "Flatten":
            y, dx = x.reshape(dy.shape), dy.reshape(x.shape)
        case "Activation":
            y = ref.activate(x, options["activation"])
            dx = ref.activate_backward(dy, x if options["activation"] in ("silu", "gelu") else y, options["activation"])
    return {"y": y, "dx": dx}


@goldens(LAYERS)
def test_layers(options, given, expected, dtype, who, run_layer):
    _, given = implementation(who, given, dtype)
    if who == "reference":
        actual = reference_layer(options, given)
    else:
        names = [name for name in ("gamma", "beta") if name in given]
        layer = getattr(layers, options["layer"])(**{key: value for key, value in options.items() if key != "layer"})
        results = run_layer(layer, given["x"], given["dy"], *(given[name] for name in names), mask=given.get("mask"))
        actual = dict(zip(("y", "dx", *(f"d{name}" for name in names)), results, strict=True))
    for name, value in expected.items():
        assert_close(actual[name], value, dtype, name)


# --------------------------------------------------------------------------------------------------------- Whole models


def initial_weights(given):
    return [given[f"weight{i}"] for i in range(sum(key.startswith("weight") for key in given))]


def assert_model(losses, accuracies, weights, prediction, expected, dtype):
    np.testing.assert_allclose(losses, expected["loss"], rtol={"float32": 1e-5, "float64": 1e-10}[dtype])
    np.testing.assert_allclose(accuracies, expected["accuracy"], rtol=1e-6)
    for i, weight in enumerate(weights):
        assert_close(weight, expected[f"weight{i}"], dtype, f"weight {i}")
    assert_close(prediction, expected["prediction"], dtype, "prediction")


@pytest.mark.parametrize("form", ["ids", "one_hot_bool", "one_hot_float"])
@goldens(MODELS, implementations=["Sequential"])
def test_models(options, given, expected, dtype, who, form):
    _, given = implementation(who, given, dtype)
    x, y = given["x"], np.eye(options["symbols"], dtype=dtype)[given["y"]]
    if form != "ids":
        x = np.eye(options["symbols"], dtype=bool if form == "one_hot_bool" else dtype)[x]
    stack = [getattr(layers, name)(**config) for name, config in options["layers"]]
    model = pyrnn.Sequential([pyrnn.Input((given["x"].shape[2], options["symbols"])), *stack], dtype=dtype)
    model.set_weights(initial_weights(given))
    rule, config = options["optimizer"]
    model.compile(getattr(optimizers, rule)(**config), "categorical_crossentropy", metrics=["accuracy"])
    results = [model.train_on_batch(x_batch, y_batch) for x_batch, y_batch in zip(x, y, strict=True)]
    losses, accuracies = zip(*results, strict=True)
    assert_model(losses, accuracies, model.get_weights(), model.predict(x[0], verbose=0), expected, dtype)


def reference_forward(plan, weights, x):
    """The signals before and after each layer, and what the backward pass needs besides."""
    signals, caches, weights = [x], [], iter(weights)
    for name, config in plan:
        match name:
            case "LSTM":
                own = [next(weights), next(weights), next(weights)]
                state = np.zeros((len(x), config["units"])), np.zeros((len(x), config["units"]))
                h, c, gates = ref.lstm_forward(signals[-1], *state, *own)
                signals.append(h if config.get("return_sequences") else h[:, -1])
                caches.append((*state, *own[:2], h, c, gates))
            case "RepeatVector":
                signals.append(np.repeat(signals[-1][:, None], config["n"], axis=1))
                caches.append(None)
            case "Dense":  # the softmax is left to the cross-entropy
                own = [next(weights), next(weights)]
                signals.append(ref.dense_forward(signals[-1], *own, "linear"))
                caches.append(own[0])
    return signals, caches


def reference_backward(plan, signals, caches, d):
    gradients = []
    for (name, config), x, y, cache in zip(plan[::-1], signals[-2::-1], signals[:0:-1], caches[::-1], strict=True):
        match name:
            case "LSTM":
                h = cache[4]
                dh = d if config.get("return_sequences") else np.concatenate([np.zeros_like(h[:, 1:]), d[:, None]], 1)
                d, _, _, *own = ref.lstm_backward(dh, np.zeros_like(h[:, 0]), x, *cache)
            case "RepeatVector":
                d, own = d.sum(axis=1), []
            case "Dense":
                d, *own = ref.dense_backward(d, x, cache, y, "linear")
        gradients = own + gradients
    return gradients


@goldens(MODELS, implementations=["reference"])
def test_models_by_the_reference(options, given, expected, dtype, who):
    """Both tasks' networks, trained by nothing but reference.py."""
    _, given = implementation(who, given, dtype)
    plan, weights = options["layers"], initial_weights(given)
    rule = {"name": options["optimizer"][0].lower()} | options["optimizer"][1]
    slots = [new_slots(w) for w in weights]
    losses, accuracies = [], []
    for step, (x, y) in enumerate(zip(given["x"], given["y"], strict=True), start=1):
        signals, caches = reference_forward(plan, weights, x)
        loss, dz = ref.crossentropy(signals[-1], y)
        losses.append(loss)
        accuracies.append(np.mean(signals[-1].argmax(axis=-1) == y))
        for k, gradient in enumerate(reference_backward(plan, signals, caches, dz)):
            weights[k], slots[k] = optimizer_step(ref, rule, step, weights[k], gradient, slots[k])
    prediction = ref.softmax(reference_forward(plan, weights, given["x"][0])[0][-1])
    assert_model(losses, accuracies, weights, prediction, expected, dtype)
