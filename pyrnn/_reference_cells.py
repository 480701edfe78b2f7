"""Recurrent cells in plain float64 NumPy, forward and through time: see `pyrnn.reference`, where they are public.

Every cell takes three masks, each None where nothing is dropped:

- `dropout_mask` [B, I] multiplies x at every step, `recurrent_mask` [B, H] the state where it enters a product, or is
  multiplied by a reset gate before one: of each sequence one mask for all its steps, and one for all gates, the "tied"
  form of Gal & Ghahramani 2016. What of the state does not pass through a matrix is not masked.
- `zoneout_mask` [B, T, H] of zeros and ones: where it is 0, a unit keeps its state for a step (Krueger et al. 2017).
"""

import numpy as np

from ._reference_basics import Floats, Ids, activate, activate_backward, is_ids, product_over_rows, rows


def lstm_forward(
    x: Floats | Ids,
    h0: Floats,
    c0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    bias: Floats,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    dropout_mask: Floats | None = None,
    recurrent_mask: Floats | None = None,
    zoneout_mask: Floats | None = None,
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
    x = masked(rows(x, len(kernel)), dropout_mask)

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
        x_t, h_in, c_prev = x[:, t], masked(h_t, recurrent_mask), c_t
        f = sigma(x_t @ W_f + h_in @ R_f + b_f)  # (1) forget gate: how much of the cell state stays
        i = sigma(x_t @ W_i + h_in @ R_i + b_i)  # (2) input gate: how much of the candidate comes in
        c_tilde = tanh(x_t @ W_c + h_in @ R_c + b_c)  # (3) candidate
        c_t = f * c_prev + i * c_tilde  # (4) cell state
        o = sigma(x_t @ W_o + h_in @ R_o + b_o)  # (5) output gate: how much of the cell state shows
        h_t = zoned_out(o * tanh(c_t), h_t, zoneout_mask, t)  # (6) hidden state, the output
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
    dropout_mask: Floats | None = None,
    recurrent_mask: Floats | None = None,
    zoneout_mask: Floats | None = None,
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
    x_in = masked(rows(x, len(kernel)), dropout_mask)
    h_before = np.concatenate([h0[:, None], h], axis=1)  # [B, T+1, H]: step t starts from h_before[:, t]
    c_before = np.concatenate([c0[:, None], c], axis=1)
    dz = np.empty(gates.shape)  # by the sums inside the gates' activations
    dh_next, dc_next = np.zeros(h0.shape), dc  # what step t + 1 hands back
    for t in reversed(range(h.shape[1])):
        i, f, c_tilde, o = np.split(gates[:, t], 4, axis=1)
        c_prev, tanh_c = c_before[:, t], activate(c[:, t], activation)
        dh_t = dh[:, t] + dh_next  # h_t is an output, and step t + 1 starts from it
        dh_t, passed = past_zoneout(dh_t, zoneout_mask, t)
        do = dh_t * tanh_c  # (6)
        dc_t = activate_backward(dh_t * o, tanh_c, activation) + dc_next  # (6), and step t + 1 starts from c_t
        dz_o = activate_backward(do, o, recurrent_activation)  # (5)
        df, di, dc_tilde, dc_next = dc_t * c_prev, dc_t * c_tilde, dc_t * i, dc_t * f  # (4)
        dz_c = activate_backward(dc_tilde, c_tilde, activation)  # (3)
        dz_i = activate_backward(di, i, recurrent_activation)  # (2)
        dz_f = activate_backward(df, f, recurrent_activation)  # (1)
        dz[:, t] = np.concatenate([dz_i, dz_f, dz_c, dz_o], axis=1)
        dh_next = passed + masked(dz[:, t] @ recurrent_kernel.T, recurrent_mask)  # h_in in (1) (2) (3) (5)
    dkernel = product_over_rows(x_in, dz)  # x_t in (1) (2) (3) (5), all steps at once
    drecurrent_kernel = product_over_rows(masked(h_before[:, :-1], recurrent_mask), dz)
    dbias = dz.sum(axis=(0, 1))
    dx = None if is_ids(x) else masked(dz @ kernel.T, dropout_mask)
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
    dropout_mask: Floats | None = None,
    recurrent_mask: Floats | None = None,
    zoneout_mask: Floats | None = None,
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
    x = masked(rows(x, len(kernel)), dropout_mask)

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
        x_t, h_prev, h_in = x[:, t], h_t, masked(h_t, recurrent_mask)
        z = sigma(x_t @ W_z + b_z + h_in @ R_z + c_z)  # (1) update gate: how much of the state stays
        r = sigma(x_t @ W_r + b_r + h_in @ R_r + c_r)  # (2) reset gate: how much of the state the candidate sees
        if reset_after:
            inner = h_in @ R_n + c_n
            n = tanh(x_t @ W_n + b_n + r * inner)  # (3) candidate
        else:
            inner = r * h_in
            n = tanh(x_t @ W_n + b_n + inner @ R_n)  # (3')
        h_t = zoned_out(z * h_prev + (1 - z) * n, h_prev, zoneout_mask, t)  # (4) hidden state, the output
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
    dropout_mask: Floats | None = None,
    recurrent_mask: Floats | None = None,
    zoneout_mask: Floats | None = None,
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
        dh_t, passed = past_zoneout(dh[:, t] + dh_next, zoneout_mask, t)
        dz, dn, passed = dh_t * (h_prev - n), dh_t * (1 - z), passed + dh_t * z  # (4)
        dn = activate_backward(dn, n, activation)  # (3)
        if reset_after:
            dr, dn_h = dn * inner, dn * r  # (3)
            dh_in = dn_h @ R_n.T
        else:
            d_reset = dn @ R_n.T  # (3')
            dr, dn_h = d_reset * masked(h_prev, recurrent_mask), dn
            dh_in = d_reset * r
        dr = activate_backward(dr, r, recurrent_activation)  # (2)
        dz = activate_backward(dz, z, recurrent_activation)  # (1)
        dh_in = dh_in + dz @ R_z.T + dr @ R_r.T  # (1) (2)
        dh_next = passed + masked(dh_in, recurrent_mask)
        dz_x[:, t], dz_h[:, t] = np.concatenate([dz, dr, dn], axis=1), np.concatenate([dz, dr, dn_h], axis=1)
    H = h.shape[2]
    dkernel = product_over_rows(masked(rows(x, len(kernel)), dropout_mask), dz_x)
    drecurrent_kernel = product_over_rows(masked(h_before[:, :-1], recurrent_mask), dz_h)
    if not reset_after:
        drecurrent_kernel[:, 2 * H :] = product_over_rows(gates[..., 3 * H :], dz_h[..., 2 * H :])
    dbias = dz_x.sum(axis=(0, 1))
    if reset_after:
        dbias = np.stack([dbias, dz_h.sum(axis=(0, 1))])
    dx = None if is_ids(x) else masked(dz_x @ kernel.T, dropout_mask)
    return dx, dh_next, dkernel, drecurrent_kernel, dbias


def simple_rnn_forward(
    x: Floats | Ids,
    h0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    bias: Floats,
    activation: str = "tanh",
    dropout_mask: Floats | None = None,
    recurrent_mask: Floats | None = None,
    zoneout_mask: Floats | None = None,
) -> Floats:
    """A fully connected recurrent layer over T steps (Elman 1990): h_t = activation(x_t W + h_{t-1} R + b).

    x [B, T, I] or ids [B, T]; h0 [B, H]; kernel [I, H]; recurrent_kernel [H, H]; bias [H]. Returns h [B, T, H].

    >>> simple_rnn_forward(np.ones((1, 2, 1)), np.zeros((1, 1)), np.eye(1), np.eye(1), np.zeros(1), "linear")
    array([[[1.],
            [2.]]])
    """
    x = masked(rows(x, len(kernel)), dropout_mask)
    h = np.empty((*x.shape[:2], h0.shape[1]))
    h_t = h0
    for t in range(x.shape[1]):
        h_new = activate(x[:, t] @ kernel + masked(h_t, recurrent_mask) @ recurrent_kernel + bias, activation)
        h_t = zoned_out(h_new, h_t, zoneout_mask, t)
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
    dropout_mask: Floats | None = None,
    recurrent_mask: Floats | None = None,
    zoneout_mask: Floats | None = None,
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
        dh_t, passed = past_zoneout(dh[:, t] + dh_next, zoneout_mask, t)
        dz[:, t] = activate_backward(dh_t, h[:, t], activation)  # dh_t is 0 where h_t is not the activation's value
        dh_next = passed + masked(dz[:, t] @ recurrent_kernel.T, recurrent_mask)
    dkernel = product_over_rows(masked(rows(x, len(kernel)), dropout_mask), dz)
    drecurrent_kernel = product_over_rows(masked(h_before[:, :-1], recurrent_mask), dz)
    dx = None if is_ids(x) else masked(dz @ kernel.T, dropout_mask)
    return dx, dh_next, dkernel, drecurrent_kernel, dz.sum(axis=(0, 1))


def masked(values: Floats, mask: Floats | None) -> Floats:
    """values [B, F] or [B, T, F] times mask [B, F], the same at every step.

    >>> masked(np.ones((1, 2, 2)), np.array([[0.0, 2.0]]))
    array([[[0., 2.],
            [0., 2.]]])
    """
    if mask is None:
        return values
    return values * (mask if values.ndim == 2 else mask[:, None])


def zoned_out(h: Floats, h_prev: Floats, mask: Floats | None, t: int) -> Floats:
    """h [B, H] where mask[:, t] is 1, and h_prev where it is 0; mask [B, T, H].

    >>> zoned_out(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([[[0.0, 1.0]]]), 0)
    array([[3., 2.]])
    """
    return h if mask is None else mask[:, t] * h + (1 - mask[:, t]) * h_prev


def past_zoneout(dh: Floats, mask: Floats | None, t: int) -> tuple[Floats, Floats]:
    """Gradients of `zoned_out` by h and by h_prev, for dh [B, H].

    >>> past_zoneout(np.array([[1.0, 2.0]]), np.array([[[0.0, 1.0]]]), 0)
    (array([[0., 2.]]), array([[1., 0.]]))
    """
    return (dh, np.zeros(dh.shape)) if mask is None else (dh * mask[:, t], dh * (1 - mask[:, t]))
