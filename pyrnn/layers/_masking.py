"""Masking: padding that the values of x tell."""

from typing import Any

from .._checks import real
from ._base import Layer, Shape


class Masking(Layer):
    """A step of x [N, T, F] whose values all equal `mask_value` is no step: it is skipped. It must be the first layer.

    The layers after it see what they would of a row's real steps alone, as `lengths` and `mask` of `Sequential.fit` say, which
    so must not be given as well. `stream()` skips nothing: feed it real steps.

    >>> Masking().compute_output_shape((None, 40, 3))
    (None, 40, 3)
    """

    def __init__(
        self,
        mask_value: float = 0.0,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(name, input_shape, unsupported)
        self.mask_value = real("Masking", "mask_value", mask_value, -float("inf"))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3:
            raise self.wrong_input("[N, T, F]", input_shape)
        return input_shape

    def op(self) -> dict[str, Any]:
        return {"op": "activation", "activation": "linear"}

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "mask_value": self.mask_value}
