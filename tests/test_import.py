"""What `import pyrnn` brings in, and what it says without its engine."""

import subprocess
import sys

import pytest

import pyrnn


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    "module", ["rich", "safetensors", "pooch", "matplotlib", "numpy.random", "urllib.parse", "inspect"]
)
def test_heavy_modules_wait_until_they_are_needed(module):
    result = run(
        f"import numpy, sys; before = set(sys.modules); import pyrnn; assert {module!r} not in set(sys.modules) - before"
    )
    assert result.returncode == 0, result.stderr


def test_missing_engine_says_how_to_build_it():
    result = run("import sys; sys.modules['pyrnn._core'] = None; import pyrnn")
    assert result.returncode == 1
    assert "ImportError: pyrnn's compiled engine cannot be loaded" in result.stderr
    assert "build it with `pip install .` in the checkout" in result.stderr


def test_public_names():
    names = {"Sequential", "load_model", "Input", "cpu_info", "get_num_threads", "set_num_threads", "__version__"}
    modules = {"layers", "models", "losses", "metrics", "optimizers", "callbacks", "initializers", "utils", "text"}
    assert names | modules <= set(dir(pyrnn))
    assert pyrnn.Input is pyrnn.layers.Input
    assert pyrnn.models.Sequential is pyrnn.Sequential


def test_threads_and_cpu():
    info = pyrnn.cpu_info()
    assert info["isa"] in info["available"]
    default = pyrnn.get_num_threads()
    try:
        pyrnn.set_num_threads(1)
        assert pyrnn.get_num_threads() == 1
    finally:
        pyrnn.set_num_threads(0)
    assert pyrnn.get_num_threads() == default
