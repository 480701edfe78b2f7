"""Layer normalisation."""

from typing import Any

from .._checks import flag, real, whole
from ..initializers import get as get_initializer
from ..regularizers import get as get_regularizer
from ._base import Layer, Shape, WeightSpec, config_with_initializers, config_with_regularizers


class LayerNormalization(Layer):
    """Every vector along the last axis brought to mean 0 and variance 1, then stretched and shifted (Ba et al. 2016, equation 4):

        y = gamma (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) + beta

    Input and output [N, F] or [N, T, F], each step by itself. Weights: gamma [F] unless `scale=False`, beta [F] unless
    `center=False`. `axis` is the last one, -1 or its number. epsilon > 0. A regularizer is one of `pyrnn.regularizers`. Raises
    ValueError for another axis, and TypeError for Keras' arguments that are not in the signature.

    >>> LayerNormalization().compute_output_shape((None, 7, 128))
    (None, 7, 128)
    """

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: object = "zeros",
        gamma_initializer: object = "ones",
        beta_regularizer: object = None,
        gamma_regularizer: object = None,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(name, input_shape, unsupported)
        self.axis = whole("LayerNormalization", "axis", axis, low=-1)
        self.epsilon = real("LayerNormalization", "epsilon", epsilon, 0, open_low=True)
        self.center = flag("LayerNormalization", "center", center)
        self.scale = flag("LayerNormalization", "scale", scale)
        self.beta_initializer = get_initializer(beta_initializer, "LayerNormalization: beta_initializer")
        self.gamma_initializer = get_initializer(gamma_initializer, "LayerNormalization: gamma_initializer")
        self.beta_regularizer = get_regularizer(beta_regularizer, "LayerNormalization: beta_regularizer")
        self.gamma_regularizer = get_regularizer(gamma_regularizer, "LayerNormalization: gamma_regularizer")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if not 2 <= len(input_shape) <= 3 or input_shape[-1] is None:
            raise self.wrong_input("[N, features] or [N, T, features]", input_shape)
        if self.axis not in (-1, len(input_shape) - 1):
            raise ValueError(f"{self.title}: axis must be -1 or {len(input_shape) - 1}, the last, got {self.axis}")
        return input_shape

    def make_specs(self, input_shape: Shape) -> list[WeightSpec]:
        shape = (input_shape[-1] or 0,)
        gamma = [WeightSpec("gamma", shape, self.gamma_initializer, self.gamma_regularizer)] if self.scale else []
        beta = [WeightSpec("beta", shape, self.beta_initializer, self.beta_regularizer)] if self.center else []
        return gamma + beta

    def op(self) -> dict[str, Any]:
        return {"op": "layer_norm", "epsilon": self.epsilon, "center": self.center, "scale": self.scale}

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            **config_with_initializers(self, "beta_initializer", "gamma_initializer"),
            **config_with_regularizers(self, "beta_regularizer", "gamma_regularizer"),
        }
