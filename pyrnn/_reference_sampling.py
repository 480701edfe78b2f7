"""The choice of the next symbol, as `reference` has it. Letters: B batch, V symbols."""

import numpy as np
from numpy.typing import NDArray

from ._reference_layers import philox

Floats = NDArray[np.float64]


def sample_ids(
    z: Floats, keys: list[int], position: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> NDArray[np.int32]:
    """For each row of logits z [B, V] a symbol drawn from softmax(z / temperature): ids [B]. Temperature 0: the largest.

    `top_k`, unless 0, leaves the so many likeliest symbols; of these `top_p` leaves the fewest, likeliest first, whose
    probabilities add up to it or more (Holtzman et al. 2020). Of equal logits the first is the likelier. The inverse of the
    cumulative distribution (Devroye 1986, section III.2.1) at 53 bits of counter {0, position, 0, position >> 32} under the
    row's key.

    >>> z = np.log([[0.1, 0.6, 0.3]])
    >>> sample_ids(z, [7], 0, temperature=0.0), sample_ids(z, [7], 0, top_k=1)
    (array([1], dtype=int32), array([1], dtype=int32))
    """
    counter = np.array([0, position % 2**32, 0, position >> 32], np.uint32)
    ids = []
    for row, key in zip(z, keys, strict=True):
        order = np.argsort(-row, kind="stable")
        if temperature == 0:
            ids.append(order[0])
            continue
        order = order[: top_k or None]
        weights = np.zeros_like(row)
        weights[order] = np.exp((row[order] - row[order[0]]) / temperature)
        below = np.cumsum(weights[order]) - weights[order]  # of the symbols that are likelier
        if top_p < 1:
            weights[order[below >= top_p * weights.sum()]] = 0
        first, second, *_ = philox(counter, key)
        uniform = ((int(first) >> 5) * 2**26 + (int(second) >> 6)) / 2**53
        cumulative = np.cumsum(weights)
        ids.append(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return np.array(ids, np.int32)
