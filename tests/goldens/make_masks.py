"""Make masks.npz: models whose masks have padding and gaps, in Keras 3 (on JAX). README.md says how to run it."""

from make_goldens import TANH, jax_gradients, keras, normal, np, save  # it chooses Keras' backend

K = keras.layers


def masked_keras(inputs, layers):
    """keras.ops.mean, which LayerNormalization calls, takes float64 through float32 on JAX."""
    if keras.config.floatx() == "float64" and "LayerNormalization" in [name for name, _ in layers]:
        return {}
    options = {"LSTM": {"activation": TANH}, "GRU": {"activation": TANH}}
    model = keras.Sequential([K.Input(inputs["x"].shape[1:])])
    for name, config in layers:
        model.add(getattr(K, name)(**config, **options.get(name, {})))
    names = [f"weight{i}" for i in range(len(model.trainable_variables))]
    others = [variable.value for variable in model.non_trainable_variables]

    def loss(**weights):
        y, _ = model.stateless_call([weights[name] for name in names], others, inputs["x"])
        if "real" in inputs:  # beyond them Keras repeats the last output, where pyrnn has zeros
            y = y * inputs["real"][..., None]
        return (inputs["dy"] * y).sum(), {"y": y}

    return jax_gradients(loss, {name: inputs[name] for name in names})


def masks():
    rng = np.random.default_rng(11)
    real = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 0, 0], [1, 0, 1, 0, 0, 1], [0, 0, 1, 0, 1, 1]], bool)
    x = np.where(real[..., None], normal(rng, 4, 6, 3), np.float32(0))

    def weights(*shapes):
        return {f"weight{i}": normal(rng, *shape) / np.float32(2) for i, shape in enumerate(shapes)}

    sequences = {"units": 5, "return_sequences": True}
    cells = [["Masking", {}], ["GRU", sequences], ["LSTM", sequences | {"units": 4}]]
    shapes = [(3, 15), (5, 15), (2, 15), (5, 16), (4, 16), (16,)]
    cases = {
        "steps": (cells, {"dy": normal(rng, 4, 6, 4), "real": real}, shapes),
        "last": ([*cells[:2], ["LSTM", {"units": 4}]], {"dy": normal(rng, 4, 4)}, shapes),
        "pooled": (
            [*cells, ["LayerNormalization", {}], ["GlobalAveragePooling1D", {}]],
            {"dy": normal(rng, 4, 4)},
            [*shapes, (4,), (4,)],
        ),
    }
    return {
        case: ({"layers": layers}, {"x": x} | given | weights(*shapes), {"keras": masked_keras})
        for case, (layers, given, shapes) in cases.items()
    }


if __name__ == "__main__":
    save("masks", masks())
