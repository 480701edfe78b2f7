"""Works done and timed in a process of one system, of which nothing else is loaded.

`measure` starts such a process. In it this module reads works from its input, one JSON object per line, and answers
each with a line:

    python -m benchmarks.measure pyrnn --threads 2 --repeat 5 < works.jsonl
"""

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import TypedDict

from .systems import ROOT, environment, library, python_of
from .works import Work

WARM_UP = 0.4  # seconds: new threads start on the processor of the one that made them, and move only after some 0.1 s


class Found(TypedDict):
    system: str
    answer: list[float]
    times: list[float]  # of one go each, in seconds
    seconds: float  # of the work: their median, for `scale` batches
    peak: float  # flops/s of multiply-adds, measured right after by pyrnn's probe; 0 from other systems


def measure(
    name: str, works: Sequence[Work], *, threads: int, repeat: int, peer_python: str = sys.executable
) -> list[Found]:
    """What a new process of the system finds for each work."""
    command = [python_of(name, peer_python), "-m", "benchmarks.measure", name]
    result = subprocess.run(
        [*command, "--threads", str(threads), "--repeat", str(repeat)],
        input="\n".join(json.dumps(dataclasses.asdict(work)) for work in works),
        cwd=ROOT,
        env=environment(name),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in result.stdout.splitlines()]


def measure_here(name: str, work: Work, threads: int, repeat: int) -> Found:
    system = library(name)
    system.set_threads(1 if work.serial else threads)
    answer = system.answer(work)
    go = system.go(work)
    begin = time.perf_counter()
    go()
    while time.perf_counter() - begin < WARM_UP:
        go()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        go()
        times.append(time.perf_counter() - start)
    return {
        "system": system.describe(),
        "answer": answer,
        "times": times,
        "seconds": statistics.median(times) / work.batches * work.scale,
        "peak": probe(work.dtype) if name == "pyrnn" else 0.0,
    }


def probe(dtype: str) -> float:
    from pyrnn import _core  # in pyrnn's own process only

    return _core.fma_peak(dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    for line in sys.stdin:
        print(json.dumps(measure_here(args.system, Work(**json.loads(line)), args.threads, args.repeat)), flush=True)


if __name__ == "__main__":
    main()
