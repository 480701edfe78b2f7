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
        _experiment("stream-rnn", "--recipe stream --cell rnn", 0.3),
        _experiment("stream-h64", "--recipe stream --hidden 64", 0.3),
        _experiment("stream-gru", "--recipe stream --cell gru", 0.4),
        _experiment("stream", "--recipe stream", 0.5),
        _experiment("stream-2-layers", "--recipe stream --layers 2 --lr 0.01", 1.3),
        _experiment("stream-h256", "--recipe stream --hidden 256 --lr 0.01", 1.7),
        _experiment("windows", "--recipe keras --epochs 4", 2.7),
        _experiment("stream-100-epochs", "--recipe stream --epochs 100", 8.0),
    ],
    prepare,
)


def main(argv: list[str] | None = None) -> int:
    return _experiments.main(STUDY, argv)
