"""The works in pyrnn, by its public face: what a user of `fit` and `predict` gets."""

from collections.abc import Callable

import numpy as np

import pyrnn
from pyrnn import layers, optimizers

from .works import ANSWER, Work, rate


def build(work: Work) -> pyrnn.Sequential:
    sequences = work.kind == "cell"
    model = pyrnn.Sequential([pyrnn.Input((work.steps, work.inputs))], dtype=work.dtype)
    model.add(layers.LSTM(work.hidden, return_sequences=sequences))
    if work.kind == "addition":
        model.add(layers.RepeatVector(ANSWER))
        model.add(layers.LSTM(work.hidden, return_sequences=True))
        model.add(layers.TimeDistributed(layers.Dense(work.inputs, activation="softmax")))
    elif work.kind == "text":
        model.add(layers.Dense(work.inputs, activation="softmax"))
    elif work.kind == "small":
        model.add(layers.Dense(1))
    model.set_weights(work.weights())
    return model


def loss(work: Work) -> str:
    return "mse" if work.kind in ("cell", "small") else "sparse_categorical_crossentropy"


def answer(work: Work) -> list[float]:
    model = build(work)
    x, y = (array[: work.batch] for array in work.data())
    if work.train:
        model.compile(optimizer=optimizers.SGD(rate(work)), loss=loss(work))
        return [float(model.train_on_batch(x, y)) for _ in range(3)]
    return [float(value) for value in model.predict(x, verbose=0).ravel()[:: x.size // 16]]


def go(work: Work) -> Callable[[], object]:
    model = build(work)
    x, y = work.data()
    if not work.train:
        return lambda: model.predict(x, batch_size=work.batch, verbose=0)
    optimizer = {
        "text": optimizers.RMSprop(0.01),
        "cell": optimizers.SGD(1e-6),  # PyTorch is timed without an update
    }.get(work.kind, optimizers.Adam())
    model.compile(optimizer=optimizer, loss=loss(work))
    return lambda: model.fit(x, y, batch_size=work.batch, verbose=0)


def describe() -> str:
    return f"pyrnn {pyrnn.__version__} ({pyrnn.cpu_info()['isa']}), NumPy {np.__version__}"


def set_threads(threads: int) -> None:
    pyrnn.set_num_threads(threads)
