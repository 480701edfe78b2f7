"""The folder of a run: config.json, metrics.jsonl, model.safetensors, curves.png."""

import argparse
import json
import math
import platform
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import numpy as np

import pyrnn
from pyrnn.callbacks import Callback

from ._console import RunFailed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = {"loss, nats": ["loss", "val_loss"], "share of 1": ["accuracy", "val_accuracy", "per_character", "exact"]}


class Run(Callback):
    """Writes what a call of `fit` yields into a folder as it comes; a task overrides `on_epoch_end` and calls `record`.

    The folder is made at once, so that a run that cannot keep its results fails before it trains: RunFailed.
    """

    def __init__(self, model: pyrnn.Sequential, settings: argparse.Namespace, data: str, **facts: object) -> None:
        """`data` says what is learnt from, on stderr; `facts` stand beside the settings in config.json."""
        self.model, self.settings, self.data = model, settings, data
        self.folder: Path = settings.out
        self.model_file = self.folder / "model.safetensors"
        self.rows: list[dict[str, float]] = []
        self.seconds = self.cpu_seconds = 0.0  # of training: neither validation nor samples
        isa, threads = pyrnn.cpu_info()["isa"], pyrnn.get_num_threads()
        self.engine = f"{isa}, {threads} thread{'s' if threads > 1 else ''}"
        config = {
            "arguments": {name: value if name != "out" else str(value) for name, value in vars(settings).items()},
            "versions": {"pyrnn": pyrnn.__version__, "numpy": np.__version__, "python": platform.python_version()},
            "isa": isa,
            "threads": threads,
            **facts,
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            (self.folder / "metrics.jsonl").write_text("", encoding="utf-8")
        except OSError as error:
            raise RunFailed(f"--out {self.folder} cannot be written: {error.strerror}") from error

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if not self.settings.quiet:
            print(f"{self.data}; {self.model.count_params():,} parameters; {self.engine}", file=sys.stderr)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._start: tuple[float, float] | None = perf_counter(), process_time()

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        self._stop_clock()

    def _stop_clock(self) -> None:
        if self._start is not None:
            self.seconds += perf_counter() - self._start[0]
            self.cpu_seconds += process_time() - self._start[1]  # of all threads; other programs do not add to it
            self._start = None

    def record(self, epoch: int, values: dict[str, float], keep: bool = True) -> None:
        """Keep an epoch, counted from 0 as `fit` does: a line of metrics.jsonl, and with `keep` the model as it is now."""
        self._stop_clock()
        if not math.isfinite(values["loss"]):
            raise RunFailed(f"training diverged in epoch {epoch + 1} (loss {values['loss']}); a smaller --lr may help")
        clocks = {"seconds": round(self.seconds, 3), "cpu_seconds": round(self.cpu_seconds, 3)}
        row = {"epoch": epoch + 1, **clocks, **values}
        self.rows.append(row)
        with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if keep:
            self.model.save(self.model_file)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.draw()

    def stopped(self) -> int:
        """Keep what was learnt until Ctrl-C, say so, and give the exit code."""
        self.model.save(self.model_file)
        self.draw()
        print(f"stopped in epoch {len(self.rows) + 1}; what was learnt is in {self.model_file}", file=sys.stderr)
        return 130

    def draw(self) -> None:
        """curves.png, if matplotlib is there to draw it."""
        figure = new_figure("curves.png", 10, 4)
        if figure is None:
            return
        epochs = [row["epoch"] for row in self.rows]
        for axes, (title, names) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
            for name in names:
                if self.rows and name in self.rows[0]:
                    axes.plot(epochs, [row[name] for row in self.rows], marker=".", label=name)
                    axes.legend()
            axes.set(xlabel="epoch", ylabel=title)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(alpha=0.3)
        figure.savefig(self.folder / "curves.png", dpi=120)


def new_figure(name: str, width: float, height: float) -> "Figure | None":
    """A figure of so many inches; without matplotlib None, and a line on stderr that tells how to get it."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"no {name} without matplotlib: pip install 'pyrnn[plot]'", file=sys.stderr)
        return None
    return Figure(figsize=(width, height), layout="constrained")
