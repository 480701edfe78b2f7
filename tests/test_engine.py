"""What the compiled engine promises beside its values: the same bits, any processor, errors not crashes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import _core, layers

CSRC = Path(__file__).parent.parent / "csrc"


def test_forcing_an_instruction_set_forces_it():
    for isa in pyrnn.cpu_info()["available"]:
        command = [sys.executable, "-c", "import pyrnn; print(pyrnn.cpu_info()['isa'])"]
        environment = {**os.environ, "PYRNN_ISA": isa}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=CSRC.parent)
        assert result.stdout == f"{isa}\n"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PYRNN_ISA", "sse9", "PYRNN_ISA must be one of baseline"),
        ("PYRNN_NUM_THREADS", "many", "PYRNN_NUM_THREADS must be a whole number"),
        ("PYRNN_NUM_THREADS", "0", "PYRNN_NUM_THREADS must be a whole number"),
    ],
)
def test_a_wrong_environment_is_an_import_error(name, value, words):
    result = subprocess.run(
        [sys.executable, "-c", "import pyrnn"],
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
        cwd=CSRC.parent,
    )
    assert result.returncode == 1
    assert "ImportError" in result.stderr and words in result.stderr


def test_one_hot_ids():
    ids = np.array([[3, 0, 1], [2, 2, 3]])
    one_hot = np.eye(4)[ids]
    for dtype in ("bool", "uint8", "float32", "float64"):
        np.testing.assert_array_equal(_core.one_hot_ids(one_hot.astype(dtype)), ids)
    np.testing.assert_array_equal(_core.one_hot_ids(np.repeat(one_hot, 2, axis=-1)[..., ::2]), ids)  # strided
    for wrong in (0.0, 0.5, 2.0, np.nan):
        other = one_hot.copy()
        other[1, 2, 3] = wrong
        assert _core.one_hot_ids(other) is None
    two = one_hot.copy()
    two[0, 0, 0] = 1
    assert _core.one_hot_ids(two) is None


def network(ops, features=4, sequence=True, ids=False):
    return _core.Network("float32", features, sequence, ids, ops)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: network([]), "ops must not be empty"),
        (lambda: network([{"op": "qrnn"}]), "op must be one of .*lstm.*got qrnn"),
        (lambda: network([{"op": "gru", "units": 0}]), "units of a recurrent op must be at least 1, got 0"),
        (lambda: network([{"op": "lstm", "units": 2, "peephole": True}]), "op lstm has no option peephole"),
        (lambda: network([{"op": "lstm", "units": 2}], sequence=False), "a recurrent op needs a sequence"),
        (lambda: network([{"op": "simple_rnn", "units": 2, "layer_norm": True}]), "layer_norm is of lstm, and of gru"),
        (lambda: network([{"op": "gru", "units": 2, "layer_norm": True, "reset_after": False}]), "with reset_after"),
        (lambda: network([{"op": "dropout", "rate": 1.0}]), r"rate of dropout must be in \[0, 1\), got 1"),
        (lambda: network([{"op": "activation", "activation": "mish"}]), "activation must be one of .*got mish"),
        (lambda: _core.Network("float16", 4, True, False, [{"op": "lstm", "units": 2}]), "dtype must be float32 or"),
    ],
)
def test_networks_that_cannot_be(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def test_an_id_out_of_range_trains_nothing():
    model = network([{"op": "lstm", "units": 3}, {"op": "dense", "units": 2, "activation": "softmax"}])
    model.compile("crossentropy", False, [], {"name": "adam"})
    kernel = np.ones((4, 12), np.float32)
    model.set_weight(0, "kernel", kernel)
    x, y, index = np.zeros((3, 5), np.int64), np.zeros(3, np.int64), np.arange(3)
    x[2, 1] = 4
    with pytest.raises(ValueError, match="x: ids must be from 0 to 3, got 4 at row 2, step 1"):
        model.train_batch(x, y, index, 0.1)
    np.testing.assert_array_equal(model.get_weight(0, "kernel"), kernel)
    assert model.get_optimizer_state()["iterations"] == 0
    with pytest.raises(ValueError, match="index must be from 0 to 2 for x, got 3"):
        model.train_batch(x, y, np.array([3]), 0.1)


def test_optimizer_state_can_be_put_back():
    x, y, index = np.zeros((3, 5), np.int64), np.zeros(3, np.int64), np.arange(3)

    def compiled():
        model = network([{"op": "lstm", "units": 3}, {"op": "dense", "units": 2, "activation": "softmax"}])
        model.compile("crossentropy", False, [], {"name": "adam"})
        model.set_weight(0, "kernel", np.full((4, 12), 0.3, np.float32))
        return model

    whole, half = compiled(), compiled()
    for _ in range(2):
        whole.train_batch(x, y, index, 0.1)
    half.train_batch(x, y, index, 0.1)
    resumed = compiled()
    for op, name in (0, "kernel"), (0, "recurrent_kernel"), (0, "bias"), (1, "kernel"), (1, "bias"):
        resumed.set_weight(op, name, half.get_weight(op, name))
    resumed.set_optimizer_state(half.get_optimizer_state())
    resumed.train_batch(x, y, index, 0.1)
    np.testing.assert_array_equal(resumed.get_weight(0, "kernel"), whole.get_weight(0, "kernel"))
    assert resumed.get_optimizer_state()["iterations"] == 2


def test_memory_stays_what_the_first_batch_took():
    model = pyrnn.Sequential([layers.Input((9, 5)), layers.LSTM(20), layers.Dense(1)])
    model.compile("adam", "mse")
    x, y = np.zeros((64, 9, 5)), np.zeros((64, 1))
    model.train_on_batch(x, y)
    held = model._network.memory()
    for rows in (64, 7, 64, 1):
        model.train_on_batch(x[:rows], y[:rows])
        model.predict(x[:rows], verbose=0)
    assert model._network.memory() == held


def test_only_the_bindings_know_python():
    for path in CSRC.rglob("*"):
        if path.suffix in {".cpp", ".h", ".inl"} and path.parent.name != "bindings":
            assert "pybind11" not in path.read_text() and "Python.h" not in path.read_text(), path
