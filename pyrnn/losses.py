"""Losses, by name or as objects for `Sequential.compile`. They describe; the engine computes.

Every loss is the mean over all samples and steps of a batch, in nats where logarithms are taken.
"""

from typing import Any, Literal

from ._checks import flag, refuse_unknown
from ._registry import Configured, resolve, snake_case

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
]


class Loss(Configured):
    """Base of all. `targets` says what y holds: ids, distributions over symbols, probabilities, or any values."""

    engine_name: str
    targets: Literal["ids", "distributions", "probabilities", "values"]
    from_logits = False

    def __init__(self, name: str | None = None, **unsupported: object) -> None:
        refuse_unknown(type(self).__name__, type(self).__init__, unsupported)
        self.name = snake_case(type(self).__name__) if name is None else name

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


class _Crossentropy(Loss):
    def __init__(self, from_logits: bool = False, name: str | None = None, **unsupported: object) -> None:
        super().__init__(name, **unsupported)
        self.from_logits = flag(type(self).__name__, "from_logits", from_logits)

    def get_config(self) -> dict[str, Any]:
        return {"from_logits": self.from_logits, "name": self.name}


class CategoricalCrossentropy(_Crossentropy):
    """-sum_v y_v log p_v, for y of one-hot rows or distributions, [N, V] or [N, T, V].

    p is the model's output, which a softmax makes; with `from_logits=True` it is softmax(output). Either way the engine
    computes from the logits: log p_v = z_v - log sum exp z.

    >>> CategoricalCrossentropy().name
    'categorical_crossentropy'
    """

    engine_name = "crossentropy"
    targets = "distributions"


class SparseCategoricalCrossentropy(_Crossentropy):
    """-log p_y, for integer ids y, [N], [N, 1], [N, T] or [N, T, 1]; p as in CategoricalCrossentropy.

    >>> SparseCategoricalCrossentropy(from_logits=True).get_config()
    {'from_logits': True, 'name': 'sparse_categorical_crossentropy'}
    """

    engine_name = "crossentropy"
    targets = "ids"


class BinaryCrossentropy(_Crossentropy):
    """-(y log p + (1 - y) log(1 - p)), averaged over the last axis; y from 0 to 1, shaped like the output.

    p is the model's output, which a sigmoid makes; with `from_logits=True` it is sigmoid(output).

    >>> BinaryCrossentropy().targets
    'probabilities'
    """

    engine_name = "binary_crossentropy"
    targets = "probabilities"


class MeanSquaredError(Loss):
    """(y - output)^2, averaged over the last axis.

    >>> MeanSquaredError().name
    'mean_squared_error'
    """

    engine_name = "mean_squared_error"
    targets = "values"


class MeanAbsoluteError(Loss):
    """|y - output|, averaged over the last axis.

    >>> MeanAbsoluteError().name
    'mean_absolute_error'
    """

    engine_name = "mean_absolute_error"
    targets = "values"


_CLASSES: dict[str, type[Loss]] = {
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "bce": BinaryCrossentropy,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
}


def get(identifier: object) -> Loss:
    """The loss that a name, a configuration or an object means. Raises ValueError for an unknown name.

    >>> get("mse").name
    'mean_squared_error'
    """
    return resolve("loss", identifier, Loss, _CLASSES)
