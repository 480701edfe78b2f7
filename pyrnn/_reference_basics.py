"""What the functions of `pyrnn.reference` share: activations, and rows that may be ids."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.integer]


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(-z)) for z of any shape.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    y: Floats = np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))  # the same quotient, and exp cannot overflow
    return y


def softmax(z: Floats) -> Floats:
    """exp(z) / sum exp(z) over the last axis of z [..., V].

    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    e = np.exp(z - z.max(axis=-1, keepdims=True))  # the same quotient, and exp cannot overflow
    y: Floats = e / e.sum(axis=-1, keepdims=True)
    return y


def activate(z: Floats, activation: str) -> Floats:
    """activation(z) for z of any shape; "softmax" runs over the last axis. Slopes and limits are those of Keras 3.

    >>> activate(np.array([-4.0, 0.0, 1.5]), "hard_sigmoid")
    array([0.  , 0.5 , 0.75])
    """
    match activation:
        case "linear":
            return z
        case "tanh":
            return np.tanh(z)
        case "sigmoid":
            return sigmoid(z)
        case "relu":
            return np.maximum(z, 0.0)
        case "softmax":
            return softmax(z)
        case "hard_sigmoid":
            return np.minimum(np.maximum(z + 3.0, 0.0), 6.0) / 6.0
        case "softplus":  # log(1 + exp(z)), where exp cannot overflow
            return np.logaddexp(z, 0.0)
        case "elu":  # Clevert et al. 2016, alpha = 1
            return np.where(z > 0, z, np.expm1(np.minimum(z, 0.0)))
        case "leaky_relu":
            return np.where(z > 0, z, 0.2 * z)
        case "exponential":
            return np.exp(z)
        case "silu":  # Ramachandran et al. 2017
            return z * sigmoid(z)
        case "gelu":  # Hendrycks and Gimpel 2016
            return z * _normal_distribution(z)
    raise _unknown_activation("activate", activation)


def activate_backward(dy: Floats, y: Floats, activation: str) -> Floats:
    """The gradient by z of `activate` for dy, the loss's gradient by y; both of y's shape.

    Every derivative is written by y, but those of "silu" and "gelu", which have no inverse: there y must be z.

    >>> activate_backward(np.array([2.0]), np.array([0.5]), "sigmoid")
    array([0.5])
    """
    match activation:
        case "linear":
            return dy
        case "tanh":
            return dy * (1 - y**2)
        case "sigmoid":
            return dy * y * (1 - y)
        case "relu":
            return dy * (y > 0)
        case "softmax":  # dy_j/dz_k = y_j ([j = k] - y_k)
            dz: Floats = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
            return dz
        case "hard_sigmoid":
            return dy * ((y > 0) & (y < 1)) / 6.0
        case "softplus":  # sigmoid(z) = 1 - exp(-y)
            return -dy * np.expm1(-y)
        case "elu":  # exp(z) = y + 1
            return dy * np.where(y > 0, 1.0, y + 1)
        case "leaky_relu":
            return dy * np.where(y > 0, 1.0, 0.2)
        case "exponential":
            return dy * y
        case "silu":
            return dy * sigmoid(y) * (1 + y * (1 - sigmoid(y)))
        case "gelu":
            density: Floats = np.exp(-(y**2) / 2) / math.sqrt(2 * math.pi)
            return dy * (_normal_distribution(y) + y * density)
    raise _unknown_activation("activate_backward", activation)


def _unknown_activation(function: str, got: str) -> ValueError:
    known = "linear, tanh, sigmoid, relu, softmax, hard_sigmoid, softplus, elu, leaky_relu, exponential, silu or gelu"
    return ValueError(f"{function}: activation must be {known}, got {got!r}")


def _normal_distribution(z: Floats) -> Floats:
    """erfc(-z / sqrt(2)) / 2, of any shape: the probability that a standard normal number is less than z."""
    below: Floats = 0.5 * np.vectorize(math.erfc, otypes=[np.float64])(-z / math.sqrt(2))
    return below


def is_ids(x: Floats | Ids) -> bool:
    """Whether x holds integers.

    >>> is_ids(np.array([2, 0])), is_ids(np.array([2.0, 0.0]))
    (True, False)
    """
    return bool(np.issubdtype(x.dtype, np.integer))


def rows(x: Floats | Ids, symbols: int) -> Floats:
    """x [..., symbols] itself, or the one-hot rows [..., symbols] that ids [...] mean.

    >>> rows(np.array([1, 0]), 3)
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    return np.asarray(np.eye(symbols)[x] if is_ids(x) else x, np.float64)


def product_over_rows(x: Floats, dz: Floats) -> Floats:
    """x^T dz summed over all leading axes: x [..., I], dz [..., N], returns [I, N].

    >>> product_over_rows(np.array([[[1.0], [2.0]]]), np.array([[[10.0], [100.0]]]))
    array([[210.]])
    """
    return x.reshape(-1, x.shape[-1]).T @ dz.reshape(-1, dz.shape[-1])
