"""The works that pyrnn and PyTorch are compared on: shapes, data and starting weights, the same for both.

Letters: T steps, B batch, I inputs, H units, V symbols.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ANSWER = 4  # characters of an answer in the addition work: those of a sum of three-digit numbers


@dataclass(frozen=True)
class Work:
    """A network, its data, and how much of it is timed: `batches` in one go, told as the seconds of `scale` batches."""

    name: str
    kind: str  # addition, text: as the tasks; cell: an LSTM alone; small: LSTM, Dense(1), mean squared error
    inputs: int  # I, or V where ids come in
    hidden: int
    batch: int
    steps: int
    batches: int
    scale: float = 1.0
    dtype: str = "float32"
    train: bool = True

    def weights(self) -> list[Array]:
        """Starting weights in the order and with the axes of Keras: of each LSTM, then of the dense layer."""
        inputs, hidden = self.inputs, self.hidden
        lstms = [(inputs, hidden), (hidden, hidden)] if self.kind == "addition" else [(inputs, hidden)]
        shapes: list[tuple[int, ...]] = []
        for i, h in lstms:
            shapes += [(i, 4 * h), (h, 4 * h), (4 * h,)]
        if self.kind != "cell":
            outputs = 1 if self.kind == "small" else inputs
            shapes += [(hidden, outputs), (outputs,)]
        rng = np.random.default_rng(1)
        return [rng.uniform(-1, 1, shape).astype(self.dtype) / np.sqrt(hidden).astype(self.dtype) for shape in shapes]

    def data(self) -> tuple[Array, Array]:
        """x and y of all batches: ids [N, T] or values [N, T, I]; ids [N] or [N, answer], or values like the output."""
        rng = np.random.default_rng(2)
        N, T = self.batches * self.batch, self.steps
        if self.kind in ("addition", "text"):
            answers = (N, ANSWER) if self.kind == "addition" else (N,)
            return rng.integers(0, self.inputs, (N, T), np.uint8), rng.integers(0, self.inputs, answers, np.uint8)
        outputs = (N, T, self.hidden) if self.kind == "cell" else (N, 1)
        x, y = rng.standard_normal((N, T, self.inputs)), rng.standard_normal(outputs)
        return x.astype(self.dtype), y.astype(self.dtype)


class System(Protocol):
    """What pyrnn_works and torch_works have."""

    def answer(self, work: Work) -> list[float]:
        """What both must agree on: the losses of three SGD updates on the first batch, or some outputs for it."""

    def go(self, work: Work) -> Callable[[], object]:
        """A function that does all batches once; data, weights and optimizer are made outside of it."""

    def set_threads(self, threads: int) -> None: ...

    def describe(self) -> str: ...


SYSTEMS = {"pyrnn": "benchmarks.pyrnn_works", "torch": "benchmarks.torch_works"}


def system(name: str) -> System:
    """Imports it only now: PyTorch may not be there, and neither should load in the process of the other."""
    module: System = importlib.import_module(SYSTEMS[name])
    return module


def rate(work: Work) -> float:
    """A learning rate for `answer` that moves the loss, so that wrong gradients show: a long mean has small ones."""
    return 100.0 if work.kind == "cell" else 0.5


TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


def check(work: Work, a: list[float], b: list[float]) -> None:
    """Raise unless two systems' answers agree."""
    worst = max(abs(x - y) / max(abs(x), abs(y), 1e-2) for x, y in zip(a, b, strict=True))
    if not worst <= TOLERANCE[work.dtype]:
        raise AssertionError(f"{work.name}: the answers differ by {worst:.1e}: {a} and {b}")


WORKS = [
    Work("addition epoch H128 D3 B128", "addition", 12, 128, 128, 7, batches=40, scale=45_000 / 128),
    Work("text epoch H128 W40 B128", "text", 57, 128, 128, 40, batches=16, scale=200_285 / 128),
    Work("LSTM fwd float32 I128 H128 B128 T40", "cell", 128, 128, 128, 40, batches=8, train=False),
    Work("LSTM fwd+bwd float32 I128 H128 B128 T40", "cell", 128, 128, 128, 40, batches=8),
    Work("LSTM fwd float32 I512 H512 B64 T100", "cell", 512, 512, 64, 100, batches=2, train=False),
    Work("LSTM fwd+bwd float32 I512 H512 B64 T100", "cell", 512, 512, 64, 100, batches=2),
    Work("LSTM fwd float64 I128 H128 B128 T40", "cell", 128, 128, 128, 40, batches=4, dtype="float64", train=False),
    Work("LSTM fwd+bwd float64 I128 H128 B128 T40", "cell", 128, 128, 128, 40, batches=4, dtype="float64"),
    Work("small step LSTM32 B32 T20", "small", 8, 32, 32, 20, batches=100),
]
