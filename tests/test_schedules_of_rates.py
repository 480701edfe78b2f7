"""Schedules of the learning rate: their values against Keras and PyTorch, and what optimizers make of them."""

import importlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, layers, optimizers, schedules

GOLDENS = json.loads(Path(__file__).with_name("goldens").joinpath("schedules.json").read_text())
X = np.random.default_rng(0).normal(size=(10, 2))
Y = X @ [1.0, -1.0]


def model(rate, dtype="float64"):
    pyrnn.utils.set_random_seed(0)
    made = Sequential([Input((2,)), layers.Dense(1)], dtype=dtype)
    made.compile(optimizers.SGD(rate), "mse")
    return made


# -- the schedules themselves -----------------------------------------------------


@pytest.mark.parametrize("case", GOLDENS["cases"], ids=lambda case: case["class_name"])
def test_rates_are_those_of_keras_and_pytorch(case):
    schedule = getattr(optimizers.schedules, case["class_name"])(**case["config"])
    found = [schedule(step) for step in GOLDENS["steps"]]
    np.testing.assert_allclose(found, case["rates"], rtol=1e-12, atol=1e-16)
    assert all(type(rate) is float for rate in found)


def test_goldens_cover_keras_six():
    assert {case["class_name"] for case in GOLDENS["cases"]} == {
        "ExponentialDecay", "PiecewiseConstantDecay", "PolynomialDecay", "InverseTimeDecay", "CosineDecay",
        "CosineDecayRestarts", "OneCycle",
    }  # fmt: skip


@pytest.mark.parametrize("case", GOLDENS["cases"], ids=lambda case: case["class_name"])
def test_config_holds_what_was_given_and_makes_the_same(case):
    kind = getattr(schedules, case["class_name"])
    schedule = kind(**case["config"], name="mine")
    config = json.loads(json.dumps(schedule.get_config()))
    assert case["config"].items() <= config.items()
    assert config["name"] == "mine"
    again = kind.from_config(config)
    assert [again(step) for step in range(120)] == [schedule(step) for step in range(120)]


def test_names_are_keras():
    assert schedules.ExponentialDecay(0.1, 1, 0.5).name == "ExponentialDecay"
    assert schedules.InverseTimeDecay(0.1, 1, 0.5).name == "InverseTimeDecay"
    assert schedules.PiecewiseConstantDecay([1], [0.1, 0.2]).name == "PiecewiseConstant"
    assert schedules.CosineDecayRestarts(0.1, 1).name == "SGDRDecay"


def test_restarts_are_where_the_steps_say():
    """Keras' logarithms round: the restart after 2^k - 1 first periods must not come a step late."""
    schedule = schedules.CosineDecayRestarts(0.5, 3)
    starts = [3 * (2**k - 1) for k in range(30)]
    assert all(schedule(start) == 0.5 for start in starts)
    assert all(schedule(start - 1) < 0.4 for start in starts[1:])


def test_warm_up_then_a_number_or_a_schedule():
    warm = schedules.LinearWarmup(0.4, 4, initial_learning_rate=0.2)
    assert [warm(step) for step in range(6)] == pytest.approx([0.2, 0.25, 0.3, 0.35, 0.4, 0.4])
    decay = schedules.ExponentialDecay(0.4, 1, 0.5)
    warm = schedules.LinearWarmup(decay, 4)
    assert [warm(step) for step in range(7)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.2, 0.1])
    nested = schedules.LinearWarmup(schedules.ScaledSchedule(decay, 0.5), 4)
    config = json.loads(json.dumps(schedules.serialize(nested)))
    again = schedules.deserialize(config)
    assert [again(step) for step in range(7)] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.1, 0.05])


def test_one_cycle_ends_low_and_stays():
    cycle = schedules.OneCycle(0.5, total_steps=50)
    rates = [cycle(step) for step in range(60)]
    assert max(rates) == pytest.approx(0.5) and rates.index(max(rates)) == 14
    assert rates[0] == pytest.approx(0.02)
    assert rates[49:] == pytest.approx([0.02 / 1e4] * 11)


# -- optimizers -------------------------------------------------------------------


@pytest.mark.parametrize("train", ["fit", "train_on_batch"])
def test_each_batch_has_the_rate_of_its_iteration(train):
    """Against the same training where the rate is set by hand before each batch."""
    schedule = schedules.PolynomialDecay(0.1, 7, end_learning_rate=0.01, power=2.0)
    scheduled, by_hand = model(schedule), model(0.1)
    scheduled.set_weights(by_hand.get_weights())
    for step in range(9):
        by_hand.optimizer.learning_rate = schedule(step)
        by_hand.train_on_batch(X, Y)
        if train == "train_on_batch":
            assert scheduled.optimizer.learning_rate == schedule(step)
            scheduled.train_on_batch(X, Y)
    if train == "fit":
        scheduled.fit(X, Y, batch_size=10, epochs=9, shuffle=False, verbose=0)
    assert scheduled.optimizer.iterations == 9
    assert scheduled.optimizer.learning_rate == schedule(9)
    np.testing.assert_array_equal(scheduled.get_weights()[0], by_hand.get_weights()[0])


def test_the_last_short_batch_counts():
    made = model(schedules.ExponentialDecay(0.1, 1, 0.5))
    made.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    assert made.optimizer.iterations == 6
    assert made.optimizer.learning_rate == pytest.approx(0.1 / 2**6)


def test_evaluation_and_prediction_do_not_count():
    made = model(schedules.ExponentialDecay(0.1, 1, 0.5))
    made.evaluate(X, Y, verbose=0)
    made.test_on_batch(X, Y)
    made.predict(X, verbose=0)
    assert made.optimizer.learning_rate == 0.1


def test_compile_starts_the_schedule_anew():
    made = model(schedules.ExponentialDecay(0.1, 1, 0.5))
    made.train_on_batch(X, Y)
    made.compile(made.optimizer, "mae")
    assert made.optimizer.learning_rate == 0.1


def test_a_number_replaces_a_schedule_and_a_schedule_a_number():
    optimizer = optimizers.Adam(schedules.ExponentialDecay(0.1, 1, 0.5))
    assert optimizer.learning_rate_schedule.decay_rate == 0.5
    optimizer.learning_rate = 0.25
    assert optimizer.learning_rate_schedule is None
    assert optimizer.get_config()["learning_rate"] == 0.25
    optimizer.learning_rate = schedules.CosineDecay(0.5, 10)
    assert optimizer.learning_rate == 0.5


def test_a_saved_model_goes_on_where_its_schedule_was(tmp_path):
    schedule = schedules.LinearWarmup(schedules.CosineDecay(0.1, 20), 4)
    made = model(schedule)
    made.fit(X, Y, batch_size=2, epochs=2, verbose=0)
    made.save(tmp_path / "model")
    loaded = pyrnn.load_model(tmp_path / "model")
    assert loaded.optimizer.get_config() == made.optimizer.get_config()
    assert loaded.optimizer.iterations == 10
    for one in (made, loaded):
        one.fit(X, Y, batch_size=5, epochs=3, shuffle=False, verbose=0)
    assert loaded.optimizer.learning_rate == made.optimizer.learning_rate == schedule(16)
    np.testing.assert_array_equal(loaded.get_weights()[0], made.get_weights()[0])


def test_a_schedule_of_ones_own(tmp_path):
    class Steps(schedules.LearningRateSchedule):
        def __call__(self, step):
            return [0.1, 0.05, math.nan][step]

    made = model(Steps())
    with pytest.raises(
        TypeError, match="the schedule Steps cannot be written down; set optimizer.learning_rate to a n"
    ):
        made.save(tmp_path / "model")
    made.train_on_batch(X, Y)
    made.train_on_batch(X, Y)
    before = made.get_weights()[0]
    with pytest.raises(ValueError, match="Steps: the rate of step 2 must be finite, got nan"):
        made.train_on_batch(X, Y)
    np.testing.assert_array_equal(made.get_weights()[0], before)


def test_the_module_has_keras_place():
    assert importlib.import_module("pyrnn.optimizers.schedules") is schedules is optimizers.schedules
    from pyrnn.optimizers.schedules import ExponentialDecay

    assert ExponentialDecay is schedules.ExponentialDecay


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: schedules.ExponentialDecay(-1, 1, 0.5), ValueError, "initial_learning_rate must be at least 0, got -1"),
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), ValueError, "decay_steps must be at least 1, got 0"),
        (lambda: schedules.ExponentialDecay(0.1, 2.5, 0.5), TypeError, "decay_steps must be an integer, got 2.5"),
        (lambda: schedules.ExponentialDecay(0.1, 1, -0.5), ValueError, "ExponentialDecay: decay_rate must be at least 0"),
        (lambda: schedules.ExponentialDecay(0.1, 1, 0.5, staircase=1), TypeError, "staircase must be True or False"),
        (lambda: schedules.ExponentialDecay(0.1, 1, 0.5, name=3), TypeError, "name must be a string, got 3"),
        (lambda: schedules.PolynomialDecay(0.1, 1, power=-1), ValueError, "PolynomialDecay: power must be at least 0"),
        (lambda: schedules.PolynomialDecay(0.1, 1, cycle="no"), TypeError, "cycle must be True or False, got 'no'"),
        (
            lambda: schedules.CosineDecay(0.1, 9, warmup_steps=3),
            ValueError,
            "CosineDecay: warmup_target must be given with warmup_steps=3",
        ),
        (lambda: schedules.CosineDecayRestarts(0.1, 9, t_mul=0.5), ValueError, "t_mul must be at least 1, got 0.5"),
        (
            lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]),
            ValueError,
            "values must be one more than the 2 boundaries, got 2",
        ),
        (
            lambda: schedules.PiecewiseConstantDecay([2, 2], [0.1, 0.2, 0.3]),
            ValueError,
            r"boundaries must rise, got \[2, 2\]",
        ),
        (lambda: schedules.PiecewiseConstantDecay(3, [0.1]), TypeError, "boundaries must be a list of numbers, got 3"),
        (lambda: schedules.LinearWarmup("fast", 3), TypeError, "LinearWarmup: learning_rate must be a number, got 'fast'"),
        (lambda: schedules.LinearWarmup(0.1, 0), ValueError, "LinearWarmup: warmup_steps must be at least 1, got 0"),
        (lambda: schedules.OneCycle(0.1, 3), ValueError, "total_steps must be more than 1 / pct_start, got 3"),
        (lambda: schedules.OneCycle(0.1, 9, anneal_strategy="exp"), ValueError, "must be one of 'cos', 'linear', got 'exp'"),
        (lambda: schedules.ScaledSchedule(0.1, 2), TypeError, "schedule must be a LearningRateSchedule, got 0.1"),
        (lambda: optimizers.SGD(lambda: 0.1), TypeError, "SGD: learning_rate must be a number or a LearningRateSchedule"),
        (lambda: optimizers.SGD({"class_name": "Sudden", "config": {}}), ValueError, "schedule must be one of 'Expon"),
        (
            lambda: optimizers.SGD(schedules.ExponentialDecay(1.0, 1, 1e9)).get_config() and model(
                schedules.ScaledSchedule(schedules.LinearWarmup(schedules.ExponentialDecay(1.0, 1, 1e300), 1), 1.0)
            ).fit(X, Y, batch_size=2, verbose=0),
            ValueError,
            "the rate of step 2 must be finite, got inf",
        ),
    ],
)  # fmt: skip
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
