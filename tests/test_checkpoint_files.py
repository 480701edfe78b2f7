"""Checkpoint files that are damaged, foreign, newer, of another model, or years old; and places that cannot be written."""

import importlib.util
import json
import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import pyrnn
from pyrnn import Input, Sequential, _checkpoint_file, callbacks, layers, optimizers, saving

FILES = Path(__file__).parent / "files"
X, Y = np.ones((8, 4, 3), np.float32), np.ones((8, 2), np.float32)


def model(units=5, rate=0.25, optimizer=None, loss="mse", metrics=(), dtype="float32"):
    made = Sequential([Input((4, 3)), layers.LSTM(units), layers.Dropout(rate), layers.Dense(2)], dtype=dtype)
    made.compile(optimizer or optimizers.Adam(), loss, list(metrics))
    return made


def fit(made, folder, *more, epochs=3, samples=8, **options):
    backup = callbacks.BackupAndRestore(folder, delete_checkpoint=False)
    return made.fit(X[:samples], Y[:samples], 3, epochs=epochs, verbose=0, callbacks=[backup, *more], **options)


def everything(made):
    network = made._require_network()
    state = network.get_optimizer_state()
    slots = [value for slot in state["slots"].values() for value in slot.values()]
    return [*made.get_weights(), *slots, np.array([state["iterations"], made.optimizer.iterations])]


@pytest.fixture
def folder(tmp_path):
    fit(model(), tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def path(folder):
    return folder / "latest.safetensors"


def assert_refused(path, words, made=None, **arguments):
    """By both ways of reading, with nothing changed."""
    made = made or model()
    made.train_on_batch(X, Y)
    before, content = everything(made), path.read_bytes()
    with pytest.raises(ValueError, match=f"^load_checkpoint: {path} {words}"):
        saving.load_checkpoint(made, path)
    with pytest.raises(ValueError, match=f"^BackupAndRestore: {path} {words}"):
        fit(made, path.parent, **arguments)
    for value, wanted in zip(everything(made), before, strict=True):
        np.testing.assert_array_equal(value, wanted)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


# -- what is not right --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 3000, -1, -100])
def test_truncated(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    assert_refused(path, "is damaged or no safetensors file")


def test_every_changed_byte_is_noticed(path):
    """Of the header's length, of the JSON, of the tensors: where a bit flips, the file is refused."""
    content = bytearray(path.read_bytes())
    made, rng = model(), np.random.default_rng(0)
    before = everything(made)
    for at in [*range(8), *rng.choice(len(content), 300, replace=False)]:
        changed = bytearray(content)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=f"load_checkpoint: {path} (is|was) "):
            saving.load_checkpoint(made, path)
    for value, wanted in zip(everything(made), before, strict=True):
        np.testing.assert_array_equal(value, wanted)


@pytest.mark.parametrize("content", [b"PK\x03\x04" * 50, b"\x89HDF\r\n\x1a\n" * 20, b"a text\n" * 10])
def test_foreign(path, content):
    path.write_bytes(content)
    assert_refused(path, "is damaged or no safetensors file")


def test_other_safetensors(path):
    save_file({"weight": np.zeros(3, np.float32)}, path, {"format": "pt"})
    assert_refused(path, "is no checkpoint of pyrnn: its metadata have the format 'pt'")
    model().save(path)
    assert_refused(path, "is no checkpoint of pyrnn: its metadata have the format 'pyrnn'")
    saving.save_checkpoint(model(), path)
    with pytest.raises(ValueError, match=f"^load_model: {path} is not a pyrnn model: .* 'pyrnn checkpoint'"):
        pyrnn.load_model(path)


def test_newer(path):
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    save_file(load_file(path), path, {**metadata, "format_version": "2"})
    assert_refused(path, "was written by a newer pyrnn: format_version 2, and this one reads up to 1")
    save_file(load_file(path), path, {**metadata, "format_version": "one"})
    assert_refused(path, "is damaged: format_version 'one' is no number")


def forged(path, change):
    """The checkpoint with another tree, its checksum right."""
    with _checkpoint_file.opened("test", path) as tree:
        change(tree)
    _checkpoint_file.write(path, tree)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("model"), "is damaged: it holds no training"),
        (lambda t: t["model"].pop("random"), "is damaged: it holds no training"),
        (lambda t: t["model"].update(random={"bit_generator": "PCG64"}), "is damaged: it holds no training"),
        (lambda t: t["model"].update(seeds=[-1, None, None]), "is damaged: it holds no training"),
        (lambda t: t["model"].update(states=[]), "is damaged: it holds no training"),
        (lambda t: t["model"]["optimizer"].update(iterations=-1), "is damaged: it holds no training"),
        (lambda t: t["model"]["optimizer"].update(learning_rate="os.system"), "is damaged: it holds no training"),
        (lambda t: t["model"]["optimizer"]["slots"].pop("velocity"), "does not fit the optimizer"),
        (lambda t: t["model"]["weights"].popitem(), "does not fit the model: weights must be"),
        (lambda t: t["model"]["weights"].update(dict.fromkeys(t["model"]["weights"], X)), "does not fit the model"),
        (lambda t: t["fit"].update(epoch="one"), "is damaged: it holds no training"),
    ],
)
def test_trees_that_hold_no_training(path, change, words):
    forged(path, change)
    assert_refused(path, words)


def test_a_checkpoint_from_outside_fit(path):
    made = model()
    saving.save_checkpoint(made, path)
    with pytest.raises(ValueError, match=f"^BackupAndRestore: {path} was not written in fit"):
        fit(made, path.parent)


# -- what does not fit --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: model(units=6), r"does not fit the model: model.layers\[0\].config.units is 5 there and 6 here"),
        (lambda: model(rate=0.5), r"does not fit the model: model.layers\[1\].config.rate is 0.25 there and 0.5 here"),
        (lambda: model(dtype="float64"), 'does not fit the model: model.dtype is "float32" there and "float64" here'),
        (
            lambda: model(optimizer=optimizers.Nadam()),
            'does not fit the model: optimizer.class_name is "Adam" there and "Nadam" here',
        ),
        (
            lambda: model(optimizer=optimizers.Adam(clipnorm=1.0)),
            "does not fit the model: optimizer.config.clipnorm is null there and 1.0 here",
        ),
        (lambda: model(loss="mae"), "does not fit the model: loss is "),
        (lambda: model(metrics=["mae"]), "does not fit the model: metrics is "),
    ],
)
def test_another_model(path, other, words):
    assert_refused(path, words, other())


def refused_by_fit(folder, words, *more, **arguments):
    made = model()
    before = everything(made)
    with pytest.raises(ValueError, match=f"^BackupAndRestore: .* does not fit {words}"):
        fit(made, folder, *more, **arguments)
    for value, wanted in zip(everything(made), before, strict=True):
        np.testing.assert_array_equal(value, wanted)


def test_other_data_or_callbacks(folder):
    refused_by_fit(folder, "the data: samples is 8 there and 7 here", samples=7)
    refused_by_fit(folder, "the data: shuffle is true there and false here", shuffle=False)
    watch = callbacks.EarlyStopping("loss")
    refused_by_fit(folder, r"the callbacks: .* were \['History'\], and are \['EarlyStopping', 'History'\]", watch)


def test_two_backups_are_one_too_many(folder):
    with pytest.raises(ValueError, match="fit: callbacks must have one BackupAndRestore at most, got 2"):
        fit(model(), folder, callbacks.BackupAndRestore(folder))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"backup_dir": ""}, ValueError, "backup_dir must name a folder"),
        ({"save_freq": 0}, ValueError, "save_freq must be at least 1"),
        ({"save_freq": "batch"}, TypeError, "save_freq must be an integer"),
        ({"delete_checkpoint": 1}, TypeError, "delete_checkpoint must be True or False"),
        (
            {"double_checkpoint": True},
            TypeError,
            "double_checkpoint is not supported: the file is replaced in one step",
        ),
    ],
)
def test_arguments(arguments, error, words):
    with pytest.raises(error, match=f"BackupAndRestore: {words}"):
        callbacks.BackupAndRestore(**{"backup_dir": "x", **arguments})


def test_models_that_are_not_ready(path):
    made = Sequential([Input((3,)), layers.Dense(2)])
    for function in (saving.save_checkpoint, saving.load_checkpoint):
        with pytest.raises(RuntimeError, match=f"{function.__name__}: model .* must be compiled first"):
            function(made, path)
    made = Sequential([layers.Dense(2)])
    made.compile("adam", "mse")
    for function in (saving.save_checkpoint, saving.load_checkpoint):
        with pytest.raises(ValueError, match="has no shapes yet"):
            function(made, path)


# -- places -------------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_last_checkpoint(folder, path):
    """The system refuses to write more than a file of 1000 bytes: the second half is missing, not only an error code."""
    content = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="the checkpoint cannot be saved: File too large"):
            fit(model(), folder, epochs=5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == content
    assert os.listdir(folder) == [path.name]
    assert fit(model(), folder, epochs=5).epoch == [0, 1, 2, 3, 4]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("no folder")
    made = model()
    before = everything(made)
    with pytest.raises((FileExistsError, NotADirectoryError), match="file"):
        fit(made, tmp_path / "file")
    for value, wanted in zip(everything(made), before, strict=True):
        np.testing.assert_array_equal(value, wanted)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(folder, path):
    content = path.read_bytes()
    folder.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="the checkpoint cannot be saved"):
            fit(model(), folder, epochs=5)
    finally:
        folder.chmod(0o700)
    assert path.read_bytes() == content


def test_what_a_killed_writer_left_is_swept_away(folder, path):
    (folder / ".latest.safetensors.0123abcd.tmp").write_bytes(b"half a file")
    (folder / "mine.tmp").write_text("not pyrnn's")
    fit(model(), folder)
    assert sorted(os.listdir(folder)) == ["latest.safetensors", "mine.tmp"]


def test_a_folder_with_other_files_is_left(tmp_path):
    (tmp_path / "mine").write_text("not pyrnn's")
    model().fit(X, Y, verbose=0, callbacks=callbacks.BackupAndRestore(tmp_path))
    assert os.listdir(tmp_path) == ["mine"]


# -- files of the past ----------------------------------------------------------------------------------------------------


def maker():
    spec = importlib.util.spec_from_file_location("make", FILES / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_models_of_the_past_load():
    for path in FILES.glob("model_*"):
        loaded = pyrnn.load_model(path)
        assert loaded.optimizer.iterations == 4
        fresh = maker().model()
        fresh.load_weights(str(path).replace("model_", "weights_"))
        for one, other in zip(loaded.get_weights(), fresh.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_training_of_the_past_goes_on(tmp_path):
    """To where it went when the file was written."""
    found = [*FILES.glob("checkpoint_*.safetensors")]
    assert found
    for path in found:
        folder = tmp_path / path.stem
        folder.mkdir()
        shutil.copy(path, folder / "latest.safetensors")
        make = maker()
        made = make.model()
        history = make.fit(made, folder)
        assert history.epoch == [0, 1, 2]
        wanted = json.loads(path.with_suffix(".json").read_text())
        np.testing.assert_allclose(history.history["loss"], wanted["loss"], rtol=1e-6)
        assert made.optimizer.iterations == 9
