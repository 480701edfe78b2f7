"""What the tutorial tried with text, and what it left open: `python -m tasks.textgen experiments`."""

from .. import _console, _experiments
from .._experiments import Experiment, Study
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
    prepare,
)


def main(argv: list[str] | None = None) -> int:
    return _experiments.main(STUDY, argv)
