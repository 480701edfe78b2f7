"""The library for C and C++ (csrc/c): it installs, shows its functions alone, and steps with the bits of Python's streams."""

import ctypes
import json
import os
import platform
import re
import struct
import subprocess
from ctypes import byref, c_char_p, c_int64, c_size_t, c_void_p

import numpy as np
import pytest

import pyrnn
from pyrnn import layers
from tests.native.building import ROOT, cmake, run, tool

pytestmark = pytest.mark.timeout(1200)  # the first builds the engine, on whatever machine

OK, ARGUMENT, FILE, MODEL = range(4)
STRICT = "-Wall -Wextra -Wpedantic -Werror"


@pytest.fixture(scope="module")
def prefixes(engine_build, tmp_path_factory):
    """Where the library is installed, "shared" and "static"."""
    if not (engine_build / "csrc" / "c").exists():
        pytest.skip("needs nlohmann/json")
    found = {}
    for kind, shared in (("static", "OFF"), ("shared", "ON")):
        cmake(ROOT, engine_build, f"-DBUILD_SHARED_LIBS={shared}", targets=["pyrnn"])
        found[kind] = tmp_path_factory.mktemp(kind)
        run(tool("cmake"), "--install", engine_build, "--prefix", found[kind])
    return found


@pytest.fixture(scope="module")
def installed(prefixes):
    return prefixes["shared"]


@pytest.fixture(scope="module")
def library_file(installed):
    return next(path for path in installed.glob("lib*/**/libpyrnn.*") if not path.is_symlink())


@pytest.fixture(scope="module", params=["shared", "static"])
def examples(request, prefixes, tmp_path_factory):
    """csrc/c/examples, built as programs of somebody else's who finds the package."""
    options = [
        f"-DCMAKE_PREFIX_PATH={prefixes[request.param]}",
        f"-DCMAKE_C_FLAGS={STRICT}",
        f"-DCMAKE_CXX_FLAGS={STRICT}",
    ]
    return cmake(ROOT / "csrc" / "c" / "examples", tmp_path_factory.mktemp("examples"), *options)


class Library:
    """The library, its functions as Python has them: they raise where the status is not PYRNN_OK."""

    def __init__(self, path):
        self.c = ctypes.CDLL(str(path))
        self.c.pyrnn_last_error.restype = self.c.pyrnn_version.restype = c_char_p
        for name in ("pyrnn_model_inputs", "pyrnn_model_outputs", "pyrnn_stream_state_size"):
            getattr(self.c, name).restype = c_int64

    def load(self, file):
        model = c_void_p()
        if isinstance(file, bytes):
            status = self.c.pyrnn_model_load_memory(file, c_size_t(len(file)), byref(model))
        else:
            status = self.c.pyrnn_model_load(os.fsencode(file), byref(model))
        assert (status == OK) == bool(model)
        return status, model

    @property
    def error(self):
        return self.c.pyrnn_last_error().decode()

    def stream(self, model, batch):
        stream = c_void_p()
        assert self.c.pyrnn_stream_new(model, c_int64(batch), byref(stream)) == OK, self.error
        return stream


@pytest.fixture(scope="module")
def library(library_file):
    return Library(library_file)


def pointer(array):
    return c_void_p(array.ctypes.data)


def outputs(library, stream, x, units, dtype):
    """Of x, [steps, batch] ids or [steps, batch, features], all at once; the last step by itself."""
    twin, ids = ("" if dtype == "float32" else "_f64"), ("_ids" if x.ndim == 2 else "")
    out = np.empty((*x.shape[:2], units), dtype)
    steps = c_int64(len(x) - 1)
    assert getattr(library.c, f"pyrnn_stream_run{ids}{twin}")(stream, steps, pointer(x), pointer(out)) == OK
    step = getattr(library.c, f"pyrnn_stream_step{ids}{twin}")
    assert step(stream, pointer(x[-1:]), pointer(out[-1:])) == OK
    return out


MODELS = {
    "LSTM": [layers.Input((None, 5)), layers.LSTM(17)],
    "two": [
        layers.Input((None, 7)),
        layers.LSTM(33, return_sequences=True, zoneout=0.1, dropout=0.2),
        layers.Dropout(0.5),
        layers.GRU(16),
        layers.Dense(9, activation="softmax"),
    ],
    "GRU": [
        layers.Input((7, 5)),
        layers.GRU(15, reset_after=False, recurrent_activation="hard_sigmoid"),
        layers.Dense(1),
    ],
    "SimpleRNN": [
        layers.Embedding(11, 3, input_shape=(None,)),
        layers.SimpleRNN(65, return_sequences=True, activation="relu", use_bias=False),
        layers.TimeDistributed(layers.Dense(4, activation="gelu")),
    ],
    "normalised": [
        layers.Masking(input_shape=(None, 6)),
        layers.LayerNormalization(epsilon=0.01, center=False),
        layers.GaussianNoise(0.1),
        layers.LSTM(20, layer_norm=True, return_sequences=True),
        layers.GRU(20, layer_norm=True),
        layers.Activation("silu"),
    ],
    "OneHot": [layers.OneHot(9, input_shape=(None,)), layers.LayerNormalization(), layers.LSTM(3)],
}


def copy_of(name, dtype):
    """A model of MODELS with weights of its own, none of them zero."""
    first = pyrnn.Sequential(MODELS[name]) if MODELS[name][-1].owner is None else MODELS[name][-1].owner
    model = pyrnn.Sequential.from_config({**first.get_config(), "dtype": dtype})
    rng = np.random.default_rng(len(name))
    model.set_weights([rng.normal(0, 0.4, weight.shape) for weight in model.weights])
    return model


# -- what is installed ------------------------------------------------------------------------------------------------


def test_nothing_but_the_interface_is_visible(library_file):
    lines = run(tool("nm"), "--dynamic", "--defined-only", "--format=posix", library_file).splitlines()
    header = (ROOT / "csrc" / "c" / "pyrnn.h").read_text()
    declared = re.findall(r"^PYRNN_API .*?(pyrnn_\w+)\(", header, re.MULTILINE)
    assert {line.split()[0] for line in lines} == set(declared)
    assert len(declared) == 26


def test_the_version_is_that_of_the_package(library, installed):
    assert library.c.pyrnn_version().decode() == pyrnn.__version__
    assert pyrnn.__version__ in next(installed.glob("lib*/pkgconfig/pyrnn.pc")).read_text()


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_pkg_config_and_a_c_compiler_are_enough(prefixes, tmp_path, library_file, kind):
    config = next(prefixes[kind].glob("lib*/pkgconfig"))
    options = ["--cflags", "--libs"] + ["--static"] * (kind == "static")
    flags = run(tool("pkg-config"), *options, "pyrnn", PKG_CONFIG_PATH=str(config)).split()
    source = ROOT / "csrc" / "c" / "examples" / "stream.c"
    run(tool("cc", "gcc", "clang"), "-std=c99", *STRICT.split(), source, "-o", tmp_path / "stream", *flags)
    path = {"LD_LIBRARY_PATH": str(library_file.parent)}
    result = subprocess.run(
        [tmp_path / "stream"], env={**os.environ, **path}, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (1, "usage: stream MODEL [BATCH]\n")


# -- steps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_steps_have_the_bits_of_pythons(library, tmp_path, rng, name, dtype):
    model = copy_of(name, dtype)
    model.save(tmp_path / "model")
    status, loaded = library.load(tmp_path / "model")
    assert status == OK, library.error
    features, takes_ids = library.c.pyrnn_model_inputs(loaded), library.c.pyrnn_model_takes_ids(loaded)
    units = library.c.pyrnn_model_outputs(loaded)
    assert units == model.output_shape[-1]
    assert library.c.pyrnn_model_dtype(loaded) == (dtype == "float64")
    inputs = []
    if takes_ids:
        inputs.append(rng.integers(0, features, (6, 3)).astype(np.int32))
    if library.c.pyrnn_model_takes_vectors(loaded):
        inputs.append(rng.normal(size=(6, 3, features)).astype(dtype))
    assert inputs
    for x in inputs:
        stream, of_python = library.stream(loaded, 3), model.stream(3)
        np.testing.assert_array_equal(outputs(library, stream, x, units, dtype), of_python.run(x))
        library.c.pyrnn_stream_free(stream)
    library.c.pyrnn_model_free(loaded)


def test_a_state_can_be_read_set_and_reset(library, tmp_path, rng):
    model = copy_of("two", "float32")
    model.save(tmp_path / "model")
    _, loaded = library.load((tmp_path / "model").read_bytes())
    stream, of_python = library.stream(loaded, 2), model.stream(2)
    library.c.pyrnn_model_free(loaded)  # its streams stay
    x = rng.normal(size=(9, 2, 7)).astype(np.float32)
    first = outputs(library, stream, x, 9, "float32")
    of_python.run(x)
    state = np.empty(library.c.pyrnn_stream_state_size(stream), np.float32)
    assert library.c.pyrnn_stream_get_state(stream, pointer(state)) == OK
    np.testing.assert_array_equal(state, np.concatenate([a.ravel() for layer in of_python.state for a in layer]))
    assert len(state) == 2 * (33 + 33 + 16)
    assert library.c.pyrnn_stream_reset(stream) == OK
    np.testing.assert_array_equal(outputs(library, stream, x, 9, "float32"), first)
    assert library.c.pyrnn_stream_set_state(stream, pointer(state)) == OK
    np.testing.assert_array_equal(outputs(library, stream, x, 9, "float32"), of_python.run(x))
    library.c.pyrnn_stream_free(stream)


def test_the_example_in_c_answers_as_python(examples, tmp_path, rng):
    model = copy_of("normalised", "float32")
    model.save(tmp_path / "model")
    x = rng.normal(size=(5, 2, 6)).astype(np.float32)
    text = run(examples / "stream", tmp_path / "model", "2", text="\n".join(f"{value:.9g}" for value in x.ravel()))
    of_c = np.array([line.split() for line in text.splitlines()], np.float32).reshape(5, 2, -1)
    np.testing.assert_array_equal(of_c, model.stream(2).run(x))


def test_the_example_in_cpp_runs_streams_of_one_model_in_threads(examples, tmp_path):
    model = copy_of("LSTM", "float32")
    model.save(tmp_path / "model")
    sums = [run(examples / "threads", tmp_path / "model", threads, "500").split()[-1] for threads in ("1", "4")]
    stream = model.stream()
    assert [float(text) for text in sums] == [sum(float(stream.step(t * 7 % 5)[0, 0]) for t in range(500))] * 2


def test_a_step_asks_for_no_memory(installed, library_file, tmp_path):
    """tests/native/count_allocations.c counts: after the stream is made there is nothing to count, errors aside."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("needs glibc")
    copy_of("two", "float32").save(tmp_path / "model")
    compiler, native = tool("cc", "gcc", "clang"), ROOT / "tests" / "native"
    flags = [f"-I{installed / 'include'}", library_file, f"-Wl,-rpath,{library_file.parent}", f"-Wl,-rpath,{tmp_path}"]
    run(
        compiler, "-O1", "-fno-builtin", "-shared", "-fPIC", native / "count_allocations.c", "-o", tmp_path / "count.so"
    )
    run(compiler, "-O1", native / "step_allocations.c", tmp_path / "count.so", *flags, "-o", tmp_path / "steps")
    assert run(tmp_path / "steps", tmp_path / "model") == "some to load and open, 0 to step\n"


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_wrong_arguments_are_told(library, tmp_path):
    copy_of("OneHot", "float32").save(tmp_path / "ids")
    copy_of("two", "float64").save(tmp_path / "vectors")
    ids, vectors = library.load(tmp_path / "ids")[1], library.load(tmp_path / "vectors")[1]
    of_ids, of_vectors, made = library.stream(ids, 2), library.stream(vectors, 1), c_void_p()
    array = np.zeros(64)
    a = pointer(array)
    big = np.array([0, 9], np.int32)
    call = library.c

    def refused(status, words):
        assert status == ARGUMENT and words in library.error, library.error

    refused(
        call.pyrnn_stream_new(ids, c_int64(0), byref(made)), "pyrnn_stream_new: batch must be from 1 to 16777216, got 0"
    )
    refused(call.pyrnn_stream_new(None, c_int64(1), byref(made)), "model must not be NULL")
    refused(call.pyrnn_stream_step(of_ids, a, a), "the model reads ids")
    refused(call.pyrnn_stream_step_ids(of_ids, pointer(big), a), "ids must be from 0 to 8, got 9 at row 1")
    refused(call.pyrnn_stream_step_ids(of_ids, None, a), "ids must not be NULL")
    refused(call.pyrnn_stream_step_ids(of_ids, pointer(big), None), "out must not be NULL")
    refused(call.pyrnn_stream_step(None, a, a), "stream must not be NULL")
    refused(call.pyrnn_stream_step(of_vectors, a, a), "the model is not of float")
    refused(call.pyrnn_stream_step_f64(of_ids, a, a), "the model is not of double")
    refused(call.pyrnn_stream_run_f64(of_vectors, c_int64(-1), a, a), "steps must not be negative, got -1")
    refused(call.pyrnn_stream_get_state(of_ids, None), "state must not be NULL")
    refused(call.pyrnn_model_load(None, byref(made)), "path must not be NULL")
    assert not made
    for handle in (of_ids, of_vectors):
        call.pyrnn_stream_free(handle)
    call.pyrnn_stream_free(None)
    call.pyrnn_model_free(None)


def test_files_that_are_not_there_are_told(library, tmp_path):
    for path, words in [(tmp_path / "none", "No such file"), (tmp_path, "cannot be read|is not a file")]:
        assert library.load(path)[0] == FILE
        assert re.search(f"pyrnn_model_load: {path} .*{words}|{words}", library.error)


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
def test_models_that_no_stream_can_run_are_named(library, tmp_path, made, words):
    pyrnn.Sequential(made()).save(tmp_path / "model")
    assert library.load(tmp_path / "model")[0] == MODEL
    assert "cannot be streamed" in library.error and words in library.error


def test_a_seq2seq_is_named(library, tmp_path):
    encoder = pyrnn.Sequential([layers.Input((None, 4)), layers.LSTM(3)])
    decoder = pyrnn.Sequential([layers.Input((None, 4)), layers.LSTM(3, return_sequences=True), layers.Dense(4)])
    pyrnn.Seq2Seq(encoder, decoder, start=0).save(tmp_path / "model")
    assert library.load(tmp_path / "model")[0] == MODEL
    assert "it is a Seq2Seq, and must be a Sequential" in library.error


def changed(file, change):
    """A model file whose header, as a dictionary, went through `change`."""
    (length,) = struct.unpack_from("<Q", file)
    header = json.loads(file[8 : 8 + length])
    engine = json.loads(header["__metadata__"]["engine"])
    change(header, header["__metadata__"], engine)
    if "engine" in header["__metadata__"]:
        header["__metadata__"]["engine"] = json.dumps(engine)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + file[8 + length :]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda h, m, e: m.pop("engine"), "was saved by an older pyrnn, for Python alone; save it again"),
        (lambda h, m, e: m.update(format="other"), "is not a pyrnn model: its metadata have the format 'other'"),
        (lambda h, m, e: m.update(format="pyrnn weights"), "has weights without their model"),
        (lambda h, m, e: m.update(format_version="2"), "was written by a newer pyrnn: format_version 2"),
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
def test_damaged_and_newer_files_are_told(library, tmp_path, change, words):
    copy_of("LSTM", "float32").save(tmp_path / "model")
    file = (tmp_path / "model").read_bytes()
    assert library.load(changed(file, lambda *parts: None))[0] == OK
    assert library.load(changed(file, change))[0] == MODEL
    assert re.search(words, library.error), library.error


def test_a_truncated_file_is_told(library, tmp_path):
    copy_of("LSTM", "float32").save(tmp_path / "model")
    file = (tmp_path / "model").read_bytes()
    for length in [*range(1, 12), len(file) // 2, len(file) - 1]:
        assert library.load(file[:length])[0] == MODEL
        assert "is damaged" in library.error
    (tmp_path / "model").write_bytes(file[:100])
    assert library.load(tmp_path / "model")[0] == MODEL
    assert f"pyrnn_model_load: {tmp_path / 'model'} is damaged" in library.error


def test_loading_survives_what_it_is_given(engine_build, tmp_path):
    """Some hundred of the mutations of tests/native/fuzz_model.cpp, under AddressSanitizer and UndefinedBehaviorSanitizer."""
    fuzzer = engine_build / "csrc" / "c" / "fuzz_model"
    if not fuzzer.exists():
        pytest.skip("needs nlohmann/json and a compiler with sanitizers")
    large = pyrnn.Sequential([layers.Input((None, 64)), layers.LSTM(192)])
    for model in (copy_of("two", "float32"), copy_of("OneHot", "float64"), copy_of("SimpleRNN", "float32"), large):
        model.save(tmp_path / "model")
        report = run(fuzzer, tmp_path / "model", "150", "1").split()
        assert report[:2] == ["150", "cases,"]
        assert 0 < int(report[2]) < 150, "damage that none or all survive shows nothing"
    assert float(report[8]) < 3  # of the file's size, beside the file itself
