"""Layers without a kernel in plain float64 NumPy, as `pyrnn.reference` has the others: what the engine must compute.

Letters: T steps, B batch, F features.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def layer_normalization_forward(x: Floats, gamma: Floats, beta: Floats, epsilon: float) -> Floats:
    """y = gamma u + beta, u = (x - m) / sqrt(v + epsilon), m and v the mean and variance along the last axis.

    Ba et al. 2016, equation 4, with Keras' epsilon inside the root. x [..., F]; gamma, beta [F]; returns y [..., F].

    >>> layer_normalization_forward(np.array([[1.0, 3.0]]), np.array([1.0, 2.0]), np.array([0.0, 1.0]), 0.0)
    array([[-1.,  3.]])
    """
    u, _ = _normalized(x, epsilon)
    return gamma * u + beta


def layer_normalization_backward(dy: Floats, x: Floats, gamma: Floats, epsilon: float) -> tuple[Floats, Floats, Floats]:
    """Gradients of `layer_normalization_forward` for dy [..., F]: dx [..., F], dgamma [F], dbeta [F].

    m and v depend on x too: dx = s (du - mean(du) - u mean(du u)), where du = dy gamma and s = 1 / sqrt(v + epsilon).

    >>> dx, dgamma, dbeta = layer_normalization_backward(np.array([[1.0, 0.0]]), np.array([[1.0, 3.0]]), np.ones(2), 0.0)
    >>> dx, dgamma  # two values are always -1 and 1 after it, whatever they were
    (array([[0., 0.]]), array([-1.,  0.]))
    """
    u, s = _normalized(x, epsilon)
    du = dy * gamma
    dx = s * (du - du.mean(axis=-1, keepdims=True) - u * (du * u).mean(axis=-1, keepdims=True))
    rows = tuple(range(x.ndim - 1))
    return dx, (dy * u).sum(axis=rows), dy.sum(axis=rows)


def global_average_pooling_forward(x: Floats, mask: Mask) -> Floats:
    """The mean over the steps whose mask is True, 0 where a row has none: x [B, T, F], mask [B, T], returns [B, F].

    >>> global_average_pooling_forward(np.array([[[1.0], [3.0], [9.0]]]), np.array([[True, True, False]]))
    array([[2.]])
    """
    y: Floats = np.where(mask[..., None], x, 0).sum(axis=1) / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    return y


def global_average_pooling_backward(dy: Floats, mask: Mask) -> Floats:
    """The gradient [B, T, F] of `global_average_pooling_forward` for dy [B, F].

    >>> global_average_pooling_backward(np.array([[2.0]]), np.array([[True, True, False]])).ravel()
    array([1., 1., 0.])
    """
    dx: Floats = (dy / np.maximum(mask.sum(axis=1, keepdims=True), 1))[:, None] * mask[..., None]
    return dx


def global_max_pooling_forward(x: Floats, mask: Mask) -> Floats:
    """The maximum over the steps whose mask is True, 0 where a row has none: x [B, T, F], mask [B, T], returns [B, F].

    >>> global_max_pooling_forward(np.array([[[1.0], [3.0], [9.0]]]), np.array([[True, True, False]]))
    array([[3.]])
    """
    y = np.where(mask[..., None], x, -np.inf).max(axis=1)
    return np.where(mask.any(axis=1, keepdims=True), y, 0.0)


def global_max_pooling_backward(dy: Floats, x: Floats, mask: Mask) -> Floats:
    """The gradient [B, T, F] of `global_max_pooling_forward` for dy [B, F], shared evenly by the steps that hold the maximum.

    >>> global_max_pooling_backward(np.array([[2.0]]), np.array([[[3.0], [1.0], [3.0]]]), np.ones((1, 3), bool)).ravel()
    array([1., 0., 1.])
    """
    highest = mask[..., None] & (x == global_max_pooling_forward(x, mask)[:, None])
    dx: Floats = dy[:, None] * highest / np.maximum(highest.sum(axis=1, keepdims=True), 1)
    return dx


def philox(counter: NDArray[np.uint32], key: int) -> NDArray[np.uint32]:
    """Philox4x32-10 (Salmon et al. 2011): four random words for every counter of four words. counter [..., 4], returns [..., 4].

    >>> [hex(word) for word in philox(np.zeros(4, np.uint32), 0)]  # the authors' own test
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    words = [counter[..., i].astype(np.uint64) for i in range(4)]
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for round_ in range(10):
        key_0 = np.uint64((key + round_ * 0x9E3779B9) % 2**32)
        key_1 = np.uint64(((key >> 32) + round_ * 0xBB67AE85) % 2**32)
        a, b = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        words = [(b >> half) ^ words[1] ^ key_0, b & low, (a >> half) ^ words[3] ^ key_1, a & low]
    return np.stack(words, axis=-1).astype(np.uint32)


def dropout_mask(shape: tuple[int, int, int], rate: float, seed: int, iteration: int, per_sequence: bool) -> Floats:
    """What Dropout multiplies a batch [B, T, F] by: 0 with probability `rate`, else 1 / (1 - rate). Returns [B, T, F].

    Word f % 4 of counter {f // 4, iteration, b, t} under the key `seed` decides; t is 0 where `per_sequence`.

    >>> dropout_mask((1, 1, 4), 0.5, 0, 0, False)  # hex 66 and 9b in front are below and above a half of 100
    array([[[0., 2., 2., 2.]]])
    """
    words = _words(shape, seed, iteration, per_sequence)
    return np.where(words < np.uint32(rate * 2**32), 0.0, 1 / (1 - rate))


def zoneout_mask(shape: tuple[int, int, int], rate: float, seed: int, iteration: int) -> Floats:
    """Where units of a recurrent layer take their new value, 1, and where they keep the old, 0 with probability `rate`. [B, T, H].

    Unit h is decided by half h % 2, the lower first, of the word that feature h // 2 has in `dropout_mask`.

    >>> zoneout_mask((1, 1, 4), 0.5, 0, 0)  # of the halves e8d5, 6627, c58d and e169 the second alone is below 8000
    array([[[1., 0., 1., 1.]]])
    """
    B, T, H = shape
    words = _words((B, T, -(-H // 2)), seed, iteration)
    halves = np.stack([words & np.uint32(0xFFFF), words >> np.uint32(16)], axis=-1).reshape(B, T, -1)[..., :H]
    return np.where(halves < np.uint32(rate * 2**16), 0.0, 1.0)


def gaussian_noise(shape: tuple[int, int, int], stddev: float, seed: int, iteration: int) -> Floats:
    """What GaussianNoise adds to a batch [B, T, F], of the words that `dropout_mask` looks at. Returns [B, T, F].

    A word's last bit has the sign, the others the probability of a greater number, by which the normal distribution tells it.

    >>> gaussian_noise((1, 1, 2), 1.0, 0, 0).round(4)  # both words are odd; hex 66 and e1 of 200 are 0.20 and 0.44
    array([[[-0.8433, -0.1503]]])
    """
    words = _words(shape, seed, iteration)
    quantile = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])
    noise: Floats = np.where(words % 2, stddev, -stddev) * quantile(((words >> np.uint32(1)) + 0.5) / 2**32)
    return noise


def _words(shape: tuple[int, int, int], seed: int, iteration: int, per_sequence: bool = False) -> NDArray[np.uint32]:
    B, T, F = shape
    b, t, group = np.indices((B, T, -(-F // 4)), np.uint32)
    counter = np.stack([group, np.full_like(group, iteration), b, t * (not per_sequence)], axis=-1).astype(np.uint32)
    return philox(counter, seed).reshape(B, T, -1)[..., :F]


def _normalized(x: Floats, epsilon: float) -> tuple[Floats, Floats]:
    """u [..., F] and s [..., 1]."""
    centred = x - x.mean(axis=-1, keepdims=True)
    s: Floats = 1 / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    return centred * s, s
