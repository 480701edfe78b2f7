"""What experiments have measured, in Markdown: tables, and pictures that can be read on light and dark pages.

It stands between two marks of a file, so that a person can write around it and have it measured anew.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import _console
from ._markdown import table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, float]  # a line of metrics.jsonl
Rows = Sequence[Row]

# middle tones, whose contrast with white and with GitHub's dark page is at least 3
COLOURS = ["#1f83d6", "#d9660d", "#1f9457", "#b858b8", "#8a7500", "#d64550"]
INK = "#7d8590"


@dataclass(frozen=True)
class Measure:
    """A column of the table: `of` gives a run's number, None where it never came so far."""

    title: str
    of: Callable[[Rows], float | None]
    form: str = ".0f"


@dataclass(frozen=True)
class Picture:
    """Curves of experiments side by side, a line each run: `y` of a row by its `x`; with `goal` a line across."""

    name: str
    caption: str
    experiments: Sequence[str]
    x: str
    y: Mapping[str, Callable[[Row], float]]  # by what they show; the first is drawn solid, the second dashed
    label: str
    goal: float | None = None


@dataclass(frozen=True)
class Runs:
    """Of an experiment: its command line, how many runs there are to be, and the rows of those that are finished."""

    name: str
    command: str
    wanted: int
    epochs: int
    finished: Sequence[Rows]


# -- numbers ------------------------------------------------------------------


def first(holds: Callable[[Row], bool], column: str) -> Callable[[Rows], float | None]:
    """The `column` of the first row for which `holds`.

    >>> first(lambda row: row["exact"] >= 0.9, "epoch")([{"epoch": 1, "exact": 0.2}, {"epoch": 2, "exact": 0.95}])
    2
    """
    return lambda rows: next((row[column] for row in rows if holds(row)), None)


def spread(values: Sequence[float | None], form: str) -> str:
    """The median and, where they differ, the least and the most; a run that never came so far counts as later than all.

    >>> spread([22.0, 20.0, 31.0], ".0f"), spread([3.0, 3.0], ".1f"), spread([None, 20.0, 31.0], ".0f"), spread([None], "")
    ('22 (20–31)', '3.0', '31 (20–never)', 'never')
    """
    ordered = sorted(math.inf if value is None else value for value in values)
    low, middle, high = (
        "never" if value == math.inf else f"{value:{form}}"
        for value in (ordered[0], statistics.median(ordered), ordered[-1])
    )
    return middle if low == high else f"{middle} ({low}–{high})"


def measured(runs: Sequence[Runs], measures: Sequence[Measure]) -> str:
    """A row for each experiment of which there are runs."""
    head = ["experiment", "runs", *(measure.title for measure in measures)]
    body = [
        [each.name, str(len(each.finished))]
        + [spread([measure.of(rows) for rows in each.finished], measure.form) for measure in measures]
        for each in runs
        if each.finished
    ]
    return table(head, body, left=1)


# -- pictures -----------------------------------------------------------------


def draw(picture: Picture, runs: Mapping[str, Runs], file: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 3.6), layout="constrained", facecolor="none")
    axes = figure.subplots()
    for name, colour in zip(picture.experiments, COLOURS, strict=False):
        for rows in runs[name].finished:
            for (what, value), style in zip(picture.y.items(), ("-", ":"), strict=False):
                label = f"{name}, {what}" if len(picture.y) > 1 else name
                x, y = [row[picture.x] for row in rows], [value(row) for row in rows]
                shown = axes.get_legend_handles_labels()[1]
                axes.plot(x, y, style, color=colour, linewidth=1.3, label=None if label in shown else label)
    if picture.goal is not None:
        axes.axhline(picture.goal, color=INK, linewidth=0.8, linestyle="--")
    unit = {"cpu_seconds": "seconds of a core"}.get(picture.x, picture.x)
    axes.set(xlabel=unit, ylabel=picture.label)
    if picture.x == "epoch":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for_any_page(axes)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110, metadata={"Software": None})


def for_any_page(axes: "Axes") -> None:
    """Grey ink on no ground; the legend too."""
    axes.set_facecolor("none")
    axes.tick_params(colors=INK)
    for spine in axes.spines.values():
        spine.set_color(INK)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(INK)
    axes.grid(color=INK, alpha=0.25)
    axes.legend(frameon=False, labelcolor=INK, fontsize="small")


# -- report -------------------------------------------------------------------


def write(
    study: str,
    task: str,
    runs: Sequence[Runs],
    tables: Sequence[Sequence[Measure]],
    pictures: Sequence[Picture],
    file: Path,
) -> None:
    """Between the marks of `file`, which is made where it is missing; pictures go to a folder beside it.

    Raises RunFailed where the file has no marks of this study.
    """
    begin, end = (f"<!-- {word}: python -m {task} experiments -->" for word in ("begin", "end"))
    text = file.read_text(encoding="utf-8") if file.exists() else f"# Experiments: {study}\n\n{begin}\n{end}\n"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise _console.RunFailed(f"--into {file} has no lines {begin} and {end}, between which the report would stand")
    by_name = {each.name: each for each in runs}
    parts = [_what_was_run(task, runs), *(measured(runs, measures) for measures in tables)]
    for picture in pictures:
        if any(by_name[name].finished for name in picture.experiments):
            path = file.parent / "pictures" / f"{study}-{picture.name}.png"
            draw(picture, by_name, path)
            parts.append(f"![{picture.caption}](pictures/{path.name})\n\n{picture.caption}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{before}{begin}\n\n" + "\n\n".join(parts) + f"\n\n{end}{after}", encoding="utf-8")


def _what_was_run(task: str, runs: Sequence[Runs]) -> str:
    """Commands, and what an epoch costs."""
    done, wanted = sum(len(each.finished) for each in runs), sum(each.wanted for each in runs)
    body = []
    for each in runs:
        costs = [rows[-1]["cpu_seconds"] / len(rows) for rows in each.finished]
        body.append([each.name, f"`{each.command}`", str(each.epochs), spread(costs, ".2g") if costs else "no run yet"])
    head = ["experiment", f"`python -m {task}`", "epochs at most", "seconds per epoch"]
    note = (
        f"{done} of {wanted} runs. Medians over the seeds, in brackets the least and the most. "
        "Seconds are those that one core spent on training alone."
    )
    return f"{note}\n\n{table(head, body, left=2)}"
