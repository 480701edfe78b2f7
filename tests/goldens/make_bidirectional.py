"""Make bidirectional.npz: Keras' Bidirectional (on JAX) and PyTorch's two-way modules. README.md says how to run it."""

import numpy as np
from make_cells import ACTIVATIONS, reordered
from make_goldens import jax_gradients, keras, normal, save, torch, torch_gradients

WEIGHTS = [f"{name}_{way}" for way in "fb" for name in ("kernel", "recurrent_kernel", "bias")]


def by_keras(inputs, cell, sequences, merge_mode):
    units = inputs["recurrent_kernel_f"].shape[0]
    layer = keras.layers.Bidirectional(getattr(keras.layers, cell)(units, return_sequences=sequences), merge_mode)
    for way in (layer.forward_layer, layer.backward_layer):
        way.cell.activation = ACTIVATIONS["tanh"]
    layer.build(inputs["x"].shape)
    others = [variable.value for variable in layer.non_trainable_variables]

    def loss(x, **weights):
        y, _ = layer.stateless_call([weights[name] for name in WEIGHTS], others, x)
        return (inputs["dy"] * y).sum(), {"y": y}

    return jax_gradients(loss, {name: inputs[name] for name in ("x", *WEIGHTS)})


def by_torch(inputs, cell, sequences, merge_mode):
    """PyTorch concatenates; weights are transposed, and there is a second bias."""
    dy = torch.tensor(inputs["dy"])
    units = inputs["recurrent_kernel_f"].shape[0]
    module = getattr(torch.nn, cell.replace("Simple", ""))(
        inputs["x"].shape[2], units, batch_first=True, bidirectional=True, dtype=dy.dtype
    )

    def loss(x, **weights):
        values = []
        for way in "fb":
            kernel, recurrent, bias = (weights[f"{name}_{way}"] for name in ("kernel", "recurrent_kernel", "bias"))
            if cell == "GRU":
                values += [reordered(kernel).T, reordered(recurrent).T, *reordered(bias)]
            else:
                values += [kernel.T, recurrent.T, bias, bias.detach() * 0]
        h, _ = torch.func.functional_call(module, dict(zip(module.state_dict(), values, strict=True)), (x,))
        y = h if sequences else torch.cat([h[:, -1, :units], h[:, 0, units:]], -1)
        return (dy * y).sum(), {"y": y}

    return torch_gradients(loss, {name: inputs[name] for name in ("x", *WEIGHTS)})


def bidirectional():
    rng = np.random.default_rng(7)
    cases = {}
    B, T, I, H = 3, 5, 4, 7
    for cell, gates in (("LSTM", 4), ("GRU", 3), ("SimpleRNN", 1)):
        for sequences in (True, False):
            for merge_mode in ("concat", "sum", "mul", "ave"):
                inputs = {"x": normal(rng, B, T, I)}
                for way in "fb":
                    bias = normal(rng, 2, gates * H) if cell == "GRU" else normal(rng, gates * H)
                    inputs |= {f"kernel_{way}": normal(rng, I, gates * H) / 2, f"bias_{way}": bias / 2}
                    inputs[f"recurrent_kernel_{way}"] = normal(rng, H, gates * H) / 4
                features = 2 * H if merge_mode == "concat" else H
                inputs["dy"] = normal(rng, B, T, features) if sequences else normal(rng, B, features)
                options = {"cell": cell, "sequences": sequences, "merge_mode": merge_mode}
                peers = {"keras": by_keras} | ({"torch": by_torch} if merge_mode == "concat" else {})
                cases[f"{cell}_{merge_mode}_{'all' if sequences else 'last'}"] = options, inputs, peers
    return cases


if __name__ == "__main__":
    save("bidirectional", bidirectional())
