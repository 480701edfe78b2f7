"""What is seen of training: a line per epoch, and a bar on a terminal while it lasts."""

import os
import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

_INTERVAL = 0.1  # seconds between two pictures of the bar


class Means:
    """Loss and metrics, called `names`, over the samples of the batches so far; `results` makes them of a network's means."""

    def __init__(self, names: list[str], results: Callable[[Sequence[float]], list[float]]) -> None:
        self.names, self._results = names, results
        self._sums: Sequence[float] = ()
        self._samples = 0
        self._over = False

    def restart(self) -> None:
        """Forget all so far when the next batch comes."""
        self._over = True

    def add(self, means: tuple[float, ...], samples: int) -> None:
        """What the network returned for a batch of `samples`; there are none where no row has a real step."""
        if self._over:
            self._samples, self._over = 0, False
        if self._samples:
            self._sums = [total + mean * samples for total, mean in zip(self._sums, means, strict=True)]
        else:
            self._sums = [mean * samples for mean in means]
        self._samples += samples

    def get_state(self) -> dict[str, Any]:
        """All that later means depend on, for a checkpoint."""
        return {"sums": list(self._sums), "samples": self._samples, "over": self._over}

    def set_state(self, state: dict[str, Any]) -> None:
        self._sums, self._samples, self._over = state["sums"], state["samples"], state["over"]

    def values(self) -> list[float]:
        return self._results([total / max(1, self._samples) for total in self._sums])

    def logs(self, prefix: str = "") -> dict[str, float]:
        return {prefix + name: value for name, value in zip(self.names, self.values(), strict=True)}


def format_logs(logs: dict[str, float], separator: str = " - ") -> str:
    """
    >>> format_logs({"loss": 1.23456, "accuracy": 0.00012})
    'loss: 1.2346 - accuracy: 1.2000e-04'
    """
    return separator.join(
        f"{name}: {value:.4e}" if 0 < abs(value) < 1e-3 else f"{name}: {value:.4f}" for name, value in logs.items()
    )


class Silent:
    """Shows nothing; the base of those that do. Used as: begin, update after every batch, end; close in any case.

    `total` samples, or what else the `unit` is, is None where only the end will tell how many there are.
    """

    def begin(self, title: str, total: int | None, unit: str = "samples") -> None: ...
    def update(self, done: int, means: Means | None) -> None: ...
    def end(self, logs: dict[str, float]) -> None: ...
    def close(self) -> None: ...


class Lines(Silent):
    """One line on stdout at the end of each epoch."""

    def begin(self, title: str, total: int | None, unit: str = "samples") -> None:
        self._title, self._unit, self._start = title, unit, perf_counter()

    def update(self, done: int, means: Means | None) -> None:
        self._done = done
        self._seconds = perf_counter() - self._start  # what comes after, validation, is no training time

    def end(self, logs: dict[str, float]) -> None:
        speed = f"{self._done / self._seconds:.0f} {self._unit}/s"
        print(" - ".join([self._title, f"{self._seconds:.1f}s", speed, format_logs(logs)]), flush=True)


class Bar(Silent):
    """A bar on stderr with speed, time left and the means so far, which goes away at the end and leaves the rest to `after`.

    It first shows itself after _INTERVAL, and rich is imported no sooner.
    """

    def __init__(self, after: Silent) -> None:
        self._after = after
        self._bar: RichProgress | None = None

    def begin(self, title: str, total: int | None, unit: str = "samples") -> None:
        self._after.begin(title, total, unit)
        self._title, self._total, self._unit, self._start = title, total, unit, perf_counter()
        self._next = self._start + _INTERVAL

    def update(self, done: int, means: Means | None) -> None:
        self._after.update(done, means)
        now = perf_counter()
        last = done == self._total
        if not done or (now < self._next and not last):
            return
        if self._bar is None and not last:
            self._open()
        self._next = now + _INTERVAL
        if self._bar is not None:
            speed = done / (now - self._start)
            pace = f"{speed:.0f} {self._unit}/s"
            if self._total is not None:
                pace += f", {_clock((self._total - done) / speed)} left"
            logs = format_logs(means.logs(), " ") if means else ""
            self._bar.update(self._task, completed=done, refresh=True, pace=pace, logs=logs)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

        texts = [TextColumn(text) for text in ("{task.description}", "{task.fields[pace]}", "{task.fields[logs]}")]
        columns: list[ProgressColumn] = [texts[0], BarColumn(bar_width=10), *texts[1:]]
        self._bar = Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
        self._task = self._bar.add_task(self._title, total=self._total, pace="", logs="")
        self._bar.start()

    def end(self, logs: dict[str, float]) -> None:
        self.close()
        self._after.end(logs)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _clock(seconds: float) -> str:
    """
    >>> _clock(75.2)
    '1:15'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def checked_verbose(caller: str, verbose: object) -> str | int:
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"{caller}: verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
    assert isinstance(verbose, str | int)
    return verbose


def training_progress(verbose: str | int) -> Silent:
    """0: nothing; 2: a line per epoch; 1 and "auto": a bar before each line, where stderr is a terminal."""
    if verbose == 0:
        return Silent()
    return Bar(Lines()) if verbose != 2 and _can_show_a_bar() else Lines()


def prediction_progress(verbose: str | int) -> Silent:
    """A bar where stderr is a terminal and verbose is 1 or "auto"; a prediction leaves no line."""
    return Bar(Silent()) if verbose in (1, "auto") and _can_show_a_bar() else Silent()


def _can_show_a_bar() -> bool:
    """A dumb terminal cannot go back in a line: there each bar would leave an empty one."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
