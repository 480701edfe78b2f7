"""How much slower the first epoch is than the second: two equal epochs of `fit`, in a fresh process each time.

    python -m benchmarks.first_epoch --runs 3

The first one pays for threads, plans, memory and its pages. The model is built and compiled before the clock starts.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from .report import Sitting, duration, parser_for
from .systems import ROOT
from .works import WORKS, Work


def two_epochs(work: Work, threads: int) -> tuple[float, float]:
    """Their seconds, in this process."""
    from . import pyrnn_works  # the parent process does not need it

    work = dataclasses.replace(work, batches=round(work.scale))
    pyrnn_works.set_threads(threads)
    x, y = work.data()
    model = pyrnn_works.compiled(work)
    start = time.perf_counter()
    model.fit(x, y, batch_size=work.batch, verbose=0)
    middle = time.perf_counter()
    model.fit(x, y, batch_size=work.batch, verbose=0)
    return middle - start, time.perf_counter() - middle


def compare(works: Sequence[Work], runs: int, threads: int) -> dict[str, list[tuple[float, float]]]:
    """Both epochs' seconds in each run, for the works that are an epoch long; prints them."""
    found: dict[str, list[tuple[float, float]]] = {}
    for work in works if runs else []:
        if work.kind not in ("addition", "text"):
            continue
        command = [sys.executable, "-m", "benchmarks.first_epoch", "--threads", str(threads), "--here", work.name]
        times = [json.loads(subprocess.check_output(command, cwd=ROOT)) for _ in range(runs)]
        found[work.name] = times
        first, second = (statistics.median(side) for side in zip(*times, strict=True))
        ratio = statistics.median(a / b for a, b in times)
        print(f"{work.name}: first {duration(first)}, second {duration(second)}, {ratio:.3f}x", flush=True)
    return found


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--here", choices=[work.name for work in WORKS], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        work = next(work for work in WORKS if work.name == args.here)
        print(json.dumps(two_epochs(work, args.threads)))
        return
    sitting = Sitting(args)
    sitting.end(first_epochs=compare(WORKS, args.runs, args.threads))


if __name__ == "__main__":
    main()
