"""What is trained to see whether bits stay: every cell with every option, optimizer, loss and layer, and the sizes that choose
another way through the engine.

Numbers come from integer arithmetic alone, and every seed is given, so that the bits are those of the engine: no initializer, no
generator of NumPy's, no logarithm of the C library's can change them.
"""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from pyrnn import Input, Seq2Seq, Sequential, layers, optimizers
from pyrnn.regularizers import L1L2

N, T, FEATURES, SYMBOLS, OUT = 101, 8, 5, 11, 3  # batches of 48, 48 and 5 rows
BATCH, EPOCHS = 48, 2


def numbers(shape, seed):
    """In [-1, 1), with 24 bits: the counter i + 2^32 seed through the finalizer of splitmix64 (Steele et al. 2014)."""
    z = np.arange(np.prod(shape), dtype=np.uint64) + (np.uint64(seed) << np.uint64(32))
    z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).reshape(shape)


def ids(shape, below, seed):
    return np.floor((numbers(shape, seed) + 1) / 2 * below).astype(np.int64)


VALUES, IDS, Y = numbers((N, T, FEATURES), 1), ids((N, T), SYMBOLS, 2), numbers((N, OUT), 3)
Y_STEPS, LABELS, LABELS_OF_STEPS = numbers((N, T, OUT), 4), ids(N, OUT, 5), ids((N, T), OUT, 6)
LENGTHS, SCATTERED = ids(N, T + 1, 7), numbers((N, T), 8) < 0.3
SAMPLE_WEIGHT = 1 + numbers(N, 9) / 2
MARKED = np.where(numbers((N, T, 1), 10) < 0.3, 0.0, VALUES)  # steps of zeros, which Masking leaves out
PATHS = np.sort(ids((N, 3), OUT, 11), axis=1)[:, ::-1]  # labels of CTC, zeros behind them


NOTHING: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    make: Callable[[str], Sequential]  # of a dtype: a new model that is not compiled
    x: Any
    y: Any
    optimizer: tuple[str, dict[str, Any]] = ("Adam", {"learning_rate": 0.01})
    loss: str = "mse"
    rows: Mapping[str, Any] = NOTHING  # more that has a row for each of x and that predict takes too
    fit: Mapping[str, Any] = NOTHING
    stateful: bool = False

    def compiled(self, dtype):
        model = self.make(dtype)
        name, options = self.optimizer
        model.compile(getattr(optimizers, name)(**options), self.loss)
        return model


def fill(model):
    """The weights that a training begins with."""
    model.set_weights([0.3 * numbers(w.shape, 100 + i) for i, w in enumerate(model.weights)])


def stack(*makers):
    return lambda dtype: Sequential([make() for make in makers], dtype=dtype)


def of(layer, *arguments, **options):
    return functools.partial(layer, *arguments, **options)


def two(cell, first, *, into=19, **options):
    """Two layers of a cell and a Dense one; 19 and 10 units fill no register."""
    return stack(
        *first, of(cell, into, return_sequences=True, **options), of(cell, 10, **options), of(layers.Dense, OUT)
    )


KINDS = {
    "LSTM": of(layers.LSTM),
    "GRU": of(layers.GRU),
    "GRU reset before": of(layers.GRU, reset_after=False),
    "SimpleRNN": of(layers.SimpleRNN),
    "LSTM layer norm": of(layers.LSTM, layer_norm=True),
    "GRU layer norm": of(layers.GRU, layer_norm=True),
}
# `fill` gives the weights; orthogonal ones in vain would take most of the time.
CELLS = {name: of(kind, recurrent_initializer="zeros") for name, kind in KINDS.items()}
OPTIONS = {
    "plain": {},
    "dropout": {"dropout": 0.3, "seed": 1},
    "recurrent dropout": {"recurrent_dropout": 0.3, "seed": 2},
    "zoneout": {"zoneout": 0.2, "seed": 3},
    "all dropped": {"dropout": 0.2, "recurrent_dropout": 0.3, "zoneout": 0.1, "seed": 4},
    "go_backwards": {"go_backwards": True},
    "no bias": {"use_bias": False},
    "penalties": {"kernel_regularizer": L1L2(0.01, 0.02), "recurrent_regularizer": "l2", "bias_regularizer": "l1"},
}
SERIES = [of(Input, (None, FEATURES))]
SYMBOLIC = [of(Input, (None, SYMBOLS))]


def cases_of_cell(name, cell):
    for option, given in OPTIONS.items():
        yield f"{name}, {option}", Case(two(cell, SERIES, **given), VALUES, Y)
    yield f"{name}, ids", Case(two(cell, SYMBOLIC), IDS, Y)
    yield f"{name}, lengths", Case(two(cell, SERIES), VALUES, Y, rows={"lengths": LENGTHS})
    yield f"{name}, mask", Case(two(cell, SERIES), VALUES, Y, rows={"mask": SCATTERED})
    yield f"{name}, Masking", Case(two(cell, [*SERIES, layers.Masking]), MARKED, Y)
    embedding = of(layers.Embedding, SYMBOLS, 6, mask_zero=True, input_shape=(None,))
    dropped = two(cell, [embedding], **OPTIONS["all dropped"])
    yield f"{name}, mask_zero, all dropped", Case(dropped, IDS, Y)
    yield f"{name}, stateful", Case(two(cell, SERIES, stateful=True), VALUES[:96], Y[:96], stateful=True)
    steps = stack(*SERIES, of(cell, 19, return_sequences=True), of(layers.Dense, OUT))
    yield f"{name}, tbptt", Case(steps, VALUES, Y_STEPS, fit={"tbptt": 3}, rows={"lengths": LENGTHS})
    for mode in ("concat", "mul"):
        both = stack(
            *SERIES,
            lambda mode=mode: layers.Bidirectional(cell(13, return_sequences=True), mode),
            lambda mode=mode: layers.Bidirectional(cell(10, **OPTIONS["all dropped"]), mode),
        )
        units = 20 if mode == "concat" else 10
        yield f"{name}, Bidirectional {mode}", Case(both, VALUES, numbers((N, units), 12), rows={"lengths": LENGTHS})


CELL_ACTIVATIONS = [("relu", "hard_sigmoid"), ("linear", "sigmoid"), ("sigmoid", "tanh")]
OPTIMIZERS = {
    "SGD": ("SGD", {"learning_rate": 0.1}),
    "SGD momentum": ("SGD", {"momentum": 0.9}),
    "SGD nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "RMSprop": ("RMSprop", {}),
    "RMSprop centered, momentum": ("RMSprop", {"centered": True, "momentum": 0.5}),
    "Adam": ("Adam", {}),
    "Adam amsgrad": ("Adam", {"amsgrad": True}),
    "AdamW": ("AdamW", {"weight_decay": 0.1}),
    "Nadam": ("Nadam", {}),
    "Adagrad": ("Adagrad", {}),
    "Lion": ("Lion", {"learning_rate": 1e-4}),
    "clipnorm": ("Adam", {"clipnorm": 0.01}),
    "clipvalue": ("SGD", {"clipvalue": 0.001}),
    "global_clipnorm": ("SGD", {"learning_rate": 0.1, "global_clipnorm": 0.01}),
    "average": ("Adam", {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 4}),
    "accumulation": ("RMSprop", {"gradient_accumulation_steps": 2}),
    "schedule": ("SGD", {"learning_rate": optimizers.schedules.PiecewiseConstantDecay([1, 3], [0.1, 0.05, 0.01])}),
}
LAYERS = {
    "Dropout": of(layers.Dropout, 0.3, seed=5),
    "SpatialDropout1D": of(layers.SpatialDropout1D, 0.3, seed=6),
    "GaussianNoise": of(layers.GaussianNoise, 0.2, seed=7),
    "LayerNormalization": layers.LayerNormalization,
    "Activation": of(layers.Activation, "gelu"),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Dense(9, activation="softmax")),
}
ENDS = {
    "Flatten": layers.Flatten,
    "GlobalAveragePooling1D": layers.GlobalAveragePooling1D,
    "GlobalMaxPooling1D": layers.GlobalMaxPooling1D,
}


def cases_of_the_rest():
    for activation, recurrent in CELL_ACTIVATIONS:
        for name in ("LSTM", "GRU", "GRU reset before"):
            given = {"activation": activation, "recurrent_activation": recurrent}
            yield f"{name}, {activation}, {recurrent}", Case(two(CELLS[name], SERIES, **given), VALUES, Y)
    text = [of(layers.Embedding, SYMBOLS, 6, input_shape=(None,)), of(CELLS["LSTM"], 19)]
    softmax = of(layers.Dense, OUT, activation="softmax")
    for name, optimizer in OPTIMIZERS.items():
        loss = "sparse_categorical_crossentropy"
        yield f"optimizer {name}", Case(stack(*text, softmax), IDS, LABELS, optimizer, loss)
    steps = [*SERIES, of(CELLS["GRU"], 19, return_sequences=True)]
    for name, layer in LAYERS.items():
        yield f"layer {name}", Case(stack(*steps, layer, of(CELLS["LSTM"], 10), of(layers.Dense, OUT)), VALUES, Y)
    for name, layer in ENDS.items():
        fixed = [of(Input, (T, FEATURES)), *steps[1:]]
        yield f"layer {name}", Case(stack(*fixed, layer, of(layers.Dense, OUT)), VALUES, Y)
    yield from cases_of_losses(steps)
    yield from cases_of_sizes()


def cases_of_losses(steps):
    values, one = stack(*steps, of(layers.Dense, OUT)), stack(*steps, of(layers.Dense, OUT, activation="sigmoid"))
    logits = stack(*steps, of(layers.Dense, OUT, activation="softmax"))
    weighted = {"sample_weight": SAMPLE_WEIGHT}
    for loss in ("mae", "huber"):
        yield f"loss {loss}", Case(values, VALUES, Y_STEPS, loss=loss, fit=weighted)
    yield "loss binary_crossentropy", Case(one, VALUES, (Y_STEPS > 0) * 1.0, loss="binary_crossentropy", fit=weighted)
    one_hot = np.eye(OUT)[LABELS_OF_STEPS]
    yield "loss categorical_crossentropy", Case(logits, VALUES, one_hot, loss="categorical_crossentropy")
    sparse = {"loss": "sparse_categorical_crossentropy", "fit": weighted}
    yield "loss sparse_categorical_crossentropy", Case(logits, VALUES, LABELS_OF_STEPS, **sparse)
    yield "loss ctc", Case(values, VALUES, PATHS, loss="ctc", rows={"lengths": np.maximum(LENGTHS, T - 2)})
    for name in ("LSTM", "GRU", "SimpleRNN"):
        yield f"Seq2Seq of {name}", Case(seq2seq(CELLS[name]), IDS, LABELS_OF_STEPS, **sparse)


def seq2seq(cell):
    def make(dtype):
        encoder = Sequential([Input((None, SYMBOLS)), cell(19)], dtype=dtype)
        decoder = [Input((None, OUT)), cell(19, return_sequences=True), layers.Dense(OUT, activation="softmax")]
        return Seq2Seq(encoder, Sequential(decoder, dtype=dtype), start=0)

    return make


def cases_of_sizes():
    """Few rows of a wide layer, whose panels are shared out; weights whose gradients are one sum; one row; one step."""
    small = {"learning_rate": 0.001}
    for name, cell in CELLS.items():
        wide = stack(*SERIES, of(cell, 130), of(layers.Dense, OUT))
        yield f"{name}, wide", Case(wide, VALUES[:8], Y[:8], ("Adam", small))
    yield (
        "repeated",
        Case(
            stack(
                *SYMBOLIC,
                of(CELLS["LSTM"], 19),
                of(layers.RepeatVector, T),
                of(CELLS["LSTM"], OUT, return_sequences=True),
            ),
            IDS,
            Y_STEPS,
        ),
    )
    one_hot = stack(of(layers.OneHot, SYMBOLS, input_shape=(None,)), of(CELLS["GRU"], 33), of(layers.Dense, OUT))
    yield "OneHot", Case(one_hot, IDS, Y)
    texts = [of(layers.Embedding, SYMBOLS, 9, input_shape=(None,)), of(CELLS["LSTM"], 33, return_sequences=True)]
    texts += [of(layers.Dropout, 0.25, seed=8), of(CELLS["LSTM"], 17), of(layers.RepeatVector, T)]
    texts += [of(CELLS["LSTM"], 31, return_sequences=True), of(layers.Dense, 13, activation="tanh")]
    tall = stack(*texts, of(layers.Dense, OUT, activation="softmax"))
    clipped = ("Adam", {"learning_rate": 0.01, "global_clipnorm": 0.5})
    yield "tall", Case(tall, IDS, LABELS_OF_STEPS, clipped, "sparse_categorical_crossentropy")
    yield "one row", Case(two(CELLS["LSTM"], SERIES), VALUES[:1], Y[:1])
    yield "one step", Case(two(CELLS["LSTM"], SERIES), VALUES[:, :1], Y)


CASES = dict(case for name, cell in CELLS.items() for case in cases_of_cell(name, cell)) | dict(cases_of_the_rest())
