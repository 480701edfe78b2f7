"""Make layers.npz: layers without a kernel, in Keras 3 (on JAX) and PyTorch. README.md says how to run it."""

from make_goldens import F, jax_gradients, keras, normal, np, save, torch, torch_gradients  # it chooses Keras' backend

WEIGHTS = ("gamma", "beta")
TORCH_ACTIVATIONS = {
    "hard_sigmoid": lambda z: F.relu6(z + 3) / 6,  # F.hardsigmoid takes 1 / 6 in float32
    "softplus": F.softplus,
    "elu": F.elu,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.2),
    "exponential": torch.exp,
    "silu": F.silu,
    "gelu": F.gelu,
}


def layers_keras(inputs, layer, **config):
    """keras.ops.mean takes float64 through float32 on JAX: there PyTorch alone is the measure."""
    by_mean = layer == "LayerNormalization" or (layer == "GlobalAveragePooling1D" and "mask" not in inputs)
    if keras.config.floatx() == "float64" and by_mean:
        return {}
    module = getattr(keras.layers, layer)(**config)
    module.build(inputs["x"].shape)
    names = [name for name in WEIGHTS if name in inputs]
    mask = {"mask": inputs["mask"]} if "mask" in inputs else {}

    def loss(x, **weights):
        y, _ = module.stateless_call([weights[name] for name in names], [], x, **mask)
        return (inputs["dy"] * y).sum(), {"y": y}

    return jax_gradients(loss, {key: inputs[key] for key in ("x", *names)})


def layers_torch(inputs, layer, **config):
    dy = torch.tensor(inputs["dy"])
    names = [name for name in WEIGHTS if name in inputs]

    def loss(x, **weights):
        match layer:
            case "Activation":
                y = TORCH_ACTIVATIONS[config["activation"]](x)
            case "LayerNormalization":
                epsilon = config.get("epsilon", 1e-3)
                y = F.layer_norm(x, x.shape[-1:], weights.get("gamma"), weights.get("beta"), epsilon)
            case "GlobalAveragePooling1D" if "mask" in inputs:
                mask = torch.tensor(inputs["mask"])[..., None]
                y = (x * mask).sum(dim=1) / mask.sum(dim=1)
            case "GlobalAveragePooling1D":
                y = x.mean(dim=1)
            case "GlobalMaxPooling1D":
                y = x.amax(dim=1)
            case "Flatten":
                y = x.flatten(start_dim=1)
        return (dy * y).sum(), {"y": y}

    return torch_gradients(loss, {key: inputs[key] for key in ("x", *names)})


def layers():
    rng = np.random.default_rng(7)
    cases = {}

    def add(case, layer, x, y_shape, weights=(), mask=None, **config):
        inputs = {"x": x, "dy": normal(rng, *y_shape)} | {name: normal(rng, x.shape[-1]) for name in weights}
        inputs |= {} if mask is None else {"mask": mask}
        cases[case] = {"layer": layer, **config}, inputs, {"keras": layers_keras, "torch": layers_torch}

    for activation in [name for name in TORCH_ACTIVATIONS if name != "gelu"]:
        add(activation, "Activation", normal(rng, 5, 21) * 3, (5, 21), activation=activation)
    for rank, leading in (("rows", (5,)), ("steps", (3, 4))):
        for features in (2, 16, 37):
            x = normal(rng, *leading, features) + 1
            add(f"layer_normalization_{rank}_{features}", "LayerNormalization", x, x.shape, WEIGHTS)
    x = normal(rng, 3, 4, 19)
    add("layer_normalization_scale", "LayerNormalization", x, x.shape, ("gamma",), center=False, epsilon=0.1)
    add("layer_normalization_center", "LayerNormalization", x, x.shape, ("beta",), scale=False)
    add("layer_normalization_plain", "LayerNormalization", x, x.shape, center=False, scale=False)
    for T in (1, 6):
        x = normal(rng, 3, T, 19)
        add(f"average_{T}", "GlobalAveragePooling1D", x, (3, 19))
        add(f"max_{T}", "GlobalMaxPooling1D", x, (3, 19))
        add(f"flatten_{T}", "Flatten", x, (3, T * 19))
    add("max_ties", "GlobalMaxPooling1D", np.round(normal(rng, 3, 6, 19)), (3, 19))
    lengths, steps = np.array([[6], [1], [3], [5]]), np.arange(6)
    for side, mask in (("right", steps < lengths), ("left", steps >= 6 - lengths)):
        add(f"average_padded_{side}", "GlobalAveragePooling1D", normal(rng, 4, 6, 19), (4, 19), mask=mask)
    add("gelu", "Activation", normal(rng, 5, 21) * 3, (5, 21), activation="gelu")
    return cases


if __name__ == "__main__":
    save("layers", layers())
