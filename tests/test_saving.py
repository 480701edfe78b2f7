"""Model files: what is in them, what comes back, and what is refused."""

import copy
import json
import os
import pickle
import stat

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import pyrnn
from pyrnn import Input, Sequential, layers, losses, metrics, optimizers
from tests.promises import cases


def model(dtype="float32"):
    return Sequential(
        [
            Input((7, 12)),
            layers.LSTM(5, return_sequences=True, kernel_initializer=pyrnn.initializers.HeNormal(seed=3)),
            layers.Dropout(0.25),
            layers.LSTM(4, use_bias=False),
            layers.RepeatVector(3),
            layers.TimeDistributed(layers.Dense(12)),
            layers.Activation("softmax"),
        ],
        dtype=dtype,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_model_comes_back(dtype, path, rng):
    made = model(dtype)
    made.save(path)
    loaded = pyrnn.load_model(path)
    assert loaded.get_config() == made.get_config()
    for one, other in zip(made.get_weights(), loaded.get_weights(), strict=True):
        assert one.dtype == other.dtype == dtype
        np.testing.assert_array_equal(one, other)
    x = rng.normal(size=(6, 7, 12))
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), made.predict(x, verbose=0))


@pytest.mark.parametrize("layer", [layers.OneHot(9), layers.Embedding(9, 3)])
def test_ids_models_come_back(layer, path):
    made = Sequential([Input((None,)), layer, layers.LSTM(3)])
    made.save(str(path))
    ids = np.arange(8).reshape(2, 4)
    np.testing.assert_array_equal(pyrnn.load_model(str(path)).predict(ids, verbose=0), made.predict(ids, verbose=0))


def test_trained_weights_are_saved(path, rng):
    made = model()
    made.compile("adam", "sparse_categorical_crossentropy")
    x, y = rng.integers(0, 12, (20, 7)), rng.integers(0, 12, (20, 3))
    made.fit(x, y, epochs=2, verbose=0)
    made.save(path)
    loaded = pyrnn.load_model(path)
    assert loaded.evaluate(x, y, verbose=0) == made.evaluate(x, y, verbose=0)
    loaded.fit(x, y, verbose=0)


def test_compile_arguments_come_back(path):
    made = model()
    made.save(path)
    with pytest.raises(RuntimeError, match="must be compiled first"):
        _ = pyrnn.load_model(path).loss
    made.compile(
        optimizers.RMSprop(0.5, rho=0.8, global_clipnorm=3.0),
        losses.CategoricalCrossentropy(name="ce"),
        ["accuracy", metrics.MeanSquaredError(name="error")],
    )
    made.optimizer.learning_rate = 0.25
    made.save(path)
    loaded = pyrnn.load_model(path)
    assert loaded.optimizer.get_config() == {**made.optimizer.get_config(), "learning_rate": 0.25}
    assert loaded.loss.get_config() == {"from_logits": False, "label_smoothing": 0.0, "name": "ce"}
    assert loaded.metrics_names == ["loss", "accuracy", "error"]


def test_the_file_is_plain_safetensors(path):
    made = model()
    made.save(path)
    with safe_open(path, framework="np") as file:
        assert sorted(file.keys()) == sorted(weight.path for weight in made.weights)
        metadata = file.metadata()
        for weight in made.weights:
            np.testing.assert_array_equal(file.get_tensor(weight.path), weight.numpy())
    assert (metadata["format"], metadata["format_version"]) == ("pyrnn", "2")
    description = json.loads(metadata["model"])
    assert description["compile"] is None
    assert [layer["class_name"] for layer in description["config"]["layers"]][:2] == ["LSTM", "Dropout"]


def test_arrays_that_are_not_contiguous_are_saved_right(path, rng, monkeypatch):
    """safetensors 0.8.0 writes such arrays with their values in the wrong places, and says nothing."""
    made = Sequential([Input((4,)), layers.Dense(4)])
    kernel = rng.normal(size=(4, 4)).astype(np.float32)
    monkeypatch.setattr(made, "get_weights", lambda: [kernel.T, np.arange(8, dtype=np.float32)[::-2]])
    made.save(path)
    loaded, bias = pyrnn.load_model(path).get_weights()
    np.testing.assert_array_equal(loaded, kernel.T)
    np.testing.assert_array_equal(bias, [7, 5, 3, 1])


# -- writing ------------------------------------------------------------------


def test_a_file_is_replaced_whole_or_not_at_all(path, monkeypatch):
    made = model()
    made.save(path)
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    made.set_weights([weight + 1 for weight in made.get_weights()])
    with pytest.raises(OSError, match="the model cannot be saved: No space left on device"):
        made.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_ctrl_c_while_saving_leaves_no_rest(path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model().save(path)
    assert os.listdir(path.parent) == []


def test_the_users_mask_decides_on_permissions(path):
    model().save(path)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_link_stays_a_link(path):
    link = path.with_name("latest")
    model().save(path)
    link.symlink_to(path)
    made = model()
    made.save(link)
    assert link.is_symlink()
    np.testing.assert_array_equal(pyrnn.load_model(path).get_weights()[0], made.get_weights()[0])


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="the model cannot be saved: No such file or directory.*nowhere"):
        model().save(tmp_path / "nowhere" / "m")
    with pytest.raises(IsADirectoryError, match="the model cannot be saved"):
        model().save(tmp_path)


def test_a_model_without_shapes_cannot_be_saved(path):
    with pytest.raises(ValueError, match="has no shapes yet"):
        Sequential([layers.LSTM(2)]).save(path)
    assert not path.exists()


# -- weights alone ----------------------------------------------------------------


@pytest.mark.parametrize("save", [Sequential.save_weights, Sequential.save])
def test_weights_come_back_into_layers_of_other_names(save, path):
    one, other = model(), model()
    assert one.layers[0].name != other.layers[0].name
    save(one, path)
    other.load_weights(path)
    for kept, loaded in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, loaded)


def test_more_than_ten_layers_keep_their_order(path):
    one, other = (Sequential([Input((3,)), *(layers.Dense(3) for _ in range(12))]) for _ in range(2))
    one.save_weights(path)
    other.load_weights(path)
    for kept, loaded in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, loaded)


def test_weights_of_another_model_are_refused(path):
    Sequential([Input((4,)), layers.Dense(3)]).save_weights(path)
    other = Sequential([Input((4,)), layers.Dense(2)])
    before = other.get_weights()[0]
    with pytest.raises(
        ValueError, match=r"load_weights: .* has weights of another model: shapes must be \[\(4, 2\), \(2,"
    ):
        other.load_weights(path)
    np.testing.assert_array_equal(other.get_weights()[0], before)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "has no weights of a pyrnn model: its metadata have the format None"),
        ({"format": "pyrnn weights", "format_version": "3"}, "was written by a newer pyrnn"),
        ({"format": "pyrnn weights", "format_version": "1"}, "its list of weights cannot be read"),
        ({"format": "pyrnn weights", "format_version": "1", "weights": "3"}, "its list of weights cannot be read"),
        ({"format": "pyrnn weights", "format_version": "1", "weights": '["b"]'}, "is damaged"),
        ({"format": "pyrnn weights", "format_version": "1", "weights": "[]"}, "has weights of another model"),
    ],
)
def test_files_that_hold_no_weights(path, metadata, words):
    save_file({"a": np.zeros(3, np.float32)}, path, metadata)
    with pytest.raises(ValueError, match=f"load_weights: {path} .*{words}"):
        model().load_weights(path)


# -- reading what is not right ------------------------------------------------


def rewritten(path, change_metadata=None, change_tensors=None):
    """The model's file with its description or tensors changed."""
    model().save(path)
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
        del metadata["crc32"]  # which files of version 1 could be without
        metadata["format_version"] = "1"
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if change_metadata is not None:
        change_metadata(metadata)
    if change_tensors is not None:
        change_tensors(tensors)
    save_file(tensors, path, metadata)
    return path


def edit(change):
    """A change of the JSON in the metadata."""

    def apply(metadata):
        description = json.loads(metadata["model"])
        change(description)
        metadata["model"] = json.dumps(description)

    return apply


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        pyrnn.load_model(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        pyrnn.load_model(tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1, -100])
def test_truncated(path, kept):
    model().save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=f"load_model: {path} is damaged or no safetensors file"):
        pyrnn.load_model(path)


@pytest.mark.parametrize("content", [b"PK\x03\x04" * 50, b"\x89HDF\r\n\x1a\n" * 20, b"a text\n" * 10])
def test_foreign(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        pyrnn.load_model(path)


def test_other_peoples_safetensors(path):
    save_file({"weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(ValueError, match="is not a pyrnn model: its metadata have the format None"):
        pyrnn.load_model(path)
    save_file({"weight": np.zeros(3, np.float32)}, path, {"format": "pt"})
    with pytest.raises(ValueError, match="is not a pyrnn model: its metadata have the format 'pt'"):
        pyrnn.load_model(path)


DAMAGES = [
    (
        lambda m: m.update(format_version="3"),
        "was written by a newer pyrnn: format_version 3, and this one reads up to 2",
    ),
    (lambda m: m.update(format_version="0"), "format_version must be at least 1, got 0"),
    (lambda m: m.update(format_version="2"), "its checksum is another, or missing"),
    (lambda m: m.update(format_version="x"), "format_version 'x' is no number"),
    (lambda m: m.update(model="{"), "its description is no JSON"),
    (lambda m: m.pop("model"), "its description is no JSON"),
    (lambda m: m.update(model="[" * 100_000), "is damaged"),
    (lambda m: m.update(model="[]"), "it describes no Sequential"),
    (edit(lambda d: d.update(class_name="Functional")), "it describes no Sequential"),
    (edit(lambda d: d.pop("config")), "it describes no model"),
    (edit(lambda d: d.update(config=3)), "it describes no model"),
    (edit(lambda d: d["config"].update(layers=[])), "it describes no model"),
    (edit(lambda d: d["config"].update(dtype="float16")), "it describes no model"),
    (edit(lambda d: d["config"]["layers"][0].update(class_name="os.system")), "it describes no model.*got 'os.system'"),
    (edit(lambda d: d["config"]["layers"][0].update(class_name=["LSTM"])), "it describes no model"),
    (
        edit(lambda d: d["config"]["layers"][0]["config"].update(units=-1)),
        "it describes no model.*units must be at least 1",
    ),
    (edit(lambda d: d["config"]["layers"][0]["config"].update(units=10**12)), "tensor '.*' must be"),
    (edit(lambda d: d["config"]["layers"][0]["config"].update(unroll=True)), "unroll is not supported"),
    (edit(lambda d: d.update(compile={"loss": "mse"})), "it describes no model"),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGES)
def test_damaged_description(path, damage, words):
    with pytest.raises(ValueError, match=f"load_model: {path} .*{words}"):
        pyrnn.load_model(rewritten(path, damage))


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t.pop(min(t)),
        lambda t: t.update(extra=np.zeros(2, np.float32)),
        lambda t: t.update({min(t): np.zeros((3, 3), np.float32)}),
        lambda t: t.update({min(t): t[min(t)].astype(np.float64)}),
    ],
)
def test_damaged_tensors(path, damage):
    with pytest.raises(ValueError, match=r"is damaged: tensor '.*' must be .*, got "):
        pyrnn.load_model(rewritten(path, change_tensors=damage))


@pytest.mark.promise("A changed bit of a model file is noticed")
@pytest.mark.parametrize("save", [Sequential.save, Sequential.save_weights])
def test_every_changed_byte_is_noticed(save, path, rng, figure):
    made = model()
    save(made, path)
    content, before = path.read_bytes(), made.get_weights()
    version, checksum = content.index(b'format_version":"') + 17, content.index(b'"crc32') + 1
    chosen = rng.choice(len(content), cases(200, len(content)), replace=False)
    for at in [version, *range(checksum, checksum + 20), *chosen]:
        changed = bytearray(content)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=f"load_weights: {path} (is|has|was) |load_model: {path} (is|was) "):
            made.load_weights(path)
    for value, wanted in zip(made.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, wanted)
    figure(f"{len(chosen)} of {len(content)} bytes, a bit each")


@pytest.mark.parametrize("copied", [lambda model: pickle.loads(pickle.dumps(model)), copy.deepcopy, copy.copy])
def test_copies_have_the_weights_and_what_was_compiled(copied, rng):
    model = Sequential([layers.LSTM(5, input_shape=(4, 3)), layers.Dense(2)])
    model.compile(optimizers.Adam(0.02), "mse", metrics=["mae"])
    x, y = rng.normal(size=(20, 4, 3)), rng.normal(size=(20, 2))
    model.fit(x, y, verbose=0)
    twin = copied(model)
    assert (twin.predict(x, verbose=0) == model.predict(x, verbose=0)).all()
    assert twin.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    before = model.get_weights()
    twin.fit(x, y, verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True)), "they share nothing"
    assert twin.optimizer.iterations == model.optimizer.iterations + 1


def test_a_model_without_shapes_is_not_copied():
    with pytest.raises(ValueError, match="shape"):
        pickle.dumps(Sequential([layers.Dense(2)]))
