"""The shape of a model's input."""

from typing import Any

from .._checks import refuse_unknown
from .._registry import Configured
from ._base import auto_name, checked_name, shape_without_batch


class Input(Configured):
    """What a model reads, without the batch axis: (T, features), (features,), or (T,) before OneHot and Embedding.

    T may be None for sequences of any length. Where the first layer is an LSTM or a Dense layer, integer ids [N, T] of
    `features` symbols may be given in place of vectors. Raises TypeError or ValueError for another shape.

    >>> Input((7, 12)).shape
    (None, 7, 12)
    """

    def __init__(self, shape: tuple[int | None, ...], name: str | None = None, **unsupported: object) -> None:
        refuse_unknown("Input", Input.__init__, unsupported)
        self.shape = shape_without_batch("Input", "shape", shape)
        self.name = auto_name("InputLayer") if name is None else checked_name("Input", name)

    def get_config(self) -> dict[str, Any]:
        return {"shape": list(self.shape[1:]), "name": self.name}
