"""Gated recurrent unit."""

from typing import Any, Unpack

from .._checks import flag
from ._base import Shape, WeightSpec
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

    `layer_norm=True`, which Keras has not, puts gamma_0 LN(x W) and gamma_1 LN(h U) in the place of x W and h U, as LayerNormGRU
    of the haste library does (github.com/lmnt-com/haste, after Ba et al. 2016). LN(v) = (v - mean(v)) / sqrt(var(v) + 1e-5) runs
    along each row of all 3H values. A further weight: gamma [2, 3H]. Raises ValueError with `reset_after=False`.

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
        layer_norm: bool = False,
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
        self.layer_norm = flag("GRU", "layer_norm", layer_norm)
        if self.layer_norm and not self.reset_after:
            raise ValueError("GRU: reset_after must be True with layer_norm=True, got False")

    def bias_spec(self) -> WeightSpec:
        spec = super().bias_spec()
        return spec._replace(shape=(2, *spec.shape)) if self.reset_after else spec

    def make_specs(self, input_shape: Shape) -> list[WeightSpec]:
        specs = super().make_specs(input_shape)
        return [*specs, self.gamma_spec()] if self.layer_norm else specs

    def cell_options(self) -> dict[str, Any]:
        return {
            "recurrent_activation": self.recurrent_activation,
            "reset_after": self.reset_after,
            "layer_norm": self.layer_norm,
        }
