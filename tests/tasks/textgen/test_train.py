"""The windows, the sampling and the report of the text task, and its numbers on the real corpus."""

import hashlib
import json
import math
import os
import re

import numpy as np
import pytest

import pyrnn
from pyrnn.text import Vocabulary, windows
from tasks._console import RunFailed
from tasks.textgen import corpus, recipes, report, scores
from tasks.textgen import train as textgen

from .conftest import TEXT

DIVERSITIES = ["0.2", "0.5", "1", "1.2"]
SMALL = ["--recipe", "keras", "--window", "10", "--hidden", "12", "--epochs", "2", "--length", "15", "--batch", "32"]


def rows_of(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


# -- data ---------------------------------------------------------------------


def test_the_last_share_of_the_characters_is_held_out():
    ids = np.arange(100, dtype=np.uint8)
    learnt, held_out = textgen.split(ids, 0.1, 6, 6)
    assert (learnt.tolist(), held_out.tolist()) == (list(range(90)), list(range(90, 100)))
    learnt, held_out = textgen.split(ids, 0.0, 6, 6)
    assert (len(learnt), len(held_out)) == (100, 0)
    assert np.shares_memory(learnt, ids)


@pytest.mark.parametrize(
    ("size", "holdout", "parts", "needed"),
    [
        (10, 0.0, "10 of its 10 characters are to train on and 0 held out, where at least 11 and 0 must be", 11),
        (20, 0.9, "1 of its 20 characters are to train on and 19 held out, where at least 11 and 9 must be", 111),
        (60, 0.1, "54 of its 60 characters are to train on and 6 held out, where at least 11 and 9 must be", 81),
        (100, 0.001, "99 of its 100 characters are to train on and 1 held out, where at least 11 and 9 must be", 8001),
    ],
)
def test_a_part_too_short_is_refused_with_the_size_needed(size, holdout, parts, needed):
    with pytest.raises(RunFailed, match=f"^the corpus is too short: {parts}: it needs {needed}$"):
        textgen.split(np.zeros(size, np.uint8), holdout, 11, 9)
    for just_too_short in range(max(size, needed - 3), needed):
        with pytest.raises(RunFailed, match=f"it needs {needed}$"):
            textgen.split(np.zeros(just_too_short, np.uint8), holdout, 11, 9)
    learnt, held_out = textgen.split(np.zeros(needed, np.uint8), holdout, 11, 9)
    assert len(learnt) >= 11 and len(held_out) >= (9 if holdout else 0)


@pytest.mark.parametrize(
    ("count", "quiet", "warned"), [(49_999, [], True), (50_000, [], False), (5, ["--quiet"], False)]
)
def test_few_words_are_warned_of(tmp_path, monkeypatch, count, quiet, warned, capsys):
    path = tmp_path / "few.txt"
    path.write_text("a b\n" * (count // 2) + "a" * (count % 2) + " " * 100)
    monkeypatch.setattr(pyrnn.Sequential, "fit", lambda self, **_: (_ for _ in ()).throw(RunFailed("enough")))
    small = ["--hidden", "4", "--window", "2", "--batch", "1"]
    assert textgen.main(["--corpus", str(path), *small, *quiet, "--out", str(tmp_path / "out")]) == 1
    told = f"the corpus has {count:,} words: of fewer than 50,000 a network learns them by heart rather than to write\n"
    assert capsys.readouterr().err == (told if warned else "") + "textgen: enough\n"


def test_the_network_is_that_of_the_example():
    assert recipes.build(window=40, symbols=57, hidden=128, depth=1).count_params() == 102_585
    deep = recipes.build(window=40, symbols=57, hidden=128, depth=2)
    assert deep.count_params() == 102_585 + 131_584
    assert deep.output_shape == (None, 57)


@pytest.fixture
def nietzsche():
    if not os.environ.get("PYRNN_DATA_DIR"):
        pytest.skip("PYRNN_DATA_DIR is not set")
    return corpus.load("nietzsche")


def test_nietzsche_has_the_published_numbers(nietzsche):
    text = nietzsche.text.lower()
    vocabulary = Vocabulary.from_text(text)
    x, y = windows(vocabulary.encode(text), 40, 3)
    assert (len(text), len(vocabulary), len(x)) == (600_893, 57, 200_285)
    assert vocabulary.decode(x[1]) == text[3:43] and vocabulary.decode(y[:2]) == text[40] + text[43]


# -- sampling -----------------------------------------------------------------


def test_the_network_reads_a_window_from_a_zero_state(rng):
    pyrnn.utils.set_random_seed(1)
    model = recipes.build(window=4, symbols=5, hidden=6, depth=1)
    x = rng.integers(0, 5, (3, 4)).astype(np.uint8)
    model.predict(x[::-1].copy(), verbose=0)
    alone = np.concatenate([model.predict(row[None], verbose=0) for row in x])
    np.testing.assert_array_equal(model.predict(x, verbose=0), alone)


# -- runs ---------------------------------------------------------------------


def test_a_run_tells_the_held_out_loss_in_bits_per_character(book, tmp_path, capsys):
    out = tmp_path / "out"
    assert textgen.main(["--corpus", str(book), *SMALL, "--quiet", "--out", str(out)]) == 0
    rows = rows_of(out)
    names = {
        "epoch",
        "seconds",
        "cpu_seconds",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "val_window_bpc",
        "val_bpc",
        "per_character",
    }
    assert [row["epoch"] for row in rows] == [1, 2] and all(set(row) == names for row in rows)
    assert rows[1]["val_window_bpc"] == pytest.approx(rows[1]["val_loss"] / math.log(2))
    assert rows[1]["loss"] < rows[0]["loss"]

    text = TEXT.lower()
    held_out = Vocabulary.from_text(text).encode(text)[int(len(text) * 0.9) :]
    loss, accuracy = pyrnn.load_model(out / "model.safetensors").evaluate(*windows(held_out, 10, 3), verbose=0)
    assert (loss, accuracy) == pytest.approx((rows[1]["val_loss"], rows[1]["val_accuracy"]), rel=1e-5)
    assert capsys.readouterr().out.count("\n") == 1

    best = min(rows, key=lambda row: row["val_bpc"])
    wanted = {name: best[name] for name in ("epoch", "seconds", "loss", "val_bpc", "val_window_bpc")}
    assert json.loads((out / "result.json").read_text()) == wanted


def test_config_names_the_corpus(book, tmp_path):
    out = tmp_path / "out"
    assert textgen.main(["--corpus", str(book), *SMALL, "--quiet", "--out", str(out)]) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["corpus"] == {
        "name": str(book),
        "source": str(book),
        "sha256": hashlib.sha256(book.read_bytes()).hexdigest(),
        "characters": len(TEXT),
        "symbols": len(set(TEXT.lower())),
    }
    assert config["arguments"]["window"] == 10 and config["arguments"]["recipe"] == "keras"


def test_without_holdout_there_is_no_validation_and_all_windows_train(book, tmp_path, monkeypatch):
    given = []
    fit = pyrnn.Sequential.fit
    monkeypatch.setattr(
        pyrnn.Sequential, "fit", lambda self, x, y, **settings: given.append((x, y)) or fit(self, x, y, **settings)
    )
    assert textgen.main(["--corpus", str(book), *SMALL, "--holdout", "0", "--quiet", "--out", str(tmp_path)]) == 0
    assert set(rows_of(tmp_path)[0]) == {"epoch", "seconds", "cpu_seconds", "loss", "accuracy"}
    assert set(json.loads((tmp_path / "result.json").read_text())) == {"epoch", "seconds", "loss"}
    x, y = given[0]
    assert len(x) == len(y) == len(range(0, len(TEXT) - 10, 3))
    assert x.strides == (3, 1), "the windows are a view of the ids"


def test_four_diversities_are_shown_as_in_the_tutorial(book, tmp_path, capsys):
    assert textgen.main(["--corpus", str(book), *SMALL, "--epochs", "1", "--out", str(tmp_path)]) == 0
    text = TEXT.lower()
    shown = capsys.readouterr().out.partition("----- Generating text after Epoch: 1\n")[2]
    parts = shown.split("----- diversity: ")[1:]
    assert [part.split("\n")[0] for part in parts] == ["0.2", "0.5", "1", "1.2"]
    seeds = {part.split('seed: "')[1].split('"\n')[0] for part in parts}
    assert len(seeds) == 1
    seed = seeds.pop()
    assert len(seed) == 10 and seed in text
    for part in parts:
        written = part.split('"\n', 1)[1][: 10 + 15]
        assert written.startswith(seed) and set(written) <= set(text)


def test_samples_of_all_epochs_are_kept_in_a_quiet_run_too(book, tmp_path, capsys):
    arguments = ["--corpus", str(book), *SMALL, "--out", str(tmp_path)]
    assert textgen.main(arguments) == 0
    shown, kept = capsys.readouterr().out, (tmp_path / "samples.md").read_text()
    sections = kept.split("\n## Epoch ")
    assert [section.partition("\n")[0] for section in sections] == ["# Samples", "1", "2"]
    for section in sections[1:]:
        prompt, *texts = re.findall("```text\n(.*?)\n```", section, re.DOTALL)
        assert re.findall(r"\n(Prompt|Diversity .*):\n", section) == [
            "Prompt",
            *(f"Diversity {d}" for d in DIVERSITIES),
        ]
        for text in texts:
            assert f'seed: "{prompt}"\n{prompt}{text}\n' in shown
    assert textgen.main([*arguments, "--quiet"]) == 0
    assert (tmp_path / "samples.md").read_text() == kept


def test_each_shown_character_comes_from_the_last_window(book, tmp_path, capsys):
    """At a diversity near 0 it is the likeliest, which needs no random numbers."""
    run = ["--corpus", str(book), *SMALL, "--epochs", "1", "--diversity", "1e-9", "--length", "40"]
    assert textgen.main([*run, "--lr", "0.05", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    prompt = shown.split('seed: "')[1].split('"\n')[0]
    model, ids = pyrnn.load_model(tmp_path / "model.safetensors"), []
    vocabulary = Vocabulary.from_text(TEXT.lower())
    read = vocabulary.encode(prompt).tolist()
    for _ in range(40):
        ids.append(int(model.predict(np.array([read[-10:]]), verbose=0).argmax()))
        read.append(ids[-1])
    assert f'"\n{prompt}{vocabulary.decode(ids)}\n' in shown


def test_same_seed_same_text(book, tmp_path, capsys):
    texts = []
    for seed in "3", "3", "4":
        assert textgen.main(["--corpus", str(book), *SMALL, "--seed", seed, "--out", str(tmp_path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        texts.append([line for line in lines if not line.startswith(("Epoch", "loss"))])  # those tell seconds
    assert texts[0] == texts[1] != texts[2]


def test_a_corpus_asked_for_that_cannot_be_had_is_an_error(tmp_path, capsys):
    assert textgen.main(["--corpus", str(tmp_path / "none.txt"), "--out", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("textgen: ") and "none.txt" in err and err.count("\n") == 1


def test_a_corpus_of_one_symbol_is_refused(tmp_path, capsys):
    path = tmp_path / "a.txt"
    path.write_text("aA" * 100)
    assert textgen.main(["--corpus", str(path), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == "textgen: there is nothing to learn: the corpus has no other character than 'a'\n"


# -- streams --------------------------------------------------------------------

STREAM = ["--hidden", "12", "--batch", "4", "--chunk", "16", "--epochs", "3", "--length", "15", "--window", "10"]


def test_streams_are_learnt_and_the_best_model_is_kept(book, tmp_path, capsys):
    out = tmp_path / "out"
    assert textgen.main(["--corpus", str(book), *STREAM, "--lr", "0.05", "--quiet", "--out", str(out)]) == 0
    rows = rows_of(out)
    assert set(rows[0]) == {"epoch", "seconds", "cpu_seconds", "loss", "accuracy", "val_bpc", "per_character"}
    assert rows[-1]["loss"] < rows[0]["loss"]
    text = TEXT.lower()
    ids = Vocabulary.from_text(text).encode(text)
    kept = pyrnn.load_model(out / "model.safetensors")
    best = min(row["val_bpc"] for row in rows)
    assert scores.one_pass(kept, ids, int(len(ids) * 0.9)).bits == pytest.approx(best, rel=1e-6)
    by_windows = scores.by_windows(kept, ids[int(len(ids) * 0.9) :], 10).bits
    assert json.loads((out / "result.json").read_text())["val_window_bpc"] == pytest.approx(by_windows, rel=1e-6)
    told = f"at best {best:.4f} bits per character on held-out text, {by_windows:.4f} by windows of 10, after epoch "
    assert told in capsys.readouterr().out


def test_a_worse_model_does_not_replace_the_best(book, tmp_path, monkeypatch):
    bits = iter([3.0, 2.0, 2.5])
    monkeypatch.setattr(report, "one_pass", lambda *_: scores.Scores(next(bits), 0.5, 10))
    saved, save = [], pyrnn.Sequential.save
    monkeypatch.setattr(pyrnn.Sequential, "save", lambda self, path: saved.append(path) or save(self, path))
    assert textgen.main(["--corpus", str(book), *STREAM, "--quiet", "--out", str(tmp_path)]) == 0
    assert len(saved) == 2
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["epoch"], result["val_bpc"]) == (2, 2.0) and result["seconds"] == rows_of(tmp_path)[1]["seconds"]


def test_streams_write_samples_from_the_kept_state(book, tmp_path, capsys):
    arguments = [
        "--corpus",
        str(book),
        *STREAM,
        "--dropout",
        "0.2",
        "--layers",
        "2",
        "--epochs",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert textgen.main(arguments) == 0
    assert capsys.readouterr().out.count("----- diversity: ") == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--step", "3"], "unrecognized arguments: --step 3"),
        (["--recipe", "keras", "--chunk", "3"], "unrecognized arguments: --chunk 3"),
    ],
)
def test_options_of_the_other_recipe_are_refused(arguments, words, capsys):
    with pytest.raises(SystemExit):
        textgen.settings(arguments)
    assert words in capsys.readouterr().err


def test_more_streams_than_characters_are_refused(tmp_path, capsys):
    path = tmp_path / "short.txt"
    path.write_text("abcdefghij" * 3)
    arguments = [
        "--corpus",
        str(path),
        "--window",
        "2",
        "--batch",
        "64",
        "--holdout",
        "0",
        "--out",
        str(tmp_path / "out"),
    ]
    assert textgen.main(arguments) == 1
    assert "where at least 65 and 0 must be: it needs 65" in capsys.readouterr().err


@pytest.mark.skipif("PYRNN_DATA_DIR" not in os.environ, reason="needs the real corpus")
def test_an_epoch_of_streams_on_the_real_corpus(tmp_path):
    out = tmp_path / "out"
    assert textgen.main(["--hidden", "32", "--epochs", "1", "--quiet", "--out", str(out)]) == 0
    assert rows_of(out)[0]["val_bpc"] < 3.5, "the frequencies of the characters alone tell 4.2"
