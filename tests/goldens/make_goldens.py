"""Make the goldens: what Keras 3 (on JAX) and PyTorch compute from seeded inputs. README.md says how to run it.

A file holds arrays under "<case>/input/<name>", "<case>/<peer>/<dtype>/<name>" and, as JSON, "<case>/options" and "versions".
Inputs are stored once, as float32 or int64: every float32 is a float64 too, so both precisions start from the same numbers.
"""

import json
import os
import platform
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import keras
import numpy as np
import torch
import torch.nn.functional as F

TANH = jax.numpy.tanh  # Keras' own rounds float64 to float32 on JAX
DTYPES = {"keras": ("float32", "float64"), "torch": ("float64",)}  # PyTorch is the second opinion
VERSIONS = {
    "keras": keras.__version__,
    "jax": jax.__version__,
    "torch": torch.__version__,
    "numpy": np.__version__,
    "python": platform.python_version(),
}


def save(name, cases):
    """cases: {case: (options, inputs, {peer: function of inputs and options that returns named arrays})}"""
    arrays = {"versions": np.array(json.dumps(VERSIONS))}
    for case, (options, inputs, peers) in cases.items():
        arrays[f"{case}/options"] = np.array(json.dumps(options))
        arrays.update({f"{case}/input/{key}": value for key, value in inputs.items()})
        for peer, function in peers.items():
            for dtype in DTYPES[peer]:
                use(dtype)
                cast = {k: v.astype(dtype) if v.dtype == np.float32 else v for k, v in inputs.items()}
                for key, value in function(cast, **options).items():
                    arrays[f"{case}/{peer}/{dtype}/{key}"] = value = np.asarray(value)
                    assert value.dtype in (dtype, np.int64), (case, peer, dtype, key, value.dtype)
                    assert np.isfinite(value).all(), (case, peer, dtype, key)
    path = Path(__file__).with_name(f"{name}.npz")
    np.savez_compressed(path, **arrays)
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size:,} bytes")


def use(dtype):
    keras.config.set_floatx(dtype)  # of optimizers and losses
    keras.config.set_dtype_policy(dtype)  # of layers


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def one_hot(ids, symbols, dtype):
    return np.eye(symbols, dtype=dtype)[ids]


def jax_gradients(loss, arguments):
    """loss(**arguments) -> (scalar, named results): the results and, under "d<name>", all gradients."""
    gradients, results = jax.grad(lambda a: loss(**a), has_aux=True)(arguments)
    return results | {f"d{key}": value for key, value in gradients.items()}


def torch_gradients(loss, arguments):
    leaves = {key: torch.tensor(value, requires_grad=True) for key, value in arguments.items()}
    scalar, results = loss(**leaves)
    scalar.backward()
    results = {key: value.detach().numpy() for key, value in results.items()}
    return results | {f"d{key}": leaf.grad.numpy() for key, leaf in leaves.items()}


# ----------------------------------------------------------------------------------------------------------------- LSTM


def lstm_arguments(inputs):
    arguments = {key: value for key, value in inputs.items() if key not in ("ids", "dh", "dc")}
    rows = one_hot(inputs["ids"], len(inputs["kernel"]), inputs["h0"].dtype) if "ids" in inputs else None
    return arguments, rows


def lstm_keras(inputs, return_sequences):
    arguments, rows = lstm_arguments(inputs)
    units = inputs["h0"].shape[1]
    layer = keras.layers.LSTM(units, activation=TANH, return_sequences=return_sequences, return_state=True)
    layer.build((rows if rows is not None else inputs["x"]).shape)
    others = [variable.value for variable in layer.non_trainable_variables]

    def loss(h0, c0, kernel, recurrent_kernel, bias, x=rows):
        (h, _, c), _ = layer.stateless_call([kernel, recurrent_kernel, bias], others, x, initial_state=[h0, c0])
        return (inputs["dh"] * h).sum() + (inputs["dc"] * c).sum(), {"h": h, "c_last": c}

    return jax_gradients(loss, arguments)


def lstm_torch(inputs, return_sequences):
    """PyTorch's gates i f g o are Keras' i f c o; its weights are transposed, and it has a second bias."""
    arguments, rows = lstm_arguments(inputs)
    given = {key: torch.tensor(inputs[key]) for key in ("dh", "dc")}
    rows = None if rows is None else torch.tensor(rows)
    cell = torch.nn.LSTM(len(inputs["kernel"]), inputs["h0"].shape[1], batch_first=True, dtype=given["dc"].dtype)

    def loss(h0, c0, kernel, recurrent_kernel, bias, x=rows):
        weights = dict(zip(cell.state_dict(), (kernel.T, recurrent_kernel.T, bias, bias.detach() * 0), strict=True))
        h, (_, c) = torch.func.functional_call(cell, weights, (x, (h0[None], c0[None])))
        h, c = h if return_sequences else h[:, -1], c[0]
        return (given["dh"] * h).sum() + (given["dc"] * c).sum(), {"h": h, "c_last": c}

    return torch_gradients(loss, arguments)


def lstm():
    rng = np.random.default_rng(1)
    cases = {}
    for case, (B, T, I, H), ids, return_sequences in [
        ("one", (1, 1, 1, 1), False, True),
        ("small", (3, 5, 4, 7), False, True),
        ("last_output", (2, 6, 3, 5), False, False),
        ("vector_width", (2, 3, 15, 16), False, True),
        ("vector_width_and_one", (5, 9, 8, 17), False, True),
        ("ids", (3, 6, 11, 9), True, True),
        ("ids_last_output", (4, 7, 5, 15), True, False),
    ]:
        x = {"ids": rng.integers(I, size=(B, T))} if ids else {"x": normal(rng, B, T, I)}
        inputs = x | {"h0": normal(rng, B, H), "c0": normal(rng, B, H), "kernel": normal(rng, I, 4 * H)}
        inputs |= {"recurrent_kernel": normal(rng, H, 4 * H) / 2, "bias": normal(rng, 4 * H)}
        inputs |= {"dh": normal(rng, B, T, H) if return_sequences else normal(rng, B, H), "dc": normal(rng, B, H)}
        cases[case] = {"return_sequences": return_sequences}, inputs, {"keras": lstm_keras, "torch": lstm_torch}
    return cases


# ---------------------------------------------------------------------------------------------------------------- Dense


def dense_keras(inputs, activation):
    layer = keras.layers.Dense(len(inputs["bias"]), activation=TANH if activation == "tanh" else activation)
    layer.build(inputs["x"].shape)

    def loss(x, kernel, bias):
        y, _ = layer.stateless_call([kernel, bias], [], x)
        return (inputs["dy"] * y).sum(), {"y": y}

    return jax_gradients(loss, {key: inputs[key] for key in ("x", "kernel", "bias")})


def dense_torch(inputs, activation):
    functions = {"linear": lambda z: z, "softmax": lambda z: torch.softmax(z, -1), "relu": torch.relu}
    functions |= {"tanh": torch.tanh, "sigmoid": torch.sigmoid}

    def loss(x, kernel, bias):
        y = functions[activation](F.linear(x, kernel.T, bias))
        return (torch.tensor(inputs["dy"]) * y).sum(), {"y": y}

    return torch_gradients(loss, {key: inputs[key] for key in ("x", "kernel", "bias")})


def dense():
    rng = np.random.default_rng(2)
    cases = {}
    for activation in ("linear", "tanh", "sigmoid", "relu", "softmax"):
        for rank, leading in (("rows", (5,)), ("steps", (3, 4))):
            inputs = {"x": normal(rng, *leading, 5), "kernel": normal(rng, 5, 9), "bias": normal(rng, 9)}
            inputs["dy"] = normal(rng, *leading, 9)
            peers = {"keras": dense_keras, "torch": dense_torch}
            cases[f"{activation}_{rank}"] = {"activation": activation}, inputs, peers
    return cases


# --------------------------------------------------------------------------------------------------------------- Losses

KERAS_LOSSES = {
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "mean_squared_error": keras.losses.MeanSquaredError,
    "mean_absolute_error": keras.losses.MeanAbsoluteError,
}


def losses_keras(inputs, loss, activation, from_logits):
    """The prediction is activation(z); the gradient is by z."""
    if keras.config.floatx() == "float64" and "categorical" not in loss:
        return {}  # keras.ops.mean takes float64 through float32 on JAX: PyTorch alone is the measure
    function = KERAS_LOSSES[loss](**({"from_logits": from_logits} if "crossentropy" in loss else {}))

    def objective(z):
        value = function(inputs["y"], keras.activations.get(activation)(z))
        return value, {"loss": value}

    return jax_gradients(objective, {"z": inputs["z"]})


def losses_torch(inputs, loss, activation, from_logits):
    y = torch.tensor(inputs["y"])

    def objective(z):
        match loss, activation, from_logits:
            case "categorical_crossentropy", ("linear" | "softmax"), _:
                value = F.cross_entropy(z.reshape(-1, z.shape[-1]), y.reshape(-1, z.shape[-1]))
            case "sparse_categorical_crossentropy", ("linear" | "softmax"), _:
                value = F.cross_entropy(z.reshape(-1, z.shape[-1]), y.reshape(-1))
            case "binary_crossentropy", "linear", False:
                value = F.binary_cross_entropy(z, y)
            case "binary_crossentropy", _, _:
                value = F.binary_cross_entropy_with_logits(z, y)
            case "mean_squared_error", "linear", _:
                value = F.mse_loss(z, y)
            case "mean_absolute_error", "linear", _:
                value = F.l1_loss(z, y)
        return value, {"loss": value}

    return torch_gradients(objective, {"z": inputs["z"]})


def losses():
    rng = np.random.default_rng(3)
    cases = {}
    for case, loss, activation, from_logits in [
        ("categorical_from_logits", "categorical_crossentropy", "linear", True),
        ("categorical_of_softmax", "categorical_crossentropy", "softmax", False),
        ("categorical_of_shares", "categorical_crossentropy", "linear", False),
        ("sparse_from_logits", "sparse_categorical_crossentropy", "linear", True),
        ("sparse_of_softmax", "sparse_categorical_crossentropy", "softmax", False),
        ("sparse_of_shares", "sparse_categorical_crossentropy", "linear", False),
        ("binary_from_logits", "binary_crossentropy", "linear", True),
        ("binary_of_sigmoid", "binary_crossentropy", "sigmoid", False),
        ("binary_of_probabilities", "binary_crossentropy", "linear", False),
        ("mean_squared_error", "mean_squared_error", "linear", False),
        ("mean_absolute_error", "mean_absolute_error", "linear", False),
    ]:
        of_probabilities = activation == "linear" and "crossentropy" in loss and not from_logits
        for rank, leading in (("rows", (6,)), ("steps", (3, 4))):
            z, y = normal(rng, *leading, 5) * 2, normal(rng, *leading, 5)
            if of_probabilities:  # positive; their sums are no 1, which categorical cross-entropy makes good
                z = rng.uniform(0.05, 0.95, size=z.shape).astype(np.float32)
            if loss == "categorical_crossentropy":
                y = rng.dirichlet(np.ones(5), size=leading).astype(np.float32)
            elif loss == "sparse_categorical_crossentropy":
                y = rng.integers(5, size=leading)
            elif loss == "binary_crossentropy":
                y = rng.integers(2, size=y.shape).astype(np.float32)
            torch_too = not (of_probabilities and "categorical" in loss)  # it has no such loss
            peers = {"keras": losses_keras} | ({"torch": losses_torch} if torch_too else {})
            options = {"loss": loss, "activation": activation, "from_logits": from_logits}
            cases[f"{case}_{rank}"] = options, {"z": z, "y": y}, peers
    return cases


# ----------------------------------------------------------------------------------------------------------- Optimizers


def optimizers_keras(inputs, name, **options):
    optimizer = {"sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop, "adam": keras.optimizers.Adam}[name](
        **options
    )
    weights = [keras.Variable(inputs[key]) for key in ("w0", "w1")]
    steps = []
    for gradients in zip(inputs["g0"], inputs["g1"], strict=True):
        optimizer.apply(list(gradients), weights)
        steps.append([np.asarray(weight.value) for weight in weights])
    return {key: np.stack(values) for key, values in zip(("w0", "w1"), zip(*steps, strict=True), strict=True)}


def sgd_torch(inputs, name, **options):
    assert name == "sgd"
    weights = [torch.tensor(inputs[key]) for key in ("w0", "w1")]
    optimizer = torch.optim.SGD(weights, lr=options.pop("learning_rate"), **options)
    steps = []
    for gradients in zip(inputs["g0"], inputs["g1"], strict=True):
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = torch.tensor(gradient)
        optimizer.step()
        steps.append([weight.numpy().copy() for weight in weights])
    return {key: np.stack(values) for key, values in zip(("w0", "w1"), zip(*steps, strict=True), strict=True)}


def optimizers():
    """Three steps. PyTorch keeps epsilon elsewhere in RMSprop and Adam, and adds one when it clips: Keras' rules are the measure."""
    rng = np.random.default_rng(4)
    sgd, rmsprop, adam = (
        {"name": name, "learning_rate": rate} for name, rate in (("sgd", 0.05), ("rmsprop", 0.01), ("adam", 0.02))
    )
    clip = {"global_clipnorm": 1.5}  # the norms of the three gradients stand on both sides of it
    cases = {
        "sgd": sgd,
        "sgd_momentum": sgd | {"momentum": 0.9},
        "sgd_nesterov": sgd | {"momentum": 0.9, "nesterov": True},
        "sgd_clip": sgd | clip,
        "sgd_nesterov_clip": sgd | {"momentum": 0.9, "nesterov": True} | clip,
        "rmsprop": rmsprop,
        "rmsprop_momentum": rmsprop | {"momentum": 0.8, "rho": 0.7, "epsilon": 0.01},
        "rmsprop_centered": rmsprop | {"centered": True},
        "rmsprop_centered_momentum": rmsprop | {"centered": True, "momentum": 0.8},
        "rmsprop_clip": rmsprop | clip,
        "adam": adam,
        "adam_betas": adam | {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 0.01},
        "adam_clip": adam | clip,
    }
    size = np.array([1, 0.2, 3], np.float32)[:, None]
    inputs = {"w0": normal(rng, 7, 5), "w1": normal(rng, 5), "g0": normal(rng, 3, 7, 5), "g1": normal(rng, 3, 5)}
    inputs |= {"g0": inputs["g0"] * size[..., None], "g1": inputs["g1"] * size}
    torch_too = ("sgd", "sgd_momentum", "sgd_nesterov")
    return {
        case: (options, inputs, {"keras": optimizers_keras} | ({"torch": sgd_torch} if case in torch_too else {}))
        for case, options in cases.items()
    }


# --------------------------------------------------------------------------------------------------------- Whole models


def model_keras(inputs, layers, symbols, optimizer):
    """Three updates: the loss and accuracy of each, then the weights, and what they predict."""
    x, y = (one_hot(inputs[key], symbols, keras.config.floatx()) for key in ("x", "y"))
    model = keras.Sequential([keras.Input(x.shape[2:])])
    for name, config in layers:
        model.add(getattr(keras.layers, name)(**config | ({"activation": TANH} if name == "LSTM" else {})))
    model.set_weights([inputs[f"weight{i}"] for i in range(len(model.weights))])
    rule = getattr(keras.optimizers, optimizer[0])(**optimizer[1])
    model.compile(loss="categorical_crossentropy", optimizer=rule, metrics=["accuracy"])
    results = {"loss": [], "accuracy": []}
    for x_batch, y_batch in zip(x, y, strict=True):
        loss, accuracy = model.train_on_batch(x_batch, y_batch)
        results["loss"].append(loss)
        results["accuracy"].append(accuracy)
    results |= {f"weight{i}": weight for i, weight in enumerate(model.get_weights())}
    results["prediction"] = model.predict_on_batch(x[0])
    return {key: np.asarray(value, keras.config.floatx()) for key, value in results.items()}


def model_case(x, y, layers, symbols, optimizer):
    """x, y: ids [batch number, sample, ...]. The initial weights are Keras' own."""
    use("float32")
    keras.utils.set_random_seed(5)
    model = keras.Sequential([keras.Input((x.shape[2], symbols))])
    for name, config in layers:
        model.add(getattr(keras.layers, name)(**config))
    inputs = {"x": x, "y": y} | {f"weight{i}": weight for i, weight in enumerate(model.get_weights())}
    return {"layers": layers, "symbols": symbols, "optimizer": optimizer}, inputs, {"keras": model_keras}


def models():
    rng = np.random.default_rng(6)
    a, b = rng.integers(100, size=(2, 3, 8))
    symbols = "0123456789+ "
    questions = [
        [[symbols.index(c) for c in f"{p}+{q}".ljust(5)] for p, q in zip(*row, strict=True)]
        for row in zip(a, b, strict=True)
    ]
    answers = [[[symbols.index(c) for c in f"{n:<3}"] for n in row] for row in a + b]
    addition = model_case(
        np.array(questions),
        np.array(answers),
        [
            ("LSTM", {"units": 16}),
            ("RepeatVector", {"n": 3}),
            ("LSTM", {"units": 16, "return_sequences": True}),
            ("Dense", {"units": 12, "activation": "softmax"}),
        ],
        symbols=12,
        optimizer=("Adam", {"learning_rate": 0.001}),
    )
    ids = rng.integers(11, size=24 + 9)
    text = model_case(
        np.lib.stride_tricks.sliding_window_view(ids[:-1], 9).reshape(3, 8, 9),
        ids[9:].reshape(3, 8),
        [("LSTM", {"units": 16}), ("Dense", {"units": 11, "activation": "softmax"})],
        symbols=11,
        optimizer=("RMSprop", {"learning_rate": 0.01}),
    )
    return {"addition": addition, "text": text}


if __name__ == "__main__":
    for make in (lstm, dense, losses, optimizers, models):
        save(make.__name__, make())
