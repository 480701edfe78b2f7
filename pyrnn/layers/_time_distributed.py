"""A layer applied at every step."""

from typing import Any

from .._registry import resolve, serialize
from ._base import Layer, Shape, WeightSpec
from ._dense import Dense
from ._elementwise import Activation, Dropout
from ._normalization import LayerNormalization

_INNER: dict[str, type[Layer]] = {cls.__name__: cls for cls in (Dense, Activation, Dropout, LayerNormalization)}


class TimeDistributed(Layer):
    """`layer` at every step: [N, T, I] -> [N, T, O]. The layer is one that acts on the last axis.

    It is a Dense, Activation, Dropout or LayerNormalization layer. These do the same without it; it is here for Keras' examples. Any other layer raises TypeError.

    >>> TimeDistributed(Dense(12)).compute_output_shape((None, 4, 128))
    (None, 4, 12)
    """

    sequences_only = True

    def __init__(
        self,
        layer: Layer,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        if not isinstance(layer, tuple(_INNER.values())):
            raise TypeError(
                f"TimeDistributed: layer must be a Dense, Activation, Dropout or LayerNormalization layer, got {layer!r}"
            )
        if layer.given_shape is not None:
            raise ValueError("TimeDistributed: input_shape belongs to TimeDistributed, (T, features), not to its layer")
        super().__init__(name, input_shape, unsupported)
        self.layer = layer
        self.takes_ids = layer.takes_ids

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3 or input_shape[2] is None:
            raise self.wrong_input("[N, T, features]", input_shape)
        return self.layer.compute_output_shape(input_shape)

    def make_specs(self, input_shape: Shape) -> list[WeightSpec]:
        return self.layer.make_specs(input_shape)

    def op(self) -> dict[str, Any]:
        return self.layer.op()

    def training_options(self) -> dict[str, Any]:
        return self.layer.training_options()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "layer": serialize(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TimeDistributed":
        inner = resolve("TimeDistributed: layer", config["layer"], Layer, _INNER)
        return cls(**{**config, "layer": inner})
