"""Sums as people write them, and the same in the symbols that a network reads and writes.

In a line, as Keras' addition example has it: `53+27  ` and `80  `, blanks behind. Or in columns, as one adds on paper:
` 53+ 27` and `  80`, blanks before, so that a place is always the same power of ten; of the answer the units are written
first, as that is where the carries come from.

Letters: N questions, D digits of a number at most; ids are places in SYMBOLS.
"""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SYMBOLS = " +0123456789"
BLANK, PLUS, ZERO = 0, 1, 2

Ids = npt.NDArray[np.integer]
Numbers = npt.NDArray[np.int64]


class QuestionError(ValueError):
    """Not a sum, or not one that the network can read; the message is one sentence for the user."""


# -- numbers ------------------------------------------------------------------


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


def carries(a: Numbers, b: Numbers, digits: int) -> Numbers:
    """How many columns of each sum carry a one into the next, [N].

    >>> carries(np.array([535, 999, 5]), np.array([61, 1, 5]), digits=3)
    array([0, 3, 1])
    """
    powers = 10 ** np.arange(1, digits + 1)
    carried: npt.NDArray[np.bool_] = a[:, None] % powers + b[:, None] % powers >= powers
    counts: Numbers = carried.sum(axis=1)
    return counts


# -- symbols ------------------------------------------------------------------


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


def widths(digits: int) -> tuple[int, int]:
    """Characters of a question and of an answer."""
    return 2 * digits + 1, digits + 1


def decode(ids: Ids) -> str:
    return "".join(SYMBOLS[i] for i in ids)


@dataclass(frozen=True)
class Layout:
    """How sums of at most `digits` digits are laid out; `reverse` reads the questions backwards."""

    digits: int
    columns: bool
    reverse: bool

    def encode(self, a: Numbers, b: Numbers) -> tuple[Ids, Ids]:
        """Questions [N, 2 D + 1] and answers [N, D + 1] as the network sees them.

        >>> a, b = np.array([53]), np.array([27])
        >>> for layout in (Layout(3, columns=False, reverse=True), Layout(3, columns=True, reverse=True)):
        ...     questions, answers = layout.encode(a, b)
        ...     print(repr(decode(questions[0])), repr(decode(answers[0])))
        '  72+35' '80  '
        '72 +35 ' '08  '
        """
        plus = np.full((len(a), 1), PLUS, np.uint8)
        questions = np.concatenate([decimal(a, self.digits), plus, decimal(b, self.digits)], axis=1)
        answers = decimal(a + b, self.digits + 1)
        if not self.columns:
            questions, answers = blanks_last(questions), blanks_last(answers)
        return questions[:, ::-1] if self.reverse else questions, self.read_answers(answers)

    def read_questions(self, ids: Ids) -> Ids:
        """Questions in the order in which people read them."""
        return ids[:, ::-1] if self.reverse else ids

    def read_answers(self, ids: Ids) -> Ids:
        """Answers in the order in which people read them, and back."""
        return ids[:, ::-1] if self.columns else ids


def parse(question: str, digits: int) -> tuple[int, int]:
    """The two numbers of a question such as `535+61`; blanks do not matter.

    Raises QuestionError.

    >>> parse("535 + 61", digits=3)
    (535, 61)
    """
    found = re.fullmatch(r"\s*([0-9]+)\s*\+\s*([0-9]+)\s*", question)
    if found is None:
        raise QuestionError(f"{question!r} is not a sum of two whole numbers such as 535+61")
    a, b = (number.lstrip("0") or "0" for number in found.groups())
    if max(len(a), len(b)) > digits:
        most = f"{digits} digit{'s' if digits > 1 else ''}"
        raise QuestionError(f"{question!r} has a number of more than {most}, all that this network can read")
    return int(a), int(b)
