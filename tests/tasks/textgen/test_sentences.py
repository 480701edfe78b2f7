"""Sentences: where they begin, the rows that they become, and a run that learns from them."""

import json

import numpy as np
import pytest

import pyrnn
from pyrnn.text import Vocabulary
from tasks.textgen.sentences import rows, starts

from .conftest import TEXT


def split(text):
    vocabulary = Vocabulary.from_text(text)
    begins = starts(vocabulary.encode(text), vocabulary).tolist()
    return [text[a:b] for a, b in zip(begins, [*begins[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Go on. ", "Who?! ", "I, e.g.this one!\n", "No"],
        ["a title\n\n", "then\nits text... ", "more\n \t\n", "end.\n"],
        ["alone"],
        [" . "],
        ["1.5 and 3.\n\n\n", ". ", "a"],
    ],
)
def test_a_sentence_ends_with_a_stop_or_a_blank_line(sentences):
    assert split("".join(sentences)) == sentences


@pytest.mark.parametrize("longest", [1, 7, 50, 1000])
def test_every_character_but_the_first_comes_next_once(rng, longest):
    ids = rng.integers(0, 250, 300).astype(np.uint8)
    begins = np.array([0, 1, 40, 41, 160, 299])
    x, y, lengths = rows(ids, begins, longest)
    assert x.shape == y.shape == (len(lengths), lengths.max()) and lengths.max() <= longest
    np.testing.assert_array_equal(np.concatenate([row[:n] for row, n in zip(y, lengths, strict=True)]), ids[1:])
    np.testing.assert_array_equal(np.concatenate([row[:n] for row, n in zip(x, lengths, strict=True)]), ids[:-1])
    ends = np.cumsum(lengths) + 1
    assert set(begins[2:]) <= set(ends), "a sentence begins a row"


def test_one_row_for_one_sentence():
    x, y, lengths = rows(np.arange(5, dtype=np.uint16), np.array([0]), 400)
    assert (x.tolist(), y.tolist(), lengths.tolist()) == ([[0, 1, 2, 3]], [[1, 2, 3, 4]], [4])


def test_a_run_learns_from_rows_of_their_own_lengths(run, monkeypatch):
    given, fit = [], pyrnn.Sequential.fit
    monkeypatch.setattr(pyrnn.Sequential, "fit", lambda self, **data: given.append(data) or fit(self, **data))
    out = run("--recipe", "sentences", "--batch", "2", "--longest", "100", "--epochs", "2", "--dropout", "0.1")
    assert given[0].get("shuffle", True) and given[0]["lengths"].sum() == int(len(TEXT) * 0.9) - 1
    assert given[0]["x"].shape[1] == given[0]["lengths"].max() == 100
    rows_of = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert rows_of[1]["loss"] < rows_of[0]["loss"] and "val_bpc" in rows_of[0]
    assert "val_window_bpc" in json.loads((out / "result.json").read_text())
