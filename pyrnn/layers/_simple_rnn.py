"""The fully connected recurrent layer."""

from typing import Unpack

from ._recurrent import RecurrentLayer, RecurrentOptions


class SimpleRNN(RecurrentLayer):
    """h = tanh(x W + h U + b) (Elman 1990), as in Keras 3.

    Input [N, T, I], or integer ids [N, T] of I symbols where it is the first layer. Output [N, H], or [N, T, H] with
    `return_sequences=True`. The state starts from zero in every sample. Weights: kernel [I, H], recurrent_kernel [H, H],
    bias [H]. `activation` is as in `LSTM`, the further options are every recurrent layer's: `layers.RecurrentLayer`.

    >>> layer = SimpleRNN(128, activation="relu")
    >>> layer.compute_output_shape((None, 7, 12))
    (None, 128)
    """

    gates = 1

    def __init__(
        self,
        units: int,
        activation: str | None = "tanh",
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        recurrent_initializer: object = "orthogonal",
        bias_initializer: object = "zeros",
        **options: Unpack[RecurrentOptions],
    ) -> None:
        super().__init__(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            options,
        )
