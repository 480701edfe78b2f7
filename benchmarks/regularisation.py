"""What regularisation costs: a training step with each kind on, against the same step with none.

    python -m benchmarks.regularisation

The recurrent layer has 128 units, B 128, T 40, reads 128 values or ids of 57 symbols, and all its outputs are learnt by SGD. In
turns, medians; ratios to the plain layer.
"""

import os
import statistics
import time
from typing import Any

import numpy as np

import pyrnn
from pyrnn import layers, optimizers, regularizers

from .report import Sitting, duration, parser_for

T, B, H, V = 40, 128, 128, 57
L1L2 = regularizers.L1L2(1e-5, 1e-5)
KINDS: dict[str, dict[str, Any]] = {
    "none": {},
    "dropout": {"dropout": 0.2},
    "recurrent dropout": {"recurrent_dropout": 0.2},
    "zoneout": {"zoneout": 0.1},
    "L1 and L2 of all weights": {f"{name}_regularizer": L1L2 for name in ("kernel", "recurrent", "bias")},
    "weight decay": {},
    "layer_norm": {"layer_norm": True},
}
CELLS = {"LSTM": layers.LSTM, "GRU": layers.GRU, "SimpleRNN": layers.SimpleRNN}


class Step:
    """A training step of one model, done `steps` times in a row."""

    def __init__(self, cell: str, kind: str, ids: bool) -> None:
        rng = np.random.default_rng(1)
        features = V if ids else H
        made = CELLS[cell](H, return_sequences=True, **KINDS[kind])
        self._model = pyrnn.Sequential([pyrnn.Input((T, features)), made])
        decay = 1e-4 if kind == "weight decay" else None
        self._model.compile(optimizers.SGD(1e-6, weight_decay=decay), "mse")
        self._x = rng.integers(0, V, (B, T)) if ids else rng.standard_normal((B, T, H), np.float32)
        self._y = np.zeros((B, T, H), np.float32)

    def seconds(self, steps: int = 10) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            self._model.train_on_batch(self._x, self._y)
        return (time.perf_counter() - start) / steps


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeat", type=int, default=9)
    args = parser.parse_args()
    pyrnn.set_num_threads(args.threads)
    sitting, results = Sitting(args), []
    columns = [(cell, ids) for cell in CELLS for ids in (False, True)]
    print("| |", " | ".join(f"{cell}, {'ids' if ids else 'values'}" for cell, ids in columns), "|")
    print("|---" * (1 + len(columns)), "|", sep="")
    medians = {}
    for column in columns:
        kinds = [kind for kind in KINDS if not (kind == "layer_norm" and column[0] == "SimpleRNN")]
        steps = {kind: Step(column[0], kind, column[1]) for kind in kinds}
        for step in steps.values():
            step.seconds(2)
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(args.repeat):
            for kind, step in steps.items():
                times[kind].append(step.seconds())
        medians[column] = {kind: statistics.median(values) for kind, values in times.items()}
        results.append({"cell": column[0], "ids": column[1], "times": times})
    for kind in KINDS:
        cells = []
        for column in columns:
            plain, own = medians[column]["none"], medians[column].get(kind)
            cells.append("" if own is None else duration(own) if kind == "none" else f"{own / plain:.2f}x")
        print(f"| {kind} |", " | ".join(cells), "|")
    sitting.end(results=results)


if __name__ == "__main__":
    main()
