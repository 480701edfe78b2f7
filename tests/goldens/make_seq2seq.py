"""Make seq2seq.npz: encoder and decoder as Keras' functional example has them (on JAX). See README.md."""

import numpy as np
from make_cells import ACTIVATIONS
from make_goldens import jax_gradients, keras, normal, save


def part_of(weights, part):
    return [value for key, value in weights.items() if key.startswith(f"w_{part}_")]


def by_keras(inputs, cell, bidirectional):
    """The decoder's output, and the gradients of all weights, encoder's first."""
    units = inputs["w_decoder_1"].shape[0]
    make = getattr(keras.layers, cell)
    encoder = make(units // (1 + bidirectional), return_state=True)
    backward = make(units // 2, return_state=True, go_backwards=True)
    decoder = make(units, return_sequences=True)
    for layer in (encoder, backward, decoder):
        layer.cell.activation = ACTIVATIONS["tanh"]
    encoder.build(inputs["x"].shape)
    backward.build(inputs["x"].shape)
    decoder.build(inputs["read"].shape)

    def run(layer, weights, x, **options):
        return layer.stateless_call(weights, [v.value for v in layer.non_trainable_variables], x, **options)[0]

    def loss(**weights):
        _, *state = run(encoder, part_of(weights, "encoder"), inputs["x"])
        if bidirectional:
            _, *other = run(backward, part_of(weights, "backward"), inputs["x"])
            state = [keras.ops.concatenate(pair, axis=-1) for pair in zip(state, other, strict=True)]
        y = run(decoder, part_of(weights, "decoder"), inputs["read"], initial_state=state)
        return (inputs["dy"] * y).sum(), {"y": y}

    return jax_gradients(loss, {key: value for key, value in inputs.items() if key.startswith("w_")})


def seq2seq():
    rng = np.random.default_rng(13)
    cases = {}
    for cell, gates in (("LSTM", 4), ("GRU", 3), ("SimpleRNN", 1)):
        for bidirectional in (False, True):
            inputs = {"x": normal(rng, 4, 6, 3), "read": normal(rng, 4, 5, 6), "dy": normal(rng, 4, 5, 6)}
            parts = {"encoder": (3, 6), "decoder": (6, 6)}
            if bidirectional:
                parts = {"encoder": (3, 3), "backward": (3, 3), "decoder": (6, 6)}
            for part, (features, units) in parts.items():
                bias = (2, gates * units) if cell == "GRU" else (gates * units,)
                for k, shape in enumerate([(features, gates * units), (units, gates * units), bias]):
                    inputs[f"w_{part}_{k}"] = normal(rng, *shape) * np.float32(0.5)
            name = f"{cell.lower()}{'_bidirectional' if bidirectional else ''}"
            cases[name] = ({"cell": cell, "bidirectional": bidirectional}, inputs, {"keras": by_keras})
    return cases


if __name__ == "__main__":
    save("seq2seq", seq2seq())
