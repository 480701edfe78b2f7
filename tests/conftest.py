"""What all tests share: a seeded generator, and property tests that try the same cases on every run."""

import numpy as np
import pytest
from hypothesis import settings

from pyrnn import Input, Sequential, layers
from tests.native import building
from tests.native.library import Library

settings.register_profile("pyrnn", derandomize=True, deadline=None, database=None)
settings.load_profile("pyrnn")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20150806)


@pytest.fixture
def figure(record_property):
    """figure(text) puts what the test has measured into its row of the table in tests/README.md, see tests/promises.py."""
    return lambda text: record_property("figure", text)


@pytest.fixture(scope="session")
def engine_build(tmp_path_factory):
    """A folder where the engine is built without Python: `digest`, the C library where nlohmann/json is there, and the fuzzer
    of its loader where the compiler has sanitizers. Built once, as it takes longer than all tests that use it."""
    options = ["-DPYRNN_DIGEST=ON"]
    if building.compiles("#include <nlohmann/json.hpp>\nint main() {}"):
        options += ["-DPYRNN_PYTHON=OFF", "-DFETCHCONTENT_FULLY_DISCONNECTED=ON"]
        if building.compiles("int main() {}", "-fsanitize=address,undefined"):
            options += ["-DPYRNN_FUZZ=ON"]
    return building.cmake(building.ROOT, tmp_path_factory.mktemp("engine"), *options)


@pytest.fixture(scope="session")
def c_prefixes(engine_build, tmp_path_factory):
    """Where the C library is installed, "shared" and "static"."""
    if not (engine_build / "csrc" / "c").exists():
        pytest.skip("needs nlohmann/json")
    found = {}
    for kind, shared in (("static", "OFF"), ("shared", "ON")):
        building.cmake(building.ROOT, engine_build, f"-DBUILD_SHARED_LIBS={shared}", targets=["pyrnn"])
        found[kind] = tmp_path_factory.mktemp(kind)
        building.run(building.tool("cmake"), "--install", engine_build, "--prefix", found[kind])
    return found


@pytest.fixture(scope="session")
def c_library(c_prefixes):
    return Library(c_prefixes["shared"])


@pytest.fixture
def run_layer():
    """run_layer(layer, x, dy, *weights, mask=None) -> y, dx and the weights' gradients, as the engine trains them.

    Below the layer stands a Dense one whose kernel is x, since what it reads is the identity matrix. The targets of the
    squared error are such that its gradient by y is dy, and gradient descent at rate 1 moves every weight by its gradient.
    """

    def run(layer, x, dy, *weights, mask=None):
        rows = x.reshape(-1, x.shape[-1])
        identity = np.eye(len(rows), dtype=x.dtype).reshape(*x.shape[:-1], len(rows))
        below = layers.Dense(x.shape[-1], use_bias=False)
        model = Sequential([Input(identity.shape[1:]), below, layer], dtype=str(x.dtype))
        before = [rows, *weights]
        model.set_weights(before)
        y = model.predict(identity, batch_size=len(x), verbose=0, mask=mask)
        values = (
            dy.size if mask is None else dy.shape[-1] * np.count_nonzero(mask if dy.ndim == 3 else mask.any(axis=1))
        )
        model.compile("sgd", "mse")
        model.optimizer.learning_rate = 1.0
        model.train_on_batch(identity, y - dy * (values / 2), mask=mask)
        dx, *others = (w - after for w, after in zip(before, model.get_weights(), strict=True))
        return y, dx.reshape(x.shape), *others

    return run
