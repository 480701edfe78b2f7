"""Runs the Python blocks of README.md as tests, in a folder of their own, beside tests and the docstrings' examples."""

import os
import tempfile
from importlib.util import find_spec

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

collect_ignore = ["tests/goldens"]  # a script that needs Keras and PyTorch
collect_ignore += [
    f"pyrnn/interop/{module}.py" for module, library in (("keras", "h5py"), ("onnx", "onnx")) if not find_spec(library)
]


def enter(namespace: dict[str, object]) -> None:
    namespace["home"], namespace["folder"] = os.getcwd(), tempfile.TemporaryDirectory()
    os.chdir(namespace["folder"].name)


def leave(namespace: dict[str, object]) -> None:
    os.chdir(namespace["home"])
    namespace["folder"].cleanup()


pytest_collect_file = Sybil([PythonCodeBlockParser()], patterns=["README.md"], setup=enter, teardown=leave).pytest()
