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


def ctc(z: Floats, labels: Ids) -> tuple[Floats, Floats]:
    """Connectionist temporal classification of each row: Graves et al. 2006, the blank being symbol 0.

    z [B, T, V] logits; labels [B, L] from 1 on, padded with zeros. Returns -log p [B] and its gradient by z [B, T, V].
    The numbers are the paper's equations; probabilities are kept as logarithms, which do not underflow.

    >>> loss, dz = ctc(np.zeros((1, 2, 2)), np.array([[1]]))  # 3 of 4 paths, 11, 10 and 01, are the label 1
    >>> np.exp(-loss), dz.round(4)
    (array([0.75]), array([[[ 0.1667, -0.1667],
            [ 0.1667, -0.1667]]]))
    """
    log_y = z - z.max(axis=-1, keepdims=True)
    log_y -= np.log(np.exp(log_y).sum(axis=-1, keepdims=True))
    losses, dz = np.empty(len(z)), softmax(z)
    for b, row in enumerate(labels):
        states = np.zeros(2 * np.count_nonzero(row) + 1, int)  # l': a blank before, between and after the labels
        states[1::2] = row[row != 0]
        T, S = z.shape[1], len(states)
        may_skip = [s >= 2 and states[s] not in (0, states[s - 2]) for s in range(S)]
        alpha, beta = np.full((2, T, S), -np.inf)
        alpha[0, :2] = log_y[b, 0, states[:2]]  # (5)
        beta[-1, -2:] = log_y[b, -1, states[-2:]]  # (9)
        for t in range(1, T):
            for s in range(S):  # (6), (7)
                before = alpha[t - 1, max(0, s - 1 - may_skip[s]) : s + 1]
                alpha[t, s] = np.logaddexp.reduce(before) + log_y[b, t, states[s]]
        for t in range(T - 2, -1, -1):
            for s in range(S):  # (10), (11)
                after = beta[t + 1, s : s + 2 + (s + 2 < S and may_skip[s + 2])]
                beta[t, s] = np.logaddexp.reduce(after) + log_y[b, t, states[s]]
        losses[b] = -np.logaddexp.reduce(alpha[-1, -2:])  # (8)
        share = np.exp(alpha + beta - log_y[b][:, states] + losses[b])  # (14): of all paths, in state s at step t
        for s, symbol in enumerate(states):
            dz[b, :, symbol] -= share[:, s]  # (16)
    return losses, dz


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
