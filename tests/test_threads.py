"""What threads of Python find: the bits of calls one after another, models that learn side by side, and no GIL held."""

import subprocess
import sys
import sysconfig
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import Sequential, layers
from pyrnn.callbacks import LambdaCallback
from tests.promises import cases

THREADS = 8


def made(seed=0, units=24):
    pyrnn.utils.set_random_seed(seed)
    model = Sequential(
        [layers.Input((9, 5)), layers.LSTM(units, return_sequences=True), layers.GRU(8), layers.Dense(2)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def data(seed=0, rows=50):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, 9, 5)), rng.standard_normal((rows, 2))


def at_once(*bodies):
    """What each returns, all begun together, and interrupted at any time."""
    ready, switching = threading.Barrier(len(bodies)), sys.getswitchinterval()

    def run(body):
        ready.wait()
        return body()

    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(bodies)) as pool:
            return list(pool.map(run, bodies))
    finally:
        sys.setswitchinterval(switching)


def asked(model, i):
    """The answers to what thread i asks."""
    x, y = data(i, rows=20 + i)
    outputs = model.predict(x, batch_size=7, verbose=0)
    losses = model.evaluate(x, y, batch_size=9, verbose=0)
    stream = model.stream(len(x))
    steps = stream.run(x.swapaxes(0, 1))
    return [outputs, np.array(losses), steps, model.stream().step(x[0, :1]), *stream.state[0]]


@pytest.mark.promise("predict, evaluate and streams of 8 threads on one model give the bits of calls one after another")
def test_questions_of_many_threads(figure):
    rounds = cases(5, 300)
    expected = [asked(made(), i) for i in range(THREADS)]
    for _ in range(rounds):
        model = made()  # whose engine the threads that come first have to make
        found = at_once(*(partial(asked, model, i) for i in range(THREADS)))
        for got, wanted in zip(found, expected, strict=True):
            for array, other in zip(got, wanted, strict=True):
                np.testing.assert_array_equal(array, other)
    figure(f"{rounds} rounds of {THREADS} threads")


def trained(model, i):
    """The weights, in an order of rows of our own: fit's shuffling is drawn from what all models share."""
    (x, y), rng = data(i), np.random.default_rng(i)
    for _ in range(3):
        order = rng.permutation(len(x))
        model.fit(x[order], y[order], epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.promise(
    "Models that are trained in threads side by side come to the bits of training them one after another"
)
def test_models_learn_side_by_side(figure):
    rounds, units = cases(2, 200), (16, 24, 33)
    expected = [trained(made(i, units[i]), i) for i in range(3)]
    for _ in range(rounds):
        models = [made(i, units[i]) for i in range(3)]
        found = at_once(*(partial(trained, model, i) for i, model in enumerate(models)))
        for got, wanted in zip(found, expected, strict=True):
            for array, other in zip(got, wanted, strict=True):
                np.testing.assert_array_equal(array, other)
    figure(f"{rounds} rounds of 3 threads")


@pytest.mark.promise("Of two calls of fit on one model, the second is an error, and the first goes on")
def test_one_fit_at_a_time(figure):
    model, alone, (x, y) = made(), made(), data()
    alone.fit(x, y, epochs=3, shuffle=False, verbose=0)
    begun, go_on = threading.Event(), threading.Event()

    def hold(epoch, logs):
        begun.set()
        assert go_on.wait(60)

    arguments = {"epochs": 3, "shuffle": False, "verbose": 0, "callbacks": LambdaCallback(on_epoch_begin=hold)}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(model.fit, x, y, **arguments)
        assert begun.wait(60)
        refusals = 0
        for _ in range(3):
            with pytest.raises(
                RuntimeError, match=f"fit: model '{model.name}' is being trained by another call of fit"
            ):
                model.fit(x, y, verbose=0)
            refusals += 1
        assert model.evaluate(x, y, verbose=0) != alone.evaluate(x, y, verbose=0)  # others may ask meanwhile
        go_on.set()
        assert first.result().epoch == [0, 1, 2]
    for array, other in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(array, other)
    figure(f"{refusals} refused")


def test_no_fit_inside_of_itself():
    model, (x, y) = made(), data()
    again = LambdaCallback(on_epoch_end=lambda epoch, logs: model.fit(x, y, verbose=0))
    with pytest.raises(RuntimeError, match="is being trained by another call of fit"):
        model.fit(x, y, verbose=0, callbacks=again)
    model.fit(x, y, verbose=0)  # as the other has ended


def engine_calls():
    """What is a matter of the engine alone."""
    model = made()
    x, y = (array.astype(np.float32) for array in data())
    model.train_on_batch(x, y)
    network, stream, index, out = model._network, model.stream(50), np.arange(50), np.empty((50, 2), np.float32)
    return {
        "train": lambda: network.train_batch(x, y, index, 0.01),
        "evaluate": lambda: network.evaluate_batch(x, y, index),
        "predict": lambda: network.predict_batch(x, index, out),
        "make a stream": lambda: network.stream(1),
        "run a stream": lambda: stream.run(x.swapaxes(0, 1)),
        "ask for its state": lambda: stream.state,
        "ask for the optimizer's": network.get_optimizer_state,
        "get weights": model.get_weights,
    }


@pytest.mark.promise("The engine computes, and waits, without the GIL")
def test_the_gil_is_free_while_the_engine_works(figure):
    """Nobody has to give the GIL away here, so the other thread counts on only where it is given away."""
    counted, done, switching = [0], threading.Event(), sys.getswitchinterval()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(0)  # gives it back

    counter, calls = threading.Thread(target=count), engine_calls()
    sys.setswitchinterval(1000)
    try:
        counter.start()
        for name, call in calls.items():
            for _ in range(1000):
                before = counted[0]
                call()
                if counted[0] > before:
                    break
            else:
                pytest.fail(f"to {name} holds the GIL")
    finally:
        sys.setswitchinterval(switching)
        done.set()
        counter.join()
    figure(", ".join(calls))


@pytest.mark.promise("Free-threaded CPython stays so with pyrnn imported, and threads have their answers there")
@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="needs a free-threaded CPython")
def test_free_threading(figure):
    code = "import sys, pyrnn, pyrnn.text; assert not sys._is_gil_enabled()"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=Path(__file__).parent.parent)
    assert asked(made(), 0)[0].shape == (20, 2)
    figure(sys.version.split()[0])
