"""Long short-term memory."""

from typing import TYPE_CHECKING, Any

from .. import _random
from .._checks import flag, whole
from ..initializers import Array, Initializer
from ..initializers import get as get_initializer
from ._base import Layer, Shape, WeightSpec, config_with_initializers

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


class LSTM(Layer):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, forget gate of Gers et al. 2000), as in Keras 3.

    Input [N, T, I], or integer ids [N, T] of I symbols where it is the first layer. Output [N, H], or [N, T, H] with
    `return_sequences=True`. The state starts from zero in every sample. Weights: kernel [I, 4H], recurrent_kernel [H, 4H],
    bias [4H], gates in the order i f c o:

        i = sigmoid(x W_i + h U_i + b_i)    f = sigmoid(x W_f + h U_f + b_f)    c~ = tanh(x W_c + h U_c + b_c)
        c = f c + i c~                      o = sigmoid(x W_o + h U_o + b_o)    h = o tanh(c)

    `seed` starts a stream of this layer's own for the initial weights, in place of `pyrnn.utils.set_random_seed`'s.
    Other activations, and Keras' arguments that are not in the signature, raise ValueError or TypeError.

    >>> layer = LSTM(128)
    >>> layer.compute_output_shape((None, 7, 12))
    (None, 128)
    """

    takes_ids = True

    def __init__(
        self,
        units: int,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        recurrent_initializer: object = "orthogonal",
        bias_initializer: object = "zeros",
        unit_forget_bias: bool = True,
        return_sequences: bool = False,
        seed: int | None = None,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(name, input_shape, unsupported)
        self.units = whole("LSTM", "units", units)
        for argument, given, only in (
            ("activation", activation, "tanh"),
            ("recurrent_activation", recurrent_activation, "sigmoid"),
        ):
            if given != only:
                raise ValueError(
                    f"LSTM: {argument} must be {only!r}, the only one that the engine computes, got {given!r}"
                )
        self.use_bias = flag("LSTM", "use_bias", use_bias)
        self.kernel_initializer = get_initializer(kernel_initializer, "LSTM: kernel_initializer")
        self.recurrent_initializer = get_initializer(recurrent_initializer, "LSTM: recurrent_initializer")
        self.bias_initializer = get_initializer(bias_initializer, "LSTM: bias_initializer")
        self.unit_forget_bias = flag("LSTM", "unit_forget_bias", unit_forget_bias)
        self.return_sequences = flag("LSTM", "return_sequences", return_sequences)
        self.seed = None if seed is None else whole("LSTM", "seed", seed, low=0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3 or input_shape[2] is None:
            hint = "; put OneHot or Embedding before it to read ids" if len(input_shape) == 2 else ""
            raise self.wrong_input("[N, T, features]", input_shape, hint)
        batch, steps, _ = input_shape
        return (batch, steps, self.units) if self.return_sequences else (batch, self.units)

    def make_specs(self, input_shape: Shape) -> list[WeightSpec]:
        features, width = input_shape[2] or 0, 4 * self.units
        bias = _ForgetBias(self.bias_initializer) if self.unit_forget_bias else self.bias_initializer
        specs = [
            WeightSpec("kernel", (features, width), self.kernel_initializer),
            WeightSpec("recurrent_kernel", (self.units, width), self.recurrent_initializer),
            WeightSpec("bias", (width,), bias),
        ]
        return specs if self.use_bias else specs[:2]

    def weight_rng(self) -> "Generator":
        return super().weight_rng() if self.seed is None else _random.new_generator(self.seed)

    def op(self) -> dict[str, Any]:
        return {
            "op": "lstm",
            "units": self.units,
            "return_sequences": self.return_sequences,
            "use_bias": self.use_bias,
        }

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "units": self.units,
            "activation": "tanh",
            "recurrent_activation": "sigmoid",
            "use_bias": self.use_bias,
            **config_with_initializers(self, "kernel_initializer", "recurrent_initializer", "bias_initializer"),
            "unit_forget_bias": self.unit_forget_bias,
            "return_sequences": self.return_sequences,
            "seed": self.seed,
        }
