"""What a reader sees in a text, and how far units follow it."""

import numpy as np
import pytest

from tasks.textgen import features


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("inside quotes", 'a "b" c', "0011000"),
        ("inside quotes", "a “b” “c", "00110011"),
        ("inside quotes", 'a "b\n\nc', "0011100"),
        ("inside brackets", "a(b[c]d)e", "011111100"),
        ("inside brackets", "(a\n\nb", "11100"),
        ("position in the line", "ab\ncd", "12012"),
        ("position in the word", "ab cd", "12012"),
        ("position in the sentence", "a. b?", "10120"),
        ("first letter of a word", "ab -c", "10001"),
        ("last letter of a word", "ab -c", "01001"),
        ("vowel", "abE ", "1010"),
        ("consonant", "abE ", "0100"),
        ("line break", "a\nb", "010"),
        ("punctuation", "a, b", "0100"),
        ("digit", "a1", "01"),
        ("upper case", "aB", "01"),
        ("space", "a b", "010"),
    ],
)
def test_features_are_what_a_reader_sees(name, text, expected):
    assert features.features(text)[name].tolist() == [float(digit) for digit in expected]


def test_correlations_are_pearsons(rng):
    units, columns = rng.normal(size=(50, 3)), rng.normal(size=(2, 50))
    expected = np.corrcoef(units.T, columns)[:3, 3:]
    np.testing.assert_allclose(features.correlations(units, columns), expected, atol=1e-12)
