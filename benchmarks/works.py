"""The works that pyrnn and others are compared on: shapes, data and starting weights, the same for all.

Letters: T steps, B batch, I inputs, H units, V symbols.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}  # of each cell, by Keras' names


@dataclass(frozen=True)
class Work:
    """A network, its data, and how much of it is timed: `batches` in one go, told as the seconds of `scale` batches."""

    name: str
    kind: str  # addition, text: as the tasks; cell: one layer alone; small: LSTM, Dense(1), mean squared error;
    #            run: an LSTM alone on one sequence, its steps in one call; stream: each in a call of its own
    inputs: int  # I, or V where ids come in
    hidden: int
    batch: int
    steps: int
    batches: int
    scale: float = 1.0
    dtype: str = "float32"
    train: bool = True
    ids: bool = False
    answer: int = 0  # characters of an answer, in addition
    cell: str = "LSTM"  # of all recurrent layers: a key of GATES
    bidirectional: bool = (
        False  # a second layer from the last step to the first, both outputs side by side; of kind cell
    )
    ragged: bool = False  # rows have lengths of their own; of kind cell, in training

    @property
    def sequences(self) -> bool:
        """Whether the recurrent layer's outputs at all steps are the network's."""
        return self.kind in ("cell", "run")

    @property
    def serial(self) -> bool:
        """One step of one row is too little to share: every system is fastest on one thread."""
        return self.kind in ("run", "stream")

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    def lengths(self) -> Array:
        """Each row's real steps [N], uniform in 1..T."""
        return np.random.default_rng(3).integers(1, self.steps + 1, self.batches * self.batch)

    def weights(self) -> list[Array]:
        """Starting weights in the order and with the axes of Keras: of each recurrent layer, then of the dense one.

        Of a bidirectional layer forward's, then backward's.
        """
        inputs, hidden = self.inputs, self.hidden
        width = GATES[self.cell] * hidden
        shapes: list[tuple[int, ...]] = []
        for i in (inputs, hidden) if self.kind == "addition" else (inputs,) * self.directions:
            # a GRU's two products have a bias each
            shapes += [(i, width), (hidden, width), (2, width) if self.cell == "GRU" else (width,)]
        if outputs := self.outputs():
            shapes += [(hidden, outputs), (outputs,)]
        rng = np.random.default_rng(1)
        return [rng.uniform(-1, 1, shape).astype(self.dtype) / np.sqrt(hidden).astype(self.dtype) for shape in shapes]

    def outputs(self) -> int:
        """Of the dense layer on top; 0 where there is none."""
        return {"addition": self.inputs, "text": self.inputs, "small": 1}.get(self.kind, 0)

    def data(self) -> tuple[Array, Array]:
        """x and y of all batches: ids [N, T] or values [N, T, I]; ids [N] or [N, answer], or values like the output.

        Where rows are ragged, x is zero after their ends.
        """
        rng = np.random.default_rng(2)
        N, T = self.batches * self.batch, self.steps

        def ids(shape: tuple[int, ...]) -> Array:
            return rng.integers(0, self.inputs, shape, np.uint8)

        def values(shape: tuple[int, ...]) -> Array:
            return rng.standard_normal(shape).astype(self.dtype)

        x = ids((N, T)) if self.ids else values((N, T, self.inputs))
        if self.kind in ("addition", "text"):
            return x, ids((N, self.answer) if self.answer else (N,))
        if self.ragged:
            x[np.arange(T) >= self.lengths()[:, None]] = 0
        return x, values((N, T, self.directions * self.hidden) if self.sequences else (N, 1))

    def flops(self) -> float:
        """The fewest flops of a batch: none for what is known without them.

        A one-hot row's product is a row of the matrix, the state before step 0 is zero, a repeated vector needs its
        product once, and x needs no gradient where no weights lie below it.
        """
        H = self.hidden
        T = float(self.lengths().mean()) if self.ragged else self.steps
        # flops per row and input: a multiply and an add for each gate of each unit
        gates = 2 * GATES[self.cell] * H * self.directions
        recurrences = T if self.kind == "stream" else T - 1
        products = [(0 if self.ids else T * self.inputs * gates, False), (recurrences * H * gates, True)]
        if self.kind == "addition":
            products += [(H * gates, True), ((self.answer - 1) * H * gates, True)]
        products += [(2 * H * self.outputs() * max(self.answer, 1), True)]
        # y = x W costs as much again for dW, and again for dx
        return self.batch * sum(flops * (2 + needs_dx if self.train else 1) for flops, needs_dx in products)

    def in_turns_of(self, flops: float, most: int = 1000) -> "Work":
        """The same with so many batches in one go that they hold about this many flops."""
        return replace(self, batches=max(1, min(most, round(flops / self.flops()))))


def rate(work: Work) -> float:
    """A learning rate for `answer` that moves the loss, so that wrong gradients show: a mean over H has small ones."""
    return 100.0 * work.hidden / 128 if work.kind == "cell" else 0.5


def sample(outputs: Array) -> list[float]:
    """Some of the outputs [B, T, features], for `answer`: at random places, for equal strides meet one step and unit only."""
    places = np.random.default_rng(4).integers(0, outputs.size, 64)
    return [float(value) for value in outputs.ravel()[places]]


TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


def check(work: Work, a: list[float], b: list[float]) -> None:
    """Raise unless two systems' answers agree."""
    worst = max(abs(x - y) / max(abs(x), abs(y), 1e-2) for x, y in zip(a, b, strict=True))
    if not worst <= TOLERANCE[work.dtype]:
        raise AssertionError(f"{work.name}: the answers differ by {worst:.1e}: {a} and {b}")


def cell(
    inputs: int,
    hidden: int,
    batch: int,
    steps: int,
    batches: int,
    train: bool,
    dtype: str = "float32",
    cell: str = "LSTM",
) -> Work:
    name = f"{cell} {'fwd+bwd' if train else 'fwd'} {dtype} I{inputs} H{hidden} B{batch} T{steps}"
    return Work(name, "cell", inputs, hidden, batch, steps, batches, dtype=dtype, train=train, cell=cell)


def bidirectional(work: Work) -> Work:
    return replace(work, name=f"bidirectional {work.name}", bidirectional=True)


def ragged(work: Work) -> list[Work]:
    """With rows of 1 to T steps, and with all of T, as if they were padded."""
    name = f"ragged {work.name}"
    return [replace(work, name=name, ragged=True), replace(work, name=f"{name}, padded")]


def streamed(inputs: int, hidden: int, ids: bool) -> list[Work]:
    """Both told as the seconds of one step."""
    name = f"streamed step H{hidden}, {f'ids of {inputs}' if ids else f'{inputs} value'} in"
    steps = 5000
    return [
        Work(name, "stream", inputs, hidden, 1, 1, steps, train=False, ids=ids),
        Work(f"{name}, many per call", "run", inputs, hidden, 1, steps, 1, scale=1 / steps, train=False, ids=ids),
    ]


WORKS = [
    Work("addition epoch H128 D3 B128", "addition", 12, 128, 128, 7, 40, scale=45_000 / 128, ids=True, answer=4),
    Work("addition epoch H300 D5 B128", "addition", 12, 300, 128, 11, 10, scale=45_000 / 128, ids=True, answer=6),
    Work("text epoch H128 W40 B128", "text", 57, 128, 128, 40, 16, scale=200_285 / 128, ids=True),
    cell(128, 128, 128, 40, 8, train=False),
    cell(128, 128, 128, 40, 8, train=True),
    cell(512, 512, 64, 100, 2, train=False),
    cell(512, 512, 64, 100, 2, train=True),
    cell(128, 128, 128, 40, 4, train=False, dtype="float64"),
    cell(128, 128, 128, 40, 4, train=True, dtype="float64"),
    cell(128, 128, 128, 40, 8, train=False, cell="GRU"),
    cell(128, 128, 128, 40, 8, train=True, cell="GRU"),
    cell(128, 128, 128, 40, 24, train=False, cell="SimpleRNN"),
    cell(128, 128, 128, 40, 24, train=True, cell="SimpleRNN"),
    bidirectional(cell(128, 128, 128, 40, 4, train=False)),
    bidirectional(cell(128, 128, 128, 40, 4, train=True)),
    *ragged(cell(64, 128, 128, 100, 4, train=True)),
    Work("small step LSTM32 B32 T20", "small", 8, 32, 32, 20, 100),
    *streamed(57, 128, ids=True),
    *streamed(1, 32, ids=False),
    *streamed(1, 64, ids=False),
    *streamed(1, 128, ids=False),
]
