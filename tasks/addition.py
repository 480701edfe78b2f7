"""A network learns to add, reading and writing one character at a time.

An encoder reads a question such as `535+61`, its last state is repeated once per character of the answer, and a decoder
writes `596`. Data and network are those of Keras' addition example: LSTMs, or with `--cell` GRUs or simple RNNs.

    python -m tasks.addition
    python -m tasks.addition --cell gru
    python -m tasks.addition --digits 2 --samples 5000 --batch 32 --epochs 200

Letters: N questions; ids are places in SYMBOLS.
"""

import argparse
import sys

import numpy as np
import numpy.typing as npt

import pyrnn
from pyrnn import layers, optimizers

from . import _console, _options
from ._run import Run

SYMBOLS = " +0123456789"
BLANK, PLUS, ZERO = 0, 1, 2

Ids = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


def settings(argv: list[str] | None) -> argparse.Namespace:
    options = _options.parser(f"{__package__}.addition", "A recurrent network learns to add.", epochs=60, lr=0.001)
    share = _options.real("a number from 0 to 1", lambda number: 0 <= number <= 1)
    data = options.add_argument_group("questions")
    data.add_argument("--digits", type=_options.whole(1, 18), default=3, metavar="N", help="of a number, at most")
    data.add_argument("--samples", type=_options.whole(10), default=50_000, metavar="N", help="a tenth is held out")
    data.add_argument("--reverse", action=argparse.BooleanOptionalAction, default=True, help="read questions backwards")
    data.add_argument("--target", type=share, default=0.99, metavar="SHARE", help="exact match to stop at; 0 is never")
    return options.parse_args(argv)


# -- data ---------------------------------------------------------------------


def distinct_questions(digits: int) -> int:
    """How many unordered pairs of numbers below 10^digits there are.

    >>> distinct_questions(2)
    5050
    """
    numbers: int = 10**digits
    return numbers * (numbers + 1) // 2


def draw_numbers(count: int, digits: int, rng: np.random.Generator) -> Numbers:
    """Every length 1..digits as likely and every digit uniform, the leading ones too: small numbers are frequent."""
    return rng.integers(0, 10 ** rng.integers(1, digits + 1, count))


def draw_pairs(samples: int, digits: int, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """a and b [N] in the order drawn, without pairs seen before, where a+b and b+a are the same.

    Raises ValueError when there are not so many.
    """
    possible = distinct_questions(digits)
    if samples > possible:
        raise ValueError(f"{samples} is more than the {possible} distinct questions with --digits {digits}")
    a = b = np.empty(0, np.int64)
    while len(a) < samples:
        a = np.concatenate([a, draw_numbers(samples, digits, rng)])
        b = np.concatenate([b, draw_numbers(samples, digits, rng)])
        low, high = np.minimum(a, b), np.maximum(a, b)
        order = np.lexsort((high, low))  # stable: equal pairs stay in the order drawn
        repeated = (np.diff(low[order]) == 0) & (np.diff(high[order]) == 0)
        first = np.sort(order[np.concatenate([[True], ~repeated])])
        a, b = a[first], b[first]
    return a[:samples], b[:samples]


def decimal(numbers: Numbers, width: int) -> Ids:
    """Ids [N, width] of the digits, blank before the first.

    >>> decimal(np.array([0, 42]), 3)
    array([[0, 0, 2],
           [0, 6, 4]], dtype=uint8)
    """
    digits = numbers[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10
    begun = np.cumsum(digits, axis=1) > 0
    begun[:, -1] = True  # zero has a digit too
    return np.where(begun, digits + ZERO, BLANK).astype(np.uint8)


def blanks_last(ids: Ids) -> Ids:
    return np.take_along_axis(ids, np.argsort(ids == BLANK, axis=1, kind="stable"), axis=1)


def encode(a: Numbers, b: Numbers, digits: int, reverse: bool) -> tuple[Ids, Ids]:
    """Questions [N, 2 digits + 1], backwards if `reverse`, and answers [N, digits + 1], which never are.

    >>> questions, answers = encode(np.array([53]), np.array([27]), digits=3, reverse=True)
    >>> decode(questions[0]), decode(answers[0])
    ('  72+35', '80  ')
    """
    plus = np.full((len(a), 1), PLUS, np.uint8)
    questions = blanks_last(np.concatenate([decimal(a, digits), plus, decimal(b, digits)], axis=1))
    return questions[:, ::-1] if reverse else questions, blanks_last(decimal(a + b, digits + 1))


def decode(ids: Ids) -> str:
    return "".join(SYMBOLS[i] for i in ids)


# -- model --------------------------------------------------------------------


def build(digits: int, hidden: int, depth: int, cell: _options.Cell = layers.LSTM) -> pyrnn.Sequential:
    """Ids [N, 2 digits + 1] -> probabilities [N, digits + 1, symbols]."""
    model = pyrnn.Sequential()
    model.add(cell(hidden, input_shape=(2 * digits + 1, len(SYMBOLS))))
    model.add(layers.RepeatVector(digits + 1))
    for _ in range(depth):
        model.add(cell(hidden, return_sequences=True))
    model.add(layers.TimeDistributed(layers.Dense(len(SYMBOLS), activation="softmax")))
    return model


# -- report -------------------------------------------------------------------


class Exam(Run):
    """After each epoch: the exact match on all held-out questions, and ten of them to look at."""

    def __init__(
        self, model: pyrnn.Sequential, args: argparse.Namespace, x: Ids, y: Ids, rng: np.random.Generator
    ) -> None:
        super().__init__(model, args, f"{args.samples:,} sums, of which {len(x):,} are held out")
        self.x, self.y, self.rng = x, y, rng
        self.exact = 0.0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        guesses = self.model.predict(self.x, verbose=0).argmax(axis=-1)
        self.exact = float((guesses == self.y).all(axis=1).mean())
        self.record(epoch, {**(logs or {}), "exact": self.exact})
        if not self.settings.quiet:
            self.show(guesses)
        if self.exact >= self.settings.target > 0:
            self.model.stop_training = True

    def show(self, guesses: npt.NDArray[np.intp]) -> None:
        """Ten questions in the order in which people read them, with the true answer and the network's."""
        print(f"exact match {self.exact:.4f} on {len(self.x):,} held-out sums, for example")
        for i in self.rng.choice(len(self.x), min(10, len(self.x)), replace=False):
            question = self.x[i, ::-1] if self.settings.reverse else self.x[i]
            verdict = _console.verdict(bool((guesses[i] == self.y[i]).all()), sys.stdout)
            print("Q", decode(question), "T", decode(self.y[i]), verdict, decode(guesses[i]))
        print(flush=True)


# -- run ----------------------------------------------------------------------


def train(args: argparse.Namespace) -> int:
    pyrnn.set_num_threads(args.threads)
    pyrnn.utils.set_random_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    try:
        a, b = draw_pairs(args.samples, args.digits, rng)
    except ValueError as error:
        raise _console.RunFailed(f"--samples {error}") from error
    order = rng.permutation(args.samples)
    x, y = encode(a[order], b[order], args.digits, args.reverse)
    split = args.samples - args.samples // 10

    model = build(args.digits, args.hidden, args.layers, _options.CELLS[args.cell])
    model.compile(optimizer=optimizers.Adam(args.lr), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    exam = Exam(model, args, x[split:], y[split:], rng)
    try:
        model.fit(
            x[:split],
            y[:split],
            batch_size=args.batch,
            epochs=args.epochs,
            validation_data=(x[split:], y[split:]),
            callbacks=[exam],
            verbose=0 if args.quiet else "auto",
        )
    except KeyboardInterrupt:
        return exam.stopped()

    last = exam.rows[-1]
    print(
        f"exact match {exam.exact:.4f}, accuracy per character {last['val_accuracy']:.4f} "
        f"after epoch {last['epoch']} and {last['seconds']:.1f} s of training; results in {exam.folder}"
    )
    if exam.exact < args.target:
        raise _console.RunFailed(f"exact match {exam.exact:.4f} is short of --target {args.target:g}")
    return 0


def main(argv: list[str] | None = None) -> int:
    args = settings(argv)
    return _console.guarded("addition", lambda: train(args))


if __name__ == "__main__":
    sys.exit(main())
