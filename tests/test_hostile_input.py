"""Whatever arrays come: the answer to a plain copy of them, or a ValueError or TypeError that names the argument."""

import os
import re
import sys
import time
from contextlib import nullcontext
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyrnn
from pyrnn import Input, Sequential, _core, layers, losses, text, utils
from tests.hostile import DTYPES, HUGE_SPOILS, LAYOUTS, SPOILS, plain
from tests.promises import cases

N, T, F, V, H = 5, 7, 3, 6, 4


class Entry(NamedTuple):
    """A public function of arrays. `arguments` are (name, base array, dtype in which it counts, words for it in errors)."""

    arguments: dict
    call: object  # call(**arrays) -> whatever it returns
    model: object = None  # whose weights an error must leave


def floats(rng, *shape):
    return rng.integers(-8, 9, shape) / 4.0


def ids(rng, *shape):
    return rng.integers(0, V, shape)


@cache
def model(kind):
    """A compiled model, and the loss's y."""
    pyrnn.utils.set_random_seed(7)
    gru = layers.GRU(H, return_sequences=True)
    stacks = {
        "vectors": ([Input((T, F)), layers.LSTM(H), layers.Dense(2)], "mse", "float32"),
        "steps": ([Input((None, F)), gru, layers.Dense(2)], "mae", "float64"),
        "ids": ([layers.Embedding(V, 3, input_shape=(T,)), layers.SimpleRNN(H), layers.Dense(V, activation="softmax")],
                "sparse_categorical_crossentropy", "float32"),
        "one-hot": ([Input((T, V)), layers.GRU(H, return_sequences=True), layers.Dense(V, activation="softmax")],
                    "categorical_crossentropy", "float32"),
        "features": ([Input((F,)), layers.Dense(H, "tanh"), layers.Dense(1, activation="sigmoid")],
                     "binary_crossentropy", "float32"),
        "labels": ([Input((T, F)), layers.GRU(H, return_sequences=True), layers.Dense(V)], losses.CTC(), "float32"),
        "padded": ([layers.Masking(0.0, input_shape=(T, F)), layers.LSTM(H), layers.Dense(1)], "huber", "float32"),
    }  # fmt: skip
    stack, loss, dtype = stacks[kind]
    made = Sequential(stack, dtype=dtype)
    made.compile("sgd", loss)
    return made, made.get_weights()


def fresh(kind):
    made, weights = model(kind)
    made.set_weights(weights)
    made.optimizer.iterations = 0
    return made


def x_of(kind, rng):
    return {"ids": ids(rng, N, T), "one-hot": np.eye(V)[ids(rng, N, T)], "features": floats(rng, N, F)}.get(
        kind, floats(rng, N, T, F)
    )


def y_of(kind, rng):
    return {
        "vectors": floats(rng, N, 2),
        "steps": floats(rng, N, T, 2),
        "ids": ids(rng, N),
        "one-hot": np.eye(V)[ids(rng, N, T)],
        "features": rng.integers(0, 2, (N, 1)).astype(float),
        "labels": np.repeat(rng.integers(1, V, (N, 1)), 2, axis=1) * [1, 0],
        "padded": floats(rng, N, 1),
    }[kind]


KINDS = ["vectors", "steps", "ids", "one-hot", "features", "labels", "padded"]
METHODS = ["fit", "evaluate", "train_on_batch", "test_on_batch", "predict", "predict_on_batch", "dataset"]
MORE = ["nothing", "lengths", "mask", "sample_weight", "weights of steps", "initial_state"]


def learning(method, kind, more, rng):
    """A method of a model, with x, y, and one more argument."""
    made = fresh(kind)
    dtype = made.dtype
    arguments = {"x": (x_of(kind, rng), "int64" if kind == "ids" else dtype)}
    predicts = method.startswith("predict")
    if not predicts:
        y = y_of(kind, rng)
        arguments["y"] = y, "int64" if y.dtype.kind == "i" else dtype
    if more == "lengths" and kind not in ("features", "padded"):
        arguments["lengths"] = rng.integers(3, T + 1, N), "int64"
    if more == "mask" and kind not in ("features", "padded"):
        arguments["mask"] = rng.random((N, T)) < 0.8, "?"
        arguments["mask"][0][:, :3] = True
    if more == "sample_weight" and not predicts:
        arguments["sample_weight"] = rng.integers(0, 3, N) / 2.0, dtype
    if more == "weights of steps" and kind in ("steps", "one-hot") and not predicts:
        arguments["sample_weight"] = rng.integers(0, 3, (N, T)) / 2.0, dtype
    if more == "initial_state" and kind not in ("features", "vectors", "padded"):
        arguments["initial_state"] = floats(rng, N, H), dtype

    def call(x, y=None, initial_state=None, **others):
        made = fresh(kind)
        if initial_state is not None:
            others["initial_state"] = [(initial_state,)]
        data = (x,) if predicts else (x, y)
        if method == "dataset":
            made.fit(Batches(data), verbose=0)
        else:
            options = {"verbose": 0, "batch_size": 2} if method in ("fit", "evaluate", "predict") else {}
            options |= {"shuffle": False} if method == "fit" else {}
            answer = getattr(made, method)(*data, **options, **others)
        if method in ("fit", "dataset"):
            return [*made.history.history["loss"], *made.get_weights()]
        return [*np.atleast_1d(answer), *made.get_weights()]

    if method == "dataset":
        arguments = {name: arguments[name] for name in ("x", "y")}
    return Entry(arguments, call, made)


class Batches:
    def __init__(self, batch):
        self.batch = batch

    def __iter__(self):
        return iter([self.batch])


@cache
def translator(reads_ids):
    pyrnn.utils.set_random_seed(8)
    encoder = Sequential([Input((None, V)), layers.GRU(H)])
    last = layers.Dense(V, activation="softmax") if reads_ids else layers.Dense(V)
    decoder = Sequential([Input((None, V)), layers.GRU(H, return_sequences=True), last])
    made = pyrnn.Seq2Seq(encoder, decoder, start=0 if reads_ids else None)
    made.compile("sgd", "sparse_categorical_crossentropy" if reads_ids else "mse")
    return made, made.get_weights()


def translating(method, kind, more, rng):
    """A Seq2Seq, of ids to ids or vectors to vectors."""
    made, weights = translator(kind == "ids")
    x, y = (ids(rng, N, T), ids(rng, N, 3)) if kind == "ids" else (floats(rng, N, T, V), floats(rng, N, 3, V))
    given = {"x": x, "y": y} | ({"lengths": rng.integers(3, T + 1, N)} if more == "lengths" else {})

    def call(x, y=None, **others):
        made.set_weights(weights)
        if method == "decode":
            return made.decode(x, 2, **others)
        options = {"verbose": 0, "batch_size": 2} if method in ("fit", "evaluate", "predict") else {}
        options |= {"shuffle": False} if method == "fit" else {}
        answer = getattr(made, method)(x, y, **options, **others)
        return [*(made.history.history["loss"] if method == "fit" else np.atleast_1d(answer)), *made.get_weights()]

    if method == "decode":
        del given["y"]
    made.set_weights(weights)
    return Entry(
        {name: (array, "int64" if array.dtype.kind == "i" else "float32") for name, array in given.items()}, call, made
    )


def stream(method, kind, more, rng):
    made = fresh(kind)
    if method == "set_state":

        def call(state):
            one = made.stream(N)
            one.set_state([[state]])
            return one.state[0]

        return Entry({"state": (floats(rng, N, H), made.dtype)}, call)
    shape = (N,) if method == "step" else (T, N)
    x = {"ids": ids(rng, *shape), "one-hot": ids(rng, *shape)}.get(kind, floats(rng, *shape, F))

    def call(x):
        one = made.stream(N)
        return [getattr(one, method)(x), *one.state[0]]

    return Entry({"x": (x, "int64" if x.dtype.kind == "i" else made.dtype)}, call)


def weights(method, kind, more, rng):
    made = fresh(kind)
    place = made if method == "model" else made.layers[-1]
    given = {f"w{i}": (w * rng.integers(1, 3), made.dtype) for i, w in enumerate(place.get_weights())}

    def call(**arrays):
        fresh(kind)
        place.set_weights(list(arrays.values()))
        return place.get_weights()

    return Entry(given, call, made)


def helpers(method, kind, more, rng):
    """Functions beside models."""
    vocabulary = text.Vocabulary("abcdef")
    return {
        "decode": lambda: Entry({"ids": (ids(rng, N), "int64")}, lambda ids: [np.array(list(vocabulary.decode(ids)))]),
        "windows": lambda: Entry({"ids": (ids(rng, N * T), "int64")}, lambda ids: text.windows(ids, 3, 2)),
        "sample": lambda: Entry(
            {"logits": (floats(rng, V), "float64")}, lambda logits: text.sample(logits, 1.0, np.random.default_rng(1))
        ),
        "to_categorical": lambda: Entry({"x": (ids(rng, N, T), "int64")}, lambda x: utils.to_categorical(x, V)),
        "pad_sequences": lambda: Entry(
            {"sequences": (ids(rng, N, T), "int64")}, lambda sequences: utils.pad_sequences(sequences, 4)
        ),
        "timeseries": lambda: Entry(
            {"data": (floats(rng, 4 * N, F), "float64"), "targets": (floats(rng, 4 * N), "float64")},
            lambda data, targets: [a for batch in utils.timeseries_dataset_from_array(data, targets, 3) for a in batch],
        ),
    }[method]()  # fmt: skip


def functions(method, kind, more, rng):
    """The engine's plain functions, which take float32 or float64 in C order alone."""
    kernel, recurrent, bias = floats(rng, F, 4 * H), floats(rng, H, 4 * H), floats(rng, 4 * H)
    state = floats(rng, N, H)
    arrays = {
        "lstm_forward": {"x": floats(rng, N, T, F), "h0": state, "c0": state, "kernel": kernel, "recurrent_kernel": recurrent, "bias": bias},
        "dense_forward": {"x": floats(rng, N, F), "kernel": floats(rng, F, H), "bias": floats(rng, H)},
        "embedding_forward": {"ids": ids(rng, N, T), "embeddings": floats(rng, V, F)},
        "crossentropy": {"z": floats(rng, N, T, V), "y": ids(rng, N, T)},
        "adagrad_step": {name: floats(rng, N) ** 2 for name in ("w", "g", "accumulator")},
    }[method]  # fmt: skip
    more = {"dense_forward": ("tanh",), "adagrad_step": (0.1, 1e-7)}.get(method, ())
    given = {
        n: (a if a.dtype.kind == "i" else a.astype("f4"), "int64" if a.dtype.kind == "i" else "float32")
        for n, a in arrays.items()
    }
    return Entry(given, lambda **a: getattr(_core, method)(*a.values(), *more))


FAMILIES = {
    learning: (METHODS, KINDS, MORE),
    translating: (["fit", "evaluate", "train_on_batch", "predict", "decode"], ["ids", "floats"], ["nothing", "lengths"]),
    stream: (["step", "run", "set_state"], ["steps", "one-hot"], [None]),
    weights: (["model", "layer"], ["vectors", "features", "ids"], [None]),
    helpers: (["decode", "windows", "sample", "to_categorical", "pad_sequences", "timeseries"], [None], [None]),
    functions: (
        ["lstm_forward", "dense_forward", "embedding_forward", "crossentropy", "adagrad_step"], [None], [None]
    ),
}  # fmt: skip


# A step of microseconds takes arrays as they lie, or says so.
NOT_IN_STREAMS = ("list", "list of arrays", "tuple of lists", "other byte order", "other byte order, strided")


def outcome(call, arguments):
    """("value", arrays), or ("error", what it says)."""
    try:
        value = call(**arguments)
    except (ValueError, TypeError) as error:
        return "error", str(error)
    return "value", [np.asarray(part) for part in (value if isinstance(value, list | tuple) else [value])]


def limited():
    """So that an array that is too large for any memory is not begun to be filled."""
    if not sys.platform.startswith("linux"):
        return nullcontext()
    from tests.room import Room

    return Room(1 << 31, eats=False)


def check(family, method, kind, more, seed, treatments):
    rng = np.random.default_rng(seed)
    entry = family(method, kind, more, rng)
    arguments, plains, spoilt, disguised = {}, {}, set(), False
    for (name, (array, dtype)), (way, choice, spoil) in zip(entry.arguments.items(), treatments, strict=False):
        given = array
        if way == "dtype":
            options = DTYPES[array.dtype.kind]
            given = array.astype(options[choice % len(options)])
        layout = list(LAYOUTS)[choice % len(LAYOUTS)]
        given = LAYOUTS[layout](given)
        disguised |= way == "dtype" or (family is stream and layout in NOT_IN_STREAMS)
        # 2**62 equal values that are right, and would be read for ever
        endless = family in (helpers, translating) or (name == "x" and kind in ("steps", "features"))
        endless |= (kind, name) == ("labels", "y")
        disguised |= (kind, name, layout) == ("labels", "y", "overlapping")  # zeros before labels
        if way == "spoil" and not (endless and spoil in HUGE_SPOILS):
            spoils = SPOILS | HUGE_SPOILS
            given = spoils[spoil](np.asarray(given), rng)
            spoilt.add(name)
        arguments[name], plains[name] = given, plain(given, None if family is functions else dtype, array.ndim)
    for name, (array, dtype) in list(entry.arguments.items())[len(treatments) :]:
        arguments[name] = plains[name] = array.astype(dtype)
    before = entry.model.get_weights() if entry.model is not None else []
    with limited() if any(spoil in HUGE_SPOILS for _, _, spoil in treatments) else nullcontext():
        got, answer = outcome(entry.call, arguments)
    if got == "error":
        assert spoilt or disguised or family is functions, answer
        words = {"x": "x|y|lengths|mask|initial_state", "logits": "logits?"}
        words |= {f"w{i}": r"weights|\w*kernel|bias|embeddings" for i in range(9)}
        names = "|".join(words.get(name, name) for name in arguments)
        assert re.search(rf"\b({names})\b", answer), f"no argument is named in: {answer}"
        for one, other in zip(before, [] if entry.model is None else entry.model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        return
    same, wanted = outcome(entry.call, plains)
    assert same == "value", f"an answer where a plain copy is refused: {wanted}"
    for one, other in zip(answer, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype or family is helpers


# AddressSanitizer ends a process whose address space is limited
SPOILS_HERE = [*SPOILS, *({} if "libasan" in os.environ.get("LD_PRELOAD", "") else HUGE_SPOILS)]
TREATMENT = st.one_of(
    st.tuples(st.just("layout"), st.integers(0, len(LAYOUTS) - 1), st.none()),
    st.tuples(st.just("dtype"), st.integers(0, 150), st.none()),
    st.tuples(st.just("spoil"), st.integers(0, len(LAYOUTS) - 1), st.sampled_from(SPOILS_HERE)),
)


@pytest.mark.promise(
    "Whatever arrays come: the answer to a plain copy, or an error that names the argument; nothing is changed"
)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_hostile_arrays(family, figure):
    many = {learning: 30_000}.get(family, 6_000)
    seen = [0]

    @settings(max_examples=cases(80 if family is learning else 40, many), suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(FAMILIES[family][0]),
        st.sampled_from(FAMILIES[family][1]),
        st.sampled_from(FAMILIES[family][2]),
        st.integers(0, 2**32 - 1),
        st.lists(TREATMENT, min_size=1, max_size=3),
    )
    def run(method, kind, more, seed, treatments):
        seen[0] += 1
        check(family, method, kind, more, seed, treatments)

    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    figure(f"{seen[0]} cases, {seen[0] / seconds:.0f} per second")
