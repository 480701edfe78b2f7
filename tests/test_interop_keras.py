"""Keras' own files, which goldens/make_interop_keras.py made, and what becomes of files that are damaged or ask for too much."""

import copy
import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pyrnn import Seq2Seq, Sequential, layers
from pyrnn.interop import keras
from tests.promises import cases

h5py = pytest.importorskip("h5py")

FOLDER = Path(__file__).parent / "goldens" / "interop"
FILES = sorted([*FOLDER.glob("*.keras"), *FOLDER.glob("*.h5")])
CELLS, BOTH_WAYS = FOLDER / "keras3_cells.keras", FOLDER / "keras3_both_ways.keras"


@pytest.fixture(scope="module")
def expected():
    with np.load(FOLDER / "keras.npz") as arrays:
        return dict(arrays)


@pytest.mark.promise("Files of Keras 2 and 3 give its outputs, and its weights go back without a changed bit")
def test_files_of_keras_give_its_outputs_and_its_weights(expected, figure):
    most = 0.0
    for path in FILES:
        model = keras.load(path)
        y = expected[f"{path.stem}/y"]
        predicted = model.predict(expected[f"{path.stem}/x"], verbose=0)
        error = np.abs(predicted - y).max() / np.abs(y).max()
        assert predicted.shape == y.shape and error <= 1e-6, path.name
        weights, most = keras.to_keras(model), max(most, float(error))
        assert len(weights) == sum(key.startswith(f"{path.stem}/weights/") for key in expected), path.name
        for index, weight in enumerate(weights):
            np.testing.assert_array_equal(weight, expected[f"{path.stem}/weights/{index}"], err_msg=path.name)
    figure(f"{len(FILES)} files, outputs within {most:.1e} of the largest")


def test_names_and_options_are_those_of_the_file():
    model = keras.load(CELLS)
    lstm = model.layers[0]
    assert model.name == "cells"
    assert (lstm.dropout, lstm.kernel_regularizer.l2) == (0.25, 0.01)
    assert isinstance(lstm, layers.LSTM) and lstm.name.startswith("lstm")
    assert model.input_shape == (None, None, 3)
    model.compile("adam", "categorical_crossentropy")
    model.fit(np.zeros((2, 4, 3)), np.eye(3)[:2], verbose=0)


def test_there_are_files_of_both_versions_and_kinds():
    assert {path.name.split("_")[0] + path.suffix for path in FILES} == {
        "keras2.h5",
        "keras2.keras",
        "keras3.h5",
        "keras3.keras",
    }


# -- what is refused ----------------------------------------------------------


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezip(path, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def with_config(tmp_path, source, change, version=None):
    """`source` with a change made to its configuration: change(the first layer of each class, all)."""
    content = members(source)
    config = json.loads(content["config.json"])
    change({layer["class_name"]: layer for layer in reversed(config["config"]["layers"])}, config)
    content["config.json"] = json.dumps(config).encode()
    if version is not None:
        content["metadata.json"] = json.dumps({"keras_version": version}).encode()
    return rezip(tmp_path / "changed.keras", content)


def option(class_name, name, value):
    return lambda by_class, config: by_class[class_name]["config"].update({name: value})


REFUSED = [
    (CELLS, option("LSTM", "activation", "mish"), r"\(LSTM\): LSTM: activation must be one of .*got 'mish'"),
    (CELLS, option("GRU", "recurrent_activation", "gelu"), r"\(GRU\): GRU: recurrent_activation .*got 'gelu'"),
    (
        CELLS,
        option("LSTM", "kernel_constraint", "max_norm"),
        r"\(LSTM\): kernel_constraint='max_norm' is not supported",
    ),
    (CELLS, option("LSTM", "trainable", False), r"\(LSTM\): trainable=False is not supported: all weights are trained"),
    (CELLS, option("LSTM", "time_major", True), r"\(LSTM\): time_major=True is not supported"),
    (CELLS, option("LSTM", "return_state", True), r"\(LSTM\): return_state=True is not supported"),
    (CELLS, option("LSTM", "peephole", 1), r"\(LSTM\): peephole=1 is not supported$"),
    (CELLS, option("LSTM", "kernel_regularizer", "orthogonal"), r"kernel_regularizer must be .*got 'orthogonal'"),
    (CELLS, option("LSTM", "units", -4), r"\(LSTM\): LSTM: units must be at least 1, got -4"),
    (CELLS, option("LSTM", "dtype", "mixed_float16"), r"layer 'lstm': dtype='mixed_float16' is not supported"),
    (CELLS, option("LayerNormalization", "rms_scaling", True), r"\(LayerNormalization\): rms_scaling=True is not"),
    (CELLS, option("LayerNormalization", "axis", [1]), "axis must be -1 or 2, the last, got 1"),
    (CELLS, option("LayerNormalization", "axis", [1, 2]), "axis must be an integer"),
    (CELLS, lambda by_class, config: by_class["Dense"].update(class_name="Conv1D"), r"is a Conv1D; supported are LSTM"),
    (CELLS, lambda by_class, config: config.update(class_name="Mine"), "a model of class 'Mine'"),
    (CELLS, lambda by_class, config: config["config"]["layers"].clear(), "a model without layers"),
    (BOTH_WAYS, option("Bidirectional", "merge_mode", None), r"\(Bidirectional\): .*merge_mode must be .*got None"),
    (
        BOTH_WAYS,
        lambda by_class, config: by_class["Bidirectional"]["config"]["backward_layer"]["config"].update(units=7),
        r"backward_layer must be like layer, and differs in units",
    ),
    (
        BOTH_WAYS,
        lambda by_class, config: config["config"].update(output_layers=[["a", 0, 0], ["b", 0, 0]]),
        "1 inputs and 2 outputs",
    ),
    (
        BOTH_WAYS,
        lambda by_class, config: by_class["Dense"].update(inbound_nodes=by_class["Bidirectional"]["inbound_nodes"]),
        "the layers must be one chain",
    ),
    (
        BOTH_WAYS,
        lambda by_class, config: by_class["Dense"]["inbound_nodes"][0]["kwargs"].update(training=True),
        "is called with training=True, which is not supported",
    ),
]


@pytest.mark.parametrize(("source", "change", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_pyrnn_has_not_is_refused_by_name(tmp_path, source, change, message):
    with pytest.raises(ValueError, match=rf"^load: .*changed\.keras .*{message}"):
        keras.load(with_config(tmp_path, source, change))


def test_hard_sigmoid_of_keras_2_is_another_function(tmp_path):
    change = option("GRU", "recurrent_activation", "hard_sigmoid")
    assert keras.load(with_config(tmp_path, CELLS, change)).layers[1].recurrent_activation == "hard_sigmoid"
    with pytest.raises(ValueError, match=r"recurrent_activation='hard_sigmoid' is not supported: that of Keras 2"):
        keras.load(with_config(tmp_path, CELLS, change, version="2.15.0"))
    with pytest.raises(ValueError, match="was written by Keras 1.2.2"):
        keras.load(with_config(tmp_path, CELLS, change, version="1.2.2"))


def test_to_keras_refuses_what_keras_has_not():
    def model(*rest):
        return Sequential([*rest, layers.Dense(2)])

    with pytest.raises(ValueError, match="OneHot 'ids' is no layer of Keras"):
        keras.to_keras(model(layers.OneHot(3, name="ids", input_shape=(4,))))
    with pytest.raises(ValueError, match="GRU 'cell' has zoneout=0.1, which Keras has not"):
        keras.to_keras(model(layers.GRU(3, zoneout=0.1, name="cell", input_shape=(4, 2))))
    with pytest.raises(ValueError, match="Bidirectional 'both' has layer_norm=True"):
        keras.to_keras(model(layers.Bidirectional(layers.LSTM(3, layer_norm=True), name="both", input_shape=(4, 2))))
    encoder = Sequential([layers.GRU(4, input_shape=(None, 3))])
    seq2seq = Seq2Seq(encoder, Sequential([layers.GRU(4, input_shape=(None, 4), return_sequences=True)]))
    with pytest.raises(TypeError, match="model must be a Sequential"):
        keras.to_keras(seq2seq)


# -- what is damaged ------------------------------------------------------------


def test_missing_file_and_missing_h5py(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        keras.load(tmp_path / "none.keras")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="pip install h5py"):
        keras.load(CELLS)


@pytest.mark.parametrize("source", [CELLS, FOLDER / "keras3_both_ways.h5"], ids=lambda path: path.suffix)
def test_truncated_files_are_value_errors(tmp_path, source):
    content, path = source.read_bytes(), tmp_path / "short"
    for size in range(0, len(content), 499):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="^load: .*short is damaged or no model of Keras"):
            keras.load(path)


@pytest.mark.promise("A damaged file of Keras gives a model or a ValueError")
@pytest.mark.parametrize("source", [CELLS, FOLDER / "keras3_both_ways.h5"], ids=lambda path: path.suffix)
def test_changed_bytes_give_a_model_or_a_value_error(tmp_path, source, rng, figure):
    content, path, refused = np.frombuffer(source.read_bytes(), np.uint8), tmp_path / "changed", 0
    for _ in range(cases(100, 5000)):
        changed = content.copy()
        changed[rng.integers(0, len(content), 8)] = rng.integers(0, 256, 8)
        path.write_bytes(changed.tobytes())
        try:
            assert isinstance(keras.load(path), Sequential)
        except ValueError as error:
            assert str(error).startswith(f"load: {path} ")
            refused += 1
    assert refused > cases(100, 5000) / 10
    figure(f"{cases(100, 5000):,} files, {refused:,} refused")


def test_values_are_not_read_before_their_shapes_fit(tmp_path):
    path = with_config(tmp_path, CELLS, option("LSTM", "units", 10**9))
    with pytest.raises(ValueError, match=r"its weights need \d{17,} bytes, and it has \d{5}$"):
        keras.load(path)
    path = with_config(tmp_path, CELLS, option("LSTM", "units", 5))
    with pytest.raises(ValueError, match=r"LSTM 'lstm': kernel must be float32 \[3, 20\], got float32 \[3, 16\]"):
        keras.load(path)


def test_compressed_members_are_refused(tmp_path):
    path = rezip(tmp_path / "small.keras", members(CELLS), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="holds 'config.json' compressed, which Keras' own files do not"):
        keras.load(path)


def with_kernel(tmp_path, replace):
    """The file with the dataset of the last layer's kernel, [4, 3], taken out and `replace(group)` called."""
    content = members(CELLS)
    weights = io.BytesIO(content["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        group = file["layers/dense/vars"]
        value = copy.copy(group["0"][()])
        del group["0"]
        replace(group, value)
    return rezip(tmp_path / "weights.keras", {**content, "model.weights.h5": weights.getvalue()})


def test_weights_come_from_the_file_itself_and_as_keras_stores_them(tmp_path):
    elsewhere = tmp_path / "elsewhere.h5"
    with h5py.File(elsewhere, "w") as file:
        file["kernel"] = np.zeros((4, 3), np.float32)

    def linked(group, value):
        group["0"] = h5py.ExternalLink(str(elsewhere), "kernel")

    def soft(group, value):
        group["0"] = h5py.SoftLink("/layers/lstm/cell/vars/0")

    def raw(group, value):
        group.create_dataset("0", (4, 3), "f4", external=[(str(elsewhere), 0, 48)])

    def virtual(group, value):
        layout = h5py.VirtualLayout((4, 3), "f4")
        layout[:] = h5py.VirtualSource(str(elsewhere), "kernel", (4, 3))
        group.create_virtual_dataset("0", layout)

    def compressed(group, value):
        group.create_dataset("0", data=value, compression="gzip")

    def never_written(group, value):
        group.create_dataset("0", (4, 3), "f4")

    def of_another_type(group, value):
        group["0"] = value.astype("f8")

    def nothing(group, value):
        pass

    for replace, message in [
        (linked, "it has no '0' of its own"),
        (soft, "it has no '0' of its own"),
        (raw, "kernel must be stored in one piece, as Keras does"),
        (virtual, "kernel must be stored in one piece"),
        (compressed, "kernel must be stored in one piece"),
        (never_written, "kernel must be stored in one piece"),
        (of_another_type, r"kernel must be float32 \[4, 3\], got float64 \[4, 3\]"),
        (nothing, "it has no '1' of its own|needs 2 weights, got 1|it has no '0' of its own"),
    ]:
        with pytest.raises(ValueError, match=message):
            keras.load(with_kernel(tmp_path, replace))
    keras.load(with_kernel(tmp_path, lambda group, value: group.create_dataset("0", data=value)))


def test_lengths_of_texts_are_checked_before_hdf5_believes_them(tmp_path):
    """At the first of these changes HDF5 goes round for ever, at the second it takes 2 GB."""
    content, path = bytearray((FOLDER / "keras3_both_ways.h5").read_bytes()), tmp_path / "changed.h5"
    heap = content.rindex(b"GCOL")
    place, end = heap + 16, heap + int.from_bytes(content[heap + 8 : heap + 16], "little")
    while int.from_bytes(content[place : place + 2], "little"):
        size = int.from_bytes(content[place + 8 : place + 16], "little")
        place += 16 + -(-size // 8) * 8
    assert place < end
    path.write_bytes(content[: place + 8] + bytes(8) + content[place + 16 :])
    with pytest.raises(ValueError, match=f"its text at {place} has 0 bytes"):
        keras.load(path)
    reference = content.index(heap.to_bytes(8, "little") + (1).to_bytes(4, "little"))
    path.write_bytes(content[: reference - 1] + b"\x7f" + content[reference:])
    with pytest.raises(ValueError, match="is said at .* to have others"):
        keras.load(path)


def test_models_of_double_precision(tmp_path, expected):
    content = members(CELLS)
    weights = io.BytesIO(content["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        paths = []
        file["layers"].visititems(lambda name, node: paths.append(node.name) if hasattr(node, "dtype") else None)
        for path in paths:
            value = file[path][()]
            del file[path]
            file[path] = value.astype("f8")
    config = content["config.json"].replace(b'"float32"', b'"float64"')
    model = keras.load(
        rezip(tmp_path / "double.keras", {**content, "config.json": config, "model.weights.h5": weights.getvalue()})
    )
    assert model.dtype == "float64"
    y = expected["keras3_cells/y"]
    np.testing.assert_allclose(model.predict(expected["keras3_cells/x"], verbose=0), y, rtol=0, atol=1e-6)


def test_weights_alone_are_no_model(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.create_group("layers")
    with pytest.raises(ValueError, match="holds weights alone; a whole model is needed"):
        keras.load(tmp_path / "weights.h5")
