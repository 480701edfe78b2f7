"""Optimizers as descriptions, and what their options do to a model's training; test_updates.py has the numbers."""

import json

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, _core, layers, optimizers

EVERY_OPTION = {
    "weight_decay": 0.2,
    "clipnorm": 0.05,
    "use_ema": True,
    "ema_overwrite_frequency": 2,
    "gradient_accumulation_steps": 2,
}

# ------------------------------------------------------------------------------------------------------------ In models


def model(optimizer, dtype="float32"):
    pyrnn.utils.set_random_seed(3)
    made = Sequential([Input((6, 40)), layers.LSTM(48), layers.Dense(9, activation="softmax")], dtype=dtype)
    made.compile(optimizer, "sparse_categorical_crossentropy")
    return made


def ids(rng, samples=40):
    return rng.integers(40, size=(samples, 6)), rng.integers(9, size=samples)


def test_training_ends_with_the_average(rng):
    x, y = ids(rng)
    raw, averaged, by_batch = (
        model(o) for o in (optimizers.SGD(0.5), *(optimizers.SGD(0.5, use_ema=True) for _ in range(2)))
    )
    raw.fit(x, y, batch_size=40, epochs=3, verbose=0, shuffle=False)
    averaged.fit(x, y, batch_size=40, epochs=3, verbose=0, shuffle=False)
    for _ in range(3):
        by_batch.train_on_batch(x, y)
    for one, other, mean in zip(raw.get_weights(), by_batch.get_weights(), averaged.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
        assert (mean != one).any()
    after = averaged.evaluate(x, y, verbose=0)
    averaged.set_weights(averaged.get_weights())
    assert averaged.evaluate(x, y, verbose=0) == after, "copies of the weights were made again"
    averaged.set_weights(raw.get_weights())
    averaged.fit(x, y, epochs=3, initial_epoch=3, verbose=0)
    for one, other in zip(raw.get_weights(), averaged.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other, "no epoch, no end of training")


def test_a_first_average_is_the_weights(rng):
    x, y = ids(rng)
    raw, averaged = model(optimizers.Adam()), model(optimizers.Adam(use_ema=True))
    for made in (raw, averaged):
        made.fit(x, y, batch_size=40, shuffle=False, verbose=0)
    for one, other in zip(raw.get_weights(), averaged.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_accumulation_is_a_larger_batch(rng):
    x, y = ids(rng)
    whole, parts = model(optimizers.Adam(), "float64"), model(optimizers.Adam(gradient_accumulation_steps=4), "float64")
    whole.fit(x, y, batch_size=40, epochs=3, shuffle=False, verbose=0)
    parts.fit(x, y, batch_size=10, epochs=3, shuffle=False, verbose=0)
    for one, other in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"weight_decay": 0.1, "clipnorm": 1.0}, 0),
        ({"clipvalue": 1.0}, 0),
        ({"use_ema": True}, 1),
        ({"gradient_accumulation_steps": 2}, 1),
        ({"amsgrad": True}, 1),
        (EVERY_OPTION, 2),
    ],
)
def test_options_that_are_off_take_no_memory(options, more):
    """Adam alone keeps two values for each weight; `more` is what the options add."""

    def memory(optimizer):
        network = _core.Network("float32", 4, False, False, [{"op": "dense", "units": 64}])
        network.compile("mean_squared_error", False, [], optimizer.engine_spec())
        slots = network.get_optimizer_state()["slots"].values()
        return network.memory(), sum(value.nbytes for slot in slots for value in slot.values())

    plain, of_slots = memory(optimizers.Adam())
    assert memory(optimizers.Adam(**options)) == (plain + more * of_slots // 2, of_slots + more * of_slots // 2)


@pytest.mark.parametrize("options", [{}, EVERY_OPTION])
def test_state_can_be_put_back(options, rng):
    """Also what Nadam counts, the average, and a sum of gradients between two steps."""
    x, y = ids(rng)
    straight, half, resumed = (model(optimizers.Nadam(**options)) for _ in range(3))
    for made, batches in ((straight, 5), (half, 3)):
        for _ in range(batches):
            made.train_on_batch(x, y)
    resumed.set_weights(half.get_weights())
    for _ in range(4):
        resumed.train_on_batch(x, y)  # further than the state to come
    resumed.set_weights(half.get_weights())
    resumed._require_network().set_optimizer_state(half._require_network().get_optimizer_state())
    for _ in range(2):
        resumed.train_on_batch(x, y)
    for one, other in zip(straight.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# --------------------------------------------------------------------------------------------------------- Descriptions

NO_OPTIONS = {
    "weight_decay": None, "clipnorm": None, "clipvalue": None, "global_clipnorm": None, "use_ema": False, "ema_momentum": 0.99,
    "ema_overwrite_frequency": None, "gradient_accumulation_steps": None,
}  # fmt: skip
MOMENTS = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("SGD", {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False}),
        ("RMSprop", {"learning_rate": 0.001, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False}),
        ("Adam", {**MOMENTS, "amsgrad": False}),
        ("AdamW", {**MOMENTS, "amsgrad": False, "weight_decay": 0.004}),
        ("Nadam", MOMENTS),
        ("Adagrad", {"learning_rate": 0.001, "initial_accumulator_value": 0.1, "epsilon": 1e-7}),
        ("Lion", {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.99}),
    ],
)
def test_defaults_are_keras(name, config):
    for spelling in (name, name.lower(), name.upper(), getattr(optimizers, name)):
        optimizer = optimizers.get(spelling)
        assert type(optimizer).__name__ == name
        assert optimizer.get_config() == {**NO_OPTIONS, **config}


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.SGD(0.5, momentum=0.3, nesterov=True, **EVERY_OPTION),
        optimizers.RMSprop(0.5, rho=0.8, centered=True, clipvalue=3.0),
        optimizers.Adam(0.5, beta_1=0.8, amsgrad=True, global_clipnorm=2.0),
        optimizers.AdamW(0.5, 0.1, use_ema=True, ema_momentum=0.5),
        optimizers.Nadam(0.5, epsilon=0.1, weight_decay=0.3),
        optimizers.Adagrad(0.5, initial_accumulator_value=0.0, gradient_accumulation_steps=5),
        optimizers.Lion(0.5, beta_2=0.8, clipnorm=0.1),
    ],
)
def test_config_makes_the_same_optimizer(optimizer):
    description = {"class_name": type(optimizer).__name__, "config": json.loads(json.dumps(optimizer.get_config()))}
    again = optimizers.get(description)
    assert type(again) is type(optimizer) and again.get_config() == optimizer.get_config()


def test_options_are_saved_with_the_model(tmp_path):
    made = model(optimizers.AdamW(0.5, clipvalue=2.0, use_ema=True, gradient_accumulation_steps=3))
    made.save(tmp_path / "model.safetensors")
    loaded = pyrnn.load_model(tmp_path / "model.safetensors")
    assert isinstance(loaded.optimizer, optimizers.AdamW)
    assert loaded.optimizer.get_config() == made.optimizer.get_config()


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "AdamW", "Nadam", "Adagrad", "Lion"])
def test_lr_is_learning_rate(name):
    with pytest.warns(DeprecationWarning, match=f"{name}: lr is the old name of learning_rate") as warned:
        optimizer = getattr(optimizers, name)(lr=0.25)
    assert warned[0].filename == __file__, "the caller's line is shown"
    assert optimizer.learning_rate == 0.25
    assert "lr" not in optimizer.get_config()
    with pytest.raises(TypeError, match=f"{name}: lr is the old name of learning_rate, got both"):
        getattr(optimizers, name)(0.1, lr=0.25)


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
        (lambda: optimizers.Adam(beta_1=1), ValueError, "Adam: beta_1 must be at least 0 and less than 1, got 1"),
        (lambda: optimizers.Adam(amsgrad=1), TypeError, "Adam: amsgrad must be True or False, got 1"),
        (lambda: optimizers.AdamW(beta_2=1), ValueError, "AdamW: beta_2 must be at least 0 and less than 1, got 1"),
        (lambda: optimizers.AdamW(weight_decay=None), TypeError, "AdamW: weight_decay must be a number, got None"),
        (lambda: optimizers.Nadam(epsilon=-1), ValueError, "Nadam: epsilon must be more than 0, got -1"),
        (lambda: optimizers.Nadam(amsgrad=True), TypeError, r"Nadam: amsgrad is not supported \(arguments: learning_rate,"),
        (lambda: optimizers.Nadam(schedule_decay=0.1), TypeError, "Nadam: schedule_decay is not supported: it is 0.96 per"),
        (lambda: optimizers.Adagrad(0.1, -1), ValueError, "Adagrad: initial_accumulator_value must be at least 0, got -1"),
        (lambda: optimizers.Lion(beta_1=2), ValueError, "Lion: beta_1 must be at least 0 and less than 1, got 2"),
        (lambda: optimizers.Lion(epsilon=1e-7), TypeError, "Lion: epsilon is not supported"),
        (lambda: optimizers.SGD(weight_decay=-1), ValueError, "SGD: weight_decay must be at least 0, got -1"),
        (lambda: optimizers.Adam(clipnorm=0), ValueError, "Adam: clipnorm must be more than 0, got 0"),
        (lambda: optimizers.Adam(clipvalue="1"), TypeError, "Adam: clipvalue must be a number, got '1'"),
        (lambda: optimizers.Adam(global_clipnorm=0), ValueError, "Adam: global_clipnorm must be more than 0, got 0"),
        (lambda: optimizers.Adam(clipnorm=1.0, clipvalue=2), ValueError, "Adam: at most one of clipnorm, clipvalue, global_clipnorm may be given, got clipnorm=1, clipvalue=2"),
        (lambda: optimizers.Adam(use_ema=1), TypeError, "Adam: use_ema must be True or False, got 1"),
        (lambda: optimizers.Adam(use_ema=True, ema_momentum=1), ValueError, "Adam: ema_momentum must be at least 0 and less than 1, got 1"),
        (lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=0), ValueError, "Adam: ema_overwrite_frequency must be at least 1, got 0"),
        (lambda: optimizers.Adam(ema_momentum=0.9), ValueError, "Adam: ema_momentum and ema_overwrite_frequency need use_ema=True"),
        (lambda: optimizers.Adam(ema_overwrite_frequency=3), ValueError, "need use_ema=True"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=1), ValueError, "Adam: gradient_accumulation_steps must be at least 2, got 1"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=2.0), TypeError, "Adam: gradient_accumulation_steps must be an integer, got 2.0"),
        (lambda: optimizers.Adam(loss_scale_factor=2.0), TypeError, "Adam: loss_scale_factor is not supported: float32 and float64 need no"),
        (lambda: optimizers.Adam(decay=0.1), TypeError, "Adam: decay is not supported: give learning_rate= one of pyrnn.optimizers.schedules"),
        (lambda: optimizers.Adam(jit_compile=True), TypeError, "Adam: jit_compile is not supported: the engine is compiled"),
        (lambda: optimizers.get("adadelta"), ValueError, "optimizer must be one of 'sgd', 'rmsprop', 'adam', 'adamw', 'nadam', 'adagrad', 'lion', got 'adadelta'"),
        (lambda: _set("learning_rate", -1), ValueError, "Adam: learning_rate must be at least 0, got -1"),
        (lambda: _set("lr", 0.1), AttributeError, "lr"),
        (lambda: _set("beta_1", 0.1), AttributeError, "beta_1"),
    ],
)  # fmt: skip
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("optimizer", "names"),
    [
        (optimizers.SGD(), []),
        (optimizers.SGD(momentum=0.9), ["momentum"]),
        (optimizers.RMSprop(centered=True, momentum=0.9), ["velocity", "average_gradient", "momentum"]),
        (optimizers.Adam(amsgrad=True, use_ema=True), ["momentum", "velocity", "velocity_hat", "average"]),
        (optimizers.Adagrad(gradient_accumulation_steps=2), ["accumulator", "gradient_accumulator"]),
        (optimizers.Lion(), ["momentum"]),
    ],
)
def test_state_has_the_names_and_shapes_of_keras(optimizer, names):
    made = model(optimizer)
    made.train_on_batch(np.zeros((2, 6), int), np.zeros(2, int))
    state = made._require_network().get_optimizer_state()
    assert (state["iterations"], list(state["slots"])) == (1, names)
    shapes = [(weight.name, weight.shape) for weight in made.weights]
    for slot in state["slots"].values():
        assert sorted((name, value.shape) for (_, name), value in slot.items()) == sorted(shapes)


def test_state_that_does_not_fit_changes_nothing(rng):
    made = model(optimizers.Adam())
    made.train_on_batch(*ids(rng))
    network = made._require_network()
    state = network.get_optimizer_state()
    moments = state["slots"]
    key = next(iter(moments["velocity"]))
    other = {name: {k: v + 1 for k, v in slot.items()} for name, slot in moments.items()}
    for slots, words in [
        ({"momentum": other["momentum"]}, "slots must have velocity"),
        ({**other, "average": {}}, "slots must be 2, got 3"),
        ({**other, "velocity": {**other["velocity"], key: np.zeros(3, np.float32)}}, "velocity of "),
        ({**other, "velocity": {}}, "slots must have velocity of "),
    ]:
        with pytest.raises(ValueError, match=words):
            network.set_optimizer_state({"iterations": 7, "slots": slots})
    with pytest.raises(ValueError, match="iterations must be at least 0, got -1"):
        network.set_optimizer_state({"iterations": -1, "slots": other})
    after = network.get_optimizer_state()
    assert after["iterations"] == 1
    for name, slot in moments.items():
        for key, value in slot.items():
            np.testing.assert_array_equal(after["slots"][name][key], value)
