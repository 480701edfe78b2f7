"""Long short-term memory."""

from typing import TYPE_CHECKING, Any, Unpack

from .._checks import flag
from ..initializers import Array, Initializer, Ones, Zeros
from ._base import Shape, WeightSpec
from ._recurrent import RecurrentLayer, RecurrentOptions, cell_activation

if TYPE_CHECKING:
    from numpy.random import Generator


class _ForgetBias(Initializer):
    """Ones for the forget gate, the second of four: Jozefowicz et al. 2015, section 2.2."""

    def __init__(self, others: Initializer) -> None:
        self._others = others

    def _values(self, shape: tuple[int, ...], rng: "Generator") -> Array:
        units = shape[0] // 4
        values = self._others.draw(shape, rng)
        values[units : 2 * units] = 1.0
        return values


class LSTM(RecurrentLayer):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, forget gate of Gers et al. 2000), as in Keras 3.

    Input [N, T, I], or integer ids [N, T] of I symbols where it is the first layer. Output [N, H], or [N, T, H] with
    `return_sequences=True`. The state starts from zero in every sample. Weights: kernel [I, 4H], recurrent_kernel [H, 4H],
    bias [4H], gates in the order i f c o:

        i = sigmoid(x W_i + h U_i + b_i)    f = sigmoid(x W_f + h U_f + b_f)    c~ = tanh(x W_c + h U_c + b_c)
        c = f c + i c~                      o = sigmoid(x W_o + h U_o + b_o)    h = o tanh(c)

    `activation` stands for tanh and `recurrent_activation` for sigmoid; each may be tanh, sigmoid, hard_sigmoid (Keras 3's,
    clip(z / 6 + 1/2, 0, 1)), relu or linear. The further options are every recurrent layer's: `layers.RecurrentLayer`.

    `layer_norm=True`, which Keras has not, normalises both products and the cell state that is shown, as LayerNormLSTM of the
    haste library does (github.com/lmnt-com/haste, after Ba et al. 2016, supplementary material). With
    LN(v) = (v - mean(v)) / sqrt(var(v) + 1e-5) along each row of all 4H values, the gates' sums are
    gamma_0 LN(x W) + gamma_1 LN(h U) + b, and h = o tanh(gamma_h LN(c) + beta_h). Further weights: gamma [2, 4H],
    gamma_h [H], beta_h [H].

    >>> layer = LSTM(128)
    >>> layer.compute_output_shape((None, 7, 12))
    (None, 128)
    """

    gates = 4
    states = 2

    def __init__(
        self,
        units: int,
        activation: str | None = "tanh",
        recurrent_activation: str | None = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        recurrent_initializer: object = "orthogonal",
        bias_initializer: object = "zeros",
        unit_forget_bias: bool = True,
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
        self.recurrent_activation = cell_activation("LSTM", "recurrent_activation", recurrent_activation)
        self.unit_forget_bias = flag("LSTM", "unit_forget_bias", unit_forget_bias)
        self.layer_norm = flag("LSTM", "layer_norm", layer_norm)

    def bias_spec(self) -> WeightSpec:
        spec = super().bias_spec()
        return spec._replace(initializer=_ForgetBias(spec.initializer)) if self.unit_forget_bias else spec

    def make_specs(self, input_shape: Shape) -> list[WeightSpec]:
        specs, units = super().make_specs(input_shape), (self.units,)
        if not self.layer_norm:
            return specs
        of_cell_state = [WeightSpec("gamma_h", units, Ones()), WeightSpec("beta_h", units, Zeros())]
        return [*specs, self.gamma_spec(), *of_cell_state]

    def cell_options(self) -> dict[str, Any]:
        return {"recurrent_activation": self.recurrent_activation, "layer_norm": self.layer_norm}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}
