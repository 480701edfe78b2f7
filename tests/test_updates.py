"""What optimizers make of weights: the engine against the reference's rules, both against Keras, and threads against each other."""

import json
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, _core, layers, optimizers, reference, regularizers
from pyrnn.callbacks import LambdaCallback

TOLERANCE = {"float32": 2e-5, "float64": 1e-10}


class ByReference:
    """What an optimizer makes of weights, batch by batch, in the reference's words."""

    def __init__(self, optimizer, weights):
        self.name, self.config, self.weights = type(optimizer).__name__, optimizer.get_config(), weights
        self.averages = self.sums = [np.zeros_like(w) for w in weights]
        self.states = [{} for _ in weights]
        self.batches = 0

    def train(self, gradients, rate):
        c, every = self.config, self.config["gradient_accumulation_steps"] or 1
        step = self.batches // every + 1
        self.batches += 1
        self.sums = [s + g for s, g in zip(self.sums, gradients, strict=True)]
        if self.batches % every == 0:
            gradients = self.clip([s / every for s in self.sums])
            self.sums = [np.zeros_like(s) for s in self.sums]
            decayed = [reference.decay_weights(w, rate, c["weight_decay"] or 0) for w in self.weights]
            self.weights = [
                self.rule(w, g, s, step, rate) for w, g, s in zip(decayed, gradients, self.states, strict=True)
            ]
        if c["use_ema"]:
            averaged = zip(self.averages, self.weights, strict=True)
            self.averages = [reference.moving_average(a, w, c["ema_momentum"], step) for a, w in averaged]
            if c["ema_overwrite_frequency"] and step % c["ema_overwrite_frequency"] == 0:
                self.weights = self.averages

    def clip(self, gradients):
        for option, function in (
            ("clipnorm", reference.clip_by_norm),
            ("clipvalue", reference.clip_by_value),
            ("global_clipnorm", reference.clip_by_global_norm),
        ):
            if self.config[option] is not None:
                gradients = function(gradients, self.config[option])
        return gradients

    def rule(self, w, g, s, step, rate):
        c, zeros = self.config, np.zeros_like(w)
        moments = [rate, *(c[name] for name in ("beta_1", "beta_2", "epsilon") if name in c)]
        match self.name:
            case "SGD":
                w, s["v"] = reference.sgd_step(w, g, s.get("v", zeros), rate, c["momentum"], c["nesterov"])
            case "RMSprop":
                given = [s.get(name, zeros) for name in ("v", "b", "a")]
                numbers = (c[name] for name in ("rho", "momentum", "epsilon", "centered"))
                w, s["v"], s["b"], s["a"] = reference.rmsprop_step(w, g, *given, rate, *numbers)
            case "Adam" | "AdamW" if c["amsgrad"]:
                given = [s.get(name, zeros) for name in ("m", "v", "v_max")]
                w, s["m"], s["v"], s["v_max"] = reference.amsgrad_step(w, g, *given, step, *moments)
            case "Adam" | "AdamW":
                w, s["m"], s["v"] = reference.adam_step(w, g, s.get("m", zeros), s.get("v", zeros), step, *moments)
            case "Nadam":
                w, s["m"], s["v"] = reference.nadam_step(w, g, s.get("m", zeros), s.get("v", zeros), step, *moments)
            case "Adagrad":
                accumulator = s.get("s", zeros + c["initial_accumulator_value"])
                w, s["s"] = reference.adagrad_step(w, g, accumulator, rate, c["epsilon"])
            case "Lion":
                w, s["m"] = reference.lion_step(w, g, s.get("m", zeros), *moments)
        return w


RULES = {
    "sgd": optimizers.SGD(0.1),
    "momentum": optimizers.SGD(0.1, momentum=0.9),
    "nesterov": optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": optimizers.RMSprop(0.02),
    "rmsprop_momentum": optimizers.RMSprop(0.02, rho=0.8, momentum=0.5, epsilon=1e-3),
    "centered": optimizers.RMSprop(0.02, centered=True),
    "centered_momentum": optimizers.RMSprop(0.02, momentum=0.3, centered=True),
    "adam": optimizers.Adam(0.05),
    "adam_moments": optimizers.Adam(0.05, beta_1=0.5, beta_2=0.9, epsilon=1e-2),
    "amsgrad": optimizers.Adam(0.05, beta_2=0.3, amsgrad=True),
    "adamw": optimizers.AdamW(0.05, weight_decay=0.3),
    "nadam": optimizers.Nadam(0.05),
    "nadam_moments": optimizers.Nadam(0.05, beta_1=0.99, beta_2=0.9, epsilon=1e-2),
    "adagrad": optimizers.Adagrad(0.1),
    "lion": optimizers.Lion(0.01, beta_1=0.7, beta_2=0.6),
}
OPTIONS = {
    "plain": {},
    "decay": {"weight_decay": 0.4},
    "clipnorm": {"clipnorm": 0.05},
    "clipvalue": {"clipvalue": 0.02},
    "global_clipnorm": {"global_clipnorm": 0.05},
    "high_clipnorm": {"global_clipnorm": 1e6},
    "ema": {"use_ema": True, "ema_momentum": 0.7},
    "overwrite": {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 2},
    "accumulation": {"gradient_accumulation_steps": 3},
    "all": {
        "weight_decay": 0.2,
        "clipnorm": 0.05,
        "use_ema": True,
        "ema_overwrite_frequency": 2,
        "gradient_accumulation_steps": 2,
    },
}


def rules_with(options):
    """A test of every rule with each of these options."""
    return pytest.mark.parametrize(
        "optimizer",
        [
            pytest.param(type(o)(**{**o.get_config(), **OPTIONS[option]}), id=f"{rule}-{option}")
            for rule, o in RULES.items()
            for option in options
        ],
    )


def gradients(weights, x, y):
    """Of the mean squared error of x kernel + bias, twice over."""
    kernel, bias, kernel_2, bias_2 = weights
    h = x @ kernel + bias
    dy = 2 * (h @ kernel_2 + bias_2 - y) / y.size
    dh = dy @ kernel_2.T
    return [x.T @ dh, dh.sum(0), h.T @ dy, dy.sum(0)]


@rules_with(OPTIONS)
def test_updates_follow_the_reference(optimizer, rng):
    rate = optimizer.learning_rate
    made = Sequential([Input((5,)), layers.Dense(3), layers.Dense(2)], dtype="float64")
    made.compile(optimizer, "mse")
    x, y = rng.normal(size=(8, 5)), rng.normal(size=(8, 2))
    expected = ByReference(optimizer, made.get_weights())
    for step in range(1, 9):
        optimizer.learning_rate = rate / step
        expected.train(gradients(expected.weights, x, y), optimizer.learning_rate)
        made.train_on_batch(x, y)
        for one, other in zip(made.get_weights(), expected.weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12, err_msg=f"batch {step}")


# ----------------------------------------------------------------------------------------------------------- Keras' own


def load_goldens():
    cases = {}
    with np.load(Path(__file__).parent / "goldens" / "updates.npz") as arrays:
        for key in arrays.files:
            if key != "versions":
                case, _, path = key.partition("/")
                cases.setdefault(case, {})[path] = arrays[key]
    return cases


GOLDENS = load_goldens()
goldens = pytest.mark.parametrize("case", GOLDENS)
precisions = pytest.mark.parametrize("dtype", TOLERANCE)


def read(case, dtype, own):
    """The optimizer of a case, its inputs in the precision `own`, and Keras' results in precision `dtype`."""
    options = json.loads(str(GOLDENS[case]["options"]))
    optimizer = getattr(optimizers, options.pop("name"))(**options)
    given = {path[6:]: value.astype(own) for path, value in GOLDENS[case].items() if path.startswith("input/")}
    start = f"keras/{dtype}/"
    expected = {path[len(start) :]: value for path, value in GOLDENS[case].items() if path.startswith(start)}
    return optimizer, given, expected


def assert_close(actual, expected, dtype, what):
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(actual, expected, tolerance, tolerance * np.abs(expected).max(), err_msg=what)


@precisions
@goldens
def test_the_reference_is_keras(case, dtype):
    optimizer, given, expected = read(case, dtype, "float64")
    found = ByReference(optimizer, [given["w0"], given["w1"]])
    for batch, batch_gradients in enumerate(zip(given["g0"], given["g1"], strict=True)):
        found.train(batch_gradients, optimizer.learning_rate)
        for k in range(2):
            assert_close(found.weights[k], expected[f"w{k}"][batch], dtype, f"w{k} after batch {batch}")
    if optimizer.get_config()["use_ema"]:
        for k in range(2):
            assert_close(found.averages[k], expected[f"final{k}"], dtype, f"w{k} in the end")


@precisions
@goldens
def test_the_engine_is_keras(case, dtype):
    """A Dense on the rows of an identity and on a row of zeros: any gradient of its kernel and its bias can be had by choosing y."""
    optimizer, given, expected = read(case, dtype, dtype)
    rows, columns = given["w0"].shape
    made = Sequential([Input((rows,)), layers.Dense(columns)], dtype=dtype)
    made.set_weights([given["w0"], given["w1"]])
    made.compile(optimizer, "mse")
    x = np.vstack([np.eye(rows), np.zeros(rows)]).astype(dtype)
    for batch, (g0, g1) in enumerate(zip(given["g0"], given["g1"], strict=True)):
        kernel, bias = made.get_weights()
        dy = np.vstack([g0, g1 - g0.sum(axis=0)])
        y = x @ kernel + bias - dy * (dy.size / 2)  # mean((prediction - y)^2) has the gradient dy by the prediction
        made.train_on_batch(x, y)
        for k, weight in enumerate(made.get_weights()):
            assert_close(weight, expected[f"w{k}"][batch], dtype, f"w{k} after batch {batch}")
    if optimizer.get_config()["use_ema"]:
        made._require_network().finish_training()
        for k, weight in enumerate(made.get_weights()):
            assert_close(weight, expected[f"final{k}"], dtype, f"w{k} in the end")


# -------------------------------------------------------------------------------------------------------------- Engine


@pytest.fixture
def threads():
    before = pyrnn.get_num_threads()
    yield pyrnn.set_num_threads
    pyrnn.set_num_threads(before)


def trained(optimizer, rng):
    """Weights of a model of 17,000 after eight batches: nine tasks of the optimizer, and more where tasks end with tensors."""
    pyrnn.utils.set_random_seed(3)
    made = Sequential([Input((6, 40)), layers.LSTM(48), layers.Dense(9, activation="softmax")])
    made.compile(optimizer, "sparse_categorical_crossentropy")
    x, y = rng.integers(40, size=(40, 6)), rng.integers(9, size=40)
    made.fit(x, y, batch_size=10, epochs=2, verbose=0)
    return made.get_weights()


def assert_threads_change_no_bit(optimizer, threads):
    results = []
    for n in (1, 2, 3):
        threads(n)
        results.append(trained(optimizer, np.random.default_rng(0)))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@rules_with(["plain", "all"])
def test_threads_change_no_bit(optimizer, threads):
    assert_threads_change_no_bit(optimizer, threads)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_threads_change_no_bit_of_an_option(options, threads):
    assert_threads_change_no_bit(optimizers.Adam(0.01, **options), threads)


# ------------------------------------------------------------------------------------------------------- Gradient norm


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_gradient_norm_is_of_the_last_update_before_clipping(options, rng):
    every = options.get("gradient_accumulation_steps", 1)
    made = Sequential([Input((5,)), layers.Dense(3), layers.Dense(2)], dtype="float64")
    made.compile(optimizers.Adam(0.05, **options), "mse")
    norm, means = None, [0.0] * 4
    for batch in range(1, 8):
        x, y = rng.normal(size=(8, 5)), rng.normal(size=(8, 2))
        means = [mean + g / every for mean, g in zip(means, gradients(made.get_weights(), x, y), strict=True)]
        made.train_on_batch(x, y)
        if batch % every == 0:
            norm, means = np.sqrt(sum(np.sum(mean**2) for mean in means)), [0.0] * 4
        made.predict(x, verbose=0)  # which leaves it as it is
        if norm is None:
            with pytest.raises(ValueError, match=r"^gradient_norm: there must have been an update since compile"):
                made.gradient_norm()
        else:
            assert made.gradient_norm() == pytest.approx(norm, rel=1e-12)


def test_the_gradient_norm_has_penalties_and_needs_an_update(rng):
    made = Sequential([layers.Dense(2, use_bias=False, kernel_regularizer=regularizers.L2(3.0))], dtype="float64")
    with pytest.raises(RuntimeError, match="must be compiled first"):
        made.gradient_norm()
    made.build((None, 4))
    made.compile("sgd", "mse")
    with pytest.raises(ValueError, match="an update since compile, got none"):
        made.gradient_norm()
    x, (w,) = rng.normal(size=(8, 4)), made.get_weights()
    made.train_on_batch(x, x @ w)  # so that all that is left is the penalty 3 w^2
    assert made.gradient_norm() == pytest.approx(np.linalg.norm(6 * w), rel=1e-12)
    made.compile("sgd", "mse")
    with pytest.raises(ValueError, match="an update since compile, got none"):
        made.gradient_norm()


@pytest.mark.parametrize("option", ["plain", "clipnorm", "clipvalue", "global_clipnorm", "accumulation"])
def test_threads_change_no_bit_of_the_gradient_norm(option, threads):
    def norms(n):
        threads(n)
        found = []
        log = LambdaCallback(on_train_batch_end=lambda batch, logs: found.append(batch >= 2 and made.gradient_norm()))
        pyrnn.utils.set_random_seed(3)
        rng = np.random.default_rng(0)
        made = Sequential([Input((6, 40)), layers.LSTM(48), layers.Dense(9, activation="softmax")])
        made.compile(optimizers.Adam(0.01, **OPTIONS[option]), "sparse_categorical_crossentropy")
        made.fit(rng.integers(40, size=(60, 6)), rng.integers(9, size=60), batch_size=10, callbacks=log, verbose=0)
        return found

    alone = norms(1)
    assert len(alone) == 6 and min(alone[2:]) > 0
    assert norms(2) == alone and norms(3) == alone


@rules_with(["plain", "decay", "clipnorm", "clipvalue", "global_clipnorm", "overwrite"])
def test_a_broken_gradient_shows(optimizer):
    network = _core.Network("float32", 2, False, False, [{"op": "dense", "units": 1, "use_bias": False}])
    network.compile("mean_squared_error", False, [], optimizer.engine_spec())
    x = np.array([[1.0, np.nan]], np.float32)
    for _ in range(3):
        network.train_batch(x, np.ones((1, 1), np.float32), np.arange(1), 0.1)
    assert np.isnan(network.get_weight(0, "kernel")).all()
