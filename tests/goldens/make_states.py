"""Make states.npz: two of Keras' recurrent layers (on JAX) that begin in given states and return their last. See README.md."""

import numpy as np
from make_cells import ACTIVATIONS
from make_goldens import jax_gradients, keras, normal, save

UNITS = (5, 4)


def by_keras(inputs, cell, bidirectional):
    """The output, the last states of layers that read one way, and the gradients of all weights."""
    stack = []
    for units in UNITS:
        layer = getattr(keras.layers, cell)(units, return_sequences=True, return_state=not bidirectional)
        ways = [layer]
        if bidirectional:  # whose return_state fails in 3.15
            layer = keras.layers.Bidirectional(layer)
            ways = [layer.forward_layer, layer.backward_layer]
        for way in ways:
            way.cell.activation = ACTIVATIONS["tanh"]
        stack.append(layer)

    def loss(**weights):
        y, results = inputs["x"], {}
        for i, layer in enumerate(stack):
            layer.build(y.shape)
            others = [variable.value for variable in layer.non_trainable_variables]
            own = [weights[f"w{i}_{k}"] for k in range(len(layer.trainable_variables))]
            state = [inputs[key] for key in sorted(inputs) if key.startswith(f"state{i}")]
            made, _ = layer.stateless_call(own, others, y, initial_state=state)
            y, *last = [made] if bidirectional else made
            results |= {f"last{i}_{k}": array for k, array in enumerate(last)}
        return (inputs["dy"] * y).sum(), {"y": y, **results}

    return jax_gradients(loss, {key: value for key, value in inputs.items() if key.startswith("w")})


def states():
    rng = np.random.default_rng(11)
    cases = {}
    for cell, gates in (("LSTM", 4), ("GRU", 3), ("SimpleRNN", 1)):
        for bidirectional in (False, True):
            ways, features = 1 + bidirectional, 3
            inputs = {"x": normal(rng, 4, 6, 3), "dy": normal(rng, 4, 6, UNITS[1] * ways)}
            for i, units in enumerate(UNITS):
                bias = (2, gates * units) if cell == "GRU" else (gates * units,)
                shapes = [(features, gates * units), (units, gates * units), bias] * ways
                inputs |= {f"w{i}_{k}": normal(rng, *shape) * np.float32(0.5) for k, shape in enumerate(shapes)}
                inputs |= {f"state{i}_{k}": normal(rng, 4, units) for k in range(ways * (1 + (cell == "LSTM")))}
                features = units * ways
            name = f"{cell.lower()}{'_bidirectional' if bidirectional else ''}"
            cases[name] = ({"cell": cell, "bidirectional": bidirectional}, inputs, {"keras": by_keras})
    return cases


if __name__ == "__main__":
    save("states", states())
