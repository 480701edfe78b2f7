"""First layers of models that read integer ids."""

from typing import Any

from .._checks import flag, whole
from ..initializers import get as get_initializer
from ..regularizers import get as get_regularizer
from ._base import Layer, Shape, WeightSpec, config_with_initializers, config_with_regularizers


class OneHot(Layer):
    """Integer ids [N, T], 0 ... num_symbols - 1, as one-hot vectors [N, T, num_symbols]. It must be the first layer.

    Before an LSTM or a Dense layer no vector is made: the ids pick rows of its kernel.

    >>> OneHot(57).compute_output_shape((None, 40))
    (None, 40, 57)
    """

    takes_ids = True

    def __init__(
        self,
        num_symbols: int,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(name, input_shape, unsupported)
        self.num_symbols = whole("OneHot", "num_symbols", num_symbols)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            raise self.wrong_input("ids [N, T]", input_shape)
        return (*input_shape, self.num_symbols)

    def op(self) -> dict[str, Any]:
        return {"op": "one_hot"}

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "num_symbols": self.num_symbols}


class Embedding(Layer):
    """Integer ids [N, T], 0 ... input_dim - 1, as rows of a learnt table: [N, T, output_dim]. It must be the first layer.

    Weight: embeddings [input_dim, output_dim], of which `embeddings_regularizer`, one of `pyrnn.regularizers`, counts every row,
    also those of ids that a batch has not. `input_length` T, as in Keras 2, is `input_shape=(T,)`.

    With `mask_zero`, id 0 is padding, wherever it stands: such a step is skipped, as `Masking` skips one.

    >>> Embedding(57, 16).compute_output_shape((None, 40))
    (None, 40, 16)
    """

    takes_ids = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: object = "uniform",
        embeddings_regularizer: object = None,
        *,
        mask_zero: bool = False,
        input_length: int | None = None,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        if input_length is not None:
            if input_shape is not None:
                raise TypeError("Embedding: one of input_shape and input_length must be given, not both")
            input_shape = (input_length,)
        super().__init__(name, input_shape, unsupported)
        self.input_dim = whole("Embedding", "input_dim", input_dim)
        self.output_dim = whole("Embedding", "output_dim", output_dim)
        self.mask_zero = flag("Embedding", "mask_zero", mask_zero)
        self.embeddings_initializer = get_initializer(embeddings_initializer, "Embedding: embeddings_initializer")
        self.embeddings_regularizer = get_regularizer(embeddings_regularizer, "Embedding: embeddings_regularizer")

    @property
    def num_symbols(self) -> int:
        return self.input_dim

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            raise self.wrong_input("ids [N, T]", input_shape)
        return (*input_shape, self.output_dim)

    def make_specs(self, input_shape: Shape) -> list[WeightSpec]:
        shape = (self.input_dim, self.output_dim)
        return [WeightSpec("embeddings", shape, self.embeddings_initializer, self.embeddings_regularizer)]

    def op(self) -> dict[str, Any]:
        return {"op": "embedding", "output_dim": self.output_dim}

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            **config_with_initializers(self, "embeddings_initializer"),
            **config_with_regularizers(self, "embeddings_regularizer"),
            "mask_zero": self.mask_zero,
        }
