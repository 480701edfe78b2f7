"""Runs on words: learnt, judged, and written with."""

import json
import math

import numpy as np
import pytest

from pyrnn.text import Words, generate
from tasks.textgen import evaluate, train
from tasks.textgen import generate as writing
from tasks.textgen.scores import one_pass
from tasks.textgen.texts import Text
from tasks.textgen.trained import trained

from .conftest import TEXT

LOWER = TEXT.lower()


@pytest.mark.parametrize("recipe", ["stream", "keras", "sentences"])
def test_bits_are_those_of_the_characters(run, recipe):
    out = run("--recipe", recipe, "--level", "word", "--words", "8", "--batch", "4")
    found = trained(out)
    assert found.vocabulary == Words.from_text(LOWER, most=8) and found.arguments["words"] == 8
    tokens = Words.split(LOWER)
    ids, first = found.vocabulary.encode(LOWER), int(len(tokens) * 0.9)
    total = one_pass(found.model, ids, first).bits * (len(tokens) - first)
    strange = [word for word in tokens[first:] if word not in found.vocabulary]
    assert strange
    total += sum(len(word) + 1 for word in strange) * math.log2(len(set(LOWER)) + 1)
    result = json.loads((out / "result.json").read_text())
    assert result["val_bpc"] == pytest.approx(total / len("".join(tokens[first:])), rel=1e-5)
    assert json.loads((out / "config.json").read_text())["corpus"]["characters"] == len(TEXT)


def test_it_is_judged_by_characters_and_by_words(run, tmp_path, capsys):
    out, path = run("--level", "word"), tmp_path / "other.txt"
    path.write_text("The owl\nsaw the green boat, and the owl went to sea in a boat.\n", newline="\n")
    assert evaluate.main(["--model", str(out), "--corpus", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.err == f"{path}: 3 of 32 words and signs are unknown\n"
    head, names, line, _ = shown.out.splitlines()
    assert head == f"{path}: 31 words judged, after 1 that are only read"
    assert names.split() == ["bits", "per", "character", "perplexity", "of", "words", "accuracy"]

    found, text = trained(out), path.read_text().lower()
    bits = one_pass(found.model, found.vocabulary.encode(text)).bits * 31
    per_character, perplexity, _ = (float(value) for value in line[24:].split())
    spelt = (len("saw") + 1 + len(",") + 1 + len(".") + 1) * math.log2(len(set(text)) + 1)
    assert per_character == pytest.approx((bits + spelt) / (len(text) - 3), abs=1e-3)
    assert perplexity == pytest.approx(2 ** (bits / 14), rel=1e-3)

    assert evaluate.main(["--model", str(out), "--corpus", str(path), "--skip-unknown"]) == 0
    shown = capsys.readouterr()
    assert shown.err == f"{path}: 3 of 32 words and signs are unknown, and left out\n"
    assert shown.out.startswith(f"{path}: 28 words judged")


def test_it_writes_words(run, capsys):
    out = run("--level", "word")
    found = trained(out)
    writing.silence(found.model)
    wanted = "".join(generate(found.model, found.vocabulary, "the owl nowhere", 30, 0.5, seed=1))
    assert writing.main(["--model", str(out), "--prompt", "The owl nowhere", "--length", "30", "--seed", "1"]) == 0
    shown = capsys.readouterr()
    assert shown.out.rstrip("\n") == ("the owl nowhere" + wanted).rstrip("\n")
    assert shown.err == "--prompt has words that the network has not learnt: 'nowhere'\n"


def test_samples_and_the_number_of_unknown_words_are_shown(book, tmp_path, capsys):
    small = ["--level", "word", "--words", "5", "--hidden", "4", "--epochs", "1", "--window", "6", "--length", "9"]
    assert train.main(["--corpus", str(book), *small, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    tokens = Words.split(LOWER)
    unknown = np.count_nonzero(Words.from_text(LOWER, most=5).encode(LOWER) == 0)
    assert f"{len(tokens):,} words, 6 symbols, {unknown:,} unknown; " in shown.err
    assert shown.out.count("----- diversity: ") == 4


def test_words_are_for_words(capsys):
    with pytest.raises(SystemExit) as ended:
        train.settings(["--words", "9"])
    assert ended.value.code == 2 and "argument --words: is for --level word" in capsys.readouterr().err
    assert train.settings(["--level", "word"]).words == 5000


def test_the_unknown_word_is_not_written(run, capsys):
    out = run("--level", "word", "--words", "3")
    found = trained(out)
    arguments = ["--length", "300", "--temperature", "1.5", "--seed", "1"]
    written = "".join(generate(found.model, found.vocabulary, "the", 300, 1.5, seed=1))
    assert written.count("\ufffd") > 10, "most words of the text are unknown"
    assert writing.main(["--model", str(out), "--prompt", "the", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "\ufffd" not in shown and len(Words.split(shown)) > 100


def test_characters_of_a_text():
    ids = np.arange(4, dtype=np.uint8)
    assert Text(ids, Words(["\ufffd", *"abc"]), "", np.array([3, 1, 5, 1])).characters(1) == 7
