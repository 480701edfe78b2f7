"""Make updates.npz: weights after each batch, by Keras' other rules and by what it does around a rule. See README.md."""

import numpy as np
from make_goldens import keras, normal, save  # which sets up Keras before it is imported


def updates_keras(inputs, name, **options):
    """The weights after each batch, and with a moving average what training ends with."""
    optimizer = getattr(keras.optimizers, name)(**options)
    weights = [keras.Variable(inputs[key]) for key in ("w0", "w1")]
    steps = []
    for gradients in zip(inputs["g0"], inputs["g1"], strict=True):
        optimizer.apply(list(gradients), weights)
        steps.append([np.asarray(weight.value) for weight in weights])
    results = {key: np.stack(values) for key, values in zip(("w0", "w1"), zip(*steps, strict=True), strict=True)}
    if options.get("use_ema"):
        optimizer.finalize_variable_values(weights)
        results |= {f"final{k}": weight.value for k, weight in enumerate(weights)}
    return results


def updates():
    """Seven batches. Nadam does not accumulate: on JAX, Keras then multiplies its momenta in batches without a step too."""
    rng = np.random.default_rng(7)
    sgd, rmsprop, adam, adamw, nadam, adagrad, lion = (
        {"name": name, "learning_rate": rate}
        for name, rate in [("SGD", 0.05), ("RMSprop", 0.01), ("Adam", 0.02), ("AdamW", 0.02), ("Nadam", 0.02)]
        + [("Adagrad", 0.1), ("Lion", 0.01)]
    )
    decay, ema = {"weight_decay": 0.1}, {"use_ema": True, "ema_momentum": 0.8}
    norm, value = {"clipnorm": 2.0}, {"clipvalue": 0.5}  # the norms of both tensors stand on both sides of 2
    moments = {"beta_1": 0.8, "beta_2": 0.6, "epsilon": 0.01}
    cases = {
        "adamw": adamw,
        "adamw_options": adamw | moments | decay,
        "adam_amsgrad": adam | moments | {"amsgrad": True},
        "adamw_amsgrad": adamw | moments | {"amsgrad": True},
        "nadam": nadam,
        "nadam_moments": nadam | moments,
        "adagrad": adagrad,
        "adagrad_options": adagrad | {"initial_accumulator_value": 0.5, "epsilon": 0.01},
        "lion": lion,
        "lion_betas": lion | {"beta_1": 0.6, "beta_2": 0.7},
        "sgd_decay": sgd | decay,
        "sgd_nesterov_decay": sgd | {"momentum": 0.9, "nesterov": True} | decay,
        "rmsprop_decay": rmsprop | {"centered": True, "momentum": 0.8} | decay,
        "nadam_decay": nadam | decay,
        "adagrad_decay": adagrad | decay,
        "lion_decay": lion | decay,
        "sgd_clipnorm": sgd | norm,
        "sgd_clipvalue": sgd | value,
        "rmsprop_clipvalue": rmsprop | value,
        "adam_clipnorm": adam | norm,
        "nadam_global_clipnorm": nadam | {"global_clipnorm": 2.0},
        "adagrad_clipnorm": adagrad | norm,
        "lion_clipvalue": lion | value,
        "sgd_ema": sgd | ema,
        "adam_ema_overwrite": adam | ema | {"ema_overwrite_frequency": 2},
        "adamw_ema": adamw | ema,
        "sgd_accumulation": sgd | {"gradient_accumulation_steps": 3},
        "adam_accumulation": adam | {"gradient_accumulation_steps": 2},
        "adamw_accumulation_clipnorm": adamw | {"gradient_accumulation_steps": 2} | norm,
        "lion_accumulation_ema_overwrite": lion
        | ema
        | {"gradient_accumulation_steps": 2, "ema_overwrite_frequency": 2},
    }
    size = np.array([1, 0.2, 3, 1, 0.5, 2, 0.1], np.float32)[:, None]
    inputs = {"w0": normal(rng, 4, 3), "w1": normal(rng, 3), "g0": normal(rng, 7, 4, 3), "g1": normal(rng, 7, 3)}
    inputs |= {"g0": inputs["g0"] * size[..., None] / 2, "g1": inputs["g1"] * size}
    return {case: (options, inputs, {"keras": updates_keras}) for case, options in cases.items()}


if __name__ == "__main__":
    save("updates", updates())
