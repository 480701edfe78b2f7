"""The losses and the metrics with formulas of their own, in plain float64 NumPy: a part of the executable specification.

Read it beside `reference.py`, whose letters it shares. A loss here takes the network's output for any leading axes, and
returns the loss of each row [...] with its gradient by the output [..., F]; `weighted_mean` makes of them what is trained.
"""

import numpy as np

from .reference import Floats, Ids, sigmoid, softmax


def weighted_mean(losses: Floats, gradients: Floats, weights: Floats | None = None) -> tuple[float, Floats]:
    """Keras' reduction "sum_over_batch_size": sum of weight times loss by the number of losses, and its gradient.

    losses [...], gradients [..., F], weights [...] or [N] for the first axis of the losses. A row of weight 0 adds nothing.

    >>> weighted_mean(np.array([1.0, 2.0]), np.array([[1.0], [3.0]]), np.array([1.0, 0.5]))
    (1.0, array([[0.5 ],
           [0.75]]))
    """
    w = np.ones(losses.shape) if weights is None else np.asarray(weights, float)
    w = np.broadcast_to(w.reshape(w.shape + (1,) * (losses.ndim - w.ndim)), losses.shape)
    losses = np.where(w == 0, 0, losses)
    gradients = np.where(w[..., None] == 0, 0, gradients)
    return float((w * losses).sum() / losses.size), w[..., None] * gradients / losses.size


def categorical_crossentropy(z: Floats, y: Floats | Ids, label_smoothing: float = 0.0) -> tuple[Floats, Floats]:
    """-sum_v y_v log softmax(z)_v with y moved to (1 - s) y + s / V: Szegedy et al. 2016, section 7.

    z [..., V] logits; y integer ids [...] or distributions [..., V].

    >>> categorical_crossentropy(np.array([[0.0, 0.0]]), np.array([1]), 0.5)
    (array([0.69314718]), array([[ 0.25, -0.25]]))
    """
    V = z.shape[-1]
    if y.ndim < z.ndim:
        y = np.eye(V)[y]
    y = (1 - label_smoothing) * y + label_smoothing / V
    highest = z.max(axis=-1, keepdims=True)
    log_softmax = z - highest - np.log(np.exp(z - highest).sum(axis=-1, keepdims=True))
    return -(y * log_softmax).sum(axis=-1), y.sum(axis=-1, keepdims=True) * softmax(z) - y


def binary_crossentropy(z: Floats, y: Floats, label_smoothing: float = 0.0) -> tuple[Floats, Floats]:
    """The mean over the last axis of -y log p - (1 - y) log(1 - p), p = sigmoid(z), with y moved to (1 - s) y + s / 2.

    z, y [..., F]. As -log p is log(1 + exp(-z)), this is max(z, 0) - y z + log(1 + exp(-|z|)), where nothing overflows.

    >>> binary_crossentropy(np.array([[1000.0, 0.0]]), np.array([[0.0, 1.0]]))
    (array([500.34657359]), array([[ 0.5 , -0.25]]))
    """
    y = (1 - label_smoothing) * y + label_smoothing / 2
    losses = np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))
    return losses.mean(axis=-1), (sigmoid(z) - y) / z.shape[-1]


def huber(x: Floats, y: Floats, delta: float = 1.0) -> tuple[Floats, Floats]:
    """The mean over the last axis of e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2; e = x - y. Huber 1964.

    x, y [..., F].

    >>> huber(np.array([[0.5, 3.0]]), np.array([[0.0, 0.0]]))
    (array([1.3125]), array([[0.25, 0.5 ]]))
    """
    e = x - y
    losses = np.where(np.abs(e) <= delta, e**2 / 2, delta * np.abs(e) - delta**2 / 2)
    return losses.mean(axis=-1), np.clip(e, -delta, delta) / x.shape[-1]


def top_k_accuracy(p: Floats, ids: Ids, k: int, weights: Floats | None = None) -> float:
    """How often fewer than k outputs are larger than that of the wanted symbol. p [..., V], ids and weights [...].

    >>> top_k_accuracy(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]), 2)
    0.5
    """
    wanted = np.take_along_axis(p, ids[..., None], axis=-1)
    return float(np.average((p > wanted).sum(axis=-1) < k, weights=weights))


def r2_score(p: Floats, y: Floats, weights: Floats | None = None) -> Floats:
    """1 - sum (y - p)^2 / sum (y - mean y)^2 for each of the last axis' values. p, y [..., F]; weights [...].

    >>> r2_score(np.array([[2.0], [4.0], [4.0]]), np.array([[1.0], [4.0], [3.0]])).round(6)
    array([0.571429])
    """
    F = y.shape[-1]
    p, y = p.reshape(-1, F), y.reshape(-1, F)
    w = np.ones((len(y), 1)) if weights is None else weights.reshape(-1, 1)
    mean = (w * y).sum(axis=0) / w.sum()
    score: Floats = 1 - (w * (y - p) ** 2).sum(axis=0) / (w * (y - mean) ** 2).sum(axis=0)
    return score
