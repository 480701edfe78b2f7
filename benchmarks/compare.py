"""pyrnn and the other systems on the same works, in turns, in one sitting: a Markdown table of medians and ratios.

    python -m benchmarks.compare
    python -m benchmarks.compare --only addition --peer-python ~/peers/bin/python --json compare.json

Each system runs in processes of its own, those that are installed. Above 1x, pyrnn is faster. A work counts only where
all answers agree. "Of peak" is the work's fewest flops in pyrnn's time, over the multiply-adds that pyrnn's probe
reaches on as many threads in the same process.
"""

import os
import statistics
import sys
from typing import Any

from . import first_epoch
from .measure import Found, measure
from .report import Sitting, duration, parser_for
from .systems import SYSTEMS, installed
from .works import WORKS, Work, check


def take_turns(
    names: list[str], work: Work, *, turns: int, threads: int, repeat: int, peer_python: str
) -> dict[str, list[Found]]:
    """What each system found at each of its turns, once all agree."""
    found: dict[str, list[Found]] = {name: [] for name in names}
    for _ in range(turns):
        for name in names:
            found[name] += measure(name, [work], threads=threads, repeat=repeat, peer_python=peer_python)
            check(work, found["pyrnn"][0]["answer"], found[name][-1]["answer"])
    return found


def summary(work: Work, found: dict[str, list[Found]], peak: float) -> dict[str, Any]:
    seconds = {name: statistics.median(turn["seconds"] for turn in turns) for name, turns in found.items()}
    return {
        "work": work.name,
        "seconds": seconds,
        "ratios": {name: value / seconds["pyrnn"] for name, value in seconds.items() if name != "pyrnn"},
        "flops": work.flops() * work.scale,
        "peak": peak,
        "of peak": work.flops() * work.scale / seconds["pyrnn"] / peak,
        "times of one go": {name: [turn["times"] for turn in turns] for name, turns in found.items()},
        "goes per work": work.scale / work.batches,
    }


def row(result: dict[str, Any], names: list[str]) -> str:
    seconds, ratios = result["seconds"], result["ratios"]
    cells = [result["work"], duration(seconds["pyrnn"]), f"{result['of peak']:.0%}"]
    for name in names[1:]:
        cells.append(f"{duration(seconds[name])}, **{ratios[name]:.2f}x**" if name in seconds else "-")
    return f"| {' | '.join(cells)} |"


def over_padded(results: list[dict[str, Any]]) -> list[str]:
    """What ragged rows cost of their padded time, in each system by itself."""
    seconds = {result["work"]: result["seconds"] for result in results}
    lines = []
    for name, of_ragged in seconds.items():
        if of_padded := seconds.get(f"{name}, padded"):
            costs = [
                f"{value / of_padded[system]:.2f} in {SYSTEMS[system].title}" for system, value in of_ragged.items()
            ]
            lines.append(f"{name}, of its padded time: {', '.join(costs)}")
    return lines


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--only", default="", help="the works whose name contains this")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each system (default: all)")
    parser.add_argument("--turns", type=int, default=3, help="processes per system and work (default: 3)")
    parser.add_argument("--repeat", type=int, default=5, help="timings per process (default: 5)")
    parser.add_argument(
        "--peer-python", default=sys.executable, help="a Python that has the others (default: this one)"
    )
    others = [name for name in SYSTEMS if name != "pyrnn"]
    parser.add_argument("--without", nargs="*", default=[], choices=others, help="leave these out though installed")
    parser.add_argument("--epochs", type=int, default=3, help="runs of two whole epochs each (default: 3; 0: none)")
    args = parser.parse_args()
    works = [work for work in WORKS if args.only in work.name]
    if not works:
        parser.error(f"--only must be part of a work's name, got {args.only!r}; they are {[w.name for w in WORKS]}")
    names = [name for name in SYSTEMS if name not in args.without and installed(name, args.peer_python)]

    sitting = Sitting(args)
    print(f"| work | pyrnn | of peak | {' | '.join(SYSTEMS[name].title for name in names[1:])} |")
    print(f"|{'---|' * (len(names) + 2)}", flush=True)
    results: list[dict[str, Any]] = []
    versions: dict[str, str] = {}
    peaks: dict[str, float] = {}
    for work in works:
        able = [name for name in names if SYSTEMS[name].does(work)]
        found = take_turns(
            able, work, turns=args.turns, threads=args.threads, repeat=args.repeat, peer_python=args.peer_python
        )
        versions |= {name: turns[0]["system"] for name, turns in found.items()}
        # the best so far: a probe, too, can meet a busy neighbour
        cores = f"{work.dtype} on {1 if work.serial else args.threads}"
        peaks[cores] = max(peaks.get(cores, 0.0), *(turn["peak"] for turn in found["pyrnn"]))
        results.append(summary(work, found, peaks[cores]))
        print(row(results[-1], names), flush=True)
    for line in over_padded(results):
        print(f"\n{line}")
    epochs = first_epoch.compare(works, args.epochs, args.threads)
    print(f"\n{', '.join(versions.values())}; {args.threads} threads, streamed steps on one")
    print(f"Peak: {', '.join(f'{peak / 1e9:.0f} GFLOPS of {name}' for name, peak in peaks.items())}")
    sitting.end(versions=versions, peaks=peaks, works=results, first_epochs=epochs)


if __name__ == "__main__":
    main()
