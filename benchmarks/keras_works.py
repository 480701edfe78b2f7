"""The works in Keras 3 on the backend that KERAS_BACKEND names, through its own `fit` and `predict`.

One-hot vectors are made before the clock starts.
"""

import os
from collections.abc import Callable

import keras
import numpy as np
from keras import layers, optimizers

from .works import Array, Work, rate, sample


def build(work: Work) -> keras.Sequential:
    model = keras.Sequential([keras.Input((work.steps, work.inputs))])
    recurrent = getattr(layers, work.cell)
    if work.ragged:
        model.add(layers.Masking())  # of the zeros after a row's end
    layer = recurrent(work.hidden, return_sequences=work.sequences)
    model.add(layers.Bidirectional(layer) if work.bidirectional else layer)
    if work.kind == "addition":
        model.add(layers.RepeatVector(work.answer))
        model.add(recurrent(work.hidden, return_sequences=True))
    if work.outputs():
        model.add(layers.Dense(work.outputs(), activation=None if work.kind == "small" else "softmax"))
    model.set_weights(work.weights())
    return model


def compile(model: keras.Sequential, work: Work, optimizer: optimizers.Optimizer) -> None:
    loss = "mse" if work.kind in ("cell", "small") else "sparse_categorical_crossentropy"
    model.compile(optimizer=optimizer, loss=loss)  # jit_compile is "auto": what Keras holds best


def data(work: Work) -> tuple[Array, Array]:
    x, y = work.data()
    return np.eye(work.inputs, dtype=np.float32)[x] if work.ids else x, y


def answer(work: Work) -> list[float]:
    model = build(work)
    x, y = (array[: work.batch] for array in data(work))
    if not work.train:
        return sample(model.predict(x, verbose=0))
    compile(model, work, optimizers.SGD(rate(work)))
    losses = []
    for _ in range(3):
        model.reset_metrics()  # else the loss is the mean of all so far
        losses.append(float(model.train_on_batch(x, y)))
    return losses


def go(work: Work) -> Callable[[], object]:
    model = build(work)
    x, y = data(work)
    if not work.train:
        return lambda: model.predict(x, batch_size=work.batch, verbose=0)
    optimizer = {"text": optimizers.RMSprop(0.01), "cell": optimizers.SGD(1e-6)}.get(work.kind, optimizers.Adam())
    compile(model, work, optimizer)
    return lambda: model.fit(x, y, batch_size=work.batch, verbose=0)


def describe() -> str:
    return f"Keras {keras.__version__} on {keras.backend.backend()}"


def set_threads(threads: int) -> None:
    """Every backend starts as many threads as it may use processors, when it is first used."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
