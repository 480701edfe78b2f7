"""An LSTM of I = H over sizes H and batches B, forward and forward + backward: GFLOPS, fraction of peak, ratio to PyTorch.

    python -m benchmarks.sweep --peer-python ~/torch/bin/python --json sweep.json --plot sweep.png

Prints a table and draws a map of each. T is 20. As in `compare`, answers agree first, PyTorch's malloc keeps memory,
and pyrnn's forward + backward is a `fit`, whose loss and update are in its time. `--draw FILE` draws an earlier run.
"""

import itertools
import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .measure import Found, measure
from .report import Sitting, parser_for
from .systems import installed
from .works import Work, cell, check

HIDDEN = [32, 64, 128, 256, 512, 1024]
BATCH = [1, 4, 16, 64, 256]
STEPS = 20
FLOPS = 1e9  # in one go: some milliseconds at least, and a second at most for sizes where one batch is more


def works(hidden: int) -> list[Work]:
    cells = [cell(hidden, hidden, batch, STEPS, 1, train) for train in (False, True) for batch in BATCH]
    return [work.in_turns_of(FLOPS, most=200) for work in cells]


def result(work: Work, pyrnn: Sequence[Found], torch: Sequence[Found]) -> dict[str, Any]:
    for found in (*pyrnn, *torch):
        check(work, pyrnn[0]["answer"], found["answer"])
    seconds = statistics.median(found["seconds"] for found in pyrnn)
    return {
        "direction": "forward + backward" if work.train else "forward",
        "hidden": work.hidden,
        "batch": work.batch,
        "seconds": seconds,
        "GFLOPS": work.flops() / seconds / 1e9,
        "peak": max(found["peak"] for found in pyrnn),
        "ratio": statistics.median(found["seconds"] for found in torch) / seconds if torch else None,
        "batches of one go": work.batches,
        "times of one go": {"pyrnn": [f["times"] for f in pyrnn], "torch": [f["times"] for f in torch]},
    }


def draw(results: list[dict[str, Any]], path: Path, title: str) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import colors, pyplot

    maps: list[tuple[str, str, Any, Any]] = [
        ("of peak", "of the measured multiply-add peak", lambda v: f"{v:.0%}", colors.Normalize(0, 1)),
        (
            "ratio",
            "times as fast as PyTorch (violet: faster)",
            lambda v: f"{v:.1f}",
            colors.LogNorm(0.25, 4, clip=True),
        ),
    ]
    maps = [shown for shown in maps if results[0][shown[0]] is not None]
    directions = ["forward", "forward + backward"]
    figure, axes = pyplot.subplots(
        2, len(maps), figsize=(5.6 * len(maps), 8.6), layout="constrained", squeeze=False, sharex=True, sharey=True
    )
    for (row, direction), (column, (value, legend, text, norm)) in itertools.product(
        enumerate(directions), enumerate(maps)
    ):
        found = {(r["hidden"], r["batch"]): r[value] for r in results if r["direction"] == direction}
        grid = [[found[hidden, batch] for batch in BATCH] for hidden in HIDDEN]
        axis = axes[row][column]
        axis.imshow(grid, cmap="viridis" if value == "of peak" else "PuOr", norm=norm, origin="lower", aspect="auto")
        for y, x in itertools.product(range(len(HIDDEN)), range(len(BATCH))):
            level = norm(grid[y][x])
            dark = level < 0.55 if value == "of peak" else not 0.2 < level < 0.8
            axis.text(x, y, text(grid[y][x]), ha="center", va="center", color="white" if dark else "black")
        axis.set_title(f"{direction}: {legend}", fontsize=11)
        axis.set_xticks(range(len(BATCH)), [str(batch) for batch in BATCH])
        axis.set_yticks(range(len(HIDDEN)), [str(hidden) for hidden in HIDDEN])
        if row:
            axis.set_xlabel("batch B (rows)")
        if not column:
            axis.set_ylabel("units H (= inputs I)")
    figure.suptitle(title)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each system (default: all)")
    parser.add_argument("--turns", type=int, default=2, help="processes per system and size (default: 2)")
    parser.add_argument("--repeat", type=int, default=3, help="timings per process and work (default: 3)")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has PyTorch (default: this one)")
    parser.add_argument("--plot", type=Path, help="a picture to draw")
    parser.add_argument("--draw", type=Path, help="the JSON of an earlier run: only draw it into --plot")
    args = parser.parse_args()
    if args.draw:
        if not args.plot:
            parser.error("--draw needs --plot, the picture to draw")
        earlier = json.loads(args.draw.read_text())
        draw(earlier["works"], args.plot, earlier["title"])
        return
    sitting = Sitting(args)
    names = [name for name in ("pyrnn", "torch") if installed(name, args.peer_python)]
    results = []
    for hidden in HIDDEN:
        print(f"H {hidden} ...", file=sys.stderr, flush=True)
        given = works(hidden)
        found: dict[str, list[list[Found]]] = {"pyrnn": [], "torch": []}
        for _, name in itertools.product(range(args.turns), names):
            turn = measure(name, given, threads=args.threads, repeat=args.repeat, peer_python=args.peer_python)
            found[name].append(turn)
        for i, work in enumerate(given):
            results.append(result(work, *([turn[i] for turn in found[name]] for name in ("pyrnn", "torch"))))
    peak = max(r["peak"] for r in results)  # one for all: its probe, too, can meet a busy neighbour
    print("| H | B | direction | GFLOPS | of peak | to PyTorch |\n|---|---|---|---|---|---|")
    for r in results:
        r["of peak"] = r["GFLOPS"] * 1e9 / peak
        ratio = "-" if r["ratio"] is None else f"{r['ratio']:.2f}x"
        cells = [r["hidden"], r["batch"], r["direction"], f"{r['GFLOPS']:.3g}", f"{r['of peak']:.0%}", ratio]
        print(f"| {' | '.join(map(str, cells))} |")
    title = f"LSTM, float32, {STEPS} steps, {args.threads} threads; peak {peak / 1e9:.0f} GFLOPS"
    if args.plot:
        draw(results, args.plot, title)
    sitting.end(title=title, works=results)


if __name__ == "__main__":
    main()
