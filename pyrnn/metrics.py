"""Metrics, by name or as objects for `Sequential.compile`. They describe; the engine computes.

Every metric is the mean over all samples and steps seen in an epoch.
"""

from collections.abc import Sequence
from typing import Any, Literal

from ._checks import real, refuse_unknown
from ._registry import Configured, resolve, snake_case

__all__ = [
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "SparseCategoricalAccuracy",
    "get",
]


class Metric(Configured):
    """Base of all. `direction` is the way to improve; `elementwise` metrics need y shaped like the output."""

    engine_name: str
    direction: Literal["min", "max"]
    elementwise = True

    def __init__(self, name: str | None = None, **unsupported: object) -> None:
        refuse_unknown(type(self).__name__, type(self).__init__, unsupported)
        self.name = snake_case(type(self).__name__) if name is None else name

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


class CategoricalAccuracy(Metric):
    """How often the largest output stands where the largest y stands.

    >>> CategoricalAccuracy().name
    'categorical_accuracy'
    """

    engine_name = "categorical_accuracy"
    direction = "max"
    elementwise = False


class SparseCategoricalAccuracy(Metric):
    """How often the largest output stands where y, an id, says.

    >>> SparseCategoricalAccuracy(name="hits").name
    'hits'
    """

    engine_name = "categorical_accuracy"
    direction = "max"
    elementwise = False


class BinaryAccuracy(Metric):
    """How often the output, cut at 0.5, equals y. Another `threshold` raises ValueError.

    >>> BinaryAccuracy().direction
    'max'
    """

    engine_name = "binary_accuracy"
    direction = "max"

    def __init__(self, name: str | None = None, threshold: float = 0.5, **unsupported: object) -> None:
        super().__init__(name, **unsupported)
        if real("BinaryAccuracy", "threshold", threshold, 0) != 0.5:
            raise ValueError(f"BinaryAccuracy: threshold must be 0.5, got {threshold}; compute others from predict()")


class MeanSquaredError(Metric):
    """(y - output)^2.

    >>> MeanSquaredError().direction
    'min'
    """

    engine_name = "mean_squared_error"
    direction = "min"


class MeanAbsoluteError(Metric):
    """|y - output|.

    >>> MeanAbsoluteError().name
    'mean_absolute_error'
    """

    engine_name = "mean_absolute_error"
    direction = "min"


_CLASSES: dict[str, type[Metric]] = {
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "binary_accuracy": BinaryAccuracy,
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
}


def get(identifier: object) -> Metric:
    """The metric that a name, a configuration or an object means; a name stays the metric's name in logs.

    Raises ValueError for an unknown name.

    >>> get("mse").name
    'mse'
    """
    if isinstance(identifier, str) and identifier in ("accuracy", "acc"):
        raise ValueError(
            f"metric {identifier!r} means something only in compile(), where the model's output decides which"
        )
    metric = resolve("metric", identifier, Metric, _CLASSES)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def for_output(metrics: Sequence[object], features: int) -> list[Metric]:
    """The metrics of a model whose output's last axis has `features` values.

    "accuracy" is BinaryAccuracy where there is one value, else categorical, as Keras 3 decides; the categorical ones read ids
    and one-hot rows alike.
    """
    accuracy = BinaryAccuracy if features == 1 else CategoricalAccuracy
    return [accuracy(str(given)) if given in ("accuracy", "acc") else get(given) for given in metrics]
