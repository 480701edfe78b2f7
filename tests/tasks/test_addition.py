"""The rules of the addition data, its network, and a run from the command line to the files."""

import json
import time

import numpy as np
import pytest

import pyrnn
from tasks import addition

SMALL = ["--digits", "1", "--samples", "55", "--hidden", "16", "--batch", "8", "--epochs", "2"]


def questions(samples=20_000, digits=3, reverse=True):
    a, b = addition.draw_pairs(samples, digits, np.random.default_rng(0))
    return a, b, *addition.encode(a, b, digits, reverse)


# -- data ---------------------------------------------------------------------


def test_symbols_are_in_keras_order_and_an_id_is_a_place():
    assert addition.SYMBOLS == "".join(sorted("0123456789+ "))
    assert (addition.SYMBOLS[addition.BLANK], addition.SYMBOLS[addition.PLUS]) == (" ", "+")
    assert addition.SYMBOLS[addition.ZERO :] == "0123456789"


def test_every_length_is_as_likely_and_every_digit_uniform(rng):
    numbers = addition.draw_numbers(300_000, 3, rng)
    # a third of each length, leading zeros kept: P(n < 10) = (1 + 1/10 + 1/100) / 3, P(n < 100) = (2 + 1/10) / 3
    assert (numbers < 10).mean() == pytest.approx(0.37, abs=0.004)
    assert (numbers < 100).mean() == pytest.approx(0.70, abs=0.004)
    assert (numbers == 0).mean() == pytest.approx(0.037, abs=0.002)
    assert (numbers.min(), numbers.max()) == (0, 999)
    assert np.bincount(numbers % 10) / len(numbers) == pytest.approx(np.full(10, 0.1), abs=0.003)


def test_no_pair_comes_twice_in_either_order():
    a, b, _, _ = questions()
    assert len({tuple(sorted(pair)) for pair in zip(a.tolist(), b.tolist(), strict=True)}) == len(a) == 20_000


def test_of_equal_pairs_the_first_drawn_stays_as_and_where_it_is(monkeypatch):
    drawn = iter([[3, 9, 4], [4, 0, 3], [4, 5, 0], [3, 5, 9]])
    monkeypatch.setattr(addition, "draw_numbers", lambda *_: np.array(next(drawn)))
    a, b = addition.draw_pairs(3, 1, np.random.default_rng(0))
    assert (a.tolist(), b.tolist()) == ([3, 9, 5], [4, 0, 5])


def test_all_questions_there_are_can_be_had_and_no_more(rng):
    a, b = addition.draw_pairs(55, 1, rng)
    assert {tuple(sorted(pair)) for pair in zip(a.tolist(), b.tolist(), strict=True)} == {
        (low, high) for high in range(10) for low in range(high + 1)
    }
    with pytest.raises(ValueError, match="56 is more than the 55 distinct questions with --digits 1"):
        addition.draw_pairs(56, 1, rng)


@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("digits", [1, 3, 18])
def test_questions_and_answers_are_written_as_in_keras(digits, reverse):
    a, b, x, y = questions(50, digits, reverse)
    assert (x.dtype, y.dtype, x.shape, y.shape) == (np.uint8, np.uint8, (50, 2 * digits + 1), (50, digits + 1))
    for i in range(50):
        question = f"{a[i]}+{b[i]}".ljust(2 * digits + 1)
        assert addition.decode(x[i]) == (question[::-1] if reverse else question)
        assert addition.decode(y[i]) == str(a[i] + b[i]).ljust(digits + 1)


def test_a_fifth_of_the_answers_is_padding():
    _, _, _, y = questions(50_000)
    assert (y == addition.BLANK).mean() == pytest.approx(0.216, abs=0.003)


def test_fifty_thousand_samples_take_no_time():
    start = time.perf_counter()
    questions(50_000)
    assert time.perf_counter() - start < 1


# -- model and run ------------------------------------------------------------


def test_the_network_is_that_of_the_example():
    model = addition.build(digits=3, hidden=128, depth=1)
    assert model.count_params() == 72_192 + 131_584 + 1_548
    assert model.output_shape == (None, 4, 12)
    assert addition.build(digits=3, hidden=128, depth=3).count_params() == 205_324 + 2 * 131_584


@pytest.mark.parametrize(("cell", "layer"), [("gru", "GRU"), ("rnn", "SimpleRNN")])
def test_another_cell(tmp_path, cell, layer):
    assert addition.main([*SMALL, "--cell", cell, "--target", "0", "--quiet", "--out", str(tmp_path)]) == 0
    model = pyrnn.load_model(tmp_path / "model.safetensors")
    assert [type(each).__name__ for each in model.layers].count(layer) == 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run by default rules, small: where it went, and what fit and the exam were given."""
    out = tmp_path_factory.mktemp("addition")
    given = {}
    fit = pyrnn.Sequential.fit

    def spy(self, x, y, **settings):
        given.update(settings, x=x, y=y)
        return fit(self, x, y, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyrnn.Sequential, "fit", spy)
        assert addition.main([*SMALL, "--target", "0", "--quiet", "--out", str(out)]) == 0
    return out, given


def test_the_last_tenth_is_held_out_after_one_shuffle(run):
    _, given = run
    x_val, y_val = given["validation_data"]
    assert (len(given["x"]), len(x_val)) == (50, 5)
    rng = np.random.default_rng(0)
    a, b = addition.draw_pairs(55, 1, rng)
    x, y = addition.encode(a, b, 1, True)
    order = rng.permutation(55)
    np.testing.assert_array_equal(np.concatenate([given["x"], x_val]), x[order])
    np.testing.assert_array_equal(np.concatenate([given["y"], y_val]), y[order])


def test_metrics_tell_the_accuracy_per_character_and_the_exact_match(run):
    out, given = run
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    names = {"epoch", "seconds", "loss", "accuracy", "val_loss", "val_accuracy", "exact"}
    assert all(set(row) == names for row in rows)
    x_val, y_val = given["validation_data"]
    right = pyrnn.load_model(out / "model.safetensors").predict(x_val, verbose=0).argmax(-1) == y_val
    assert rows[-1]["val_accuracy"] == pytest.approx(right.mean())
    assert rows[-1]["exact"] == pytest.approx(right.all(axis=1).mean())


def test_same_seed_same_bits(run, tmp_path):
    out, _ = run
    assert addition.main([*SMALL, "--target", "0", "--quiet", "--out", str(tmp_path)]) == 0
    for first, again in zip(
        pyrnn.load_model(out / "model.safetensors").get_weights(),
        pyrnn.load_model(tmp_path / "model.safetensors").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(first, again)


def test_ten_questions_are_shown_as_in_the_tutorial(tmp_path, capsys):
    samples = ["--digits", "2", "--samples", "300", "--hidden", "8", "--epochs", "1", "--target", "0"]
    assert addition.main([*samples, "--out", str(tmp_path)]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Q")]
    assert len(shown) == len(set(shown)) == 10
    for line in shown:
        # Q 53+27 T 80  ☑ 80 : columns 2-6 the question, 9-11 the answer, 13 the verdict, 15-17 the guess
        assert (line[:2], line[7:10], line[13], line[15]) == ("Q ", " T ", " ", " "), line
        question, answer, verdict, guess = line[2:7], line[10:13], line[14], line[16:19]
        a, b = question.split("+")
        assert int(a) + int(b) == int(answer)
        assert verdict == ("☑" if guess == answer else "☒")


class Oracle(pyrnn.Sequential):
    """Knows how to add, by reading the question."""

    def predict(self, x, **_):
        out = np.zeros((len(x), 2, 12))
        for row, ids in zip(out, x, strict=True):
            answer = str(sum(map(int, addition.decode(ids)[::-1].split("+")))).ljust(2)
            row[range(2), [addition.SYMBOLS.index(symbol) for symbol in answer]] = 1
        return out


def test_training_stops_at_the_target(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pyrnn, "Sequential", Oracle)
    assert addition.main([*SMALL, "--epochs", "50", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "☑" in out and "☒" not in out
    assert "exact match 1.0000" in out.splitlines()[-1]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_a_missed_target_is_a_failed_run_that_keeps_its_results(tmp_path, capsys):
    assert addition.main([*SMALL, "--epochs", "1", "--target", "1", "--quiet", "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert err.splitlines() == ["addition: exact match 0.0000 is short of --target 1"]
    assert out.startswith("exact match 0.0000, accuracy per character 0.") and out.count("\n") == 1
    assert (tmp_path / "model.safetensors").exists()


def test_more_samples_than_questions_are_refused(tmp_path, capsys):
    assert addition.main(["--digits", "2", "--samples", "5051", "--out", str(tmp_path)]) == 1
    assert (
        capsys.readouterr().err == "addition: --samples 5051 is more than the 5050 distinct questions with --digits 2\n"
    )
