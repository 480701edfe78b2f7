"""The folder of a run: config.json, metrics.jsonl, steps.jsonl, model.safetensors, curves.png, samples.md."""

import argparse
import json
import math
import platform
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

import pyrnn
from pyrnn.callbacks import BackupAndRestore, Callback

from . import _curves, _samples
from ._console import RunFailed

CHECKPOINT = Path("checkpoint", "latest.safetensors")  # in the folder, from epoch to epoch until the run has ended
FILES = ("metrics.jsonl", "steps.jsonl", "samples.md", "model.safetensors")  # that grow or change from epoch to epoch
POINTS = 30  # of an epoch, in steps.jsonl and curves.png


class Run(Callback):
    """Writes what a call of `fit` yields into a folder as it comes; a task overrides `on_epoch_end` and calls `record`.

    metrics.jsonl has a line per epoch, steps.jsonl one per thirtieth of an epoch: the means of loss and metrics and of the
    gradient's norm over the batches since the line before, and the learning rate of the batch after them. The folder is made at
    once, so that a run that cannot keep its results fails before it trains: RunFailed.
    """

    bits = False  # whether the loss is shown in bits per character

    def __init__(self, model: pyrnn.Sequential, settings: argparse.Namespace, data: str, **facts: object) -> None:
        """`data` says what is learnt from, on stderr; `facts` stand beside the settings in config.json."""
        self.model, self.settings, self.data = model, settings, data
        self.folder: Path = settings.out
        self.model_file = self.folder / "model.safetensors"
        self.rows: list[dict[str, float]] = []
        self.points: list[dict[str, float]] = []
        self._written = 0  # of them
        self.seconds = self.cpu_seconds = 0.0  # of training: neither validation nor samples
        self._start: tuple[float, float] | None = None
        isa, threads = pyrnn.cpu_info()["isa"], pyrnn.get_num_threads()
        self.engine = f"{isa}, {threads} thread{'s' if threads > 1 else ''}"
        arguments = {name: value for name, value in vars(settings).items() if name != "resume"}
        config = {
            "arguments": {**arguments, "out": str(settings.out)},
            "versions": {"pyrnn": pyrnn.__version__, "numpy": np.__version__, "python": platform.python_version()},
            "isa": isa,
            "threads": threads,
            **facts,
        }
        self._checkpoint = self.folder / CHECKPOINT
        self._backup = BackupAndRestore(self._checkpoint.parent)
        if "resume" in settings:
            self._check_resumed(facts)
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._checkpoint.unlink(missing_ok=True)
            (self.folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            for name in "metrics.jsonl", "steps.jsonl":
                (self.folder / name).write_text("", encoding="utf-8")
            (self.folder / "samples.md").unlink(missing_ok=True)
        except OSError as error:
            raise RunFailed(f"--out {self.folder} cannot be written: {error.strerror}") from error

    @property
    def callbacks(self) -> list[Callback]:
        """For `fit`: this one, and what lets a stopped run go on after its last epoch."""
        return [self, self._backup]

    def _check_resumed(self, facts: dict[str, Any]) -> None:
        """Raises RunFailed where the run cannot go on as what it was; the folder is left alone."""
        there = _config(self.folder)
        for name, fact in json.loads(json.dumps(facts)).items():
            if there.get(name) != fact:
                raise RunFailed(f"--resume {self.folder}: the {name} is not that of the run")
        try:
            pyrnn.saving.load_checkpoint(self.model, self._checkpoint)
        except ValueError as error:
            raise RunFailed(f"--resume {self.folder}: {error}") from error

    def get_state(self) -> dict[str, Any]:
        """With the files as they are, since a run may write more of them, and another model, before it is stopped."""
        found = [name for name in FILES if (self.folder / name).exists()]
        files = {name: np.fromfile(self.folder / name, np.uint8) for name in found}
        return {"files": files, "seconds": self.seconds, "cpu_seconds": self.cpu_seconds}

    def set_state(self, state: dict[str, Any]) -> None:
        self.seconds, self.cpu_seconds = state["seconds"], state["cpu_seconds"]
        for name, content in state["files"].items():
            content.tofile(self.folder / name)
        metrics, steps = ((self.folder / name).read_text(encoding="utf-8") for name in ("metrics.jsonl", "steps.jsonl"))
        self.rows, self.points = ([json.loads(line) for line in text.splitlines()] for text in (metrics, steps))
        self._written = len(self.points)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if not self.settings.quiet:
            print(f"{self.data}; {self.model.count_params():,} parameters; {self.engine}", file=sys.stderr)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch, self._start = epoch + 1, (perf_counter(), process_time())
        self._norms: list[float] = []  # of the gradients since the last point
        self._totals: dict[str, float] = {}  # of the batches of the epoch up to there

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._norms.append(self.model.gradient_norm())
        done, steps = batch + 1, self.params["steps"] or POINTS
        if batch * POINTS // steps == done * POINTS // steps:
            return
        totals = {name: mean * done for name, mean in (logs or {}).items()}  # as if batches were alike
        count, norm = len(self._norms), sum(self._norms) / len(self._norms)
        means = {name: (total - self._totals.get(name, 0.0)) / count for name, total in totals.items()}
        self._norms, self._totals = [], totals
        refuse_divergence(self._epoch, means["loss"], norm)
        times = {"epoch": self._epoch, "batch": done, "seconds": round(self._now(), 3)}
        rate = self.model.optimizer.learning_rate
        self.points.append({**times, **means, "learning_rate": rate, "gradient_norm": norm})

    def _append(self, name: str, rows: list[dict[str, float]]) -> None:
        with open(self.folder / name, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def _write_points(self) -> None:
        """Those since the last time; not one by one, as opening a file takes longer than all else about them."""
        self._append("steps.jsonl", self.points[self._written :])
        self._written = len(self.points)

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        self._stop_clock()

    def _now(self) -> float:
        return self.seconds if self._start is None else self.seconds + perf_counter() - self._start[0]

    def _stop_clock(self) -> None:
        if self._start is not None:
            self.seconds = self._now()
            self.cpu_seconds += process_time() - self._start[1]  # of all threads; other programs do not add to it
            self._start = None

    def record(self, epoch: int, values: dict[str, float], keep: bool = True) -> None:
        """Keep an epoch, counted from 0 as `fit` does: a line of metrics.jsonl, and with `keep` the model as it is now."""
        self._stop_clock()
        refuse_divergence(epoch + 1, values["loss"])
        clocks = {"seconds": round(self.seconds, 3), "cpu_seconds": round(self.cpu_seconds, 3)}
        self.rows.append({"epoch": epoch + 1, **clocks, **values})
        self._append("metrics.jsonl", self.rows[-1:])
        self._write_points()
        if keep:
            self.model.save(self.model_file)

    def keep_samples(self, epoch: int, *blocks: str) -> None:
        """Add blocks of Markdown to samples.md, as what the network says after this epoch, counted from 0."""
        _samples.append(self.folder / "samples.md", epoch + 1, *blocks)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.draw()

    def stopped(self) -> int:
        """Keep what was learnt until Ctrl-C, say so, and give the exit code."""
        self.model.save(self.model_file)
        self._write_points()
        self.draw()
        then = f"; --resume {self.folder} goes on after epoch {len(self.rows)}" if self._checkpoint.exists() else ""
        print(f"stopped in epoch {len(self.rows) + 1}; what was learnt is in {self.model_file}{then}", file=sys.stderr)
        return 130

    def draw(self) -> None:
        """curves.png, if matplotlib is there to draw it."""
        limit: float | None = self.model.optimizer.get_config()["global_clipnorm"]
        shown = _curves.panels(self.rows, self.points, self.bits, limit)
        figure = _curves.new_figure("curves.png", 10, 6) if shown else None
        if figure is not None:
            _curves.draw_curves(figure, shown, self.rows)
            figure.savefig(self.folder / "curves.png", dpi=120)


def resumed(
    args: argparse.Namespace, recipes: Collection[str], settings: Callable[[list[str]], argparse.Namespace]
) -> argparse.Namespace:
    """The settings; with --resume those of the run in its folder, but for `quiet`. Raises RunFailed where none can go on."""
    if "resume" not in args:
        return args
    found = _config(args.resume).get("arguments")
    arguments: dict[str, Any] = found if isinstance(found, dict) else {}
    recipe = arguments.get("recipe")
    if recipe is None or recipe not in recipes or arguments.keys() != vars(settings(["--recipe", recipe])).keys():
        raise RunFailed(f"--resume {args.resume}: its config.json is not that of a run of this task")
    if not (args.resume / CHECKPOINT).exists():
        raise RunFailed(f"--resume {args.resume}: the run has ended, or was stopped before its first epoch had")
    here = {"out": args.resume, "resume": args.resume, "quiet": args.quiet}
    return argparse.Namespace(**{**arguments, **here})


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFailed(f"--resume {folder}: its config.json cannot be read: {error}") from error
    return config if isinstance(config, dict) else {}


def refuse_divergence(epoch: int, loss: float, norm: float = 0.0) -> None:
    """Raises RunFailed where the loss, or the gradient that the next loss follows, is no finite number."""
    if not math.isfinite(loss + norm):
        what = f"loss {loss}" if not math.isfinite(loss) else f"gradient {norm}"
        raise RunFailed(f"training diverged in epoch {epoch} ({what}); a smaller --lr may help")
