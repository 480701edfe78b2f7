"""What a person can see in a text, character by character, and how far a unit follows it.

Letters: T characters, F features, H units.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PAIRS = {"(": ")", "[": "]", "{": "}"}
QUOTES = {"“": "”", "«": "»", "„": "“"}
ENDS = ".!?"


def features(text: str) -> dict[str, Floats]:
    """Features [T] of a text: 0 or 1 where a character has one, or a number of characters; those that change.

    >>> sorted(features('ab "c"'))[:3]
    ['consonant', 'first letter of a word', 'inside quotes']
    >>> features('ab "c"')["inside quotes"]
    array([0., 0., 0., 1., 1., 0.])
    """
    columns = {
        "inside quotes": _inside_quotes(text),
        "inside brackets": _inside_brackets(text),
        "position in the line": _since(text, lambda c: c == "\n"),
        "position in the word": _since(text, lambda c: not c.isalnum()),
        "position in the sentence": _since(text, lambda c: c in ENDS),
        "first letter of a word": [
            c.isalpha() and not before.isalpha() for before, c in zip(" " + text, text, strict=False)
        ],
        "last letter of a word": [
            c.isalpha() and not after.isalpha() for c, after in zip(text, text[1:] + " ", strict=True)
        ],
        "vowel": [c.lower() in "aeiou" for c in text],
        "consonant": [c.isalpha() and c.lower() not in "aeiou" for c in text],
        "upper case": [c.isupper() for c in text],
        "digit": [c.isdigit() for c in text],
        "space": [c == " " for c in text],
        "line break": [c == "\n" for c in text],
        "punctuation": [not c.isalnum() and not c.isspace() for c in text],
    }
    arrays = {name: np.array(column, np.float64) for name, column in columns.items()}
    return {name: array for name, array in arrays.items() if array.size and np.ptp(array) > 0}


def correlations(units: Floats, columns: Floats) -> Floats:
    """Pearson's r [H, F] of units [T, H] with features [F, T]; 0 where one of the two never changes.

    >>> correlations(np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]]), np.array([[3.0, 2.0, 1.0]])).round(3) + 0.0
    array([[-1.],
           [ 0.]])
    """
    r: Floats = _standardized(units.T) @ _standardized(columns).T / units.shape[0]
    return r


def _standardized(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    deviation = centred.std(axis=1, keepdims=True)
    # a constant row is not exactly constant once its mean is taken off
    changes = deviation > 1e-12 * np.abs(rows).max(axis=1, keepdims=True)
    standardized: Floats = np.divide(centred, deviation, out=np.zeros_like(centred), where=changes)
    return standardized


def _inside_quotes(text: str) -> list[bool]:
    """Between quotation marks; a blank line ends what was left open."""
    inside, closing, result = False, "", []
    for at, c in enumerate(text):
        if inside:
            inside = c != closing and text[max(0, at - 1) : at + 1] != "\n\n"
        elif c == '"' or c in QUOTES:
            inside, closing = True, QUOTES.get(c, c)
        result.append(inside)
    return result


def _inside_brackets(text: str) -> list[bool]:
    """Between brackets; a blank line ends what was left open."""
    open_, result = "", []
    for at, c in enumerate(text):
        if c in PAIRS:
            open_ += PAIRS[c]
        elif open_ and c == open_[-1]:
            open_ = open_[:-1]
        elif text[max(0, at - 1) : at + 1] == "\n\n":
            open_ = ""
        result.append(bool(open_))
    return result


def _since(text: str, ends: Callable[[str], bool]) -> list[int]:
    """How many characters there have been since the last that ended something."""
    count, result = 0, []
    for c in text:
        count = 0 if ends(c) else count + 1
        result.append(count)
    return result
