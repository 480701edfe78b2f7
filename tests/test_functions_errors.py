"""What the engine's plain functions refuse, and that they say which argument, what was expected and what came."""

import re

import numpy as np
import pytest

from pyrnn import _core

LSTM_SHAPES = {
    "x": [2, 3, 5],
    "h0": [2, 7],
    "c0": [2, 7],
    "kernel": [5, 28],
    "recurrent_kernel": [7, 28],
    "bias": [28],
    "dh": [2, 3, 7],
    "dc": [2, 7],
}
AXES = {"x": 3, "kernel": 2, "recurrent_kernel": 2}  # arguments whose shapes say what B, T, I and H are


def call_lstm(**replaced):
    arguments = {name: np.ones(shape, np.float32) for name, shape in LSTM_SHAPES.items()}
    x, h0, c0, kernel, recurrent_kernel, bias, dh, dc = (arguments | replaced).values()
    cache = _core.lstm_forward(x, h0, c0, kernel, recurrent_kernel, bias)
    _core.lstm_backward(dh, dc, x, h0, c0, kernel, recurrent_kernel, *cache)


@pytest.mark.parametrize("name", LSTM_SHAPES)
def test_lstm_refuses_a_wrong_shape(name):
    shape = LSTM_SHAPES[name]
    longer = [*shape[:-1], 2 * shape[-1]]
    with pytest.raises(ValueError, match=f"^{re.escape(f'{name} must be float32 {shape}, got float32 {longer}')}$"):
        call_lstm(**{name: np.ones(longer, np.float32)})
    deeper = [1, *shape]
    wanted = f"have {AXES[name]} axes" if name in AXES else f"be float32 {shape}"
    with pytest.raises(ValueError, match=f"^{re.escape(f'{name} must {wanted}, got float32 {deeper}')}$"):
        call_lstm(**{name: np.ones(deeper, np.float32)})


@pytest.mark.parametrize("dtype", ["float64", "float16", "bool", "complex64", ">f4"])
@pytest.mark.parametrize("name", [name for name in LSTM_SHAPES if name != "kernel"])
def test_lstm_refuses_another_dtype_than_the_kernel_has(name, dtype):
    shape = LSTM_SHAPES[name]
    with pytest.raises(ValueError, match=f"^{re.escape(f'{name} must be float32 {shape}, got {dtype} {shape}')}$"):
        call_lstm(**{name: np.ones(shape, dtype)})


@pytest.mark.parametrize("name", [name for name, shape in LSTM_SHAPES.items() if len(shape) > 1])
def test_lstm_refuses_another_order(name):
    shape = LSTM_SHAPES[name]
    with pytest.raises(ValueError, match=f"^{re.escape(f'{name} must be float32 {shape} in C order, got float32')}"):
        call_lstm(**{name: np.asfortranarray(np.ones(shape, np.float32))})


def ones(*shape, dtype="float32"):
    return np.ones(shape, dtype)


STATE = ones(2, 7)
WEIGHTS = ones(5, 28), ones(7, 28), ones(28)
DENSE = ones(5, 4), ones(4)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("lstm_forward", (ones(2, 0, 5), STATE, STATE, *WEIGHTS), "x must have rows and steps, got float32 [2, 0, 5]"),
        (
            "lstm_forward",
            (np.array([[0, 4], [5, 0]]), STATE, STATE, *WEIGHTS),
            "x: ids must be from 0 to 4, got 5 at row 1, step 0",
        ),
        (
            "lstm_forward",
            (np.array([[0, -1], [4, 0]]), STATE, STATE, *WEIGHTS),
            "x: ids must be from 0 to 4, got -1 at row 0, step 1",
        ),
        ("lstm_forward", (ones(2, 3, 5), STATE, STATE, *(w.astype(int) for w in WEIGHTS)), "kernel must be float32 or"),
        ("dense_forward", (ones(2, 3), *DENSE, "tanh"), "x must be float32 [2, 5], got float32 [2, 3]"),
        ("dense_forward", (ones(2, 5), DENSE[0], ones(3), "tanh"), "bias must be float32 [4], got float32 [3]"),
        (
            "dense_forward",
            (ones(2, 5), *DENSE, "Tanh"),
            "activation must be one of linear, tanh, sigmoid, relu, softmax, hard_sigmoid, softplus, elu, leaky_relu,",
        ),
        ("dense_forward", (np.array([0, 7]), *DENSE, "tanh"), "x: ids must be from 0 to 4, got 7 at row 1"),
        (
            "dense_backward",
            (ones(2, 3), ones(2, 5), DENSE[0], ones(2, 4), "tanh"),
            "dy must be float32 [2, 4], got float32 [2, 3]",
        ),
        (
            "dense_backward",
            (ones(2, 4), ones(2, 5), DENSE[0], ones(3, 4), "tanh"),
            "y must be float32 [2, 4], got float32 [3, 4]",
        ),
        (
            "dense_backward",
            (ones(2, 4), ones(2, 5), DENSE[0], ones(2, 4), "silu"),
            "dense_backward: activation must be one whose derivative is written by y, got silu",
        ),
        ("embedding_forward", (np.array([0, 5]), DENSE[0]), "ids must be from 0 to 4, got 5 at row 1"),
        ("embedding_forward", (np.array([0, 1]), DENSE[1]), "embeddings must have 2 axes, got float32 [4]"),
        ("embedding_forward", (ones(3), DENSE[0]), "ids must be integer"),
        ("embedding_backward", (ones(3, 4), np.array([0, 1]), 5), "dy must be float32 [2, 4], got float32 [3, 4]"),
        ("embedding_backward", (ones(2, 4), np.array([0, 5]), 5), "ids must be from 0 to 4, got 5 at row 1"),
        ("crossentropy", (ones(2, 5), ones(2, 4)), "y must be float32 [2, 5], got float32 [2, 4]"),
        ("crossentropy", (ones(2, 5), ones(2, 5, dtype="float64")), "y must be float32 [2, 5], got float64 [2, 5]"),
        ("crossentropy", (ones(2, 5), np.array([0, 5])), "y: ids must be from 0 to 4, got 5 at row 1"),
        ("crossentropy", (ones(2, 5), np.array([0, 1, 2])), "y must "),
        ("crossentropy", (ones(2, 3, 5), np.zeros((3, 2), int)), "y must "),
        ("crossentropy", (ones(2, 3, 5), ones(6, 5)), "y must "),
        ("sgd_step", (ones(3), ones(4), ones(3), 0.1, 0.9, False), "g must be float32 [3], got float32 [4]"),
        (
            "sgd_step",
            (ones(3), ones(3), ones(3, dtype="float64"), 0.1, 0.9, False),
            "velocity must be float32 [3], got float64 [3]",
        ),
        (
            "rmsprop_step",
            (*[ones(3)] * 4, ones(2), 0.1, 0.9, 0.0, 1e-7, True),
            "average must be float32 [3], got float32 [2]",
        ),
        ("adam_step", (*[ones(3)] * 4, 0, 0.1, 0.9, 0.999, 1e-7), "step must be at least 1, got 0"),
        (
            "clip_by_global_norm",
            ([ones(3), ones(3, dtype="float64")], 1.0),
            "gradients must be float32 [3], got float64",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses(name, arguments, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)) as error:
        getattr(_core, name)(*arguments)
    assert str(error.value).startswith(message.split()[0]), "the argument is named first"
