"""What the tutorial tried with sums, and what it left open: `python -m tasks.addition experiments`."""

from .. import _experiments
from .._experiments import Experiment, Study
from .._experiments_report import Measure, Picture, Row, first

MARKS = (0.5, 0.9, 0.99)


def _exact(share: float, column: str) -> Measure:
    title, form = {"epoch": ("epochs", ".0f"), "cpu_seconds": ("seconds", ".1f")}[column]
    return Measure(f"{title} to {100 * share:.0f} %", first(lambda row: row["exact"] >= share, column), form)


def _picture(name: str, caption: str, *experiments: str, x: str = "epoch") -> Picture:
    def exact(row: Row) -> float:
        return row["exact"]

    return Picture(name, caption, experiments, x, {"exact match": exact}, "exact match", goal=0.99)


STUDY = Study(
    f"{__package__}.train",
    [
        Experiment("3-digits-fast", "--recipe fast", 0.1),
        Experiment("3-digits", "--recipe keras", 1.2),
        Experiment("3-digits-gru", "--recipe keras --cell gru", 0.8),
        Experiment("3-digits-rnn", "--recipe keras --cell rnn", 0.8),
        Experiment("3-digits-plain", "--recipe keras --no-reverse --epochs 40", 1.6),
        Experiment("3-digits-2-layers", "--recipe keras --layers 2", 1.6),
        Experiment("3-digits-h300", "--recipe keras --hidden 300", 2.5),
        Experiment("5-digits", "--recipe keras --digits 5 --epochs 40", 2.5),
        Experiment("5-digits-h300-fast", "--recipe fast --digits 5 --hidden 300 --epochs 8", 2.7),
        Experiment("3-digits-100-epochs", "--recipe keras --epochs 100 --target 0", 4.0),
        Experiment("5-digits-h300", "--recipe keras --digits 5 --hidden 300 --epochs 25", 7.5),
    ],
    tables=[
        [_exact(share, column) for column in ("epoch", "cpu_seconds") for share in MARKS],
        [
            Measure("epochs", lambda rows: rows[-1]["epoch"]),
            Measure("exact match at the end", lambda rows: rows[-1]["exact"], ".4f"),
            Measure("at best", lambda rows: max(row["exact"] for row in rows), ".4f"),
            Measure("accuracy per character at the end", lambda rows: rows[-1]["per_character"], ".4f"),
            Measure("at best", lambda rows: max(row["per_character"] for row in rows), ".4f"),
            Measure("epochs to 95 % per character", first(lambda row: row["per_character"] >= 0.95, "epoch")),
        ],
    ],
    pictures=[
        _picture(
            "size",
            "More units, and two layers: exact match by epochs, a line for each seed.",
            "3-digits",
            "3-digits-h300",
            "3-digits-2-layers",
        ),
        _picture(
            "five-digits", "Five digits: exact match by epochs.", "5-digits", "5-digits-h300", "5-digits-h300-fast"
        ),
        _picture(
            "cells",
            "Other cells, and questions read forwards: exact match by epochs.",
            "3-digits",
            "3-digits-gru",
            "3-digits-rnn",
            "3-digits-plain",
        ),
        _picture(
            "recipes",
            "The tutorial's recipe and this task's own: exact match by seconds of a core.",
            "3-digits",
            "3-digits-fast",
            x="cpu_seconds",
        ),
        _picture("100-epochs", "A hundred epochs without a stop: exact match by epochs.", "3-digits-100-epochs"),
    ],
)


def main(argv: list[str] | None = None) -> int:
    return _experiments.main(STUDY, argv)
