"""Pictures that can be read on a light page and on a dark one, and that of a run's curves against seconds of training."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, float]

# There is no background; each of these has a contrast of 3.2 or more with white and with #0d1117. Blue and orange are told
# apart by colour-blind eyes too; pink, where it stands beside orange, has other dots.
GREY = "#7d8590"
BLUE, ORANGE, PINK = "#2f81d7", "#d9730d", "#c4588f"
MOST_EPOCHS = 10  # that are marked


def new_figure(name: str, width: float, height: float) -> "Figure | None":
    """A figure of so many inches without background; without matplotlib None, and a line on stderr that tells how to get it."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"no {name} without matplotlib: pip install 'pyrnn[plot]'", file=sys.stderr)
        return None
    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def restyle(figure: "Figure") -> None:
    """Make what was drawn readable on any page: frames, numbers and words in grey, no background."""
    from matplotlib.legend import Legend
    from matplotlib.text import Text

    for axes in figure.axes:
        axes.set_facecolor("none")
        axes.tick_params(which="both", color=GREY, labelcolor=GREY)
        axes.spines[:].set_color(GREY)
        axes.spines[["top", "right"]].set_visible(False)
    for part in figure.findobj():
        if isinstance(part, Text) and part.get_color() == "black":
            part.set_color(GREY)
        if isinstance(part, Legend):
            part.get_frame().set(facecolor="none", edgecolor="none")


@dataclass
class Panel:
    """Lines over seconds, by name; what was measured once an epoch has dots."""

    title: str
    lines: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    dotted: set[str] = field(default_factory=set)
    from_zero: bool = True
    limit: float | None = None  # that is worth showing

    def add(self, label: str, rows: Sequence[Row], name: str, scale: float = 1.0, dots: bool = False) -> None:
        found = [(row["seconds"], row[name] * scale) for row in rows if name in row]
        if found:
            seconds, values = map(list, zip(*found, strict=True))
            self.lines[label] = seconds, values
            if dots:
                self.dotted.add(label)

    @property
    def logarithmic(self) -> bool:
        """Whether the middle nine tenths of the values spread over more than a power of ten, all of them positive."""
        values = np.concatenate([values for _, values in self.lines.values()])
        low, high = np.quantile(values, [0.05, 0.95])
        return bool(values.min() > 0 and high > 10 * low)


def panels(rows: Sequence[Row], points: Sequence[Row], bits: bool, limit: float | None) -> list[Panel]:
    """What there is to see: `rows` of epochs, `points` between them; `bits` has the loss in bits, not nats; `limit` clips gradients."""
    scale = 1 / math.log(2) if bits else 1.0
    loss = Panel("bits per character" if bits else "loss", from_zero=False)
    loss.add("training", points, "loss", scale)
    loss.add("held out, windows" if bits else "held out", rows, "val_loss", scale, dots=True)
    loss.add("held out, one pass", rows, "val_bpc", dots=True)
    accuracy = Panel("accuracy")
    accuracy.add("training", points, "accuracy")
    same = any("per_character" in row for row in rows)  # as val_accuracy, or the better measure
    accuracy.add("held out", rows, "per_character" if same else "val_accuracy", dots=True)
    accuracy.add("held out, exact match", rows, "exact", dots=True)
    rate = Panel("learning rate")
    rate.add("", points, "learning_rate")
    norm = Panel("norm of the gradient")
    norm.add("", points, "gradient_norm")
    if limit is not None and any(row["gradient_norm"] > limit for row in points):
        norm.limit = limit
    return [panel for panel in (loss, accuracy, rate, norm) if panel.lines]


LAYOUTS = {1: "A", 2: "AB", 3: "AB;AC", 4: "AB;CD"}
ABOVE = 13  # points above a panel that the numbers of the epochs take


def draw_curves(figure: "Figure", shown: Sequence[Panel], rows: Sequence[Row]) -> None:
    """One panel beside or below the other, the ends of the epochs marked in all."""
    layout = LAYOUTS[len(shown)]
    for (place, axes), panel in zip(figure.subplot_mosaic(layout, sharex=True).items(), shown, strict=True):
        draw_panel(figure, axes, panel)
        mark_epochs(axes, rows)
        if place in layout.split(";")[-1]:
            axes.set_xlabel("seconds of training")
    restyle(figure)


def draw_panel(figure: "Figure", axes: "Axes", panel: Panel) -> None:
    """The title stands above the panel, what its lines are to the right of it, where they hide nothing."""
    from matplotlib.transforms import offset_copy

    held_out = iter([(ORANGE, "o"), (PINK, "s")])
    for label, (seconds, values) in panel.lines.items():
        if label in panel.dotted:
            colour, marker = next(held_out)
            axes.plot(seconds, values, color=colour, label=label, linewidth=1.6, marker=marker, markersize=4.5)
        else:
            axes.plot(seconds, values, color=BLUE, label=label or "_", linewidth=1.4)
    if panel.logarithmic:
        axes.set_yscale("log")
    elif panel.from_zero:
        axes.set_ylim(bottom=0)
    if panel.limit is not None:
        axes.axhline(panel.limit, color=ORANGE, linewidth=1.2, linestyle="--", label=f"clipped to {panel.limit:g}")
    axes.set_title(panel.title, loc="left", fontsize="medium", fontweight="bold", pad=ABOVE + 3)
    axes.grid(alpha=0.25, color=GREY, axis="y")
    if axes.get_legend_handles_labels()[1]:
        above = offset_copy(axes.transAxes, figure, y=ABOVE, units="points")
        place: dict[str, Any] = {"bbox_to_anchor": (1, 1), "bbox_transform": above, "borderaxespad": 0}
        axes.legend(loc="lower right", ncols=3, fontsize="small", handlelength=1.4, columnspacing=1.2, **place)


def mark_epochs(axes: "Axes", rows: Sequence[Row]) -> None:
    """Upright lines where epochs end, with their numbers above."""
    every = max(1, -(-len(rows) // MOST_EPOCHS))
    place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "xytext": (3, 2)}
    for row in rows[every - 1 :: every]:
        axes.axvline(row["seconds"], color=GREY, linewidth=0.8, alpha=0.4, zorder=0.5)
        number = f"{'epoch ' if row is rows[every - 1] else ''}{row['epoch']}"
        axes.annotate(number, (row["seconds"], 1), ha="right", fontsize="x-small", **place)
