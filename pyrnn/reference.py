"""What the engine computes, in plain float64 NumPy: the executable specification.

Read it beside the papers. Every function here has a fast twin of the same name, arguments and results in the compiled
engine, and the tests hold the two together. Nothing is changed in place.

Letters: T steps, B batch, I inputs, H units, N units of a dense layer, V symbols. Weights have Keras' shapes; gates stand
side by side in the matrices, of an LSTM in the order i f c o, of a GRU z r n. `ids` are integers that mean one-hot rows:
id v is row v of the identity matrix, so a product with a kernel picks the kernel's row v. Recurrent cells take masks of
what is dropped: `dropout_mask` [B, I] and `recurrent_mask` [B, H], the same at every step, and `zoneout_mask` [B, T, H].
"""

# ruff: noqa: PLC0414 (names that are public here too)

import numpy as np

from ._reference_basics import Floats as Floats
from ._reference_basics import Ids as Ids
from ._reference_basics import activate as activate
from ._reference_basics import activate_backward as activate_backward
from ._reference_basics import is_ids, product_over_rows, rows
from ._reference_basics import sigmoid as sigmoid
from ._reference_basics import softmax as softmax
from ._reference_cells import gru_backward as gru_backward
from ._reference_cells import gru_forward as gru_forward
from ._reference_cells import lstm_backward as lstm_backward
from ._reference_cells import lstm_forward as lstm_forward
from ._reference_cells import simple_rnn_backward as simple_rnn_backward
from ._reference_cells import simple_rnn_forward as simple_rnn_forward
from ._reference_layer_norm_cells import layer_norm_gru_backward as layer_norm_gru_backward
from ._reference_layer_norm_cells import layer_norm_gru_forward as layer_norm_gru_forward
from ._reference_layer_norm_cells import layer_norm_lstm_backward as layer_norm_lstm_backward
from ._reference_layer_norm_cells import layer_norm_lstm_forward as layer_norm_lstm_forward
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
from ._reference_sampling import sample_ids as sample_ids


def dense_forward(x: Floats | Ids, kernel: Floats, bias: Floats, activation: str) -> Floats:
    """y = activation(x kernel + bias): x [..., I] or ids [...]; kernel [I, N]; bias [N]; returns y [..., N].

    >>> dense_forward(np.array([[1.0, 2.0]]), np.array([[1.0], [-1.0]]), np.array([0.5]), "relu")
    array([[0.]])
    """
    return activate(rows(x, len(kernel)) @ kernel + bias, activation)


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
    dx = None if is_ids(x) else dz @ kernel.T
    return dx, product_over_rows(rows(x, len(kernel)), dz), dz.reshape(-1, dz.shape[-1]).sum(axis=0)


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
    return product_over_rows(rows(ids, V), dy)


def crossentropy(z: Floats, y: Floats | Ids) -> tuple[float, Floats]:
    """-sum_v y_v log softmax(z)_v, averaged over all rows, and its gradient by z: ((sum_v y_v) softmax(z) - y) / rows.

    z [..., V] logits; y integer ids [...] or probabilities [..., V]; returns the loss and dz [..., V].
    log softmax(z)_v is taken as z_v - log sum exp z, which stays exact where the softmax itself rounds to 0.

    >>> crossentropy(np.array([[0.0, 1000.0]]), np.array([0]))
    (1000.0, array([[-1.,  1.]]))
    """
    y = rows(y, z.shape[-1])
    n_rows = z[..., 0].size
    weight = y.sum(axis=-1, keepdims=True)  # 1, unless the caller's y is no distribution
    highest = z.max(axis=-1, keepdims=True)
    log_softmax = z - highest - np.log(np.exp(z - highest).sum(axis=-1, keepdims=True))
    return float(-(y * log_softmax).sum() / n_rows), (weight * softmax(z) - y) / n_rows
