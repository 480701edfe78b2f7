"""What the tutorial tried with sums, and what it left open: `python -m tasks.addition experiments`."""

from .. import _experiments
from .._experiments import Experiment, Study

STUDY = Study(
    f"{__package__}.train",
    [
        Experiment("3-digits", "--recipe keras", 1.0),
        Experiment("3-digits-h300", "--recipe keras --hidden 300", 2.5),
        Experiment("3-digits-2-layers", "--recipe keras --layers 2", 1.5),
        Experiment("5-digits", "--recipe keras --digits 5", 3.0),
        Experiment("5-digits-h300", "--recipe keras --digits 5 --hidden 300 --epochs 25", 6.0),
        Experiment("3-digits-gru", "--recipe keras --cell gru", 1.0),
        Experiment("3-digits-rnn", "--recipe keras --cell rnn", 1.0),
        Experiment("3-digits-plain", "--recipe keras --no-reverse", 2.0),
        Experiment("3-digits-100-epochs", "--recipe keras --epochs 100 --target 0", 3.5),
        Experiment("3-digits-fast", "--recipe fast", 0.2),
        Experiment("5-digits-h300-fast", "--recipe fast --digits 5 --hidden 300", 3.0),
    ],
)


def main(argv: list[str] | None = None) -> int:
    return _experiments.main(STUDY, argv)
