"""The optimizers' rules of `reference.py`: one step from a given gradient, as Keras 3 defines it.

All optimizers do the same in the same order: clip the gradients, decay the weights, take the rule's step, average.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sgd_step(
    w: Floats, g: Floats, velocity: Floats, learning_rate: float, momentum: float, nesterov: bool
) -> tuple[Floats, Floats]:
    """Gradient descent with momentum, in Keras' form, where the velocity is already scaled by the learning rate.

    w, g, velocity of one shape, any; returns the new w and velocity. With momentum 0 the velocity is not used.
    `nesterov` looks one step ahead (Sutskever et al. 2013, as rearranged by Bengio et al. 2013, section 3.5).

    >>> sgd_step(np.array([1.0]), np.array([2.0]), np.array([0.0]), 0.1, 0.9, False)
    (array([0.8]), array([-0.2]))
    """
    if momentum == 0:
        return w - learning_rate * g, velocity
    velocity = momentum * velocity - learning_rate * g
    if nesterov:
        return w + momentum * velocity - learning_rate * g, velocity
    return w + velocity, velocity


def rmsprop_step(
    w: Floats,
    g: Floats,
    v: Floats,
    momentum_buffer: Floats,
    average: Floats,
    learning_rate: float,
    rho: float,
    momentum: float,
    epsilon: float,
    centered: bool,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Hinton 2012, lecture 6e, in Keras' form: epsilon stands inside the root.

    w, g, v, momentum_buffer, average of one shape, any; returns the new w, v, momentum_buffer and average.
    `centered` divides by the gradient's deviation instead of its size (Graves 2013, equations 38-41).
    With momentum 0 the buffer, and without `centered` the average, is not used.

    >>> w, v, _, _ = rmsprop_step(np.ones(1), np.full(1, 2.0), *np.zeros((3, 1)), 0.1, 0.75, 0.0, 0.0, False)
    >>> w, v
    (array([0.8]), array([1.]))
    """
    v = rho * v + (1 - rho) * g**2
    variance = v
    if centered:
        average = rho * average + (1 - rho) * g
        variance = v - average**2
    step = learning_rate * g / np.sqrt(variance + epsilon)
    if momentum > 0:
        momentum_buffer = momentum * momentum_buffer + step
        step = momentum_buffer
    return w - step, v, momentum_buffer, average


def adam_step(
    w: Floats,
    g: Floats,
    m: Floats,
    v: Floats,
    step: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> tuple[Floats, Floats, Floats]:
    """Kingma & Ba 2015, in the order of computation at the end of section 2; epsilon is their "epsilon hat".

    w, g, m, v of one shape, any; `step` counts from 1; returns the new w, m and v.

    >>> adam_step(np.ones(1), np.full(1, 2.0), np.zeros(1), np.zeros(1), 1, 0.1, 0.5, 0.75, 0.0)
    (array([0.9]), array([1.]), array([1.]))
    """
    alpha = learning_rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    return w - alpha * m / (np.sqrt(v) + epsilon), m, v


def amsgrad_step(
    w: Floats,
    g: Floats,
    m: Floats,
    v: Floats,
    v_max: Floats,
    step: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Adam that divides by the largest v so far: Reddi et al. 2018, algorithm 2, with the bias correction of `adam_step`.

    w, g, m, v, v_max of one shape, any; `step` counts from 1; returns the new w, m, v and v_max.

    >>> w, _, _, v_max = amsgrad_step(np.ones(1), np.full(1, 2.0), *np.zeros((2, 1)), np.full(1, 4.0), 1, 0.1, 0.5, 0.75, 0.0)
    >>> w, v_max
    (array([0.95]), array([4.]))
    """
    alpha = learning_rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    v_max = np.maximum(v_max, v)
    return w - alpha * m / (np.sqrt(v_max) + epsilon), m, v, v_max


def nadam_step(
    w: Floats,
    g: Floats,
    m: Floats,
    v: Floats,
    step: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> tuple[Floats, Floats, Floats]:
    """Adam with Nesterov's momentum: Dozat 2015, algorithm 2, with the momentum u_t = beta_1 (1 - 0.96^t / 2) of Keras.

    w, g, m, v of one shape, any; `step` counts from 1; returns the new w, m and v.

    >>> nadam_step(np.ones(1), np.full(1, 2.0), np.zeros(1), np.zeros(1), 1, 0.1, 0.0, 0.75, 0.0)
    (array([0.9]), array([2.]), array([1.]))
    """
    u = beta_1 * (1 - 0.96 ** np.arange(1, step + 2) / 2)  # u_1 .. u_step+1
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    m_hat = u[-1] * m / (1 - np.prod(u)) + (1 - u[-2]) * g / (1 - np.prod(u[:-1]))
    v_hat = v / (1 - beta_2**step)
    return w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon), m, v


def adagrad_step(
    w: Floats, g: Floats, accumulator: Floats, learning_rate: float, epsilon: float
) -> tuple[Floats, Floats]:
    """Duchi et al. 2011, figure 1 with the diagonal of G, in Keras' form: epsilon stands inside the root.

    w, g, accumulator of one shape, any; returns the new w and accumulator.

    >>> adagrad_step(np.ones(1), np.full(1, 3.0), np.full(1, 16.0), 0.1, 0.0)
    (array([0.94]), array([25.]))
    """
    accumulator = accumulator + g**2
    return w - learning_rate * g / np.sqrt(accumulator + epsilon), accumulator


def lion_step(
    w: Floats, g: Floats, m: Floats, learning_rate: float, beta_1: float, beta_2: float
) -> tuple[Floats, Floats]:
    """Chen et al. 2023, algorithm 2, whose weight decay is `decay_weights`. The sign of 0 is 0.

    w, g, m of one shape, any; returns the new w and m.

    >>> lion_step(np.ones(2), np.array([2.0, -3.0]), np.zeros(2), 0.1, 0.9, 0.5)
    (array([0.9, 1.1]), array([ 1. , -1.5]))
    """
    w = w - learning_rate * np.sign(beta_1 * m + (1 - beta_1) * g)
    return w, beta_2 * m + (1 - beta_2) * g


def decay_weights(w: Floats, learning_rate: float, weight_decay: float) -> Floats:
    """Decoupled weight decay, before a rule's step: Loshchilov & Hutter 2019, algorithm 2, line 12. w of any shape.

    >>> decay_weights(np.array([2.0]), 0.1, 0.5)
    array([1.9])
    """
    return w - learning_rate * weight_decay * w


def moving_average(average: Floats, w: Floats, momentum: float, step: int) -> Floats:
    """The exponential moving average of weights after step `step`, counted from 1: Polyak & Juditsky 1992, in Keras' form.

    average and w of one shape, any. The first average is the weights themselves.

    >>> moving_average(np.zeros(1), np.ones(1), 0.75, 1), moving_average(np.zeros(1), np.ones(1), 0.75, 2)
    (array([1.]), array([0.25]))
    """
    if step == 1:
        return w
    return momentum * average + (1 - momentum) * w


def penalty(w: Floats, l1: float, l2: float) -> tuple[float, Floats]:
    """l1 sum |w| + l2 sum w^2, which a regularizer adds to the loss, and its gradient by w of any shape (Zou & Hastie 2005, section 2.1).

    The gradient is that of the loss before it is clipped. |w| has none at 0, and 0 is taken.

    >>> penalty(np.array([3.0, 0.0, -4.0]), 1.0, 0.5)
    (19.5, array([ 4.,  0., -5.]))
    """
    return float(l1 * np.abs(w).sum() + l2 * (w**2).sum()), l1 * np.sign(w) + 2 * l2 * w


def clip_by_norm(gradients: list[Floats], clipnorm: float) -> list[Floats]:
    """Every gradient times min(1, clipnorm / norm) with its own norm: Pascanu et al. 2013, algorithm 1, for each tensor.

    Arrays of any shapes. Where a norm is infinite or NaN its whole array is NaN, so that it is noticed.

    >>> clip_by_norm([np.array([3.0, 4.0]), np.array([[-0.5]])], 1.0)
    [array([0.6, 0.8]), array([[-0.5]])]
    """
    return [clip_by_global_norm([g], clipnorm)[0] for g in gradients]


def clip_by_value(gradients: list[Floats], clipvalue: float) -> list[Floats]:
    """Every value to [-clipvalue, clipvalue]; NaN stays NaN. Arrays of any shapes.

    >>> clip_by_value([np.array([3.0, -0.5])], 1.0)
    [array([ 1. , -0.5])]
    """
    return [np.clip(g, -clipvalue, clipvalue) for g in gradients]


def clip_by_global_norm(gradients: list[Floats], clipnorm: float) -> list[Floats]:
    """All gradients times min(1, clipnorm / norm), norm over all of them together: Pascanu et al. 2013, algorithm 1.

    Arrays of any shapes. Where the norm is infinite or NaN every result is NaN, as in Keras, so that it is noticed.

    >>> clip_by_global_norm([np.array([3.0]), np.array([[-4.0]])], 1.0)
    [array([0.6]), array([[-0.8]])]
    """
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    scale = clipnorm / max(norm, clipnorm) if np.isfinite(norm) else np.nan
    return [g * scale for g in gradients]
