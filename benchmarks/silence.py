"""Training on silence against training on noise: what numbers too small for full precision cost.

    python -m benchmarks.silence

Many processors take a hundred cycles for a denormal number (below 1.2e-38 in float32) unless told to take it as
zero, and a recurrent state that fades makes them by itself: halved at each step, it is one after 126. Each signal is
trained on by LSTM(128), the mean square of all its outputs as loss; T 200, B 64, 32 inputs. Weights are small, biases
zero, and SGD hardly moves them, so that state and gradients fade. In turns, medians; ratios to noise.
"""

import os
import statistics
import time

import numpy as np

import pyrnn
from pyrnn import layers, optimizers, reference

from .report import Sitting, duration, parser_for
from .works import Array

T, B, I, H = 200, 64, 32, 128
TINY = float(np.finfo(np.float32).tiny)


def signals() -> dict[str, Array]:
    noise = np.random.default_rng(4).standard_normal((B, T, I)).astype(np.float32)
    fading, click = noise.copy(), np.zeros_like(noise)
    fading *= (0.5 ** np.arange(T, dtype=np.float32))[:, None]
    click[:, 0] = noise[:, 0]
    return {
        "noise": noise,
        "zeros": np.zeros_like(noise),
        "a click, then zeros": click,
        "noise that halves at each step": fading,
        "noise of 1e-38": noise * np.float32(1e-38),
    }


def weights() -> list[Array]:
    rng = np.random.default_rng(5)
    kernel, recurrent_kernel = (rng.uniform(-0.01, 0.01, (n, 4 * H)).astype(np.float32) for n in (I, H))
    return [kernel, recurrent_kernel, np.zeros(4 * H, np.float32)]


def denormals(x: Array) -> float:
    """The fraction of the cell states that are denormal where nothing takes them as zero."""
    kernel, recurrent_kernel, bias = (array.astype(np.float64) for array in weights())
    zero = np.zeros((B, H))
    _, c, _ = reference.lstm_forward(x.astype(np.float64), zero, zero, kernel, recurrent_kernel, bias)
    return float(np.mean((c != 0) & (np.abs(c) < TINY)))


def seconds(x: Array, steps: int = 10) -> float:
    """Of one training step."""
    model = pyrnn.Sequential([pyrnn.Input((T, I)), layers.LSTM(H, return_sequences=True)])
    model.set_weights(weights())
    model.compile(optimizers.SGD(1e-6), "mse")
    y = np.zeros((B, T, H), np.float32)
    model.train_on_batch(x, y)
    start = time.perf_counter()
    for _ in range(steps):
        model.train_on_batch(x, y)
    return (time.perf_counter() - start) / steps


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeat", type=int, default=9)
    args = parser.parse_args()
    pyrnn.set_num_threads(args.threads)
    sitting = Sitting(args)
    given = signals()
    times: dict[str, list[float]] = {name: [] for name in given}
    for _ in range(args.repeat):
        for name, x in given.items():
            times[name].append(seconds(x))
    noise = statistics.median(times["noise"])
    print("| signal | denormal cell states | a training step | to noise |\n|---|---|---|---|")
    results = []
    for name, x in given.items():
        median, fraction = statistics.median(times[name]), denormals(x)
        print(f"| {name} | {fraction:.0%} | {duration(median)} | {median / noise:.2f}x |")
        results.append({"signal": name, "denormal": fraction, "times": times[name], "ratio": median / noise})
    sitting.end(signals=results)


if __name__ == "__main__":
    main()
