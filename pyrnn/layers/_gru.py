"""Gated recurrent unit."""

from typing import Any, Unpack

from .._checks import flag
from ._base import WeightSpec
from ._recurrent import RecurrentLayer, RecurrentOptions, cell_activation


class GRU(RecurrentLayer):
    """Gated recurrent unit (Cho et al. 2014), as in Keras 3.

    Input [N, T, I], or integer ids [N, T] of I symbols where it is the first layer. Output [N, H], or [N, T, H] with
    `return_sequences=True`. The state starts from zero in every sample. Weights: kernel [I, 3H], recurrent_kernel [H, 3H],
    gates in the order z r h; bias [2, 3H], a row for each product:

        z = sigmoid(x W_z + b_z + h U_z + d_z)      r = sigmoid(x W_r + b_r + h U_r + d_r)
        h~ = tanh(x W_h + b_h + r (h U_h + d_h))    h = z h + (1 - z) h~

    With `reset_after=False`, the paper's form and old Keras' default, h~ = tanh(x W_h + b_h + (r h) U_h), and bias is [3H]; it
    takes about a third more time, for a step's second product has to wait for r. `activation` and
    `recurrent_activation` are as in `LSTM`, the further options every recurrent layer's: `layers.RecurrentLayer`.

    >>> layer = GRU(128, return_sequences=True)
    >>> layer.compute_output_shape((None, 7, 12))
    (None, 7, 128)
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: str | None = "tanh",
        recurrent_activation: str | None = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        recurrent_initializer: object = "orthogonal",
        bias_initializer: object = "zeros",
        reset_after: bool = True,
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
        self.recurrent_activation = cell_activation("GRU", "recurrent_activation", recurrent_activation)
        self.reset_after = flag("GRU", "reset_after", reset_after)

    def bias_spec(self) -> WeightSpec:
        spec = super().bias_spec()
        return spec._replace(shape=(2, *spec.shape)) if self.reset_after else spec

    def cell_options(self) -> dict[str, Any]:
        return {"recurrent_activation": self.recurrent_activation, "reset_after": self.reset_after}
