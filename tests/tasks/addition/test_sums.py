"""The rules of the addition data: which sums are drawn, how they are laid out, which questions can be read."""

import time

import numpy as np
import pytest

from tasks.addition import sums


def drawn(samples=20_000, digits=3, columns=False, reverse=True):
    a, b = sums.draw_pairs(samples, digits, np.random.default_rng(0))
    return a, b, *sums.Layout(digits, columns, reverse).encode(a, b)


# -- data ---------------------------------------------------------------------


def test_symbols_are_in_keras_order_and_an_id_is_a_place():
    assert sums.SYMBOLS == "".join(sorted("0123456789+ "))
    assert (sums.SYMBOLS[sums.BLANK], sums.SYMBOLS[sums.PLUS]) == (" ", "+")
    assert sums.SYMBOLS[sums.ZERO :] == "0123456789"


def test_every_length_is_as_likely_and_every_digit_uniform(rng):
    numbers = sums.draw_numbers(300_000, 3, rng)
    # a third of each length, leading zeros kept: P(n < 10) = (1 + 1/10 + 1/100) / 3, P(n < 100) = (2 + 1/10) / 3
    assert (numbers < 10).mean() == pytest.approx(0.37, abs=0.004)
    assert (numbers < 100).mean() == pytest.approx(0.70, abs=0.004)
    assert (numbers == 0).mean() == pytest.approx(0.037, abs=0.002)
    assert (numbers.min(), numbers.max()) == (0, 999)
    assert np.bincount(numbers % 10) / len(numbers) == pytest.approx(np.full(10, 0.1), abs=0.003)


def test_no_pair_comes_twice_in_either_order():
    a, b, _, _ = drawn()
    assert len({tuple(sorted(pair)) for pair in zip(a.tolist(), b.tolist(), strict=True)}) == len(a) == 20_000


def test_of_equal_pairs_the_first_drawn_stays_as_and_where_it_is(monkeypatch):
    drawn = iter([[3, 9, 4], [4, 0, 3], [4, 5, 0], [3, 5, 9]])
    monkeypatch.setattr(sums, "draw_numbers", lambda *_: np.array(next(drawn)))
    a, b = sums.draw_pairs(3, 1, np.random.default_rng(0))
    assert (a.tolist(), b.tolist()) == ([3, 9, 5], [4, 0, 5])


def test_all_questions_there_are_can_be_had_and_no_more(rng):
    a, b = sums.draw_pairs(55, 1, rng)
    assert {tuple(sorted(pair)) for pair in zip(a.tolist(), b.tolist(), strict=True)} == {
        (low, high) for high in range(10) for low in range(high + 1)
    }
    with pytest.raises(ValueError, match="56 is more than the 55 distinct questions with --digits 1"):
        sums.draw_pairs(56, 1, rng)


@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("digits", [1, 3, 18])
def test_questions_and_answers_are_written_as_in_keras(digits, reverse):
    a, b, x, y = drawn(50, digits, reverse=reverse)
    assert (x.dtype, y.dtype, x.shape, y.shape) == (np.uint8, np.uint8, (50, 2 * digits + 1), (50, digits + 1))
    for i in range(50):
        question = f"{a[i]}+{b[i]}".ljust(2 * digits + 1)
        assert sums.decode(x[i]) == (question[::-1] if reverse else question)
        assert sums.decode(y[i]) == str(a[i] + b[i]).ljust(digits + 1)


def test_a_fifth_of_the_answers_is_padding():
    _, _, _, y = drawn(50_000)
    assert (y == sums.BLANK).mean() == pytest.approx(0.216, abs=0.003)


def test_fifty_thousand_samples_take_no_time():
    start = time.perf_counter()
    drawn(50_000)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("digits", [1, 3, 12, 18])
def test_in_columns_a_place_is_a_power_of_ten_and_the_units_come_first(digits, reverse):
    a, b, x, y = drawn(50, digits, columns=True, reverse=reverse)
    for i in range(50):
        question = f"{a[i]:{digits}}+{b[i]:{digits}}"
        assert sums.decode(x[i]) == (question[::-1] if reverse else question)
        assert sums.decode(y[i]) == f"{a[i] + b[i]:{digits + 1}}"[::-1]


@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("columns", [True, False])
def test_people_read_what_was_encoded(columns, reverse):
    a, b, x, y = drawn(50, 3, columns, reverse)
    layout = sums.Layout(3, columns, reverse)
    for i, (question, answer) in enumerate(zip(layout.read_questions(x), layout.read_answers(y), strict=True)):
        assert sums.parse(sums.decode(question).replace(" ", ""), 3) == (a[i], b[i])
        assert int(sums.decode(answer)) == a[i] + b[i]


def test_carries_are_counted_as_by_hand(rng):
    a, b = rng.integers(0, 10**6, (2, 500))
    counted = []
    for one, other in zip(a.tolist(), b.tolist(), strict=True):
        carry, count = 0, 0
        for place in range(6):
            carry = (one // 10**place % 10 + other // 10**place % 10 + carry) // 10
            count += carry
        counted.append(count)
    np.testing.assert_array_equal(sums.carries(a, b, 6), counted)
    assert set(counted) == set(range(7))
    assert sums.carries(np.array([10**18 - 1]), np.array([1]), 18) == 18


def test_questions_are_read_with_blanks_and_zeros_before():
    assert sums.parse(" 535 +61 ", 3) == (535, 61)
    assert sums.parse("0007+0", 1) == (7, 0)


@pytest.mark.parametrize("question", ["", "535", "535-61", "1+2+3", "-1+2", "1.5+2", "5 35+6", "a+b", "٣+1", "+3"])
def test_what_is_no_sum_is_refused(question):
    with pytest.raises(sums.QuestionError, match="is not a sum of two whole numbers such as 535"):
        sums.parse(question, 3)


def test_too_many_digits_are_refused():
    message = "'1\\+1000' has a number of more than 3 digits, all that this network can read"
    with pytest.raises(sums.QuestionError, match=message):
        sums.parse("1+1000", 3)
