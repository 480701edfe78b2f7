"""Make cell_dropout.npz: Keras 3's recurrent layers (on JAX) with given masks of what they drop. Run after make_goldens.py.

Keras asks a cell for its masks, which answers with those of the case: the same for every gate, where it wants one for each.
Keras has no zoneout; there its cell is stepped by hand, and the formula of Krueger et al. 2017 stands between the steps.
"""

import numpy as np
from make_cells import arguments_of
from make_cells import case as cell_case
from make_goldens import jax, jax_gradients, keras, save

RATES = {"dropout": 0.3, "recurrent_dropout": 0.4}


def give_masks(cell, inputs):
    count = getattr(cell, "dropout_mask_count", None)

    def given(name):
        mask = jax.numpy.asarray(inputs[name])
        return lambda _: mask if count is None else [mask] * count

    if "dropout_mask" in inputs:
        cell.get_dropout_mask = given("dropout_mask")
    if "recurrent_mask" in inputs:
        cell.get_recurrent_dropout_mask = given("recurrent_mask")


def layer_keras(inputs, cell, **options):
    arguments, rows = arguments_of(inputs)
    options["activation"] = jax.numpy.tanh  # Keras' own rounds float64 to float32
    if cell != "SimpleRNN":
        options["recurrent_activation"] = jax.nn.sigmoid
    rates = {name: rate for name, rate in RATES.items() if name.replace("_dropout", "") + "_mask" in inputs}
    layer = getattr(keras.layers, cell)(inputs["h0"].shape[1], return_state=True, **rates, **options)
    layer.build((rows if rows is not None else inputs["x"]).shape)
    give_masks(layer.cell, inputs)
    others = [variable.value for variable in layer.non_trainable_variables]

    def all_steps(weights, x, state):
        (h, *last), _ = layer.stateless_call(weights, others, x, initial_state=state, training=True)
        return h, last

    def by_steps(weights, x, state):
        h = []
        for t in range(x.shape[1]):
            (_, new), _ = layer.cell.stateless_call(weights, others, x[:, t], state, training=True)
            mask = inputs["zoneout_mask"][:, t]
            state = [mask * new[0] + (1 - mask) * state[0], *new[1:]]
            h.append(state[0])
        return jax.numpy.stack(h, axis=1), state

    def loss(h0, kernel, recurrent_kernel, bias, c0=None, x=rows):
        state = [h0] if c0 is None else [h0, c0]
        h, last = (by_steps if "zoneout_mask" in inputs else all_steps)([kernel, recurrent_kernel, bias], x, state)
        scalar, results = (inputs["dh"] * h).sum(), {"h": h}
        if c0 is not None:
            scalar, results["c_last"] = scalar + (inputs["dc"] * last[1]).sum(), last[1]
        return scalar, results

    return jax_gradients(loss, arguments)


def case(rng, cell, sizes, masks, **options):
    B, T, I, H = sizes
    options, inputs, _ = cell_case(rng, cell, sizes, **options)
    shapes = {"dropout_mask": (B, I), "recurrent_mask": (B, H), "zoneout_mask": (B, T, H)}
    kept = {"dropout_mask": 1 / 0.7, "recurrent_mask": 1 / 0.6, "zoneout_mask": 1}
    for name in masks:
        inputs[name] = ((rng.random(shapes[name]) < 0.6) * kept[name]).astype(np.float32)
    return options, inputs, {"keras": layer_keras}


def cases():
    rng = np.random.default_rng(11)
    x, h, zoneout = "dropout_mask", "recurrent_mask", "zoneout_mask"
    made = {}
    for cell, options in (("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False}), ("SimpleRNN", {})):
        name = cell + "_before" * bool(options)
        for masks in ((x,), (h,), (zoneout,), (x, h), (x, h, zoneout)):
            what = "_".join(mask.removesuffix("_mask") for mask in masks)
            made[f"{name}_{what}"] = case(rng, cell, (3, 5, 4, 7), masks, **options)
        made[f"{name}_more"] = case(rng, cell, (5, 6, 8, 17), (x, h, zoneout), **options)
        made[f"{name}_ids"] = case(rng, cell, (3, 6, 11, 9), (x, h), ids=True, **options)
    return made


if __name__ == "__main__":
    save("cell_dropout", cases())
