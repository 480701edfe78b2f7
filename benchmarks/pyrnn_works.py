"""The works in pyrnn, by its public face: what a user of `fit`, `predict` and `stream` gets."""

from collections.abc import Callable
from typing import Any

import numpy as np

import pyrnn
from pyrnn import layers, optimizers

from .works import Work, rate, sample


def build(work: Work) -> pyrnn.Sequential:
    model = pyrnn.Sequential([pyrnn.Input((work.steps, work.inputs))], dtype=work.dtype)
    recurrent = getattr(layers, work.cell)
    layer = recurrent(work.hidden, return_sequences=work.sequences)
    model.add(layers.Bidirectional(layer) if work.bidirectional else layer)
    if work.kind == "addition":
        model.add(layers.RepeatVector(work.answer))
        model.add(recurrent(work.hidden, return_sequences=True))
        model.add(layers.TimeDistributed(layers.Dense(work.outputs(), activation="softmax")))
    elif work.kind == "text":
        model.add(layers.Dense(work.outputs(), activation="softmax"))
    elif work.kind == "small":
        model.add(layers.Dense(work.outputs()))
    model.set_weights(work.weights())
    return model


def compiled(work: Work) -> pyrnn.Sequential:
    """As it is timed."""
    model = build(work)
    optimizer = {
        "text": optimizers.RMSprop(0.01),
        "cell": optimizers.SGD(1e-6),  # PyTorch is timed without an update
    }.get(work.kind, optimizers.Adam())
    model.compile(optimizer=optimizer, loss=loss(work))
    return model


def loss(work: Work) -> str:
    return "mse" if work.kind in ("cell", "small") else "sparse_categorical_crossentropy"


def answer(work: Work) -> list[float]:
    x, y = work.data()
    model = build(work)
    if work.kind == "stream":
        stream = model.stream(batch_size=1)
        return [float(value) for step in x[:50, 0] for value in stream.step(step if work.ids else step[None])[0, :4]]
    x, y = x[: work.batch], y[: work.batch]
    if work.train:
        model.compile(optimizer=optimizers.SGD(rate(work)), loss=loss(work))
        rows: dict[str, Any] = {"lengths": work.lengths()[: work.batch]} if work.ragged else {}
        return model.fit(x, y, batch_size=work.batch, epochs=3, shuffle=False, verbose=0, **rows).history["loss"]
    return sample(model.predict(x, verbose=0))


def go(work: Work) -> Callable[[], object]:
    x, y = work.data()
    if work.serial:
        return go_streamed(work)
    if not work.train:
        model = build(work)
        return lambda: model.predict(x, batch_size=work.batch, verbose=0)
    model = compiled(work)
    rows: dict[str, Any] = {"lengths": work.lengths()} if work.ragged else {}
    return lambda: model.fit(x, y, batch_size=work.batch, verbose=0, **rows)


def go_streamed(work: Work) -> Callable[[], object]:
    stream = build(work).stream(batch_size=1)
    if work.kind == "run":
        sequence, outputs = work.data()[0][0][:, None], np.empty((work.steps, 1, work.hidden), work.dtype)
        return lambda: stream.run(sequence, outputs)
    x = work.data()[0][:, 0]
    steps = x.tolist() if work.ids else list(x[:, None])
    out = np.empty((1, work.hidden), work.dtype)

    def run() -> None:
        step = stream.step
        for values in steps:
            step(values, out)

    return run


def describe() -> str:
    return f"pyrnn {pyrnn.__version__} ({pyrnn.cpu_info()['isa']}), NumPy {np.__version__}"


def set_threads(threads: int) -> None:
    pyrnn.set_num_threads(threads)
