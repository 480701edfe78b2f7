"""Callbacks that set the learning rate, and those that act where training goes wrong."""

import math

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, callbacks, layers, optimizers, schedules

X = np.random.default_rng(0).normal(size=(20, 2))
Y = X @ [1.0, -1.0]


def model(rate=0.05, optimizer=optimizers.SGD, dtype="float32"):
    pyrnn.utils.set_random_seed(0)
    made = Sequential([Input((2,)), layers.Dense(1)], dtype=dtype)
    made.compile(optimizer(rate), "mse", ["mae"])
    return made


class Scripted(callbacks.Callback):
    """Logs the values of a list as val_loss."""

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = self.values[epoch]


# -- LearningRateScheduler --------------------------------------------------------


def test_scheduler_is_asked_for_each_epoch(capsys):
    asked = []

    def schedule(epoch, rate):
        asked.append((epoch, rate))
        return rate / 2

    made = model(0.08)
    history = made.fit(X, Y, epochs=3, callbacks=[callbacks.LearningRateScheduler(schedule, verbose=1)], verbose=0)
    assert asked == [(0, 0.08), (1, 0.04), (2, 0.02)]
    assert history.history["learning_rate"] == [0.04, 0.02, 0.01]
    assert made.optimizer.learning_rate == 0.01
    assert capsys.readouterr().out.splitlines()[1] == "Epoch 2: the learning rate is 0.02"


def test_scheduler_moves_the_weights_with_its_rate():
    one, other = model(), model()
    rates = [0.1, 0.0, 0.02]
    one.fit(X, Y, batch_size=20, epochs=3, shuffle=False, verbose=0,
            callbacks=callbacks.LearningRateScheduler(lambda epoch: rates[epoch]))  # fmt: skip
    for rate in rates:
        other.optimizer.learning_rate = rate
        other.train_on_batch(X, Y)
    np.testing.assert_array_equal(one.get_weights()[0], other.get_weights()[0])


def test_scheduler_takes_a_schedule_object_by_epochs():
    schedule = schedules.PiecewiseConstantDecay([0, 1], [0.3, 0.2, 0.1])
    history = model().fit(X, Y, epochs=4, callbacks=[callbacks.LearningRateScheduler(schedule)], verbose=0)
    assert history.history["learning_rate"] == [0.3, 0.2, 0.1, 0.1]


def test_an_error_inside_a_schedule_is_not_hidden():
    def schedule(epoch, rate):
        return rate * "fast"

    with pytest.raises(TypeError, match="can't multiply"):
        model().fit(X, Y, callbacks=[callbacks.LearningRateScheduler(schedule)], verbose=0)


@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        (None, TypeError, "LearningRateScheduler: schedule's result must be a number, got None"),
        (-1.0, ValueError, "LearningRateScheduler: schedule's result must be at least 0, got -1"),
    ],
)
def test_scheduler_refuses_what_is_no_rate(result, error, words):
    with pytest.raises(error, match=words):
        model().fit(X, Y, callbacks=[callbacks.LearningRateScheduler(lambda epoch: result)], verbose=0)


@pytest.mark.parametrize(
    "callback",
    [callbacks.LearningRateScheduler(lambda epoch: 0.1), callbacks.ReduceLROnPlateau(monitor="loss")],
    ids=lambda callback: type(callback).__name__,
)
def test_a_schedule_and_a_callback_are_one_too_many(callback):
    with pytest.raises(
        ValueError, match="the optimizer's learning_rate must be a number, got the schedule CosineDecay"
    ):
        model(schedules.CosineDecay(0.1, 10)).fit(X, Y, callbacks=[callback], verbose=0)


# -- ReduceLROnPlateau: what Keras 3.15's own callback logs for these values -------


@pytest.mark.parametrize(
    ("values", "options", "rates"),
    [
        ([5, 4, 3, 2, 1, 0], {"patience": 1}, [1, 1, 1, 1, 1, 1]),
        ([5, 5, 5, 5, 5, 5], {"patience": 2}, [1, 1, 1, 0.5, 0.5, 0.25]),
        ([5, 5, 5, 5, 5, 5], {"patience": 1, "cooldown": 2}, [1, 1, 0.5, 0.5, 0.25, 0.25]),
        ([5, 5, 5, 5, 5, 5], {"patience": 1, "min_lr": 0.3}, [1, 1, 0.5, 0.3, 0.3, 0.3]),
        ([5, 4.9, 4.8, 4.7, 4.6, 4.5], {"patience": 2, "min_delta": 0.15}, [1, 1, 1, 1, 1, 1]),
        ([5, 4.9, 4.8, 4.7, 4.6, 4.5], {"patience": 1, "min_delta": 0.25}, [1, 1, 0.5, 0.25, 0.25, 0.125]),
        ([1, 2, 2, 3, 3, 3], {"patience": 1, "mode": "max"}, [1, 1, 1, 0.5, 0.5, 0.25]),
        ([5, 5, 5, 5, 5, 5], {"patience": 0}, [1, 1, 0.5, 0.25, 0.125, 0.0625]),
    ],
)
def test_plateau(values, options, rates):
    reduce = callbacks.ReduceLROnPlateau(factor=0.5, **options)
    history = model(1.0).fit(X, Y, epochs=6, callbacks=[Scripted(values), reduce], verbose=0)
    assert history.history["learning_rate"] == rates


def test_plateau_of_a_real_run_says_so(capsys):
    made = model(0.0)  # nothing is learnt
    reduce = callbacks.ReduceLROnPlateau(monitor="loss", patience=1, verbose=1)
    made.fit(X, Y, epochs=2, callbacks=[reduce], verbose=0)
    assert capsys.readouterr().out == ""  # a rate of 0 cannot fall
    made.optimizer.learning_rate = 1e-9
    made.fit(X, Y, epochs=2, callbacks=[reduce], verbose=0)
    assert capsys.readouterr().out == "Epoch 2: loss is on a plateau; the learning rate is 1e-10\n"
    assert made.optimizer.learning_rate == pytest.approx(1e-10)


# -- TerminateOnNaN ---------------------------------------------------------------


def test_training_ends_at_the_first_loss_that_is_not_finite(capsys):
    seen = []
    count = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    made = model(1e30)
    made.fit(X, Y, batch_size=2, epochs=5, callbacks=[count, callbacks.TerminateOnNaN()], verbose=0)
    assert not math.isfinite(seen[-1]) and all(map(math.isfinite, seen[:-1]))
    assert len(seen) < 10
    assert "training ends" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match=r"TerminateOnNaN: the loss of batch \d is (nan|inf)"):
        made.fit(X, Y, batch_size=2, callbacks=callbacks.TerminateOnNaN(raise_error=True), verbose=0)


def test_a_training_that_goes_well_goes_on():
    assert model().fit(X, Y, epochs=3, callbacks=[callbacks.TerminateOnNaN()], verbose=0).epoch == [0, 1, 2]


# -- DivergenceGuard --------------------------------------------------------------


class Explode(callbacks.Callback):
    """Sets the rate far too high, once, at a batch of an epoch."""

    def __init__(self, epoch, batch, rate):
        self.when, self.rate, self.epoch = (epoch, batch), rate, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.when:
            self.model.optimizer.learning_rate = self.rate


@pytest.mark.parametrize("optimizer", [optimizers.SGD, optimizers.RMSprop, optimizers.Adam])
@pytest.mark.parametrize("rate", [8.0, 1e25])
def test_an_explosion_is_undone(optimizer, rate, capsys):
    """Far too high a rate, which ends in a large loss or in NaN, from which the same training without a guard never returns."""
    runs = {}
    for guarded in (False, True):
        made = model(0.05, optimizer)
        guard = callbacks.DivergenceGuard(max_rollbacks=100, rate_factor=0.1)
        hooks = [Explode(6, 3, rate), *([guard] if guarded else [])]
        runs[guarded] = made.fit(X, Y, batch_size=2, epochs=15, callbacks=hooks, verbose=0).history
    assert not runs[False]["loss"][-1] < 1
    assert runs[True]["loss"][-1] < 0.1
    assert runs[True]["rollbacks"][5] == 0 < runs[True]["rollbacks"][-1] == guard.rollbacks
    assert runs[True]["learning_rate"][-1] == pytest.approx(rate * 0.1**guard.rollbacks)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == guard.rollbacks
    assert said[0].startswith("Epoch 7, batch ")
    assert np.isfinite(made.get_weights()[0]).all()


def test_weights_and_moments_go_back_to_the_best_window():
    made = model(0.05, optimizers.Adam, "float64")
    guard = callbacks.DivergenceGuard(verbose=0, window=10)
    states = []

    class Watch(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            states.append((made.get_weights(), made._require_network().get_optimizer_state()))

        def on_train_batch_end(self, batch, logs=None):
            if guard.rollbacks and len(states) < 7:
                states.append((made.get_weights(), made._require_network().get_optimizer_state()))

    made.fit(X, Y, batch_size=2, epochs=6, callbacks=[Explode(5, 0, 1e25), guard, Watch()], verbose=0)
    assert guard.rollbacks >= 1
    (weights, optimizer), (after, optimizer_after) = states[4], states[6]  # the best window is epoch 4
    np.testing.assert_array_equal(weights[0], after[0])
    assert optimizer["iterations"] == optimizer_after["iterations"] == 40
    for one, other in zip(optimizer["slots"], optimizer_after["slots"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_logged_means_begin_anew_after_a_jump():
    made = model(0.05)
    history = made.fit(X, Y, batch_size=2, epochs=8, verbose=0,
                       callbacks=[Explode(5, 2, 1e25), callbacks.DivergenceGuard(verbose=0, rate_factor=1e-9)])  # fmt: skip
    assert all(map(math.isfinite, history.history["loss"]))
    assert history.history["loss"][5] < 2


def test_after_the_last_rollback_training_ends_with_the_best_weights(capsys):
    made = model(0.05)
    guard = callbacks.DivergenceGuard(max_rollbacks=2)
    weights = []
    keep = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: weights.append(made.get_weights()))
    history = made.fit(X, Y, batch_size=2, epochs=50, callbacks=[keep, Explode(5, 0, 1e25), guard], verbose=0)
    assert len(history.epoch) < 50
    assert guard.rollbacks == 2
    assert capsys.readouterr().out.splitlines()[2].endswith("training ends with the best weights after 2 rollbacks")
    np.testing.assert_array_equal(made.get_weights()[0], weights[4][0])


def test_no_alarm_where_nothing_jumps(capsys):
    noise = np.random.default_rng(1).normal(size=20)
    guard = callbacks.DivergenceGuard()
    history = model(0.1).fit(X, Y + noise, batch_size=2, epochs=30, callbacks=[guard], verbose=0)
    assert history.history["rollbacks"] == [0] * 30
    assert capsys.readouterr().out == ""
    assert guard.best == pytest.approx(min(history.history["loss"]))


def test_a_guard_changes_nothing_where_nothing_jumps():
    ends = []
    for hooks in ([], [callbacks.DivergenceGuard(window=2)]):
        made = model()
        made.fit(X, Y, batch_size=3, epochs=4, callbacks=hooks, verbose=0)
        ends.append(made.get_weights()[0])
    np.testing.assert_array_equal(*ends)


def test_small_losses_may_double():
    """min_delta: 0.01 to 0.06 is no explosion."""
    values = iter([0.01] * 10 + [0.06] * 10 + [0.2] * 10)
    guard = callbacks.DivergenceGuard(window=5, verbose=0)
    made = model(0.0)
    made.predict(X, verbose=0)
    guard.set_model(made)
    guard.set_params({"steps": 30})
    guard.on_train_begin()
    guard.on_epoch_begin(0)
    total, jumps = 0.0, []
    for batch, value in enumerate(values):
        total = 0.0 if guard._batches == 0 else total
        total += value
        guard.on_train_batch_end(batch, {"loss": total / (guard._batches + 1)})
        jumps.append(guard.rollbacks)
    assert jumps[19] == 0 < jumps[-1]


def test_a_schedule_is_scaled():
    schedule = schedules.ExponentialDecay(8.0, 1000, 0.5)
    made = model(schedule)
    guard = callbacks.DivergenceGuard(max_rollbacks=100, verbose=0)
    history = made.fit(X, Y, batch_size=2, epochs=40, callbacks=[guard], verbose=0).history
    scaled = made.optimizer.learning_rate_schedule
    assert guard.rollbacks > 1 and scaled.schedule is schedule and scaled.factor == 0.5**guard.rollbacks
    assert made.optimizer.learning_rate == scaled(400)
    assert history["loss"][-1] < 0.1


def test_it_remembers_between_fits_until_compile():
    made = model(0.05)
    guard = callbacks.DivergenceGuard(verbose=0)
    for _ in range(6):
        made.fit(X, Y, batch_size=2, epochs=1, callbacks=[guard], verbose=0)
    best = guard.best
    made.optimizer.learning_rate = 1e25
    made.fit(X, Y, batch_size=2, epochs=1, callbacks=[guard], verbose=0)
    assert guard.rollbacks > 0 and guard.best <= best
    made.compile("sgd", "mae")
    made.fit(X, Y, batch_size=2, epochs=1, callbacks=[guard], verbose=0)
    assert guard.rollbacks == 0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"factor": 1.0}, ValueError, "DivergenceGuard: factor must be more than 1, got 1"),
        ({"rate_factor": 1.0}, ValueError, "rate_factor must be more than 0 and less than 1, got 1"),
        ({"window": 0}, ValueError, "window must be at least 1, got 0"),
        ({"max_rollbacks": -1}, ValueError, "max_rollbacks must be at least 0, got -1"),
        ({"min_delta": "x"}, TypeError, "min_delta must be a number, got 'x'"),
        ({"monitor": "val_loss"}, TypeError, "DivergenceGuard: monitor is not supported .arguments: factor"),
    ],
)
def test_refusals_of_the_guard(options, error, words):
    with pytest.raises(error, match=words):
        callbacks.DivergenceGuard(**options)
