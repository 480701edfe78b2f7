"""Models whose recurrent layers multiply with weights in 16 or 8 bits."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, layers

DTYPES = ["bfloat16", "int8"]
CELLS = {
    "LSTM": lambda units, **options: layers.LSTM(units, **options),
    "GRU": lambda units, **options: layers.GRU(units, **options),
    "GRU, reset before": lambda units, **options: layers.GRU(units, reset_after=False, **options),
    "SimpleRNN": lambda units, **options: layers.SimpleRNN(units, **options),
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bfloat16(x):
    bits = np.float32(x).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32).astype(np.float64)


def int8(x, axis):
    """Integers to 127 times the largest of a row, or column, / 127."""
    x = np.float32(x)
    scale = np.abs(x).max(axis=axis, keepdims=True) / np.float32(127)
    return np.round(x / np.where(scale, scale, 1)) * scale.astype(np.float64)


PRODUCTS = {
    "bfloat16": lambda x, w: bfloat16(x) @ bfloat16(w),
    "int8": lambda x, w: int8(x, 1) @ int8(w, 0),
}


def expected(cell, product, x, kernel, recurrent_kernel, bias):
    """The last state, by the equations in double precision but for the rounding of products' operands."""
    units = len(recurrent_kernel)
    h, c = np.zeros((2, len(x), units))
    for t in range(x.shape[1]):
        of_x, of_h = product(x[:, t], kernel), product(h, recurrent_kernel)
        if cell == "LSTM":
            i, f, g, o = np.split(of_x + of_h + bias, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        elif cell == "SimpleRNN":
            h = np.tanh(of_x + of_h + bias)
        else:
            after = cell == "GRU"
            of_x, of_h = (of_x + bias[0], of_h + bias[1]) if after else (of_x + bias, of_h)
            z, r = (sigmoid(of_x[:, k : k + units] + of_h[:, k : k + units]) for k in (0, units))
            candidate = r * of_h[:, 2 * units :] if after else product(r * h, recurrent_kernel[:, 2 * units :])
            h = z * h + (1 - z) * np.tanh(of_x[:, 2 * units :] + candidate)
    return h


def random_model(rng, *stack):
    model = Sequential(list(stack))
    model.set_weights([rng.normal(0, 0.3, weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("inputs", "units"), [(3, 5), (17, 37), (64, 66)])
def test_answers_are_those_of_rounded_operands(cell, dtype, inputs, units, rng):
    model = random_model(rng, Input((None, inputs)), CELLS[cell](units))
    x = rng.normal(0, 1, (7, 4, inputs)).astype(np.float32)
    wanted = expected(cell, PRODUCTS[dtype], x, *model.get_weights())
    got = model.quantize(dtype).predict(x, verbose=0)
    # a state near the middle of two roundings may take the other one than in double precision
    assert np.abs(got - wanted).max() < 1e-2 and np.median(np.abs(got - wanted)) < 1e-5
    assert np.abs(model.predict(x, verbose=0) - wanted).max() > 1e-5  # float32 is something else


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_streams_batches_and_threads_have_the_same_bits(cell, dtype, rng):
    model = random_model(
        rng, Input((None, 20)), CELLS[cell](150, return_sequences=True), CELLS[cell](48, dropout=0.5), layers.Dense(3)
    ).quantize(dtype)
    x = rng.normal(0, 1, (23, 6, 20)).astype(np.float32)
    whole = model.predict(x, verbose=0)
    stream = model.stream(23)
    np.testing.assert_array_equal(stream.run(x.transpose(1, 0, 2))[-1], whole)
    np.testing.assert_array_equal(model.predict(x, batch_size=3, verbose=0), whole)
    try:
        for threads in (1, 2, 3):
            pyrnn.set_num_threads(threads)
            for schedule in ("rows", "panels"):
                network = model._require_network()
                network.set_schedule(schedule)
                np.testing.assert_array_equal(model.predict(x, verbose=0), whole)
    finally:
        pyrnn.set_num_threads(0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_layers_of_other_kinds(dtype, rng):
    """What quantization must leave alone, or reach through another op."""
    stack = [
        layers.Embedding(30, 24),
        layers.Bidirectional(layers.LSTM(20, return_sequences=True)),
        layers.LSTM(33, layer_norm=True, return_sequences=True),
        layers.GRU(16, go_backwards=True),
        layers.RepeatVector(3),
        layers.GRU(12, return_sequences=True),
        layers.TimeDistributed(layers.Dense(5, activation="softmax")),
    ]
    model = random_model(rng, Input((9,)), *stack)
    x = rng.integers(0, 30, (8, 9))
    small = model.quantize(dtype)
    got, wanted = small.predict(x, verbose=0), model.predict(x, verbose=0)
    assert 0 < np.abs(got - wanted).max() < 0.1
    np.testing.assert_array_equal(small.predict(x, lengths=np.full(8, 9), verbose=0), got)
    np.testing.assert_array_equal(copy.deepcopy(small).predict(x, verbose=0), got)


HASH = """
import hashlib, numpy as np, pyrnn
from pyrnn import Input, Sequential, layers
rng = np.random.default_rng(3)
x = rng.integers(-8, 9, (5, 7, 21)).astype(np.float32) / 8
digest = hashlib.sha256()
for cell in (layers.LSTM(40), layers.GRU(40), layers.GRU(40, reset_after=False), layers.SimpleRNN(70)):
    model = Sequential([Input((None, 21)), cell])
    model.set_weights([rng.integers(-9, 10, w.shape) / 31 for w in model.get_weights()])
    for dtype in ("bfloat16", "int8"):
        digest.update(model.quantize(dtype).predict(x, verbose=0).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.skipif(
    len(pyrnn.cpu_info()["available"]) < 3, reason="the processor has fewer than two instruction sets with FMA"
)
def test_instruction_sets_have_the_same_bits():
    """Those with instructions for such products, and those that do them with others."""
    hashes = {
        isa: subprocess.run(
            [sys.executable, "-c", HASH],
            env={**os.environ, "PYRNN_ISA": isa},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for isa in pyrnn.cpu_info()["available"]
        if isa != "baseline"
    }
    assert len(set(hashes.values())) == 1, hashes


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_that_are_not_finite_stay_in_their_row(dtype, rng):
    model = random_model(rng, Input((None, 6)), layers.LSTM(10)).quantize(dtype)
    x = rng.normal(0, 1, (4, 3, 6)).astype(np.float32)
    clean = model.stream(4).run(x.transpose(1, 0, 2))[-1]
    x[1, 0, 2] = np.nan
    got = model.stream(4).run(x.transpose(1, 0, 2))[-1]
    assert np.isnan(got[1]).all()
    np.testing.assert_array_equal(got[[0, 2, 3]], clean[[0, 2, 3]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_column_or_row_of_zeros(dtype):
    model = Sequential([Input((None, 4)), layers.SimpleRNN(8)])
    model.set_weights([np.zeros(weight.shape) for weight in model.get_weights()])
    assert not model.quantize(dtype).predict(np.zeros((2, 3, 4)), verbose=0).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_files_and_weights(dtype, tmp_path, rng):
    model = random_model(rng, Input((None, 9)), layers.GRU(12), layers.Dense(2))
    model.compile("sgd", "mse")
    small, x = model.quantize(dtype), rng.normal(0, 1, (5, 4, 9)).astype(np.float32)
    for value, wanted in zip(small.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, wanted)
    answers = small.predict(x, verbose=0)
    small.save(tmp_path / "small")
    for loaded in (pyrnn.load_model(tmp_path / "small"), pickle.loads(pickle.dumps(small))):
        assert loaded.quantization == dtype
        np.testing.assert_array_equal(loaded.predict(x, verbose=0), answers)
        assert loaded.evaluate(x, answers, verbose=0) == 0  # with the loss that it was compiled with
    assert model.quantization is None and pyrnn.load_model(tmp_path / "small").name == model.name
    # new weights are rounded anew
    other = random_model(rng, Input((None, 9)), layers.GRU(12), layers.Dense(2))
    small.set_weights(other.get_weights())
    np.testing.assert_array_equal(small.predict(x, verbose=0), other.quantize(dtype).predict(x, verbose=0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sequence_to_sequence(dtype, rng):
    encoder = Sequential([Input((None, 12)), layers.LSTM(32)])
    decoder = Sequential([Input((None, 12)), layers.LSTM(32, return_sequences=True), layers.Dense(12, "softmax")])
    model = pyrnn.Seq2Seq(encoder, decoder, start=11)
    model.set_weights([rng.normal(0, 0.3, weight.shape) for weight in model.get_weights()])
    x, y = rng.integers(0, 10, (2, 6, 5))
    small = model.quantize(dtype)
    difference = np.abs(small.predict(x, y, verbose=0) - model.predict(x, y, verbose=0)).max()
    assert 0 < difference < 0.02
    written = small.decode(x, steps=4)  # by a stream, whose first answer is that of a batch
    np.testing.assert_array_equal(written[:, 0], small.predict(x, y, verbose=0)[:, 0].argmax(axis=-1))


def test_what_a_quantized_model_refuses(tmp_path):
    model = Sequential([layers.LSTM(4, input_shape=(None, 3)), layers.Dense(1)])
    model.compile("sgd", "mse")
    small, x, y = model.quantize("int8"), np.zeros((2, 5, 3)), np.zeros((2, 1))
    for refused in (
        lambda: small.fit(x, y, verbose=0),
        lambda: small.train_on_batch(x, y),
        lambda: small.export(tmp_path / "m.h"),
        lambda: small.quantize("int8"),
    ):
        with pytest.raises(
            ValueError, match=r"has weights in int8, for answers alone; (train|export|quantize) the model"
        ):
            refused()
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()


@pytest.mark.parametrize(
    ("model", "dtype", "words"),
    [
        (
            lambda: Sequential([layers.LSTM(4, input_shape=(None, 3))]),
            "int4",
            "dtype must be one of 'int8', 'bfloat16', got",
        ),
        (lambda: Sequential([layers.Dense(4, input_shape=(3,))]), "int8", "has no recurrent layer"),
        (lambda: Sequential([layers.LSTM(4, input_shape=(None, 3))], dtype="float64"), "int8", "must be of float32"),
        (lambda: Sequential([layers.LSTM(4)]), "int8", "has no shapes yet"),
    ],
)
def test_models_that_cannot_be_quantized(model, dtype, words):
    with pytest.raises(ValueError, match=words):
        model().quantize(dtype)
