"""Experiments: command lines of a task, each with several seeds, in worker processes by joblib.

A run leaves the folder that the task writes, and when it is over a file `done.json` in there: what an interrupted set of
experiments finds done is not done again.
"""

import argparse
import io
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import process_time, sleep
from typing import Any

from . import _console, _experiments_report, _options
from ._experiments_report import Measure, Picture, Runs

NEEDED = {"runs": ("joblib", "matplotlib"), "report": ("matplotlib",)}


@dataclass(frozen=True)
class Experiment:
    """A command line of the task, without seed, threads and folder; `minutes` of a core that one seed takes."""

    name: str
    command: str
    minutes: float


@dataclass(frozen=True)
class Study:
    """The experiments of a task; `module` has its `main` and `settings`, and `prepare` fails where no run can succeed."""

    module: str
    experiments: Sequence[Experiment]
    tables: Sequence[Sequence[Measure]] = ()
    pictures: Sequence[Picture] = ()
    prepare: Callable[[], object] = lambda: None

    @property
    def task(self) -> str:
        """The task's module.

        >>> Study("tasks.addition.train", []).task
        'tasks.addition'
        """
        return self.module.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.task.rpartition(".")[2]


@dataclass(frozen=True)
class Trial:
    """One experiment with one seed; `epochs` are what it runs at most."""

    module: str
    experiment: Experiment
    seed: int
    epochs: int
    folder: Path

    @property
    def arguments(self) -> list[str]:
        own = ["--epochs", str(self.epochs), "--seed", str(self.seed), "--threads", "1", "--quiet"]
        return [*self.experiment.command.split(), *own]

    @property
    def done(self) -> dict[str, Any] | None:
        """What done.json says, if it is there and of these arguments."""
        try:
            done: dict[str, Any] = json.loads((self.folder / "done.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return done if done["arguments"] == self.arguments else None

    def rows(self) -> list[dict[str, float]]:
        """An epoch each, as far as the run is."""
        try:
            lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the last line that it said, which is the reason when it did not get through its epochs."""

    trial: Trial
    finished: bool
    line: str


def trials(study: Study, args: argparse.Namespace) -> list[Trial]:
    """Every experiment with every seed, seed by seed, so that what is interrupted has something of each."""
    settings = import_module(study.module).settings
    chosen = [each for each in study.experiments if args.only is None or each.name in args.only]
    listed = []
    for seed in range(args.seeds):
        for each in chosen:
            epochs = settings(each.command.split()).epochs
            epochs = epochs if args.epochs is None else min(epochs, args.epochs)
            listed.append(Trial(study.module, each, seed, epochs, args.out / each.name / f"seed{seed}"))
    return listed


def work(trial: Trial) -> Outcome:
    """In a worker: one run of the task."""
    marker = trial.folder / "done.json"
    for stale in (marker, trial.folder / "metrics.jsonl"):
        stale.unlink(missing_ok=True)
    out, err = io.StringIO(), io.StringIO()
    begin = process_time()
    with redirect_stdout(out), redirect_stderr(err):
        code = import_module(trial.module).main([*trial.arguments, "--out", str(trial.folder)])
    if code == 130:
        raise KeyboardInterrupt
    if code and (code != 1 or len(trial.rows()) < trial.epochs):  # a target missed after the last epoch is a result
        return Outcome(trial, False, (err.getvalue().splitlines() or [f"exit code {code}"])[-1])
    line = out.getvalue().splitlines()[-1]
    done = {"arguments": trial.arguments, "result": line, "cpu_seconds": round(process_time() - begin, 3)}
    unfinished = marker.with_suffix(".part")
    unfinished.write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, marker)
    return Outcome(trial, True, line)


def _end_with(parent: int) -> None:
    """In a worker: it ends when the process that started it is gone, even by SIGKILL."""

    def watch() -> None:
        while os.getppid() == parent:
            sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# -- command line -------------------------------------------------------------


def settings(study: Study, argv: list[str] | None) -> argparse.Namespace:
    description = f"Runs of python -m {study.task} in worker processes; what is finished in --out is not run again."
    options = argparse.ArgumentParser(prog=f"python -m {study.task} experiments", description=description)
    names = [each.name for each in study.experiments]
    options.add_argument("--list", action="store_true", help="only show the experiments: name, command, cost of a seed")
    options.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="of --list (default: all)")
    options.add_argument("--seeds", type=_options.whole(1), default=3, metavar="N", help="of each (default: 3)")
    options.add_argument("--jobs", type=_options.whole(1), metavar="N", help="worker processes (default: one per core)")
    options.add_argument("--epochs", type=_options.whole(1), metavar="N", help="at most (default: see --list)")
    out = Path("runs", study.name, "experiments")
    options.add_argument("--out", type=Path, default=out, metavar="FOLDER", help=f"for all runs (default: {out})")
    options.add_argument("--report", action="store_true", help="only report what is in --out")
    into = "for the report, of which only what stands between its marks is replaced (default: report.md in --out)"
    options.add_argument("--into", type=Path, metavar="FILE", help=into)
    return options.parse_args(argv)


def show(study: Study) -> int:
    name = max(len(each.name) for each in study.experiments)
    for each in study.experiments:
        print(f"{each.name:{name}}  {each.minutes:4.1f} min  python -m {study.task} {each.command}")
    total = sum(each.minutes for each in study.experiments)
    print(f"{'together':{name}}  {total:4.0f} min of a core for each seed")
    return 0


def outcomes(waiting: Sequence[Trial], jobs: int | None) -> Generator[Outcome, None, None]:
    """As they come. The bar is on stderr, where that is a terminal."""
    from joblib import Parallel, delayed
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    bar = Progress(
        *columns, console=console, disable=not console.is_terminal, redirect_stdout=sys.stdout.isatty(), transient=True
    )
    pool = Parallel(
        n_jobs=jobs or -1,
        batch_size=1,
        return_as="generator_unordered",
        initializer=_end_with,
        initargs=(os.getpid(),),
    )
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # workers inherit it: this process ends them
    try:
        running = pool(delayed(work)(trial) for trial in waiting)
    finally:
        signal.signal(signal.SIGINT, before)
    with bar, _dropped_at_the_end(running) as results:
        shown = bar.add_task(f"0 of {len(waiting)} runs", total=sum(trial.experiment.minutes for trial in waiting))
        for count, outcome in enumerate(results, 1):
            yield outcome
            minutes = outcome.trial.experiment.minutes
            bar.update(shown, advance=minutes, description=f"{count} of {len(waiting)} runs")


@contextmanager
def _dropped_at_the_end(
    results: Generator[Outcome, None, None],
) -> Generator[Generator[Outcome, None, None], None, None]:
    """`results`, closed at the end; that runs are cut short where it comes early needs no warning of joblib's."""
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.close()


def report(study: Study, args: argparse.Namespace) -> None:
    runs: dict[str, Runs] = {}
    for trial in trials(study, args):
        name, rows = trial.experiment.name, [trial.rows()] if trial.done else []
        found = [*runs[name].finished, *rows] if name in runs else rows
        runs[name] = Runs(name, trial.experiment.command, args.seeds, trial.epochs, found)
    if not any(each.finished for each in runs.values()):
        raise _console.RunFailed(f"there is nothing to report: no run in {args.out} is finished")
    file = args.into or args.out / "report.md"
    pictures = [each for each in study.pictures if set(each.experiments) <= set(runs)]
    _experiments_report.write(study.name, study.task, list(runs.values()), study.tables, pictures, file)
    print(f"the report is in {file}")


def run_all(study: Study, args: argparse.Namespace) -> None:
    study.prepare()
    every = trials(study, args)
    waiting = [trial for trial in every if trial.done is None]
    if len(waiting) < len(every):
        print(f"{len(every) - len(waiting)} of {len(every)} runs are there already", file=sys.stderr)
    if not waiting:
        return
    failures = 0
    with closing(outcomes(waiting, args.jobs)) as ended:
        for outcome in ended:
            trial, failures = outcome.trial, failures + (not outcome.finished)
            stream = sys.stdout if outcome.finished else sys.stderr
            print(f"{trial.experiment.name}, seed {trial.seed}: {outcome.line}", file=stream, flush=True)
    if failures:
        raise _console.RunFailed(f"{failures} of {len(every)} runs failed; the same command tries them again")


def run(study: Study, args: argparse.Namespace) -> int:
    for package in NEEDED["report" if args.report else "runs"]:
        if find_spec(package) is None:
            raise _console.RunFailed(f"experiments need {package}: pip install 'pyrnn[experiments]'")
    if not args.report:
        run_all(study, args)
    report(study, args)
    return 0


def main(study: Study, argv: list[str] | None = None) -> int:
    args = settings(study, argv)
    if args.list:
        return _console.guarded(study.name, lambda: show(study))
    return _console.guarded(f"{study.name} experiments", lambda: run(study, args))
