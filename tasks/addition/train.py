"""A network learns to add, reading and writing one character at a time.

An encoder reads a question such as `535+ 61`, and from the state in which it ends a decoder writes `596`. By the recipe
`fast` the sums stand in columns as on paper, the units are written first, and the decoder reads what it wrote before
(`pyrnn.Seq2Seq`). `--recipe keras` is Keras' addition example: sums in a line, and the last state repeated once per
character of the answer. Both have LSTMs, or with `--cell` GRUs or simple RNNs.

    python -m tasks.addition
    python -m tasks.addition --ask 535+61 999+1
    python -m tasks.addition --recipe keras
    python -m tasks.addition --digits 5
    python -m tasks.addition --resume runs/addition

Letters: N questions; ids are places in sums.SYMBOLS.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import pyrnn
from pyrnn import layers, optimizers, schedules

from .. import _console, _options
from .._markdown import table
from .._run import Run, resumed
from . import sums
from .carries import Table
from .sums import Ids, Layout, Numbers

CLIP = 1.0  # of the gradient, which lets the rate be high
WARM_UP = 300  # updates, but a tenth of all at most
UPDATES, MOST_EPOCHS = 2800, 60  # of the recipe fast, for 3 digits
ALONE = (
    96  # units up to which threads that wait for each other cost more on a busy machine than they win on a quiet one
)
TO_ASK = ("ask", "model", "out", "threads")

# -- recipes ------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """What to learn from, with which network and optimizer; `defaults` are those of the command line."""

    columns: bool
    build: Callable[[int, int, int, _options.Cell], pyrnn.Sequential]  # digits, hidden, layers, cell
    optimizer: Callable[[float, int], optimizers.Optimizer]  # rate, updates
    metrics: list[str]
    defaults: dict[str, int | float]


def repeating(digits: int, hidden: int, depth: int, cell: _options.Cell = layers.LSTM) -> pyrnn.Sequential:
    """Ids [N, 2 digits + 1] -> probabilities [N, digits + 1, symbols]."""
    question, answer = sums.widths(digits)
    model = pyrnn.Sequential()
    model.add(cell(hidden, input_shape=(question, len(sums.SYMBOLS))))
    model.add(layers.RepeatVector(answer))
    for _ in range(depth):
        model.add(cell(hidden, return_sequences=True))
    model.add(layers.TimeDistributed(layers.Dense(len(sums.SYMBOLS), activation="softmax")))
    return model


def forced(digits: int, hidden: int, depth: int, cell: _options.Cell = layers.LSTM) -> pyrnn.Seq2Seq:
    """Ids [N, 2 digits + 1] and the answer's up to each place -> probabilities [N, digits + 1, symbols]."""
    question, answer = sums.widths(digits)
    encoder, decoder = (pyrnn.Sequential([layers.Input((n, len(sums.SYMBOLS)))]) for n in (question, answer))
    for i in range(depth):
        encoder.add(cell(hidden, return_sequences=i < depth - 1))
        decoder.add(cell(hidden, return_sequences=True))
    decoder.add(layers.Dense(len(sums.SYMBOLS), activation="softmax"))
    return pyrnn.Seq2Seq(encoder, decoder, start=sums.PLUS)


def warmed_nadam(rate: float, updates: int) -> optimizers.Optimizer:
    """Nadam, its rate up in a line and down along half a cosine to nothing at the last update."""
    rise = max(1, min(WARM_UP, round(0.1 * updates)))
    schedule = schedules.CosineDecay(0.0, max(1, updates - rise), warmup_target=rate, warmup_steps=rise)
    return optimizers.Nadam(schedule, global_clipnorm=CLIP)


RECIPES = {
    "fast": Recipe(True, forced, warmed_nadam, [], {"hidden": 64, "batch": 64, "epochs": 4, "lr": 0.02, "threads": 1}),
    "keras": Recipe(
        False,
        repeating,
        lambda rate, _: optimizers.Adam(rate),
        ["accuracy"],
        {"hidden": 128, "batch": 128, "epochs": 60, "lr": 0.001},
    ),
}


# -- command line -------------------------------------------------------------


def settings(argv: list[str] | None) -> argparse.Namespace:
    options = _options.parser(
        __package__ or "tasks.addition", "A recurrent network learns to add.", epochs=60, lr=0.001
    )
    options.set_defaults(**RECIPES[_options.recipe_named(argv, RECIPES, "fast")].defaults, ask=None, model=None)
    recipe = (
        "fast: sums in columns, units first, teacher forcing, Nadam; its units and epochs grow with --digits above 3, its rate falls with the units; "
        "keras: Keras' example, whose defaults `--recipe keras --help` shows"
    )
    options.add_argument("--recipe", choices=RECIPES, default="fast", help=recipe)
    share = _options.real("a number from 0 to 1", lambda number: 0 <= number <= 1)
    data = options.add_argument_group("questions")
    data.add_argument("--digits", type=_options.whole(1, 18), default=3, metavar="N", help="of a number, at most")
    data.add_argument("--samples", type=_options.whole(10), default=50_000, metavar="N", help="a tenth is held out")
    data.add_argument("--reverse", action=argparse.BooleanOptionalAction, default=True, help="read questions backwards")
    data.add_argument("--target", type=share, default=0.99, metavar="SHARE", help="exact match to stop at; 0 is never")
    asking = options.add_argument_group("a trained network, instead of training one")
    asked = "sums such as 535+61 to answer"
    asking.add_argument("--ask", nargs="+", metavar="SUM", default=argparse.SUPPRESS, help=asked)
    model = "that is asked (default: model.safetensors in --out), beside its config.json"
    asking.add_argument("--model", type=Path, metavar="FILE", default=argparse.SUPPRESS, help=model)
    _options.add_resume(options)
    args, given = _options.parse(options, argv), _options.given(options, argv)
    if args.model is not None and args.ask is None:
        options.error("argument --model: is for --ask only")
    if args.ask is not None:
        for name in sorted(given - set(TO_ASK)):
            options.error(f"argument --{name}: is for training, not for --ask")
    for name, value in _by_size(args, given).items():
        if name not in given:
            setattr(args, name, value)
    return args


def _by_size(args: argparse.Namespace, given: set[str]) -> dict[str, int | float]:
    """Defaults that depend on how many digits, samples and units there are."""
    samples = args.samples if "samples" in given else min(args.samples, sums.distinct_questions(args.digits))
    if args.recipe != "fast":
        return {"samples": samples}
    more = max(0, args.digits - 3)
    updates = UPDATES * 2 ** min(more, 3)
    epochs = min(MOST_EPOCHS, math.ceil(updates / math.ceil((samples - samples // 10) / args.batch)))
    hidden = args.hidden if "hidden" in given else min(64 + 32 * more, 256)
    rate = round(0.02 * math.sqrt(64 / hidden), 4)
    return {"samples": samples, "hidden": hidden, "epochs": epochs, "lr": rate, "threads": int(hidden <= ALONE)}


# -- answers ------------------------------------------------------------------


def answer(model: pyrnn.Sequential, questions: Ids, steps: int) -> Ids:
    """The most probable symbols [N, steps], of a Seq2Seq each after those that it wrote itself."""
    if isinstance(model, pyrnn.Seq2Seq):
        return model.decode(questions, steps)
    ids: Ids = model.predict(questions, verbose=0).argmax(axis=-1)
    return ids


def trained(path: Path) -> tuple[pyrnn.Sequential, Layout]:
    """A model of a run, and from config.json beside it how its sums are laid out. Raises RunFailed."""
    config = path.with_name("config.json")
    try:
        model = pyrnn.load_model(path)
        arguments = json.loads(config.read_text(encoding="utf-8"))["arguments"]
        columns = RECIPES[arguments["recipe"]].columns
        layout = Layout(arguments["digits"], columns, arguments["reverse"])
    except FileNotFoundError as error:
        missing = "--out or --model names another, and python -m tasks.addition trains one"
        raise _console.RunFailed(f"no trained network: {error.filename or path} is missing; {missing}") from error
    except (OSError, ValueError) as error:
        raise _console.RunFailed(f"{path} cannot be read: {error}") from error
    except (KeyError, TypeError) as error:
        raise _console.RunFailed(f"{config} is not that of an addition run: it has no {error}") from error
    if model.input_shape[1:2] != sums.widths(layout.digits)[:1] or isinstance(model, pyrnn.Seq2Seq) is not columns:
        raise _console.RunFailed(f"{path} is not the network that {config} tells of")
    return model, layout


def ask(args: argparse.Namespace) -> int:
    """Print the network's answers to args.ask, each with the verdict and, where it is wrong, the sum."""
    pyrnn.set_num_threads(args.threads)
    model, layout = trained(args.model or args.out / "model.safetensors")
    try:
        pairs = np.array([sums.parse(question, layout.digits) for question in args.ask], np.int64)
    except sums.QuestionError as error:
        raise _console.RunFailed(f"--ask {error}") from error
    a, b = pairs.T
    questions, truths = layout.encode(a, b)
    guesses = answer(model, questions, truths.shape[1])
    for (one, other), guess, truth in zip(pairs, guesses, truths, strict=True):
        right = bool((guess == truth).all())
        note = "" if right else f" it is {one + other}"
        shown = sums.decode(layout.read_answers(guess[None])[0]).strip()
        print(f"{one}+{other} = {shown} {_console.verdict(right, sys.stdout)}{note}")
    return 0


# -- training -----------------------------------------------------------------


class Exam(Run):
    """After each epoch: the exact match on all held-out questions, and ten of them to look at."""

    def __init__(
        self,
        model: pyrnn.Sequential,
        args: argparse.Namespace,
        layout: Layout,
        pairs: tuple[Numbers, Numbers],
        rng: np.random.Generator,
    ) -> None:
        facts = {"optimizer": describe(model.optimizer), "columns": layout.columns}
        super().__init__(model, args, f"{args.samples:,} sums, of which {len(pairs[0]):,} are held out", **facts)
        self.layout, self.pairs, self.rng = layout, pairs, rng
        self.x, self.y = layout.encode(*pairs)
        self.guesses = np.zeros_like(self.y)

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "random": self.rng.bit_generator.state, "guesses": self.guesses}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.rng.bit_generator.state, self.guesses = state["random"], state["guesses"]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        return np.equal(self.guesses, self.y)

    @property
    def exact(self) -> float:
        return float(self.right.all(axis=1).mean())

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.guesses = answer(self.model, self.x, self.y.shape[1])
        self.record(epoch, {**(logs or {}), "per_character": float(self.right.mean()), "exact": self.exact})
        examples = self.examples()
        cells = [[f"`{part}`" for part in example] + ["☒☑"[example[1] == example[2]]] for example in examples]
        named = table(["question", "answer", "the network's", ""], cells)
        self.keep_samples(epoch, f"Exact match {self.exact:.4f} on {len(self.x):,} held-out sums, for example", named)
        if not self.settings.quiet:
            self.show(examples)
        if self.exact >= self.settings.target > 0:
            self.model.stop_training = True

    def examples(self) -> list[tuple[str, str, str]]:
        """Ten questions in the order in which people read them, with the true answer and the network's."""
        rows = self.rng.choice(len(self.x), min(10, len(self.x)), replace=False)
        ids = (
            self.layout.read_questions(self.x[rows]),
            *(self.layout.read_answers(of[rows]) for of in (self.y, self.guesses)),
        )
        return list(zip(*([sums.decode(row) for row in of] for of in ids), strict=True))

    def show(self, examples: list[tuple[str, str, str]]) -> None:
        print(f"exact match {self.exact:.4f} on {len(self.x):,} held-out sums, for example")
        for question, truth, guess in examples:
            print("Q", question, "T", truth, _console.verdict(truth == guess, sys.stdout), guess)
        print(flush=True)


def describe(optimizer: optimizers.Optimizer) -> dict[str, object]:
    return {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}


def train(args: argparse.Namespace) -> int:
    args = resumed(args, RECIPES, settings)
    pyrnn.set_num_threads(args.threads)
    pyrnn.utils.set_random_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    try:
        a, b = sums.draw_pairs(args.samples, args.digits, rng)
    except ValueError as error:
        raise _console.RunFailed(f"--samples {error}") from error
    order = rng.permutation(args.samples)
    a, b = a[order], b[order]
    split = args.samples - args.samples // 10

    recipe = RECIPES[args.recipe]
    layout = Layout(args.digits, recipe.columns, args.reverse)
    model = recipe.build(args.digits, args.hidden, args.layers, _options.CELLS[args.cell])
    optimizer = recipe.optimizer(args.lr, args.epochs * -(-split // args.batch))
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=recipe.metrics)
    exam = Exam(model, args, layout, (a[split:], b[split:]), rng)
    try:
        model.fit(
            *layout.encode(a[:split], b[:split]),
            batch_size=args.batch,
            epochs=args.epochs,
            validation_data=(exam.x, exam.y),
            callbacks=exam.callbacks,
            verbose=0 if args.quiet else "auto",
        )
    except KeyboardInterrupt:
        return exam.stopped()

    table = Table(sums.carries(*exam.pairs, args.digits), exam.right)
    table.write(exam.folder)
    if not args.quiet:
        print(table, end="\n\n")
    last = exam.rows[-1]
    print(
        f"exact match {exam.exact:.4f}, accuracy per character {last['per_character']:.4f} "
        f"after epoch {last['epoch']} and {last['seconds']:.1f} s of training; results in {exam.folder}"
    )
    if exam.exact < args.target:
        raise _console.RunFailed(f"exact match {exam.exact:.4f} is short of --target {args.target:g}")
    return 0


def main(argv: list[str] | None = None) -> int:
    args = settings(argv)
    return _console.guarded("addition", lambda: train(args) if args.ask is None else ask(args))
