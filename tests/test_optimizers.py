"""Optimizers as descriptions, and one model's updates against the NumPy reference's rules."""

import numpy as np
import pytest

from pyrnn import Input, Sequential, layers, optimizers, reference


def gradients(kernel, bias, x, y):
    """Of the mean squared error of x kernel + bias."""
    dy = 2 * (x @ kernel + bias - y) / y.size
    return [x.T @ dy, dy.sum(0)]


def sgd(w, g, s, step, lr, momentum, nesterov):
    w, s["v"] = reference.sgd_step(w, g, s.setdefault("v", np.zeros_like(w)), lr, momentum, nesterov)
    return w


def rmsprop(w, g, s, step, lr, rho, momentum, epsilon, centered):
    zeros = np.zeros_like(w)
    w, s["v"], s["b"], s["a"] = reference.rmsprop_step(
        w, g, s.get("v", zeros), s.get("b", zeros), s.get("a", zeros), lr, rho, momentum, epsilon, centered
    )
    return w


def adam(w, g, s, step, lr, beta_1, beta_2, epsilon):
    zeros = np.zeros_like(w)
    w, s["m"], s["v"] = reference.adam_step(
        w, g, s.get("m", zeros), s.get("v", zeros), step, lr, beta_1, beta_2, epsilon
    )
    return w


CASES = [
    (optimizers.SGD(0.1), sgd),
    (optimizers.SGD(0.1, momentum=0.9), sgd),
    (optimizers.SGD(0.1, momentum=0.9, nesterov=True), sgd),
    (optimizers.RMSprop(0.02), rmsprop),
    (optimizers.RMSprop(0.02, rho=0.8, momentum=0.5, epsilon=1e-3), rmsprop),
    (optimizers.RMSprop(0.02, centered=True), rmsprop),
    (optimizers.RMSprop(0.02, momentum=0.3, centered=True), rmsprop),
    (optimizers.Adam(0.05), adam),
    (optimizers.Adam(0.05, beta_1=0.5, beta_2=0.9, epsilon=1e-2), adam),
]


@pytest.mark.parametrize("clipnorm", [None, 0.05, 1e6])
@pytest.mark.parametrize(("optimizer", "rule"), CASES)
def test_updates_follow_the_reference(optimizer, rule, clipnorm, rng):
    config = optimizer.get_config()
    optimizer = type(optimizer)(**{**config, "global_clipnorm": clipnorm})
    made = Sequential([Input((5,)), layers.Dense(3)], dtype="float64")
    made.compile(optimizer, "mse")
    x, y = rng.normal(size=(8, 5)), rng.normal(size=(8, 3))
    arguments = {name: value for name, value in config.items() if name not in ("learning_rate", "global_clipnorm")}
    weights, states = made.get_weights(), [{}, {}]
    for step in range(1, 5):
        optimizer.learning_rate = config["learning_rate"] / step
        found = gradients(*weights, x, y)
        if clipnorm is not None:
            found = reference.clip_by_global_norm(found, clipnorm)
        weights = [
            rule(w, g, s, step, optimizer.learning_rate, **arguments)
            for w, g, s in zip(weights, found, states, strict=True)
        ]
        made.train_on_batch(x, y)
        for one, other in zip(made.get_weights(), weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def test_defaults_are_keras():
    assert optimizers.SGD().get_config() == {
        "learning_rate": 0.01,
        "momentum": 0.0,
        "nesterov": False,
        "global_clipnorm": None,
    }
    assert optimizers.RMSprop().get_config() == {
        "learning_rate": 0.001, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False, "global_clipnorm": None,
    }  # fmt: skip
    assert optimizers.Adam().get_config() == {
        "learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "global_clipnorm": None,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["sgd", "SGD", "rmsprop", "RMSprop", "adam", "Adam"])
def test_names_in_any_case(name):
    assert type(optimizers.get(name)).__name__.lower() == name.lower()


def test_config_makes_the_same_optimizer():
    optimizer = optimizers.Adam(0.5, beta_1=0.8, global_clipnorm=2.0)
    again = optimizers.get({"class_name": "Adam", "config": optimizer.get_config()})
    assert again.get_config() == optimizer.get_config()


def _set(name, value):
    setattr(optimizers.Adam(), name, value)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: optimizers.SGD(-0.1), ValueError, "SGD: learning_rate must be at least 0, got -0.1"),
        (lambda: optimizers.SGD(float("nan")), ValueError, "SGD: learning_rate must be finite, got nan"),
        (lambda: optimizers.SGD("fast"), TypeError, "SGD: learning_rate must be a number, got 'fast'"),
        (lambda: optimizers.SGD(momentum=1.5), ValueError, "SGD: momentum must be at most 1, got 1.5"),
        (lambda: optimizers.SGD(nesterov=None), TypeError, "SGD: nesterov must be True or False, got None"),
        (lambda: optimizers.RMSprop(rho=1.0), ValueError, "RMSprop: rho must be at least 0 and less than 1, got 1"),
        (lambda: optimizers.RMSprop(epsilon=0), ValueError, "RMSprop: epsilon must be more than 0, got 0"),
        (lambda: optimizers.RMSprop(lr=0.01), TypeError, "RMSprop: lr is not supported: use learning_rate="),
        (lambda: optimizers.Adam(beta_1=1), ValueError, "Adam: beta_1 must be at least 0 and less than 1, got 1"),
        (lambda: optimizers.Adam(amsgrad=True), TypeError, "Adam: amsgrad is not supported"),
        (lambda: optimizers.Adam(clipnorm=1.0), TypeError, "Adam: clipnorm is not supported: use global_clipnorm="),
        (lambda: optimizers.Adam(global_clipnorm=0), ValueError, "Adam: global_clipnorm must be more than 0, got 0"),
        (lambda: optimizers.get("nadam"), ValueError, "optimizer must be one of 'sgd', 'rmsprop', 'adam', got 'nadam'"),
        (lambda: _set("learning_rate", -1), ValueError, "Adam: learning_rate must be at least 0, got -1"),
        (lambda: _set("lr", 0.1), AttributeError, "lr"),
        (lambda: _set("beta_1", 0.1), AttributeError, "beta_1"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
