"""What a process costs among others: a forked child against its parent, and more processes than there are processors.

Two tables. A child of a fork against the parent it came from: the same batch, the same number of threads. Then as many
processes as twice the processors, each with as many threads as there are processors, at one time: their wall time over the fair
share, which is what one process alone takes for the work of all.

python -m benchmarks.processes
"""

import argparse
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable
from multiprocessing.synchronize import Barrier

import numpy as np

import pyrnn
from pyrnn import layers

from .report import duration

CASES = {"LSTM(256), 128 rows of 40 steps": (256, 128, 40), "LSTM(64), 32 rows of 20 steps": (64, 32, 20)}
CHILD = 0


def batch(units: int, rows: int, steps: int) -> Callable[[], object]:
    """A go at training one."""
    model = pyrnn.Sequential([layers.Input((steps, 64)), layers.LSTM(units), layers.Dense(1)])
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((rows, steps, 64)), rng.standard_normal((rows, 1))
    model.train_on_batch(x, y)
    return lambda: model.train_on_batch(x, y)


def seconds(go: Callable[[], object], least: float = 0.5) -> float:
    """The median of a go, timed for `least` seconds, after as long again to warm up."""
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < 10 or time.perf_counter() - begin < 2 * least:
        start = time.perf_counter()
        go()
        times.append(time.perf_counter() - start)
    return statistics.median(times[len(times) // 2 :])


def in_child(go: Callable[[], object]) -> float:
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of newer Pythons, about the threads that are not there in a child
        child = os.fork()
    if child == CHILD:
        os.write(theirs, str(seconds(go)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        return float(pipe.read())


def member(case: tuple[int, int, int], batches: int, barrier: Barrier) -> None:
    go = batch(*case)
    barrier.wait()
    for _ in range(batches):
        go()
    barrier.wait()


def crowd(count: int, case: tuple[int, int, int], batches: int) -> float:
    """The wall time of so many processes that each train so many batches."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count + 1)
    members = [context.Process(target=member, args=(case, batches, barrier)) for _ in range(count)]
    for process in members:
        process.start()
    barrier.wait()
    start = time.perf_counter()
    barrier.wait()
    taken = time.perf_counter() - start
    for process in members:
        process.join()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--turns", type=int, default=5, help="of each measurement, of which the medians count (default: 5)"
    )
    turns = range(parser.parse_args().turns)
    threads = pyrnn.get_num_threads()
    print(f"| one batch, {threads} threads | parent | forked child | child / parent |\n|---|---|---|---|")
    for name, case in CASES.items():
        go = batch(*case)
        pairs = [(seconds(go), in_child(go)) for _ in turns]
        parent, child = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"| {name} | {duration(parent)} | {duration(child)} | {child / parent:.2f} |", flush=True)
    many = 2 * threads
    print(f"\n| {many} processes of {threads} threads | one alone | all | over the fair share |\n|---|---|---|---|")
    for name, case in CASES.items():
        batches = max(10, int(1.0 / seconds(batch(*case))))
        found = [(crowd(1, case, batches), crowd(many, case, batches)) for _ in turns]
        alone, together = (statistics.median(times) for times in zip(*found, strict=True))
        share = statistics.median(all_of / (many * one) for one, all_of in found)
        print(f"| {name} | {duration(alone)} | {duration(together)} | {share:.2f} |", flush=True)


if __name__ == "__main__":
    main()
