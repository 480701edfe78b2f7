"""Layer-normalised LSTM and GRU in plain float64 NumPy, part of `pyrnn.reference`: what the engine must compute.

Letters: T steps, B batch, I inputs, H units. LN(v; gamma, beta) = gamma (v - mean(v)) / sqrt(var(v) + 1e-5) + beta along
each row (Ba et al. 2016, equation 4). A row of a product has the values of all gates, and they share one mean and variance.
"""

import numpy as np

from ._reference_basics import Floats, Ids, activate, activate_backward, is_ids, product_over_rows, rows
from ._reference_layers import layer_normalization_backward, layer_normalization_forward

EPSILON = 1e-5  # the haste library's


def layer_norm_lstm_forward(
    x: Floats | Ids,
    h0: Floats,
    c0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    bias: Floats,
    gamma: Floats,
    gamma_h: Floats,
    beta_h: Floats,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Floats, Floats]:
    """Layer-normalised LSTM over T steps, as LayerNormLSTM of the haste library (github.com/lmnt-com/haste) has it.

    It is the LSTM of Ba et al. 2016, supplementary material, whose normalised products have a gain each and share one bias.
    x [B, T, I] or ids [B, T]; h0, c0 [B, H]; kernel [I, 4H]; recurrent_kernel [H, 4H]; bias [4H], gates in the order
    i f c o; gamma [2, 4H], of x W and of h R; gamma_h, beta_h [H], of the cell state. Returns h, c [B, T, H].

    >>> x, one, zero = np.ones((1, 1, 1)), np.ones((1, 1)), np.zeros(1)
    >>> kernel, bias, gamma = np.array([[1.0, 1.0, 3.0, 3.0]]), np.zeros(4), np.ones((2, 4))
    >>> h, c = layer_norm_lstm_forward(x, one, one, kernel, np.zeros((1, 4)), bias, gamma, one[0], zero)
    >>> c.round(4)  # i = f = sigmoid(-1), the candidate is tanh(1)
    array([[[0.4738]]])
    """
    x = rows(x, len(kernel))

    def tanh(z: Floats) -> Floats:
        return activate(z, activation)

    def sigma(z: Floats) -> Floats:
        return activate(z, recurrent_activation)

    h = np.empty((*x.shape[:2], h0.shape[1]))
    c = np.empty(h.shape)
    h_t, c_t = h0, c0
    for t in range(x.shape[1]):
        of_x, of_h = _normalized(x[:, t] @ kernel, gamma[0]), _normalized(h_t @ recurrent_kernel, gamma[1])
        z_i, z_f, z_c, z_o = np.split(of_x + of_h + bias, 4, axis=1)  # (1) sums of the gates
        c_t = sigma(z_f) * c_t + sigma(z_i) * tanh(z_c)  # (2) cell state
        h_t = sigma(z_o) * tanh(layer_normalization_forward(c_t, gamma_h, beta_h, EPSILON))  # (3) hidden state
        h[:, t], c[:, t] = h_t, c_t
    return h, c


def layer_norm_lstm_backward(
    dh: Floats,
    dc: Floats,
    x: Floats | Ids,
    h0: Floats,
    c0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    bias: Floats,
    gamma: Floats,
    gamma_h: Floats,
    beta_h: Floats,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Floats | None, Floats, Floats, Floats, Floats, Floats, Floats, Floats, Floats]:
    """Gradients of `layer_norm_lstm_forward` by backpropagation through time.

    dh [B, T, H]: the loss's gradient by every output; dc [B, H]: by the last cell state; the rest as `layer_norm_lstm_forward`
    takes it, which is run again. Returns dx [B, T, I] (None for ids), dh0, dc0, dkernel, drecurrent_kernel, dbias,
    dgamma, dgamma_h, dbeta_h. The numbers in brackets are the lines of `layer_norm_lstm_forward`.

    >>> x, one, zero = np.ones((1, 1, 1)), np.ones((1, 1)), np.zeros(1)
    >>> weights = np.ones((1, 4)), np.ones((1, 4)), np.zeros(4), np.ones((2, 4)), one[0], zero
    >>> *_, dbeta_h = layer_norm_lstm_backward(x, one, x, one, one, *weights)
    >>> dbeta_h  # equal values are 0 when normalised, the only unit's cell state too: h = sigmoid(0) tanh(beta_h)
    array([0.5])
    """
    h, c = layer_norm_lstm_forward(
        x, h0, c0, kernel, recurrent_kernel, bias, gamma, gamma_h, beta_h, activation, recurrent_activation
    )
    x_rows = rows(x, len(kernel))
    h_before = np.concatenate([h0[:, None], h[:, :-1]], axis=1)  # [B, T, H]: what step t starts from
    c_before = np.concatenate([c0[:, None], c[:, :-1]], axis=1)
    x_w, h_r = x_rows @ kernel, h_before @ recurrent_kernel  # [B, T, 4H]
    z_i, z_f, z_c, z_o = np.split(_normalized(x_w, gamma[0]) + _normalized(h_r, gamma[1]) + bias, 4, axis=-1)
    i, f, o = (activate(z, recurrent_activation) for z in (z_i, z_f, z_o))
    c_tilde = activate(z_c, activation)
    shown = activate(layer_normalization_forward(c, gamma_h, beta_h, EPSILON), activation)
    dz, dx_w, dh_r = np.empty(x_w.shape), np.empty(x_w.shape), np.empty(x_w.shape)
    dgamma, dgamma_h, dbeta_h = np.zeros(gamma.shape), np.zeros(gamma_h.shape), np.zeros(beta_h.shape)
    dh_next, dc_next = np.zeros(h0.shape), dc  # what step t + 1 hands back
    for t in reversed(range(h.shape[1])):
        dh_t = dh[:, t] + dh_next
        d_shown = activate_backward(dh_t * o[:, t], shown[:, t], activation)  # (3)
        dc_t, *of_cell = layer_normalization_backward(d_shown, c[:, t], gamma_h, EPSILON)  # (3)
        dc_t = dc_t + dc_next
        d_i, d_f, d_c = dc_t * c_tilde[:, t], dc_t * c_before[:, t], dc_t * i[:, t]  # (2)
        dc_next = dc_t * f[:, t]
        gates = ((d_i, i), (d_f, f), (dh_t * shown[:, t], o))
        dz_i, dz_f, dz_o = (activate_backward(d, gate[:, t], recurrent_activation) for d, gate in gates)  # (1)
        dz[:, t] = np.concatenate([dz_i, dz_f, activate_backward(d_c, c_tilde[:, t], activation), dz_o], axis=1)
        dx_w[:, t], dgamma_x, _ = layer_normalization_backward(dz[:, t], x_w[:, t], gamma[0], EPSILON)
        dh_r[:, t], dgamma_r, _ = layer_normalization_backward(dz[:, t], h_r[:, t], gamma[1], EPSILON)
        dgamma += np.stack([dgamma_x, dgamma_r])
        dgamma_h, dbeta_h = dgamma_h + of_cell[0], dbeta_h + of_cell[1]
        dh_next = dh_r[:, t] @ recurrent_kernel.T
    dkernel, drecurrent_kernel = product_over_rows(x_rows, dx_w), product_over_rows(h_before, dh_r)
    dx = None if is_ids(x) else dx_w @ kernel.T
    dbias = dz.sum(axis=(0, 1))
    return dx, dh_next, dc_next, dkernel, drecurrent_kernel, dbias, dgamma, dgamma_h, dbeta_h


def layer_norm_gru_forward(
    x: Floats | Ids,
    h0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    bias: Floats,
    gamma: Floats,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> Floats:
    """Layer-normalised GRU over T steps, as LayerNormGRU of the haste library (github.com/lmnt-com/haste) has it.

    It is `gru_forward` with the reset gate after the recurrent product, on products normalised as in Ba et al. 2016.
    x [B, T, I] or ids [B, T]; h0 [B, H]; kernel [I, 3H]; recurrent_kernel [H, 3H], gates in the order z r n; bias and gamma
    [2, 3H], of x W and of h R. Returns h [B, T, H].

    >>> x, h0, kernel = np.ones((1, 1, 1)), np.ones((1, 1)), np.array([[1.0, 1.0, 1.0]])
    >>> layer_norm_gru_forward(x, h0, kernel, kernel, np.zeros((2, 3)), np.ones((2, 3)))  # equal values are 0 when normalised
    array([[[0.5]]])
    """
    x = rows(x, len(kernel))

    def tanh(z: Floats) -> Floats:
        return activate(z, activation)

    def sigma(z: Floats) -> Floats:
        return activate(z, recurrent_activation)

    h = np.empty((*x.shape[:2], h0.shape[1]))
    h_t = h0
    for t in range(x.shape[1]):
        x_z, x_r, x_n = np.split(_normalized(x[:, t] @ kernel, gamma[0]) + bias[0], 3, axis=1)
        h_z, h_r, h_n = np.split(_normalized(h_t @ recurrent_kernel, gamma[1]) + bias[1], 3, axis=1)
        z = sigma(x_z + h_z)  # (1) update gate: how much of the state stays
        r = sigma(x_r + h_r)  # (2) reset gate: how much of the state the candidate sees
        n = tanh(x_n + r * h_n)  # (3) candidate
        h_t = z * h_t + (1 - z) * n  # (4) hidden state, the output
        h[:, t] = h_t
    return h


def layer_norm_gru_backward(
    dh: Floats,
    x: Floats | Ids,
    h0: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    bias: Floats,
    gamma: Floats,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Floats | None, Floats, Floats, Floats, Floats, Floats]:
    """Gradients of `layer_norm_gru_forward` by backpropagation through time.

    dh [B, T, H]: the loss's gradient by every output; the rest as `layer_norm_gru_forward` takes it, which is run again. Returns
    dx [B, T, I] (None for ids), dh0, dkernel, drecurrent_kernel, dbias, dgamma. The numbers are its lines.

    >>> x, h0, kernel = np.ones((1, 1, 1)), np.ones((1, 1)), np.array([[1.0, 1.0, 1.0]])
    >>> _, dh0, *_ = layer_norm_gru_backward(x, x, h0, kernel, kernel, np.zeros((2, 3)), np.ones((2, 3)))
    >>> dh0  # z; the products, normalised, do not move
    array([[0.5]])
    """
    h = layer_norm_gru_forward(x, h0, kernel, recurrent_kernel, bias, gamma, activation, recurrent_activation)
    x_rows = rows(x, len(kernel))
    h_before = np.concatenate([h0[:, None], h[:, :-1]], axis=1)  # [B, T, H]: what step t starts from
    x_w, h_r = x_rows @ kernel, h_before @ recurrent_kernel  # [B, T, 3H]
    x_z, x_r, x_n = np.split(_normalized(x_w, gamma[0]) + bias[0], 3, axis=-1)
    h_z, h_reset, h_n = np.split(_normalized(h_r, gamma[1]) + bias[1], 3, axis=-1)
    z, r = activate(x_z + h_z, recurrent_activation), activate(x_r + h_reset, recurrent_activation)
    n = activate(x_n + r * h_n, activation)
    dx_w, dh_r = np.empty(x_w.shape), np.empty(x_w.shape)
    dbias, dgamma = np.zeros(bias.shape), np.zeros(gamma.shape)
    dh_next = np.zeros(h0.shape)
    for t in reversed(range(h.shape[1])):
        dh_t = dh[:, t] + dh_next
        dz, dn = dh_t * (h_before[:, t] - n[:, t]), dh_t * (1 - z[:, t])  # (4)
        dn = activate_backward(dn, n[:, t], activation)  # (3)
        dr = activate_backward(dn * h_n[:, t], r[:, t], recurrent_activation)  # (3) (2)
        dz = activate_backward(dz, z[:, t], recurrent_activation)  # (1)
        of_x, of_h = np.concatenate([dz, dr, dn], axis=1), np.concatenate([dz, dr, dn * r[:, t]], axis=1)
        dx_w[:, t], *by_x = layer_normalization_backward(of_x, x_w[:, t], gamma[0], EPSILON)
        dh_r[:, t], *by_h = layer_normalization_backward(of_h, h_r[:, t], gamma[1], EPSILON)
        dgamma += np.stack([by_x[0], by_h[0]])
        dbias += np.stack([by_x[1], by_h[1]])
        dh_next = dh_t * z[:, t] + dh_r[:, t] @ recurrent_kernel.T  # (4) (1) (2) (3)
    dkernel, drecurrent_kernel = product_over_rows(x_rows, dx_w), product_over_rows(h_before, dh_r)
    dx = None if is_ids(x) else dx_w @ kernel.T
    return dx, dh_next, dkernel, drecurrent_kernel, dbias, dgamma


def _normalized(product: Floats, gamma: Floats) -> Floats:
    return layer_normalization_forward(product, gamma, np.zeros_like(gamma), EPSILON)
