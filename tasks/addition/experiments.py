"""What the tutorial tried with sums, and what it left open: `python -m tasks.addition experiments`."""

from .. import _experiments
from .._experiments import Experiment, Study

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
)


def main(argv: list[str] | None = None) -> int:
    return _experiments.main(STUDY, argv)
