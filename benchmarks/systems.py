"""The systems that do the works: pyrnn, and others where they are installed. A registry, so that none is imported in vain."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .works import Work

ROOT = Path(__file__).parents[1]

# glibc's malloc gives memory back after each step and takes it anew, page by page: PyTorch's training steps are up to
# 1.8 times slower for it.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_TOP_PAD_": "100000000",
}


class Library(Protocol):
    """What each <system>_works module has."""

    def answer(self, work: Work) -> list[float]:
        """What all must agree on: the losses of three SGD updates on the first batch, or some outputs for it."""

    def go(self, work: Work) -> Callable[[], object]:
        """A function that does all batches once; data, weights and optimizer are made outside of it."""

    def set_threads(self, threads: int) -> None: ...

    def describe(self) -> str: ...


@dataclass(frozen=True)
class System:
    title: str
    module: str
    needs: tuple[str, ...]  # what its process imports
    does: Callable[[Work], bool]
    environment: dict[str, str] = field(default_factory=dict)


SYSTEMS = {
    "pyrnn": System("pyrnn", "pyrnn_works", ("pyrnn",), lambda work: True),
    "torch": System("PyTorch", "torch_works", ("numpy", "torch"), lambda work: True, KEEP_MEMORY),
    "onnx": System(
        "ONNX Runtime",
        "onnx_works",
        ("onnx", "onnxruntime"),
        lambda work: (work.sequences or work.serial) and not work.train and work.dtype == "float32",
    ),
    "keras": System("Keras", "keras_works", ("keras",), lambda work: not work.serial and work.dtype == "float32"),
}


def library(name: str) -> Library:
    module: Library = importlib.import_module(f"benchmarks.{SYSTEMS[name].module}")
    return module


def environment(name: str) -> dict[str, str]:
    return os.environ | SYSTEMS[name].environment


def python_of(name: str, peer_python: str) -> str:
    return sys.executable if name == "pyrnn" else peer_python


def installed(name: str, peer_python: str) -> bool:
    """Whether the Python that would run the system can import what it needs."""
    imports = [python_of(name, peer_python), "-c", f"import {', '.join(SYSTEMS[name].needs)}"]
    result = subprocess.run(imports, env=environment(name), cwd=ROOT, capture_output=True, check=False)
    return result.returncode == 0
