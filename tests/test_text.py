"""Vocabulary, windows and sample as a user meets them."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyrnn.text import Vocabulary, sample, windows

# ------------------------------------------------------------------ Vocabulary


def test_from_text_sorts_and_counts():
    vocabulary = Vocabulary.from_text("hello, world")
    assert vocabulary.symbols == " ,dehlorw"
    assert len(vocabulary) == 9


@pytest.mark.parametrize(
    ("count", "dtype"), [(256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)]
)
def test_ids_have_the_narrowest_type(count, dtype):
    vocabulary = Vocabulary("".join(map(chr, range(count))))
    ids = vocabulary.encode(vocabulary.symbols)
    assert ids.dtype == dtype
    assert ids.flags.writeable and ids.flags.aligned
    assert vocabulary.decode(ids) == vocabulary.symbols


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_round_trip(text):
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_contains_single_symbols_only():
    vocabulary = Vocabulary("abc")
    assert "a" in vocabulary
    assert "z" not in vocabulary
    assert "ab" not in vocabulary
    assert "" not in vocabulary
    assert 0 not in vocabulary


def test_is_a_value():
    vocabulary = Vocabulary("cab")
    assert vocabulary == Vocabulary("cab")
    assert vocabulary != Vocabulary("abc")
    assert vocabulary != "cab"
    assert hash(vocabulary) == hash(Vocabulary("cab"))
    assert eval(repr(vocabulary)) == vocabulary
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary
    assert copy.deepcopy(vocabulary) == vocabulary
    with pytest.raises(AttributeError):
        vocabulary.symbols = "xyz"


@pytest.mark.parametrize(
    "ids",
    [
        [2, 0, 1],
        np.array([2, 0, 1], np.int8),
        np.array([2, 0, 1], ">i4"),
        np.array([2, 0, 1], ">u2"),
        np.array([2, 9, 0, 9, 1, 9])[::2],
        np.array([1, 0, 2], np.uint16)[::-1],
    ],
    ids=str,
)
def test_decode_takes_any_integers(ids):
    assert Vocabulary("abc").decode(ids) == "cab"


def test_decode_nothing():
    assert Vocabulary("abc").decode([]) == ""


def test_negative_ids_are_no_symbols_however_narrow():
    with pytest.raises(ValueError, match=r"decode: ids must be in 0\.\.255, got -1 at position 1"):
        Vocabulary("".join(map(chr, range(256)))).decode(np.array([0, -1], np.int8))


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([0.0, 1.0], TypeError, "decode: ids must be integers, got float64"),
        ([True], TypeError, "decode: ids must be integers, got bool"),
        ([[0, 1]], ValueError, r"decode: ids must be one-dimensional \[L\], got shape \[1, 2\]"),
        (0, ValueError, r"decode: ids must be one-dimensional \[L\], got shape \[\]"),
        ([0, 3], ValueError, r"decode: ids must be in 0\.\.2, got 3 at position 1"),
    ],
)
def test_decode_refuses(ids, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        Vocabulary("abc").decode(ids)


def test_refuses_wrong_text():
    with pytest.raises(ValueError, match="Vocabulary.from_text: text must hold at least one character, got ''"):
        Vocabulary.from_text("")
    with pytest.raises(ValueError, match="symbols must be distinct, got 'a' at positions 0 and 2"):
        Vocabulary("aba")
    with pytest.raises(TypeError, match="symbols must be a str, got list"):
        Vocabulary(["a", "b"])
    with pytest.raises(ValueError, match=r"got '\\n' at position 2"):
        Vocabulary("ab").encode("ab\n")


# --------------------------------------------------------------------- windows


@given(length=st.integers(2, 60), window=st.integers(1, 59), step=st.integers(1, 70))
def test_windows_are_those_of_the_keras_example(length, window, step):
    if length <= window:
        with pytest.raises(ValueError, match=f"a window of {window} needs at least {window + 1} ids, got {length}"):
            windows(np.arange(length), window, step)
        return
    text = [i * 7 % 256 for i in range(length)]
    sentences, next_chars = [], []
    for i in range(0, len(text) - window, step):
        sentences.append(text[i : i + window])
        next_chars.append(text[i + window])
    x, y = windows(np.array(text, np.uint8), window, step)
    assert x.tolist() == sentences
    assert y.tolist() == next_chars


def test_windows_are_views():
    ids = np.arange(100, dtype=np.uint16)
    x, y = windows(ids, 40, 3)
    assert np.shares_memory(x, ids) and np.shares_memory(y, ids)
    assert x.strides == (3 * ids.itemsize, ids.itemsize)
    assert not x.flags.writeable
    ids[43] = 7
    assert x[1, 39] != 7 and x[1, 40 - 1] == 42 and y[1] == 7


def test_windows_of_a_text_as_long_as_nietzsche():
    x, y = windows(np.zeros(600_893, np.uint8), 40, step=3)
    assert x.shape == (200_285, 40)
    assert y.shape == (200_285,)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros((3, 3)), 1), ValueError, r"ids must be one-dimensional \[L\], got shape \[3, 3\]"),
        ((np.arange(9), 0), ValueError, "window and step must be at least 1, got window 0 and step 1"),
        ((np.arange(9), 3, -1), ValueError, "got window 3 and step -1"),
        ((np.arange(9), 2.0), TypeError, "float"),
    ],
)
def test_windows_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        windows(*arguments)


# ---------------------------------------------------------------------- sample


@given(
    hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(allow_nan=False, allow_infinity=False)),
    st.floats(0, allow_infinity=False),
    st.integers(0, 2**32 - 1),
)
def test_sample_never_fails_on_finite_logits(logits, temperature, seed):
    assert 0 <= sample(logits, temperature, np.random.default_rng(seed)) < logits.size


def test_sample_follows_the_softmax():
    logits, temperature, draws = np.array([0.3, -1.0, 2.0, 0.0]), 0.7, 40_000
    rng = np.random.default_rng(1)
    counts = np.bincount([sample(logits, temperature, rng) for _ in range(draws)], minlength=4)
    expected = np.exp(logits / temperature)
    expected *= draws / expected.sum()
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert chi_squared < 16.27  # 3 degrees of freedom, probability 0.001


def test_sample_does_not_mind_a_constant():
    logits = np.array([1.0, 2.0, 3.0])
    for seed in range(50):
        drawn = {sample(logits + shift, 0.5, np.random.default_rng(seed)) for shift in (-1024.0, 0.0, 1024.0)}
        assert len(drawn) == 1


def test_sample_cold_is_the_largest():
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    assert sample([1.0, 5.0, 5.0], 0, rng) == 1
    assert rng.bit_generator.state == state, "no draw is spent on a certainty"
    assert sample([1.0, 5.0, 4.0], 5e-324, rng) == 1


def test_sample_never_draws_probability_zero():
    rng = np.random.default_rng(0)
    logits = [-np.inf, 0.0, -np.inf, 0.0, -np.inf]
    assert {sample(logits, 1.0, rng) for _ in range(200)} == {1, 3}


@pytest.mark.parametrize(
    ("logits", "temperature", "message"),
    [
        ([0.0, np.nan], 1.0, "the largest logit must be finite, got nan at position 1"),
        ([np.inf, 0.0], 1.0, "got inf at position 0"),
        ([-np.inf, -np.inf], 1.0, "got -inf at position 0"),
        ([], 1.0, r"logits must be \[V\] with V >= 1, got shape \[0\]"),
        ([[0.0]], 1.0, r"got shape \[1, 1\]"),
        ([0.0], -0.1, "temperature must be finite and at least 0, got -0.1"),
        ([0.0], np.nan, "got nan"),
        ([0.0], np.inf, "got inf"),
    ],
)
def test_sample_refuses(logits, temperature, message):
    with pytest.raises(ValueError, match=message):
        sample(logits, temperature, np.random.default_rng(0))
