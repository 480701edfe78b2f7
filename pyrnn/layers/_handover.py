"""What stands between an encoder and a decoder."""

from typing import Any

from ._base import Layer, Shape


class Handover(Layer):
    """Where the layers of a `Seq2Seq`'s encoder end: those behind it begin in the states of those before, and read y.

    It has the output of what the decoder reads, [N, T, features], or [N, T] for ids. Made by `Seq2Seq` alone.

    >>> Handover((None, None, 12), 12, only_ids=False).op()
    {'op': 'handover', 'features': 12, 'ids_only': False}
    """

    reads_ahead = True

    def __init__(self, decoder_shape: Shape, features: int, only_ids: bool) -> None:
        super().__init__(None, None, {})
        self._shape, self._features, self._only_ids = decoder_shape, features, only_ids

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._shape

    def op(self) -> dict[str, Any]:
        return {"op": "handover", "features": self._features, "ids_only": self._only_ids}
