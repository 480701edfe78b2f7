"""Make objective.npz, ctc.npz, metrics.npz and weighted.npz: losses with options and weights, metrics, weighted training.

It runs as make_goldens.py does, which says how the files are laid out.
"""

import make_goldens as goldens
import numpy as np
import torch
import torch.nn.functional as F
from make_goldens import jax_gradients, keras, normal, one_hot, save, torch_gradients

# --------------------------------------------------------------------------------------------------------------- Losses

KERAS_LOSSES = {
    "crossentropy": keras.losses.CategoricalCrossentropy,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "mean_squared_error": keras.losses.MeanSquaredError,
    "mean_absolute_error": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
}


def objective_keras(inputs, loss, activation, **options):
    """The prediction is activation(z); the gradient is by z."""
    if keras.config.floatx() == "float64" and loss != "crossentropy":
        return {}  # keras.ops.mean takes float64 through float32 on JAX: PyTorch alone is the measure
    function = KERAS_LOSSES[loss](**options)

    def objective(z):
        prediction = keras.activations.get(activation)(z)
        value = function(inputs["y"], prediction, sample_weight=inputs.get("weights"))
        return value, {"loss": value}

    return jax_gradients(objective, {"z": inputs["z"]})


def objective_torch(inputs, loss, activation, from_logits=False, label_smoothing=0.0, delta=1.0):
    y, weights = torch.tensor(inputs["y"]), torch.tensor(inputs.get("weights", 1.0), dtype=torch.float64)

    def losses(z):
        match loss:
            case "crossentropy":
                flat = F.cross_entropy(
                    z.reshape(-1, z.shape[-1]),
                    y.reshape(-1, z.shape[-1]),
                    reduction="none",
                    label_smoothing=label_smoothing,
                )
                return flat.reshape(z.shape[:-1])
            case "binary_crossentropy":
                target = y * (1 - label_smoothing) + label_smoothing / 2
                return F.binary_cross_entropy_with_logits(z, target, reduction="none").mean(-1)
            case "mean_squared_error":
                return F.mse_loss(z, y, reduction="none").mean(-1)
            case "mean_absolute_error":
                return F.l1_loss(z, y, reduction="none").mean(-1)
            case "huber":
                return F.huber_loss(z, y, reduction="none", delta=delta).mean(-1)

    def objective(z):
        value = (losses(z) * weights).mean()
        return value, {"loss": value}

    return torch_gradients(objective, {"z": inputs["z"]})


def objective():
    rng = np.random.default_rng(11)
    cases = {}
    for case, loss, activation, options in [
        ("crossentropy", "crossentropy", "softmax", {}),
        ("crossentropy_smoothed", "crossentropy", "softmax", {"label_smoothing": 0.2}),
        ("crossentropy_smoothed_logits", "crossentropy", "linear", {"label_smoothing": 0.1, "from_logits": True}),
        ("binary", "binary_crossentropy", "sigmoid", {}),
        ("binary_smoothed", "binary_crossentropy", "sigmoid", {"label_smoothing": 0.2}),
        ("binary_smoothed_logits", "binary_crossentropy", "linear", {"label_smoothing": 0.3, "from_logits": True}),
        ("mean_squared_error", "mean_squared_error", "linear", {}),
        ("mean_absolute_error", "mean_absolute_error", "linear", {}),
        ("huber", "huber", "linear", {}),
        ("huber_narrow", "huber", "linear", {"delta": 0.3}),
    ]:
        for rank, leading in (("rows", (7,)), ("steps", (3, 4))):
            for weighted in (False, True):
                z = normal(rng, *leading, 5) * 2
                if loss == "crossentropy":
                    y = one_hot(rng.integers(5, size=leading), 5, np.float32)
                elif loss == "binary_crossentropy":
                    y = rng.uniform(size=z.shape).astype(np.float32)
                else:
                    y = normal(rng, *z.shape)
                inputs = {"z": z, "y": y}
                if weighted:
                    inputs["weights"] = rng.choice([0, 0.5, 1, 3], size=leading).astype(np.float32)
                peers = {"keras": objective_keras, "torch": objective_torch}
                name = f"{case}_{rank}{'_weighted' if weighted else ''}"
                cases[name] = {"loss": loss, "activation": activation} | options, inputs, peers
    return cases


# ------------------------------------------------------------------------------------------------------------------ CTC


def ctc_keras(inputs):
    if keras.config.floatx() == "float64":
        return {}  # taken through float32 on JAX

    def objective(z):
        value = keras.losses.CTC()(inputs["y"], z, sample_weight=inputs.get("weights"))
        return value, {"loss": value}

    return jax_gradients(objective, {"z": inputs["z"]})


def ctc_torch(inputs):
    y, weights = torch.tensor(inputs["y"]), torch.tensor(inputs.get("weights", 1.0), dtype=torch.float64)

    def objective(z):
        steps = torch.full((len(z),), z.shape[1])
        log_p = torch.log_softmax(z, -1).transpose(0, 1)
        value = (F.ctc_loss(log_p, y, steps, (y != 0).sum(1), blank=0, reduction="none") * weights).mean()
        return value, {"loss": value}

    return torch_gradients(objective, {"z": inputs["z"]})


def ctc():
    rng = np.random.default_rng(14)
    cases = {}
    for case, (B, T, V, L) in [
        ("small", (4, 6, 4, 3)),
        ("tight", (5, 5, 4, 3)),
        ("long", (3, 60, 11, 17)),
        ("weighted", (6, 9, 5, 4)),
    ]:
        y = rng.integers(1, V, size=(B, L))
        y[np.arange(L) >= rng.integers(0, L + 1, size=(B, 1))] = 0
        y[0] = 1  # with blanks between: as long as "tight" allows
        inputs = {"z": normal(rng, B, T, V) * 3, "y": y}
        if case == "weighted":
            inputs["weights"] = rng.choice([0, 0.5, 2], size=B).astype(np.float32)
        cases[case] = {}, inputs, {"keras": ctc_keras, "torch": ctc_torch}
    return cases


# -------------------------------------------------------------------------------------------------------------- Metrics

METRICS = {
    "categorical_accuracy": {},
    "top_k_categorical_accuracy": {"k": 2},
    "binary_accuracy": {"threshold": 0.4},
    "mean_squared_error": {},
    "mean_absolute_error": {},
    "root_mean_squared_error": {},
    "r2_score": {},
    "variance_weighted_r2_score": {"class_aggregation": "variance_weighted_average"},
}


def metrics_keras(inputs, weighted):
    """Of two batches of different size."""
    if keras.config.floatx() == "float64":
        return {}  # a metric's sums are means of float32 on JAX
    classes = {
        name: getattr(keras.metrics, "".join(part.capitalize() for part in name.split("_")), None) for name in METRICS
    }
    classes |= {"top_k_categorical_accuracy": keras.metrics.TopKCategoricalAccuracy, "r2_score": keras.metrics.R2Score}
    classes["variance_weighted_r2_score"] = keras.metrics.R2Score
    results = {}
    for name, config in METRICS.items():
        metric = classes[name](**config)
        p = inputs["p"].reshape(-1, inputs["p"].shape[-1])
        y = inputs["labels" if name == "binary_accuracy" else "y"].reshape(p.shape)
        weights = inputs["weights"].reshape(-1) if weighted else None
        for rows in (slice(8), slice(8, None)):
            metric.update_state(y[rows], p[rows], sample_weight=None if weights is None else weights[rows])
        results[name] = np.asarray(metric.result(), np.float32)
    return results


def metrics():
    rng = np.random.default_rng(12)
    cases = {}
    for rank, leading in (("rows", (12,)), ("steps", (6, 2))):
        p = rng.dirichlet(np.ones(4), size=leading).astype(np.float32)
        inputs = {"p": p, "y": one_hot(rng.integers(4, size=leading), 4, np.float32)}
        inputs["labels"] = rng.integers(2, size=p.shape).astype(np.float32)
        inputs["weights"] = rng.choice([0, 0.5, 1, 3], size=leading).astype(np.float32)
        for weighted in (False, True):
            cases[f"{rank}{'_weighted' if weighted else ''}"] = {"weighted": weighted}, inputs, {"keras": metrics_keras}
    return cases


# ---------------------------------------------------------------------------------------------------- Weighted training


def weighted_keras(inputs, class_weight):
    """Three updates of softmax regression, the metrics of each batch alone, and the weights after all."""
    y = one_hot(inputs["ids"], 4, keras.config.floatx())
    model = keras.Sequential([keras.Input(inputs["x"].shape[2:]), keras.layers.Dense(4, activation="softmax")])
    model.set_weights([inputs["kernel"], inputs["bias"]])
    kinds = {"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}
    model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy", **kinds)
    if class_weight is None:
        weights = {"sample_weight": list(inputs["weights"])}
    else:
        weights = {"class_weight": [{int(key): value for key, value in class_weight.items()}] * 3}
    results = {"loss": [], "accuracy": [], "weighted_accuracy": []}
    for i in range(3):
        model.reset_metrics()
        own = {key: value[i] for key, value in weights.items()}
        logs = model.train_on_batch(inputs["x"][i], y[i], return_dict=True, **own)
        for key, values in results.items():
            values.append(float(logs[key]))
    results |= dict(zip(("kernel", "bias"), model.get_weights(), strict=True))
    return {key: np.asarray(value, keras.config.floatx()) for key, value in results.items()}


def weighted():
    rng = np.random.default_rng(13)
    cases = {}
    for case, leading, class_weight in [
        ("rows", (8,), None),
        ("steps", (4, 3), None),
        ("classes", (8,), {"0": 0.5, "2": 3.0}),
    ]:
        inputs = {"x": normal(rng, 3, *leading, 6), "ids": rng.integers(4, size=(3, *leading))}
        inputs |= {"kernel": normal(rng, 6, 4), "bias": normal(rng, 4)}
        if class_weight is None:
            inputs["weights"] = rng.choice([0, 0.5, 1, 3], size=(3, *leading)).astype(np.float32)
        cases[case] = {"class_weight": class_weight}, inputs, {"keras": weighted_keras}
    return cases


if __name__ == "__main__":
    assert goldens.VERSIONS["keras"].startswith("3.15")
    for make in (objective, ctc, metrics, weighted):
        save(make.__name__, make())
