"""Python's time per training batch outside the engine: `fit` with an engine whose batches cost nothing.

python -m benchmarks.python_overhead
"""

import contextlib
import io
import statistics
import sys
import time
from typing import Any

import numpy as np

import pyrnn
from pyrnn import callbacks, layers

BATCHES = 20_000
GOAL = 20e-6  # seconds


class Idle:
    """An engine's network, but for the work."""

    def __init__(self, network: Any) -> None:
        self.network, self.batches = network, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def train_batch(
        self, x: object, y: object, index: object, learning_rate: float, weights: object
    ) -> tuple[float, float]:
        self.batches += 1
        return 1.0, 0.5


def seconds_per_batch(**settings: Any) -> float:
    model = pyrnn.Sequential([layers.LSTM(1, input_shape=(1, 2)), layers.Dense(2, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = np.zeros((BATCHES, 1), np.uint8), np.zeros(BATCHES, np.uint8)
    model.fit(x[:1], y[:1], verbose=0)
    idle = model._network = Idle(model._network)  # type: ignore[assignment]
    start = time.perf_counter()
    model.fit(x, y, batch_size=1, **settings)
    seconds = time.perf_counter() - start
    assert idle.batches == BATCHES, "fit did not go through the engine that was put in its place"
    return seconds / BATCHES


def main() -> int:
    """Exit code 1 where a batch costs more than the goal."""
    hook = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    cases: dict[str, dict[str, Any]] = {
        "fit, silent": {"verbose": 0},
        "fit, with its progress": {"verbose": "auto"},
        "fit, a callback on every batch": {"verbose": 0, "callbacks": [hook]},
    }
    worst = 0.0
    for name, settings in cases.items():
        with contextlib.redirect_stdout(io.StringIO()):
            median = statistics.median(seconds_per_batch(**settings) for _ in range(5))
        print(f"{name}: {median * 1e6:.1f} us per batch")
        if "callbacks" not in settings:
            worst = max(worst, median)
    return int(worst > GOAL)


if __name__ == "__main__":
    sys.exit(main())
