"""What the engine computes, in plain float64 NumPy: the executable specification.

Read it beside the papers. Every function here has a fast twin of the same name, arguments and results in the compiled
engine, and the tests hold the two together. Nothing is changed in place.

Letters: T steps, B batch, I inputs, H units, N units of a dense layer, V symbols. Weights have Keras' shapes; gates stand
side by side in the matrices, of an LSTM in the order i f c o, of a GRU z r n. `ids` are integers that mean one-hot rows:
id v is row v of the identity matrix, so a product with a kernel picks the kernel's row v.
"""

# ruff: noqa: PLC0414 (names that are public here too)

import math

import numpy as np
from numpy.typing import NDArray

from ._reference_optimizers import adagrad_step as adagrad_step
from ._reference_optimizers import adam_step as adam_step
from ._reference_optimizers import amsgrad_step as amsgrad_step
from ._reference_optimizers import clip_by_global_norm as clip_by_global_norm
from ._reference_optimizers import clip_by_norm as clip_by_norm
from ._reference_optimizers import clip_by_value as clip_by_value
from ._reference_optimizers import decay_weights as decay_weights
from ._reference_optimizers import lion_step as lion_step
from ._reference_optimizers import moving_average as moving_average
from ._reference_optimizers import nadam_step as nadam_step
from ._reference_optimizers import penalty as penalty
from ._reference_optimizers import rmsprop_step as rmsprop_step
from ._reference_optimizers import sgd_step as sgd_step

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


def lstm_forward(
    x: Floats | Ids,
    h0: Floats,
    c0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    bias: Floats,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Floats, Floats, Floats]:
    """Long short-term memory over T steps: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000.

    x [B, T, I] or ids [B, T]; h0, c0 [B, H]; kernel [I, 4H]; recurrent_kernel [H, 4H]; bias [4H].
    Returns h [B, T, H], c [B, T, H] and the gates after their activations [B, T, 4H].
    tanh and sigmoid in the equations are `activation` and `recurrent_activation`, where others are given.

    >>> x, h0, c0 = np.ones((1, 2, 1)), np.zeros((1, 1)), np.zeros((1, 1))
    >>> h, c, gates = lstm_forward(x, h0, c0, np.zeros((1, 4)), np.zeros((1, 4)), np.array([0.0, 0.0, 1.0, 0.0]))
    >>> c.round(4)  # half of tanh(1), then half of that and half of tanh(1) again
    array([[[0.3808],
            [0.5712]]])
    """
    x = _rows(x, len(kernel))

    def tanh(z: Floats) -> Floats:
        return activate(z, activation)

    def sigma(z: Floats) -> Floats:
        return activate(z, recurrent_activation)

    W_i, W_f, W_c, W_o = np.split(kernel, 4, axis=1)  # [I, H] each
    R_i, R_f, R_c, R_o = np.split(recurrent_kernel, 4, axis=1)  # [H, H] each
    b_i, b_f, b_c, b_o = np.split(bias, 4)  # [H] each
    h = np.empty((*x.shape[:2], h0.shape[1]))
    c = np.empty(h.shape)
    gates = np.empty((*x.shape[:2], 4 * h0.shape[1]))
    h_t, c_t = h0, c0
    for t in range(x.shape[1]):
        x_t, h_prev, c_prev = x[:, t], h_t, c_t
        f = sigma(x_t @ W_f + h_prev @ R_f + b_f)  # (1) forget gate: how much of the cell state stays
        i = sigma(x_t @ W_i + h_prev @ R_i + b_i)  # (2) input gate: how much of the candidate comes in
        c_tilde = tanh(x_t @ W_c + h_prev @ R_c + b_c)  # (3) candidate
        c_t = f * c_prev + i * c_tilde  # (4) cell state
        o = sigma(x_t @ W_o + h_prev @ R_o + b_o)  # (5) output gate: how much of the cell state shows
        h_t = o * tanh(c_t)  # (6) hidden state, the output
        h[:, t], c[:, t], gates[:, t] = h_t, c_t, np.concatenate([i, f, c_tilde, o], axis=1)
    return h, c, gates


def lstm_backward(
    dh: Floats,
    dc: Floats,
    x: Floats | Ids,
    h0: Floats,
    c0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    h: Floats,
    c: Floats,
    gates: Floats,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Floats | None, Floats, Floats, Floats, Floats, Floats]:
    """Gradients of `lstm_forward` by backpropagation through time, the full gradient (Graves & Schmidhuber 2005).

    dh [B, T, H]: the loss's gradient by every output; dc [B, H]: by the last cell state; the rest as `lstm_forward`
    took and returned it. Returns dx [B, T, I] (None for ids), dh0, dc0, dkernel, drecurrent_kernel, dbias.
    The numbers in brackets are the lines of `lstm_forward` that a line goes back through. A gate's derivative is
    written by its value (`activate_backward`).

    >>> x, h0, c0, W, R, b = np.ones((1, 1, 1)), *np.zeros((2, 1, 1)), np.zeros((1, 4)), np.zeros((1, 4)), np.zeros(4)
    >>> dx, dh0, dc0, dW, dR, db = lstm_backward(x, c0, x, h0, c0, W, R, *lstm_forward(x, h0, c0, W, R, b))
    >>> db  # only the candidate moves h = sigmoid(0) tanh(sigmoid(0) tanh(b_c))
    array([0.  , 0.  , 0.25, 0.  ])
    """
    rows = _rows(x, len(kernel))
    h_before = np.concatenate([h0[:, None], h], axis=1)  # [B, T+1, H]: step t starts from h_before[:, t]
    c_before = np.concatenate([c0[:, None], c], axis=1)
    dz = np.empty(gates.shape)  # by the sums inside the gates' activations
    dh_next, dc_next = np.zeros(h0.shape), dc  # what step t + 1 hands back
    for t in reversed(range(h.shape[1])):
        i, f, c_tilde, o = np.split(gates[:, t], 4, axis=1)
        c_prev, tanh_c = c_before[:, t], activate(c[:, t], activation)
        dh_t = dh[:, t] + dh_next  # h_t is an output, and step t + 1 starts from it
        do = dh_t * tanh_c  # (6)
        dc_t = activate_backward(dh_t * o, tanh_c, activation) + dc_next  # (6), and step t + 1 starts from c_t
        dz_o = activate_backward(do, o, recurrent_activation)  # (5)
        df, di, dc_tilde, dc_next = dc_t * c_prev, dc_t * c_tilde, dc_t * i, dc_t * f  # (4)
        dz_c = activate_backward(dc_tilde, c_tilde, activation)  # (3)
        dz_i = activate_backward(di, i, recurrent_activation)  # (2)
        dz_f = activate_backward(df, f, recurrent_activation)  # (1)
        dz[:, t] = np.concatenate([dz_i, dz_f, dz_c, dz_o], axis=1)
        dh_next = dz[:, t] @ recurrent_kernel.T  # h_prev in (1) (2) (3) (5)
    dkernel = _product_over_rows(rows, dz)  # x_t in (1) (2) (3) (5), all steps at once
    drecurrent_kernel = _product_over_rows(h_before[:, :-1], dz)
    dbias = dz.sum(axis=(0, 1))
    dx = None if _is_ids(x) else dz @ kernel.T
    return dx, dh_next, dc_next, dkernel, drecurrent_kernel, dbias


def gru_forward(
    x: Floats | Ids,
    h0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    bias: Floats,
    reset_after: bool = True,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Floats, Floats]:
    """Gated recurrent unit over T steps: Cho et al. 2014, in Keras' form, where z is how much of the state stays.

    x [B, T, I] or ids [B, T]; h0 [B, H]; kernel [I, 3H]; recurrent_kernel [H, 3H], gates in the order z r n.
    With `reset_after` the reset gate comes after the recurrent product, and bias [2, 3H] has a row for each product; else
    before it, as in the paper, and bias is [3H].
    Returns h [B, T, H] and [B, T, 4H]: the gates z, r, n after their activations, and what the reset gate multiplies
    (`reset_after`) or has multiplied.

    >>> x, h0 = np.ones((1, 2, 1)), np.ones((1, 1))
    >>> h, gates = gru_forward(x, h0, np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((2, 3)))
    >>> h  # half of the state stays, and nothing comes in
    array([[[0.5 ],
            [0.25]]])
    """
    x = _rows(x, len(kernel))

    def tanh(z: Floats) -> Floats:
        return activate(z, activation)

    def sigma(z: Floats) -> Floats:
        return activate(z, recurrent_activation)

    W_z, W_r, W_n = np.split(kernel, 3, axis=1)  # [I, H] each
    R_z, R_r, R_n = np.split(recurrent_kernel, 3, axis=1)  # [H, H] each
    b_z, b_r, b_n = np.split(bias[0] if reset_after else bias, 3)  # [H] each
    c_z, c_r, c_n = np.split(bias[1] if reset_after else np.zeros_like(bias), 3)
    h = np.empty((*x.shape[:2], h0.shape[1]))
    gates = np.empty((*x.shape[:2], 4 * h0.shape[1]))
    h_t = h0
    for t in range(x.shape[1]):
        x_t, h_prev = x[:, t], h_t
        z = sigma(x_t @ W_z + b_z + h_prev @ R_z + c_z)  # (1) update gate: how much of the state stays
        r = sigma(x_t @ W_r + b_r + h_prev @ R_r + c_r)  # (2) reset gate: how much of the state the candidate sees
        if reset_after:
            inner = h_prev @ R_n + c_n
            n = tanh(x_t @ W_n + b_n + r * inner)  # (3) candidate
        else:
            inner = r * h_prev
            n = tanh(x_t @ W_n + b_n + inner @ R_n)  # (3')
        h_t = z * h_prev + (1 - z) * n  # (4) hidden state, the output
        h[:, t], gates[:, t] = h_t, np.concatenate([z, r, n, inner], axis=1)
    return h, gates


def gru_backward(
    dh: Floats,
    x: Floats | Ids,
    h0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    h: Floats,
    gates: Floats,
    reset_after: bool = True,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Floats | None, Floats, Floats, Floats, Floats]:
    """Gradients of `gru_forward` by backpropagation through time.

    dh [B, T, H]: the loss's gradient by every output; the rest as `gru_forward` took and returned it. Returns dx [B, T, I]
    (None for ids), dh0, dkernel, drecurrent_kernel, dbias. The numbers in brackets are the lines of `gru_forward`.

    >>> x, h0, W, R, b = np.ones((1, 1, 1)), np.ones((1, 1)), np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((2, 3))
    >>> dx, dh0, dW, dR, db = gru_backward(np.ones((1, 1, 1)), x, h0, W, R, *gru_forward(x, h0, W, R, b))
    >>> db[0]  # z: (h - n) z (1 - z); r times n's inner part, which is zero; n: 1 - z
    array([0.25, 0.  , 0.5 ])
    """
    R_z, R_r, R_n = np.split(recurrent_kernel, 3, axis=1)
    h_before = np.concatenate([h0[:, None], h], axis=1)
    dz_x = np.empty((*h.shape[:2], 3 * h.shape[2]))  # by the sums x W + b of z r n
    dz_h = np.empty(dz_x.shape)  # by the sums that hold h R
    dh_next = np.zeros(h0.shape)
    for t in reversed(range(h.shape[1])):
        z, r, n, inner = np.split(gates[:, t], 4, axis=1)
        h_prev = h_before[:, t]
        dh_t = dh[:, t] + dh_next
        dz, dn, dh_next = dh_t * (h_prev - n), dh_t * (1 - z), dh_t * z  # (4)
        dn = activate_backward(dn, n, activation)  # (3)
        if reset_after:
            dr, dn_h = dn * inner, dn * r  # (3)
            dh_next = dh_next + dn_h @ R_n.T
        else:
            d_reset = dn @ R_n.T  # (3')
            dr, dn_h = d_reset * h_prev, dn
            dh_next = dh_next + d_reset * r
        dr = activate_backward(dr, r, recurrent_activation)  # (2)
        dz = activate_backward(dz, z, recurrent_activation)  # (1)
        dh_next = dh_next + dz @ R_z.T + dr @ R_r.T  # (1) (2)
        dz_x[:, t], dz_h[:, t] = np.concatenate([dz, dr, dn], axis=1), np.concatenate([dz, dr, dn_h], axis=1)
    H = h.shape[2]
    dkernel = _product_over_rows(_rows(x, len(kernel)), dz_x)
    drecurrent_kernel = _product_over_rows(h_before[:, :-1], dz_h)
    if not reset_after:
        drecurrent_kernel[:, 2 * H :] = _product_over_rows(gates[..., 3 * H :], dz_h[..., 2 * H :])
    dbias = dz_x.sum(axis=(0, 1))
    if reset_after:
        dbias = np.stack([dbias, dz_h.sum(axis=(0, 1))])
    dx = None if _is_ids(x) else dz_x @ kernel.T
    return dx, dh_next, dkernel, drecurrent_kernel, dbias


def simple_rnn_forward(
    x: Floats | Ids, h0: Floats, kernel: Floats, recurrent_kernel: Floats, bias: Floats, activation: str = "tanh"
) -> Floats:
    """A fully connected recurrent layer over T steps (Elman 1990): h_t = activation(x_t W + h_{t-1} R + b).

    x [B, T, I] or ids [B, T]; h0 [B, H]; kernel [I, H]; recurrent_kernel [H, H]; bias [H]. Returns h [B, T, H].

    >>> simple_rnn_forward(np.ones((1, 2, 1)), np.zeros((1, 1)), np.eye(1), np.eye(1), np.zeros(1), "linear")
    array([[[1.],
            [2.]]])
    """
    x = _rows(x, len(kernel))
    h = np.empty((*x.shape[:2], h0.shape[1]))
    h_t = h0
    for t in range(x.shape[1]):
        h_t = activate(x[:, t] @ kernel + h_t @ recurrent_kernel + bias, activation)
        h[:, t] = h_t
    return h


def simple_rnn_backward(
    dh: Floats,
    x: Floats | Ids,
    h0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    h: Floats,
    activation: str = "tanh",
) -> tuple[Floats | None, Floats, Floats, Floats, Floats]:
    """Gradients of `simple_rnn_forward` by backpropagation through time, for dh [B, T, H].

    Returns dx [B, T, I] (None for ids), dh0, dkernel, drecurrent_kernel, dbias.

    >>> one = np.ones((1, 1, 1))
    >>> simple_rnn_backward(one, one, one[0], one[0], one[0], one, "linear")[1]
    array([[1.]])
    """
    h_before = np.concatenate([h0[:, None], h], axis=1)
    dz = np.empty(h.shape)
    dh_next = np.zeros(h0.shape)
    for t in reversed(range(h.shape[1])):
        dz[:, t] = activate_backward(dh[:, t] + dh_next, h[:, t], activation)
        dh_next = dz[:, t] @ recurrent_kernel.T
    dkernel = _product_over_rows(_rows(x, len(kernel)), dz)
    drecurrent_kernel = _product_over_rows(h_before[:, :-1], dz)
    dx = None if _is_ids(x) else dz @ kernel.T
    return dx, dh_next, dkernel, drecurrent_kernel, dz.sum(axis=(0, 1))


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


def dense_forward(x: Floats | Ids, kernel: Floats, bias: Floats, activation: str) -> Floats:
    """y = activation(x kernel + bias): x [..., I] or ids [...]; kernel [I, N]; bias [N]; returns y [..., N].

    >>> dense_forward(np.array([[1.0, 2.0]]), np.array([[1.0], [-1.0]]), np.array([0.5]), "relu")
    array([[0.]])
    """
    return activate(_rows(x, len(kernel)) @ kernel + bias, activation)


def dense_backward(
    dy: Floats, x: Floats | Ids, kernel: Floats, y: Floats, activation: str
) -> tuple[Floats | None, Floats, Floats]:
    """Gradients of `dense_forward` for dy [..., N], the loss's gradient by y. `activation` cannot be "silu" or "gelu".

    Returns dx [..., I] (None for ids), dkernel [I, N], dbias [N].

    >>> x, kernel = np.array([[3.0]]), np.array([[1.0]])
    >>> dense_backward(np.array([[2.0]]), x, kernel, np.array([[3.0]]), "linear")
    (array([[2.]]), array([[6.]]), array([2.]))
    """
    if activation in ("silu", "gelu"):
        raise ValueError(f"dense_backward: activation must be one whose derivative is written by y, got {activation}")
    dz = activate_backward(dy, y, activation)
    dx = None if _is_ids(x) else dz @ kernel.T
    return dx, _product_over_rows(_rows(x, len(kernel)), dz), dz.reshape(-1, dz.shape[-1]).sum(axis=0)


def embedding_forward(ids: Ids, embeddings: Floats) -> Floats:
    """y[...] = embeddings[ids[...]]: ids [...], embeddings [V, D], returns [..., D].

    >>> embedding_forward(np.array([2, 0]), np.array([[0.0], [1.0], [4.0]]))
    array([[4.],
           [0.]])
    """
    return embeddings[ids]


def embedding_backward(dy: Floats, ids: Ids, V: int) -> Floats:
    """The gradient [V, D] of `embedding_forward` for dy [..., D]: each row gathers what its symbol's places hand back.

    >>> embedding_backward(np.array([[1.0], [10.0], [100.0]]), np.array([0, 2, 0]), 3)
    array([[101.],
           [  0.],
           [ 10.]])
    """
    return _product_over_rows(_rows(ids, V), dy)


def crossentropy(z: Floats, y: Floats | Ids) -> tuple[float, Floats]:
    """-sum_v y_v log softmax(z)_v, averaged over all rows, and its gradient by z: ((sum_v y_v) softmax(z) - y) / rows.

    z [..., V] logits; y integer ids [...] or probabilities [..., V]; returns the loss and dz [..., V].
    log softmax(z)_v is taken as z_v - log sum exp z, which stays exact where the softmax itself rounds to 0.

    >>> crossentropy(np.array([[0.0, 1000.0]]), np.array([0]))
    (1000.0, array([[-1.,  1.]]))
    """
    y = _rows(y, z.shape[-1])
    n_rows = z[..., 0].size
    weight = y.sum(axis=-1, keepdims=True)  # 1, unless the caller's y is no distribution
    highest = z.max(axis=-1, keepdims=True)
    log_softmax = z - highest - np.log(np.exp(z - highest).sum(axis=-1, keepdims=True))
    return float(-(y * log_softmax).sum() / n_rows), (weight * softmax(z) - y) / n_rows


def _unknown_activation(function: str, got: str) -> ValueError:
    known = "linear, tanh, sigmoid, relu, softmax, hard_sigmoid, softplus, elu, leaky_relu, exponential, silu or gelu"
    return ValueError(f"{function}: activation must be {known}, got {got!r}")


def _normal_distribution(z: Floats) -> Floats:
    """erfc(-z / sqrt(2)) / 2, of any shape: the probability that a standard normal number is less than z."""
    below: Floats = 0.5 * np.vectorize(math.erfc, otypes=[np.float64])(-z / math.sqrt(2))
    return below


def _is_ids(x: Floats | Ids) -> bool:
    return bool(np.issubdtype(x.dtype, np.integer))


def _rows(x: Floats | Ids, symbols: int) -> Floats:
    """x [..., symbols] itself, or the one-hot rows [..., symbols] that ids [...] mean."""
    return np.asarray(np.eye(symbols)[x] if _is_ids(x) else x, np.float64)


def _product_over_rows(x: Floats, dz: Floats) -> Floats:
    """x^T dz summed over all leading axes: x [..., I], dz [..., N], returns [I, N]."""
    return x.reshape(-1, x.shape[-1]).T @ dz.reshape(-1, dz.shape[-1])
