"""Words as symbols: how a text falls into them, and back."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyrnn
from pyrnn import layers
from pyrnn.text import Vocabulary, Words, generate, generate_batch

TEXT = "Don't go, don\u2019t! The owl_s 'owl' saw 3.5 \u00e9t\u00e9s\n\n \u4e16\u754c \u2014 the\towl"


def test_words_hold_letters_digits_and_apostrophes_between_them():
    assert Words.split("Don't go: don\u2019t!") == ["Don't", " ", "go", ":", " ", "don\u2019t", "!"]
    assert Words.split("'owl' o''l owl_s") == ["'", "owl", "'", " ", "o", "'", "'", "l", " ", "owl", "_", "s"]
    assert Words.split("\u00e9t\u00e9s 3.5\n\n\t-") == ["\u00e9t\u00e9s", " ", "3", ".", "5", "\n", "\n", "\t", "-"]
    assert Words.split("") == []


@given(st.text())
def test_nothing_is_left_out(text):
    assert "".join(Words.split(text)) == text


@given(st.text(min_size=1))
def test_a_text_of_known_words_comes_back(text):
    words = Words.from_text(text)
    ids = words.encode(text)
    assert words.decode(ids) == text
    assert Words(words.symbols) == words and ids.max(initial=0) < len(words)
    assert ("\ufffd" in text) == (0 in ids)


def test_the_most_frequent_words_come_first():
    words = Words.from_text("b a c b a b, c", most=4)
    assert words.symbols == ("\ufffd", " ", "b", "a", "c")
    assert Words.from_text("b a c b a b, c", most=99).symbols == ("\ufffd", " ", "b", "a", "c", ",")
    assert words.encode("a, d b").tolist() == [3, 0, 1, 0, 1, 2]
    assert words.decode([3, 0, 1, 0]) == "a\ufffd \ufffd"


@pytest.mark.parametrize(
    ("count", "dtype"), [(255, np.uint8), (256, np.uint16), (65_535, np.uint16), (65_536, np.uint32)]
)
def test_ids_are_as_narrow_as_they_can_be(count, dtype):
    words = Words(["\ufffd", *(str(number) for number in range(count))])
    ids = words.encode(f"{count - 1} nothing 0")
    assert ids.dtype == dtype and ids.tolist() == [count, 0, 0, 0, 1]
    assert words.encode("").dtype == dtype and words.decode(words.encode("")) == ""


@pytest.mark.parametrize(
    ("symbols", "kind", "message"),
    [
        ([], ValueError, r"the first symbol must be '\ufffd', the unknown one, got \(\)"),
        (["a"], ValueError, r"the first symbol must be '\ufffd', the unknown one, got \('a',\)"),
        (["\ufffd", "a", "a"], ValueError, "symbols must be distinct, got 'a' twice"),
        (["\ufffd", "a b"], ValueError, "a symbol must be one word or one character, got 'a b' at position 1"),
        (["\ufffd", ""], ValueError, "a symbol must be one word or one character, got '' at position 1"),
        (["\ufffd", 3], TypeError, "symbols must be str, got int at position 1"),
    ],
)
def test_bad_symbols(symbols, kind, message):
    with pytest.raises(kind, match=f"^Words: {message}$"):
        Words(symbols)


def test_bad_texts_and_ids():
    words = Words(["\ufffd", "a"])
    for call, kind, message in (
        (lambda: words.encode(b"a"), TypeError, "Words: text must be a str, got bytes"),
        (lambda: Words.from_text(""), ValueError, "text must hold at least one character, got ''"),
        (lambda: Words.from_text("a", most=0), ValueError, "most must be at least 1, got 0"),
        (lambda: words.decode([0, 2]), ValueError, r"ids must be in 0..1, got 2 at position 1"),
        (lambda: words.decode([-1]), ValueError, r"ids must be in 0..1, got -1 at position 0"),
        (lambda: words.decode([0.5]), TypeError, "ids must be integers, got float64"),
        (lambda: words.decode([[0]]), ValueError, r"ids must be one-dimensional \[L\], got shape \[1, 1\]"),
    ):
        with pytest.raises(kind, match=message):
            call()


def test_equal_words_are_one_key_and_can_be_copied():
    words = Words.from_text(TEXT)
    assert pickle.loads(pickle.dumps(words)) == words == eval(repr(words)) and len({words, Words(words.symbols)}) == 1
    assert words != Words.from_text("other") and words != Vocabulary("ab")


# -- generate -------------------------------------------------------------------


@pytest.fixture
def model():
    pyrnn.utils.set_random_seed(2)
    words = Words.from_text(TEXT)
    made = pyrnn.Sequential([pyrnn.Input((None, len(words))), layers.LSTM(8, return_sequences=True)])
    made.add(layers.Dense(len(words), activation="softmax"))
    return made, words


def test_the_likeliest_words_are_written(model):
    made, words = model
    ids = words.encode("the owl nowhere").tolist()
    prompt = len(ids)
    for _ in range(12):
        ids.append(int(made.predict(np.array([ids]), verbose=0)[0, -1].argmax()))
    written = generate(made, words, "the owl nowhere", length=12, temperature=0)
    assert "".join(written) == words.decode(ids[prompt:])


def test_words_by_batches_and_stops(model):
    made, words = model
    texts = generate_batch(made, words, ["owl", "the"], 200, [1.0, 2.0], seed=5)
    assert texts == [
        "".join(generate(made, words, "owl", 200, 1.0, seed=5)),
        "".join(generate(made, words, "the", 200, 2.0, seed=6)),
    ]
    stopped = "".join(generate(made, words, "owl", 200, seed=5, stop="wl"))
    assert texts[0].startswith(stopped) and stopped.endswith("wl") and stopped.count("wl") == 1
