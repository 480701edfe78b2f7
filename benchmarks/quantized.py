"""Weights in 16 and 8 bits: what a step costs, and what trained models lose.

    python -m benchmarks.quantized
    python -m benchmarks.quantized --textgen runs/textgen --addition runs/addition

A step is one of `stream.run`, batch 1, ids of 57 symbols: the row of the kernel, the recurrent product, the cell. In turns, medians;
ratios to float32. With folders of the tasks' runs, their held-out bits per character, and exact match on 20,000 sums, follow.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

import pyrnn
from pyrnn import layers
from tasks.addition.train import answer
from tasks.addition.train import trained as trained_adder
from tasks.textgen.scores import one_pass
from tasks.textgen.texts import known, read
from tasks.textgen.trained import trained

from .report import Sitting, duration, parser_for

V, SUMS = 57, 20_000
DTYPES = ("float32", "bfloat16", "int8")
CELLS = {"LSTM": layers.LSTM, "GRU": layers.GRU, "SimpleRNN": layers.SimpleRNN}


def in_dtype(model: pyrnn.Sequential, dtype: str) -> pyrnn.Sequential:
    return model if dtype == "float32" else model.quantize(dtype)


def step_times(cell: str, units: int, repeat: int) -> dict[str, list[float]]:
    """Seconds a step, by dtype."""
    model = pyrnn.Sequential([pyrnn.Input((None, V)), CELLS[cell](units)])
    streams = {dtype: in_dtype(model, dtype).stream() for dtype in DTYPES}
    steps = 50 + 4_000_000 // units**2
    x = np.random.default_rng(1).integers(0, V, (steps, 1), np.int32)
    out = np.empty((steps, 1, units), np.float32)
    times: dict[str, list[float]] = {dtype: [] for dtype in DTYPES}
    for _ in range(repeat + 1):  # the first warms up
        for dtype, stream in streams.items():
            start = time.perf_counter()
            stream.run(x, out)
            times[dtype].append((time.perf_counter() - start) / steps)
    return {dtype: seconds[1:] for dtype, seconds in times.items()}


def lost_bits(folder: Path) -> dict[str, float]:
    """Bits per character of what the run held out, in one pass."""
    found = trained(folder)
    text, _ = known(read(found.arguments["corpus"]), found.vocabulary, found.lower, False)
    first = int(len(text.ids) * (1 - found.arguments["holdout"]))
    scores = {dtype: one_pass(in_dtype(found.model, dtype), text.ids, first) for dtype in DTYPES}
    return {dtype: text.bits_per_character(score.bits, first) for dtype, score in scores.items()}


def exact_match(folder: Path) -> dict[str, float]:
    """The share of sums of random numbers, of all the network's digits, that is right in every digit."""
    model, layout = trained_adder(folder / "model.safetensors")
    questions, truths = layout.encode(*np.random.default_rng(1).integers(0, 10**layout.digits, (2, SUMS)))
    answers = {dtype: answer(in_dtype(model, dtype), questions, truths.shape[1]) for dtype in DTYPES}
    return {dtype: float((guess == truths).all(axis=1).mean()) for dtype, guess in answers.items()}


def row(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def settings() -> argparse.Namespace:
    parser = parser_for(__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--units", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument(
        "--textgen", type=Path, nargs="*", default=[], metavar="FOLDER", help="of runs of the text task"
    )
    parser.add_argument(
        "--addition", type=Path, nargs="*", default=[], metavar="FOLDER", help="of runs of the addition task"
    )
    return parser.parse_args()


def main() -> None:
    args = settings()
    pyrnn.set_num_threads(args.threads)
    sitting, steps = Sitting(args), []
    print(row("a step", list(DTYPES)), "|---" * (1 + len(DTYPES)) + "|", sep="\n")
    for cell in CELLS:
        for units in args.units:
            times = step_times(cell, units, args.repeat)
            medians = {dtype: statistics.median(seconds) for dtype, seconds in times.items()}
            ratios = [f"{duration(medians[d])} ({medians['float32'] / medians[d]:.2f}x)" for d in DTYPES[1:]]
            print(row(f"{cell}, {units} units", [duration(medians["float32"]), *ratios]), flush=True)
            steps.append({"cell": cell, "units": units, "times": times})
    losses = [(f"{path}: bits per character", lost_bits(path)) for path in args.textgen]
    losses += [(f"{path}: exact match", exact_match(path)) for path in args.addition]
    for name, of in losses:
        print(row(name, [f"{of['float32']:.5f}", *(f"{of[d]:.5f} ({of[d] - of['float32']:+.5f})" for d in DTYPES[1:])]))
    sitting.end(steps=steps, losses=[{"name": name, **of} for name, of in losses])


if __name__ == "__main__":
    main()
