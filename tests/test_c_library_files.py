"""What the C library's loader refuses, and how it says so."""

import json
import re
import struct
import zlib

import pytest

import pyrnn
from pyrnn import layers
from tests.native.building import run
from tests.native.library import FILE, MODEL, OK
from tests.promises import cases
from tests.test_c_library import copy_of

pytestmark = pytest.mark.timeout(1200)  # the first builds the engine, on whatever machine


def test_files_that_are_not_there_are_told(c_library, tmp_path):
    for path, words in [(tmp_path / "none", "No such file"), (tmp_path, "cannot be read|is not a file")]:
        assert c_library.load(path)[0] == FILE
        assert re.search(f"pyrnn_model_load: {path} .*{words}|{words}", c_library.error)


@pytest.mark.parametrize(
    "made, words",
    [
        (lambda: [layers.Bidirectional(layers.LSTM(3), input_shape=(4, 2))], "a model with Bidirectional"),
        (lambda: [layers.LSTM(3, input_shape=(4, 2)), layers.RepeatVector(2)], "a model with RepeatVector"),
        (lambda: [layers.Flatten(input_shape=(4, 2))], "a model with Flatten"),
        (lambda: [layers.GlobalMaxPooling1D(input_shape=(4, 2))], "a model with GlobalMaxPooling1D"),
        (lambda: [layers.GlobalAveragePooling1D(input_shape=(4, 2))], "a model with GlobalAveragePooling1D"),
        (lambda: [layers.GRU(3, go_backwards=True, input_shape=(4, 2))], "a model with go_backwards=True"),
        (lambda: [layers.Dense(3, input_shape=(2,))], "it must read sequences"),
    ],
)
def test_models_that_no_stream_can_run_are_named(c_library, tmp_path, made, words):
    pyrnn.Sequential(made()).save(tmp_path / "model")
    assert c_library.load(tmp_path / "model")[0] == MODEL
    assert "cannot be streamed" in c_library.error and words in c_library.error


def test_a_seq2seq_is_named(c_library, tmp_path):
    encoder = pyrnn.Sequential([layers.Input((None, 4)), layers.LSTM(3)])
    decoder = pyrnn.Sequential([layers.Input((None, 4)), layers.LSTM(3, return_sequences=True), layers.Dense(4)])
    pyrnn.Seq2Seq(encoder, decoder, start=0).save(tmp_path / "model")
    assert c_library.load(tmp_path / "model")[0] == MODEL
    assert "it is a Seq2Seq, and must be a Sequential" in c_library.error


def changed(file, change):
    """A model file whose header, as a dictionary, went through `change`, with the checksum that it should have then."""
    (length,) = struct.unpack_from("<Q", file)
    header, data = json.loads(file[8 : 8 + length]), file[8 + length :]
    metadata = header["__metadata__"]
    engine = json.loads(metadata["engine"])
    change(header, metadata, engine)
    if "engine" in metadata:
        metadata["engine"] = json.dumps(engine)
    crc = zlib.crc32((metadata["model"] + metadata.get("engine", "")).encode())
    for name in sorted(set(header) - {"__metadata__"}):
        tensor = header[name]
        if isinstance(tensor, dict):
            what = f"{name} {tensor['dtype'].replace('F', 'float')} {tuple(tensor['shape'])}"
            crc = zlib.crc32(data[slice(*tensor["data_offsets"])], zlib.crc32(what.encode(), crc))
    metadata["crc32"] = str(crc)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda h, m, e: m.pop("engine"), "was saved by an older pyrnn, for Python alone; save it again"),
        (lambda h, m, e: m.update(format="other"), "is not a pyrnn model: its metadata have the format 'other'"),
        (lambda h, m, e: m.update(format="pyrnn weights"), "has weights without their model"),
        (lambda h, m, e: m.update(format_version="3"), "was written by a newer pyrnn: format_version 3"),
        (lambda h, m, e: m.update(format_version="new"), "format_version 'new' is no number"),
        (lambda h, m, e: e.update(version=2), "was written by a newer pyrnn: the engine's description 2"),
        (lambda h, m, e: e["ops"][0].update(op="conv"), "op must be one of embedding, .*, got conv"),
        (lambda h, m, e: e["ops"][0].update(peephole=True), "op lstm has no option peephole"),
        (lambda h, m, e: e["ops"][0].update(units=18), "tensor 'lstm.*/kernel' must be .5, 72. .*, got .5, 68."),
        (lambda h, m, e: e["ops"][0].update(units=10**9), "a layer must have at most 16777216 units"),
        (lambda h, m, e: e["ops"][0].update(units=10**6), "wider than its weights can be"),
        (lambda h, m, e: e["ops"][0].update(units=2.5), "'units' cannot be a number"),
        (lambda h, m, e: e["ops"][0].update(activation="softmax"), "an activation that no cell has"),
        (lambda h, m, e: e["ops"][0].update(zoneout=2), "zoneout of a recurrent op must be in"),
        (lambda h, m, e: e["ops"][0]["weights"].pop("bias"), "no tensor for its weight bias"),
        (lambda h, m, e: e["ops"].extend(e["ops"] * 300), "from 1 to 256 layers"),
        (lambda h, m, e: e.update(dtype="float64"), "must be .* of the model's dtype"),
        (
            lambda h, m, e: h.update(more={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}),
            "overlap or leave gaps",
        ),
        (lambda h, m, e: h.popitem(), "belong to no tensor|leave gaps|no tensor for"),
        (lambda h, m, e: h.update(a=[[[[[[[[1]]]]]]]]), "its header is no description of a model"),
        (lambda h, m, e: h.update(a=[0] * 60000), "its header is no description of a model"),
    ],
)
def test_damaged_and_newer_files_are_told(c_library, tmp_path, change, words):
    copy_of("LSTM", "float32").save(tmp_path / "model")
    file = (tmp_path / "model").read_bytes()
    assert c_library.load(changed(file, lambda *parts: None))[0] == OK
    assert c_library.load(changed(file, change))[0] == MODEL
    assert re.search(words, c_library.error), c_library.error


def test_every_changed_byte_is_noticed(c_library, tmp_path, rng):
    copy_of("OneHot", "float32").save(tmp_path / "model")
    file = (tmp_path / "model").read_bytes()
    start = struct.unpack_from("<Q", file)[0] + 8
    assert c_library.load(file)[0] == OK
    for place in rng.integers(start, len(file), 50):
        damaged = bytearray(file)
        damaged[place] ^= 1 << rng.integers(8)
        assert c_library.load(bytes(damaged))[0] == MODEL
        assert "is damaged: its checksum is another" in c_library.error


def test_a_truncated_file_is_told(c_library, tmp_path):
    copy_of("LSTM", "float32").save(tmp_path / "model")
    file = (tmp_path / "model").read_bytes()
    for length in [*range(1, 12), len(file) // 2, len(file) - 1]:
        assert c_library.load(file[:length])[0] == MODEL
        assert "is damaged" in c_library.error
    (tmp_path / "model").write_bytes(file[:100])
    assert c_library.load(tmp_path / "model")[0] == MODEL
    assert f"pyrnn_model_load: {tmp_path / 'model'} is damaged" in c_library.error


@pytest.mark.promise("The C library survives damaged files, and asks for no memory that they do not justify")
def test_loading_survives_what_it_is_given(engine_build, tmp_path, figure):
    """Mutations of tests/native/fuzz_model.cpp, under AddressSanitizer and UndefinedBehaviorSanitizer."""
    fuzzer = engine_build / "csrc" / "c" / "fuzz_model"
    if not fuzzer.exists():
        pytest.skip("needs nlohmann/json and a compiler with sanitizers")
    large = pyrnn.Sequential([layers.Input((None, 64)), layers.LSTM(192)])
    count, loaded = cases(150, 5000), 0
    models = (copy_of("two", "float32"), copy_of("OneHot", "float64"), copy_of("SimpleRNN", "float32"), large)
    for model in models:
        model.save(tmp_path / "model")
        report = run(fuzzer, tmp_path / "model", str(count), "1").split()
        assert report[:2] == [str(count), "cases,"]
        assert 0 < int(report[2]) < count, "damage that none or all survive shows nothing"
        loaded += int(report[2])
    assert float(report[8]) < 3  # of the file's size, beside the file itself
    figure(
        f"{len(models) * count:,} cases under sanitizers, {loaded:,} loaded, at most {report[8]} of a large file's size"
    )
