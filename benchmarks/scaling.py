"""What more threads bring: batches of training on 1, 2, ... threads, with the fraction of the peak of that many.

python -m benchmarks.scaling
"""

import os
import statistics

from .measure import Found, measure
from .report import Sitting, duration, parser_for
from .works import WORKS, Work, check

TRAINED = [
    work for work in WORKS if work.train and work.kind in ("addition", "text", "cell") and work.dtype == "float32"
]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--turns", type=int, default=3, help="processes per number of threads (default: 3)")
    parser.add_argument("--repeat", type=int, default=5, help="timings per process and work (default: 5)")
    args = parser.parse_args()
    sitting = Sitting(args)
    counts = range(1, (os.cpu_count() or 1) + 1)
    found: dict[int, list[list[Found]]] = {threads: [] for threads in counts}
    for _ in range(args.turns):
        for threads in counts:
            found[threads].append(measure("pyrnn", TRAINED, threads=threads, repeat=args.repeat))
    # one peak per number of threads: a probe, too, can meet a busy neighbour
    peaks = {threads: max(one["peak"] for turn in turns for one in turn) for threads, turns in found.items()}
    heads = [f"{threads} thread{'s' * (threads > 1)}" for threads in counts]
    print(f"| one batch | {' | '.join(heads)} | speed-up |\n|{'---|' * (len(heads) + 2)}")
    results = []
    for i, work in enumerate(TRAINED):
        results.append(result(work, {n: [turn[i] for turn in found[n]] for n in counts}, peaks))
    sitting.end(peaks=peaks, works=results)


def result(work: Work, found: dict[int, list[Found]], peaks: dict[int, float]) -> dict[str, object]:
    seconds, of_peak, cells = {}, {}, []
    for threads, turns in found.items():
        for turn in turns:
            check(work, found[1][0]["answer"], turn["answer"])
        seconds[threads] = statistics.median(turn["seconds"] for turn in turns) / work.scale
        of_peak[threads] = work.flops() / seconds[threads] / peaks[threads]
        cells.append(f"{duration(seconds[threads])}, {of_peak[threads]:.0%} of peak")
    speed_up = seconds[1] / min(seconds.values())
    print(f"| {work.name.replace(' epoch', '')} | {' | '.join(cells)} | {speed_up:.2f}x |")
    times = {threads: [turn["times"] for turn in turns] for threads, turns in found.items()}
    return {"work": work.name, "seconds of a batch": seconds, "of peak": of_peak, "times of one go": times}


if __name__ == "__main__":
    main()
