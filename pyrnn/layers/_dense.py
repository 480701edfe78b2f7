"""Dense layer."""

from typing import Any

from .._checks import flag, whole
from ..initializers import get as get_initializer
from ..regularizers import get as get_regularizer
from ._base import Layer, Shape, WeightSpec, checked_activation, config_with_initializers, config_with_regularizers


class Dense(Layer):
    """y = activation(x kernel + bias) along the last axis.

    Input [N, I] or [N, T, I], or integer ids [N] or [N, T] of I symbols where it is the first layer. Output [N, units] or
    [N, T, units]. Weights: kernel [I, units], bias [units]. `activation` is one of those that `Activation` knows; a
    regularizer is one of `pyrnn.regularizers`.

    >>> Dense(12, activation="softmax").compute_output_shape((None, 4, 128))
    (None, 4, 12)
    """

    takes_ids = True

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        kernel_regularizer: object = None,
        bias_regularizer: object = None,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(name, input_shape, unsupported)
        self.units = whole("Dense", "units", units)
        self.activation = checked_activation("Dense", activation)
        self.use_bias = flag("Dense", "use_bias", use_bias)
        self.kernel_initializer = get_initializer(kernel_initializer, "Dense: kernel_initializer")
        self.bias_initializer = get_initializer(bias_initializer, "Dense: bias_initializer")
        self.kernel_regularizer = get_regularizer(kernel_regularizer, "Dense: kernel_regularizer")
        self.bias_regularizer = get_regularizer(bias_regularizer, "Dense: bias_regularizer")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if not 2 <= len(input_shape) <= 3 or input_shape[-1] is None:
            raise self.wrong_input("[N, features] or [N, T, features]", input_shape)
        return (*input_shape[:-1], self.units)

    def make_specs(self, input_shape: Shape) -> list[WeightSpec]:
        shape = (input_shape[-1] or 0, self.units)
        specs = [
            WeightSpec("kernel", shape, self.kernel_initializer, self.kernel_regularizer),
            WeightSpec("bias", shape[1:], self.bias_initializer, self.bias_regularizer),
        ]
        return specs if self.use_bias else specs[:1]

    def op(self) -> dict[str, Any]:
        return {"op": "dense", "units": self.units, "activation": self.activation, "use_bias": self.use_bias}

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "units": self.units,
            "activation": self.activation,
            "use_bias": self.use_bias,
            **config_with_initializers(self, "kernel_initializer", "bias_initializer"),
            **config_with_regularizers(self, "kernel_regularizer", "bias_regularizer"),
        }
