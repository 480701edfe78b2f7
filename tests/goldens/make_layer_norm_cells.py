"""Make layer_norm_cells.npz: layer-normalised LSTM and GRU by PyTorch's autograd. Run after make_goldens.py.

Keras and PyTorch have no such layers. The formulas are those of LayerNormLSTM and LayerNormGRU in github.com/lmnt-com/haste,
written with PyTorch's functions; its LSTM's gates i g f o stand here in Keras' order i f c o.
"""

import make_goldens
import numpy as np
from make_goldens import F, normal, one_hot, save, torch, torch_gradients

make_goldens.DTYPES["torch"] = ("float32", "float64")


def hard_sigmoid(z):
    """F.hardsigmoid takes its slope, 1/6, in float32."""
    return (z / 6 + 0.5).clamp(0, 1)


ACTIVATIONS = {"tanh": torch.tanh, "relu": F.relu, "sigmoid": torch.sigmoid, "hard_sigmoid": hard_sigmoid}


def lstm_step(x_w, h, c, weights, tanh, sigma):
    gamma = weights["gamma"]
    products = zip((x_w, h @ weights["recurrent_kernel"]), gamma, strict=True)
    z = sum(F.layer_norm(product, product.shape[-1:], weight=gain) for product, gain in products) + weights["bias"]
    i, f, g, o = z.chunk(4, -1)
    c = sigma(f) * c + sigma(i) * tanh(g)
    normalized = F.layer_norm(c, c.shape[-1:], weight=weights["gamma_h"], bias=weights["beta_h"])
    return sigma(o) * tanh(normalized), c


def gru_step(x_w, h, _, weights, tanh, sigma):
    (gain_x, gain_h), (bias_x, bias_h) = weights["gamma"], weights["bias"]
    x_z, x_r, x_n = (F.layer_norm(x_w, x_w.shape[-1:], weight=gain_x) + bias_x).chunk(3, -1)
    h_w = h @ weights["recurrent_kernel"]
    h_z, h_r, h_n = (F.layer_norm(h_w, h_w.shape[-1:], weight=gain_h) + bias_h).chunk(3, -1)
    z, r = sigma(x_z + h_z), sigma(x_r + h_r)
    return z * h + (1 - z) * tanh(x_n + r * h_n), None


def cell_torch(inputs, cell, return_sequences, activation="tanh", recurrent_activation="sigmoid"):
    arguments = {key: value for key, value in inputs.items() if key not in ("ids", "dh", "dc")}
    rows = one_hot(inputs["ids"], len(inputs["kernel"]), inputs["h0"].dtype) if "ids" in inputs else inputs["x"]
    step = {"LSTM": lstm_step, "GRU": gru_step}[cell]

    def loss(**given):
        x = given.get("x", torch.tensor(rows))
        h, c, outputs = given["h0"], given.get("c0"), []
        for x_w in (x @ given["kernel"]).unbind(1):
            h, c = step(x_w, h, c, given, ACTIVATIONS[activation], ACTIVATIONS[recurrent_activation])
            outputs.append(h)
        h = torch.stack(outputs, 1) if return_sequences else h
        scalar, results = (torch.tensor(inputs["dh"]) * h).sum(), {"h": h}
        if c is not None:
            scalar, results["c_last"] = scalar + (torch.tensor(inputs["dc"]) * c).sum(), c
        return scalar, results

    return torch_gradients(loss, arguments)


def case(rng, cell, sizes, ids=False, **options):
    B, T, I, H = sizes
    lstm, width = cell == "LSTM", {"LSTM": 4, "GRU": 3}[cell] * H
    options = {"cell": cell, "return_sequences": True} | options
    inputs = {"ids": rng.integers(I, size=(B, T))} if ids else {"x": normal(rng, B, T, I)}
    inputs |= {"h0": normal(rng, B, H), "kernel": normal(rng, I, width), "recurrent_kernel": normal(rng, H, width) / 2}
    inputs |= {"bias": normal(rng, width) if lstm else normal(rng, 2, width), "gamma": 1 + normal(rng, 2, width) / 4}
    inputs["dh"] = normal(rng, B, T, H) if options["return_sequences"] else normal(rng, B, H)
    if lstm:
        inputs |= {"c0": normal(rng, B, H), "dc": normal(rng, B, H)}
        inputs |= {"gamma_h": 1 + normal(rng, H) / 4, "beta_h": normal(rng, H)}
    return options, inputs, {"torch": cell_torch}


def cells():
    rng = np.random.default_rng(11)
    cases = {}
    for cell in ("LSTM", "GRU"):
        cases[f"{cell}_one"] = case(
            rng, cell, (1, 1, 3, 5)
        )  # of one value alone the gradient would be 0 but for rounding
        cases[f"{cell}_small"] = case(rng, cell, (3, 5, 4, 7))
        cases[f"{cell}_block"] = case(rng, cell, (2, 3, 15, 16))
        cases[f"{cell}_more"] = case(rng, cell, (5, 6, 8, 17))
        cases[f"{cell}_ids"] = case(rng, cell, (3, 6, 11, 9), ids=True)
        cases[f"{cell}_last"] = case(rng, cell, (4, 7, 5, 15), return_sequences=False)
        cases[f"{cell}_relu"] = case(rng, cell, (3, 5, 4, 7), activation="relu", recurrent_activation="hard_sigmoid")
    return cases


if __name__ == "__main__":
    save("layer_norm_cells", cells())
