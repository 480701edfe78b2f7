"""What the tutorial tried with text, and what it left open: `python -m tasks.textgen experiments`."""

import math

from .. import _console, _experiments
from .._experiments import Experiment, Study
from .._experiments_report import Measure, Picture, Row, Rows, first
from . import corpus

TEXT = "nietzsche"


def prepare() -> None:
    """Get the text once, before the workers all want it."""
    try:
        corpus.load(TEXT)
    except corpus.CorpusError as error:
        raise _console.RunFailed(str(error)) from error


def _experiment(name: str, command: str, minutes: float) -> Experiment:
    return Experiment(name, f"--corpus {TEXT} {command}", minutes)


MARKS = (2.2, 2.1, 2.0)


def _bits(mark: float, column: str) -> Measure:
    title, form = {"epoch": ("epochs", ".0f"), "cpu_seconds": ("seconds", ".1f")}[column]
    return Measure(f"{title} to {mark} bits", first(lambda row: row["val_bpc"] <= mark, column), form)


def _best(rows: Rows) -> Row:
    return min(rows, key=lambda row: row["val_bpc"])


def _held_out(row: Row) -> float:
    return row["val_bpc"]


def _learnt(row: Row) -> float:
    return row["loss"] / math.log(2)


def _picture(name: str, caption: str, *experiments: str, x: str = "epoch") -> Picture:
    return Picture(name, caption, experiments, x, {"held out": _held_out}, "bits per character")


STUDY = Study(
    f"{__package__}.train",
    [
        _experiment("stream-h64", "--recipe stream --hidden 64 --lr 0.02", 0.2),
        _experiment("stream-h128", "--recipe stream --hidden 128 --lr 0.02", 0.3),
        _experiment("stream-rnn", "--recipe stream --cell rnn --lr 0.003", 0.4),
        _experiment("stream-gru", "--recipe stream --cell gru --lr 0.01", 0.6),
        _experiment("stream", "--recipe stream", 0.7),
        _experiment("sentences", "--recipe sentences --hidden 256 --lr 0.015 --epochs 4", 0.7),
        _experiment("stream-2-layers", "--recipe stream --layers 2 --lr 0.01", 1.5),
        _experiment("stream-30-epochs", "--recipe stream --hidden 128 --lr 0.02 --epochs 30", 1.5),
        _experiment("windows", "--recipe keras --epochs 6", 3.0),
    ],
    tables=[
        [_bits(mark, column) for column in ("epoch", "cpu_seconds") for mark in MARKS],
        [
            Measure("epochs", lambda rows: rows[-1]["epoch"]),
            Measure("bits per character at best", lambda rows: _best(rows)["val_bpc"], ".3f"),
            Measure("in epoch", lambda rows: _best(rows)["epoch"]),
            Measure("accuracy per character there", lambda rows: _best(rows)["per_character"], ".4f"),
            Measure("bits at the end", lambda rows: rows[-1]["val_bpc"], ".3f"),
            Measure("bits on what is learnt", lambda rows: _learnt(rows[-1]), ".3f"),
        ],
    ],
    pictures=[
        _picture(
            "cells",
            "LSTM, GRU and simple RNN of 256 units: bits per character on held-out text by epochs, a line for each seed.",
            "stream",
            "stream-gru",
            "stream-rnn",
        ),
        _picture(
            "size",
            "More units, and two layers: bits per character on held-out text by epochs.",
            "stream-h64",
            "stream-h128",
            "stream",
            "stream-2-layers",
        ),
        _picture(
            "recipes",
            "Windows as in Keras' example, streams, and sentences: bits per character on held-out text by seconds of a core.",
            "windows",
            "stream",
            "sentences",
            x="cpu_seconds",
        ),
        Picture(
            "30-epochs",
            "Thirty epochs of 128 units: bits per character on held-out text, and on the text that is learnt from (dotted).",
            ["stream-30-epochs"],
            "epoch",
            {"held out": _held_out, "learnt from": _learnt},
            "bits per character",
        ),
    ],
    prepare=prepare,
)


def main(argv: list[str] | None = None) -> int:
    return _experiments.main(STUDY, argv)
