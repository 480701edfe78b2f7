"""pyrnn and PyTorch on the same works, in turns, in one sitting: a Markdown table of medians and ratios.

    python -m benchmarks.compare
    python -m benchmarks.compare --only addition --torch-python ~/torch/bin/python

Each system runs in processes of its own, PyTorch's where glibc's malloc is told to keep memory: without that its
training steps are up to 1.8 times slower. A work counts only where the answers of both agree.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

from .works import SYSTEMS, WORKS, check, system

KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_TOP_PAD_": "100000000",
}
ROOT = Path(__file__).parents[1]


class Found(TypedDict):
    system: str
    answer: list[float]
    seconds: float


def measure(name: str, number: int, threads: int, repeat: int) -> Found:
    """In this process: the answer of one work and the median of its seconds."""
    work = WORKS[number]
    library = system(name)
    library.set_threads(threads)
    answer = library.answer(work)
    go = library.go(work)
    go()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        go()
        times.append(time.perf_counter() - start)
    seconds = statistics.median(times) / work.batches * work.scale
    return {"system": library.describe(), "answer": answer, "seconds": seconds}


def measure_elsewhere(name: str, number: int, args: argparse.Namespace) -> Found:
    python = args.torch_python if name == "torch" else sys.executable
    settings = ["--threads", str(args.threads), "--repeat", str(args.repeat), "--measure", name, str(number)]
    result = subprocess.run(
        [python, "-m", "benchmarks.compare", *settings],
        cwd=ROOT,
        env=os.environ | KEEP_MEMORY if name == "torch" else None,
        stdout=subprocess.PIPE,
        check=True,
    )
    found: Found = json.loads(result.stdout)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="the works whose name contains this")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each system (default: all)")
    parser.add_argument("--turns", type=int, default=3, help="processes per system and work (default: 3)")
    parser.add_argument("--repeat", type=int, default=5, help="timings per process (default: 5)")
    parser.add_argument("--torch-python", default=sys.executable, help="a Python that has PyTorch (default: this one)")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        name, number = args.measure
        print(json.dumps(measure(name, int(number), args.threads, args.repeat)))
        return 0

    imports = [args.torch_python, "-c", "import numpy, torch"]
    if subprocess.run(imports, check=False, stderr=subprocess.DEVNULL).returncode:
        parser.error(f"{args.torch_python} has no PyTorch with NumPy; name a Python that has, with --torch-python")
    load = os.getloadavg()[0]
    print("| work | pyrnn | PyTorch | ratio |\n|---|---|---|---|", flush=True)
    versions: dict[str, str] = {}
    for number, work in enumerate(WORKS):
        if args.only not in work.name:
            continue
        seconds: dict[str, list[float]] = {name: [] for name in SYSTEMS}
        answers = {}
        for _ in range(args.turns):
            for name in SYSTEMS:
                found = measure_elsewhere(name, number, args)
                versions[name], answers[name] = found["system"], found["answer"]
                seconds[name].append(found["seconds"])
        check(work, answers["pyrnn"], answers["torch"])
        pyrnn, torch = (statistics.median(seconds[name]) for name in SYSTEMS)
        print(f"| {work.name} | {pyrnn * 1e3:.4g} ms | {torch * 1e3:.4g} ms | {torch / pyrnn:.2f}x |", flush=True)
    loads = f"load {load:.1f} before, {os.getloadavg()[0]:.1f} after"
    print(f"\n{', '.join(versions.values())}; {args.threads} threads; {loads}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
