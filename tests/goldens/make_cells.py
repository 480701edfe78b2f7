"""Make cells.npz: GRU, SimpleRNN and the LSTM's options, from Keras 3 (on JAX) and PyTorch. Run after make_goldens.py."""

import numpy as np
from make_goldens import jax, jax_gradients, keras, normal, one_hot, save, torch, torch_gradients

jnp = jax.numpy

# JAX' own functions of the same definition: some of Keras' round float64 to float32
ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "hard_sigmoid": jax.nn.hard_sigmoid}
NAMES = ("kernel", "recurrent_kernel", "bias")


def arguments_of(inputs):
    arguments = {key: inputs[key] for key in ("x", "h0", "c0", *NAMES) if key in inputs}
    rows = one_hot(inputs["ids"], len(inputs["kernel"]), inputs["h0"].dtype) if "ids" in inputs else None
    return arguments, rows


def cell_keras(inputs, cell, **options):
    arguments, rows = arguments_of(inputs)
    options = {key: ACTIVATIONS.get(value, value) if "activation" in key else value for key, value in options.items()}
    layer = getattr(keras.layers, cell)(inputs["h0"].shape[1], return_state=True, **options)
    layer.build((rows if rows is not None else inputs["x"]).shape)
    others = [variable.value for variable in layer.non_trainable_variables]

    def loss(h0, kernel, recurrent_kernel, bias, c0=None, x=rows):
        state = [h0] if c0 is None else [h0, c0]
        (h, *last), _ = layer.stateless_call([kernel, recurrent_kernel, bias], others, x, initial_state=state)
        scalar, results = (inputs["dh"] * h).sum(), {"h": h}
        if c0 is not None:
            scalar, results["c_last"] = scalar + (inputs["dc"] * last[1]).sum(), last[1]
        return scalar, results

    return jax_gradients(loss, arguments)


def reordered(weight):
    z, r, n = weight.chunk(3, -1)
    return torch.cat([r, z, n], -1)


def gru_torch(inputs, cell, **options):
    """PyTorch's gates are r z n; its weights are transposed, and each product has a bias."""
    arguments, rows = arguments_of(inputs)
    dh, rows = torch.tensor(inputs["dh"]), None if rows is None else torch.tensor(rows)
    module = torch.nn.GRU(len(inputs["kernel"]), inputs["h0"].shape[1], batch_first=True, dtype=dh.dtype)

    def loss(h0, kernel, recurrent_kernel, bias, x=rows):
        values = reordered(kernel).T, reordered(recurrent_kernel).T, *reordered(bias)
        weights = dict(zip(module.state_dict(), values, strict=True))
        h, _ = torch.func.functional_call(module, weights, (x, h0[None]))
        return (dh * (h if options["return_sequences"] else h[:, -1])).sum(), {
            "h": h if options["return_sequences"] else h[:, -1]
        }

    return torch_gradients(loss, arguments)


def rnn_torch(inputs, cell, **options):
    arguments, rows = arguments_of(inputs)
    dh, rows = torch.tensor(inputs["dh"]), None if rows is None else torch.tensor(rows)
    units = inputs["h0"].shape[1]
    module = torch.nn.RNN(
        len(inputs["kernel"]), units, nonlinearity=options["activation"], batch_first=True, dtype=dh.dtype
    )

    def loss(h0, kernel, recurrent_kernel, bias, x=rows):
        values = kernel.T, recurrent_kernel.T, bias, bias.detach() * 0
        weights = dict(zip(module.state_dict(), values, strict=True))
        h, _ = torch.func.functional_call(module, weights, (x, h0[None]))
        h = h if options["return_sequences"] else h[:, -1]
        return (dh * h).sum(), {"h": h}

    return torch_gradients(loss, arguments)


def case(rng, cell, sizes, ids=False, torch_too=None, **options):
    B, T, I, H = sizes
    gates = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[cell]
    options = {"return_sequences": True, "activation": "tanh"} | options
    x = {"ids": rng.integers(I, size=(B, T))} if ids else {"x": normal(rng, B, T, I)}
    bias = normal(rng, 2, gates * H) if cell == "GRU" and options.get("reset_after", True) else normal(rng, gates * H)
    inputs = x | {"h0": normal(rng, B, H), "kernel": normal(rng, I, gates * H) / 2}
    inputs |= {"recurrent_kernel": normal(rng, H, gates * H) / 4, "bias": bias / 2}
    inputs["dh"] = normal(rng, B, T, H) if options["return_sequences"] else normal(rng, B, H)
    if cell == "LSTM":
        inputs |= {"c0": normal(rng, B, H), "dc": normal(rng, B, H)}
    peers = {"keras": cell_keras} | ({"torch": torch_too} if torch_too else {})
    return {"cell": cell} | options, inputs, peers


def cells():
    rng = np.random.default_rng(6)
    sizes = (3, 5, 4, 7)
    cases = {}
    for name, case_sizes in (
        ("one", (1, 1, 1, 1)),
        ("small", sizes),
        ("block", (2, 3, 15, 16)),
        ("more", (5, 6, 8, 17)),
    ):
        cases[f"gru_{name}"] = case(rng, "GRU", case_sizes, torch_too=gru_torch)
        cases[f"gru_before_{name}"] = case(rng, "GRU", case_sizes, reset_after=False)
        cases[f"rnn_{name}"] = case(rng, "SimpleRNN", case_sizes, torch_too=rnn_torch)
    cases["rnn_wide"] = case(rng, "SimpleRNN", (2, 3, 5, 67), activation="relu", torch_too=rnn_torch)
    for cell, peer in (("GRU", gru_torch), ("SimpleRNN", rnn_torch)):
        cases[f"{cell}_ids"] = case(rng, cell, (3, 6, 11, 9), ids=True, torch_too=peer)
        cases[f"{cell}_last"] = case(rng, cell, (4, 7, 5, 15), return_sequences=False, torch_too=peer)
    for cell in ("LSTM", "GRU", "SimpleRNN"):
        cases[f"{cell}_backwards"] = case(rng, cell, sizes, go_backwards=True)
    for name in ("sigmoid", "hard_sigmoid", "tanh", "relu", "linear"):
        cases[f"rnn_{name}"] = case(rng, "SimpleRNN", sizes, activation=name)
        for cell in ("LSTM", "GRU"):
            cases[f"{cell}_activation_{name}"] = case(rng, cell, sizes, activation=name)
            cases[f"{cell}_recurrent_{name}"] = case(rng, cell, sizes, recurrent_activation=name)
        cases[f"gru_before_{name}"] = case(rng, "GRU", sizes, activation=name, reset_after=False)
    return cases


if __name__ == "__main__":
    save("cells", cells())
