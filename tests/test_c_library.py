"""The library for C and C++ (csrc/c): it installs, shows its functions alone, and steps with the bits of Python's streams."""

import os
import platform
import re
import subprocess
from ctypes import byref, c_int64, c_void_p

import numpy as np
import pytest

import pyrnn
from pyrnn import layers
from tests.native.building import ROOT, cmake, run, tool
from tests.native.library import ARGUMENT, OK, pointer

pytestmark = pytest.mark.timeout(1200)  # the first builds the engine, on whatever machine

STRICT = "-Wall -Wextra -Wpedantic -Werror"


@pytest.fixture(scope="module", params=["shared", "static"])
def examples(request, c_prefixes, tmp_path_factory):
    """csrc/c/examples, built as programs of somebody else's who finds the package."""
    options = [
        f"-DCMAKE_PREFIX_PATH={c_prefixes[request.param]}",
        f"-DCMAKE_C_FLAGS={STRICT}",
        f"-DCMAKE_CXX_FLAGS={STRICT}",
    ]
    return cmake(ROOT / "csrc" / "c" / "examples", tmp_path_factory.mktemp("examples"), *options)


def outputs(c_library, stream, x, units, dtype):
    """Of x, [steps, batch] ids or [steps, batch, features], all at once; the last step by itself."""
    twin, ids = ("" if dtype == "float32" else "_f64"), ("_ids" if x.ndim == 2 else "")
    out = np.empty((*x.shape[:2], units), dtype)
    steps = c_int64(len(x) - 1)
    assert getattr(c_library.c, f"pyrnn_stream_run{ids}{twin}")(stream, steps, pointer(x), pointer(out)) == OK
    step = getattr(c_library.c, f"pyrnn_stream_step{ids}{twin}")
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


def test_nothing_but_the_interface_is_visible(c_library):
    lines = run(tool("nm"), "--dynamic", "--defined-only", "--format=posix", c_library.file).splitlines()
    header = (ROOT / "csrc" / "c" / "pyrnn.h").read_text()
    declared = re.findall(r"^PYRNN_API .*?(pyrnn_\w+)\(", header, re.MULTILINE)
    assert {line.split()[0] for line in lines} == set(declared)
    assert len(declared) == 26


def test_the_version_is_that_of_the_package(c_library):
    assert c_library.c.pyrnn_version().decode() == pyrnn.__version__
    assert pyrnn.__version__ in next(c_library.prefix.glob("lib*/pkgconfig/pyrnn.pc")).read_text()


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_pkg_config_and_a_c_compiler_are_enough(c_prefixes, c_library, tmp_path, kind):
    config = next(c_prefixes[kind].glob("lib*/pkgconfig"))
    options = ["--cflags", "--libs"] + ["--static"] * (kind == "static")
    flags = run(tool("pkg-config"), *options, "pyrnn", PKG_CONFIG_PATH=str(config)).split()
    source = ROOT / "csrc" / "c" / "examples" / "stream.c"
    run(tool("cc", "gcc", "clang"), "-std=c99", *STRICT.split(), source, "-o", tmp_path / "stream", *flags)
    path = {"LD_LIBRARY_PATH": str(c_library.file.parent)}
    result = subprocess.run(
        [tmp_path / "stream"], env={**os.environ, **path}, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (1, "usage: stream MODEL [BATCH]\n")


# -- steps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["float32", "float64", "bfloat16", "int8"])
@pytest.mark.parametrize("name", MODELS)
def test_steps_have_the_bits_of_pythons(c_library, tmp_path, rng, name, weights):
    dtype = "float64" if weights == "float64" else "float32"
    model = copy_of(name, dtype)
    if weights != dtype:
        model = model.quantize(weights)
    model.save(tmp_path / "model")
    status, loaded = c_library.load(tmp_path / "model")
    assert status == OK, c_library.error
    features, takes_ids = c_library.c.pyrnn_model_inputs(loaded), c_library.c.pyrnn_model_takes_ids(loaded)
    units = c_library.c.pyrnn_model_outputs(loaded)
    assert units == model.output_shape[-1]
    assert c_library.c.pyrnn_model_dtype(loaded) == (dtype == "float64")
    inputs = []
    if takes_ids:
        inputs.append(rng.integers(0, features, (6, 3)).astype(np.int32))
    if c_library.c.pyrnn_model_takes_vectors(loaded):
        inputs.append(rng.normal(size=(6, 3, features)).astype(dtype))
    assert inputs
    for x in inputs:
        stream, of_python = c_library.stream(loaded, 3), model.stream(3)
        np.testing.assert_array_equal(outputs(c_library, stream, x, units, dtype), of_python.run(x))
        c_library.c.pyrnn_stream_free(stream)
    c_library.c.pyrnn_model_free(loaded)


def test_a_state_can_be_read_set_and_reset(c_library, tmp_path, rng):
    model = copy_of("two", "float32")
    model.save(tmp_path / "model")
    _, loaded = c_library.load((tmp_path / "model").read_bytes())
    stream, of_python = c_library.stream(loaded, 2), model.stream(2)
    c_library.c.pyrnn_model_free(loaded)  # its streams stay
    x = rng.normal(size=(9, 2, 7)).astype(np.float32)
    first = outputs(c_library, stream, x, 9, "float32")
    of_python.run(x)
    state = np.empty(c_library.c.pyrnn_stream_state_size(stream), np.float32)
    assert c_library.c.pyrnn_stream_get_state(stream, pointer(state)) == OK
    np.testing.assert_array_equal(state, np.concatenate([a.ravel() for layer in of_python.state for a in layer]))
    assert len(state) == 2 * (33 + 33 + 16)
    assert c_library.c.pyrnn_stream_reset(stream) == OK
    np.testing.assert_array_equal(outputs(c_library, stream, x, 9, "float32"), first)
    assert c_library.c.pyrnn_stream_set_state(stream, pointer(state)) == OK
    np.testing.assert_array_equal(outputs(c_library, stream, x, 9, "float32"), of_python.run(x))
    c_library.c.pyrnn_stream_free(stream)


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


def test_a_step_asks_for_no_memory(c_library, tmp_path):
    """tests/native/count_allocations.c counts: after the stream is made there is nothing to count, errors aside."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("needs glibc")
    copy_of("two", "float32").save(tmp_path / "model")
    compiler, native = tool("cc", "gcc", "clang"), ROOT / "tests" / "native"
    file = c_library.file
    flags = [f"-I{c_library.prefix / 'include'}", file, f"-Wl,-rpath,{file.parent}", f"-Wl,-rpath,{tmp_path}"]
    run(
        compiler, "-O1", "-fno-builtin", "-shared", "-fPIC", native / "count_allocations.c", "-o", tmp_path / "count.so"
    )
    run(compiler, "-O1", native / "step_allocations.c", tmp_path / "count.so", *flags, "-o", tmp_path / "steps")
    assert run(tmp_path / "steps", tmp_path / "model") == "some to load and open, 0 to step\n"


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_wrong_arguments_are_told(c_library, tmp_path):
    copy_of("OneHot", "float32").save(tmp_path / "ids")
    copy_of("two", "float64").save(tmp_path / "vectors")
    ids, vectors = c_library.load(tmp_path / "ids")[1], c_library.load(tmp_path / "vectors")[1]
    of_ids, of_vectors, made = c_library.stream(ids, 2), c_library.stream(vectors, 1), c_void_p()
    array = np.zeros(64)
    a = pointer(array)
    big = np.array([0, 9], np.int32)
    call = c_library.c

    def refused(status, words):
        assert status == ARGUMENT and words in c_library.error, c_library.error

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
