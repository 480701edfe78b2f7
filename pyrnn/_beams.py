"""Beam search: of all sequences the most probable, looked for among the best beginnings of each length."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def log_probabilities(output: Array, activation: str) -> Array:
    """Of each symbol, float64 like `output` [..., V], which is of a "softmax" or holds logits.

    >>> log_probabilities(np.log([[1.0, 3.0]]) + 5, "linear").round(4)
    array([[-1.3863, -0.2877]])
    """
    values = output.astype(np.float64)
    if activation == "softmax":
        with np.errstate(divide="ignore"):  # a probability may round to zero
            return np.asarray(np.log(values))
    values = values - values.max(axis=-1, keepdims=True)
    return np.asarray(values - np.log(np.exp(values).sum(axis=-1, keepdims=True)))


class Beams:
    """`width` beginnings of each row's sequence, the most probable first.

    One that ends with `stop` stays as it is. As no probability exceeds one, a row's search is over when its first beginning has ended.

    >>> beams = Beams(np.log([[0.6, 0.4]]), 2, stop=None)
    >>> beams.extend(np.log([[0.5, 0.5], [0.1, 0.9]]))  # after 0, after 1
    array([1, 0])
    >>> beams.best(2)  # 0.4 * 0.9 is more than 0.6 * 0.5
    array([[1, 1]])
    """

    def __init__(self, first: Array, width: int, stop: int | None) -> None:
        self._width, self._stop = width, stop
        rows, symbols = first.shape
        if width > symbols:  # those that are not there yet can never win
            first = np.pad(first, [(0, 0), (0, width - symbols)], constant_values=-np.inf)
        ids = np.argsort(-first, axis=1, kind="stable")[:, :width]
        self._scores = np.take_along_axis(first, ids, axis=1)
        ids[ids >= symbols] = 0
        self._ids = ids.reshape(rows * width, 1)

    @property
    def length(self) -> int:
        return self._ids.shape[1]

    @property
    def last(self) -> npt.NDArray[np.int64]:
        """The last ids of all beginnings [rows * width], for the next step."""
        return self._ids[:, -1].astype(np.int64)

    @property
    def finished(self) -> bool:
        return self._stop is not None and bool((self._ids[:: self._width, -1] == self._stop).all())

    def extend(self, following: Array) -> Array:
        """Go on by the log probabilities [rows * width, V] of each next id; returns which beginning each new one continues."""
        symbols = following.shape[1]
        if self._stop is not None:
            ended = self._ids[:, -1] == self._stop
            following = np.where(ended[:, None], -np.inf, following)
            following[ended, self._stop] = 0.0
        rows = len(self._scores)
        scores = (self._scores.reshape(-1, 1) + following).reshape(rows, self._width * symbols)
        best = np.argsort(-scores, axis=1, kind="stable")[:, : self._width]
        self._scores = np.take_along_axis(scores, best, axis=1)
        kept: Array = (best // symbols + self._width * np.arange(rows)[:, None]).reshape(-1)
        self._ids = np.concatenate([self._ids[kept], (best % symbols).reshape(-1, 1)], axis=1)
        return kept

    def best(self, steps: int) -> npt.NDArray[np.int64]:
        """The first of each row [rows, steps]; one that ended sooner goes on with `stop`."""
        ids = self._ids[:: self._width]
        whole = np.full((len(ids), steps), self._stop or 0, np.int64)
        whole[:, : ids.shape[1]] = ids
        return whole
