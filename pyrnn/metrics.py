"""Metrics, by name or as objects for `Sequential.compile`. They describe; the engine computes.

A metric is made from statistics, means over all samples and steps seen in an epoch: most are such a mean themselves, the
others are a function of theirs, taken at the end of the epoch. Listed in `weighted_metrics`, its means are weighted:
the sum of weight times value, divided by the sum of weights.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ._checks import choice, real, refuse_unknown, whole
from ._registry import Configured, resolve, snake_case

__all__ = [
    "BinaryAccuracy",
    "BitsPerCharacter",
    "CategoricalAccuracy",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Perplexity",
    "R2Score",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
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

    def engine_spec(self) -> dict[str, Any]:
        return {"name": self.engine_name}

    def statistics(self, features: int) -> int:
        """How many there are, for an output whose last axis has `features` values."""
        return 1

    def result(self, statistics: Sequence[float]) -> float:
        """The metric of the statistics' means."""
        return statistics[0]


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
    """How often y is 1 where the output is more than `threshold`, and 0 where it is not.

    >>> BinaryAccuracy(threshold=0.7).get_config()
    {'name': 'binary_accuracy', 'threshold': 0.7}
    """

    engine_name = "binary_accuracy"
    direction = "max"

    def __init__(self, name: str | None = None, threshold: float = 0.5, **unsupported: object) -> None:
        super().__init__(name, **unsupported)
        self.threshold = real("BinaryAccuracy", "threshold", threshold, -math.inf)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "threshold": self.threshold}

    def engine_spec(self) -> dict[str, Any]:
        return {"name": self.engine_name, "threshold": self.threshold}


class TopKCategoricalAccuracy(Metric):
    """How often fewer than `k` outputs are larger than the one where the largest y stands.

    >>> TopKCategoricalAccuracy(k=3).get_config()
    {'k': 3, 'name': 'top_k_categorical_accuracy'}
    """

    engine_name = "top_k_accuracy"
    direction = "max"
    elementwise = False

    def __init__(self, k: int = 5, name: str | None = None, **unsupported: object) -> None:
        super().__init__(name, **unsupported)
        self.k = whole(type(self).__name__, "k", k)

    def get_config(self) -> dict[str, Any]:
        return {"k": self.k, "name": self.name}

    def engine_spec(self) -> dict[str, Any]:
        return {"name": self.engine_name, "k": self.k}


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """How often fewer than `k` outputs are larger than the one where y, an id, says.

    >>> SparseTopKCategoricalAccuracy().k
    5
    """


class Perplexity(Metric):
    """exp of the mean cross-entropy in nats: of how many equally likely symbols the model is as unsure.

    It goes with categorical and sparse categorical cross-entropy, whose label smoothing it leaves out.

    >>> round(Perplexity().result([math.log(57)]), 9)
    57.0
    """

    engine_name = "crossentropy"
    direction = "min"
    elementwise = False

    def result(self, statistics: Sequence[float]) -> float:
        try:
            return math.exp(statistics[0])
        except OverflowError:
            return math.inf


class BitsPerCharacter(Metric):
    """The mean cross-entropy in bits: log2 of Perplexity, and for the same losses.

    >>> round(BitsPerCharacter().result([math.log(8)]), 9)
    3.0
    """

    engine_name = "crossentropy"
    direction = "min"
    elementwise = False

    def result(self, statistics: Sequence[float]) -> float:
        return statistics[0] / math.log(2)


class MeanSquaredError(Metric):
    """(y - output)^2.

    >>> MeanSquaredError().direction
    'min'
    """

    engine_name = "mean_squared_error"
    direction = "min"


class RootMeanSquaredError(Metric):
    """The square root of the mean of (y - output)^2.

    >>> RootMeanSquaredError().result([9.0])
    3.0
    """

    engine_name = "mean_squared_error"
    direction = "min"

    def result(self, statistics: Sequence[float]) -> float:
        return math.sqrt(statistics[0])


class MeanAbsoluteError(Metric):
    """|y - output|.

    >>> MeanAbsoluteError().name
    'mean_absolute_error'
    """

    engine_name = "mean_absolute_error"
    direction = "min"


class R2Score(Metric):
    """The coefficient of determination: 1 - sum (y - output)^2 / sum (y - mean y)^2, the mean being that of the whole epoch.

    Each of the last axis' values has a score of its own. `class_aggregation` "uniform_average" takes their mean,
    "variance_weighted_average" weighs them with their sum (y - mean y)^2. Where y never changes the score is 0, or NaN if the
    output is exactly y, as in Keras. The steps of sequences count as samples.

    >>> y, output = np.array([1, 4, 3]), np.array([2, 4, 4])
    >>> round(R2Score().result([y.mean(), (y**2).mean(), ((y - output) ** 2).mean()]), 6)
    0.571429
    """

    engine_name = "r2_score"
    direction = "max"

    def __init__(
        self, class_aggregation: str = "uniform_average", name: str | None = None, **unsupported: object
    ) -> None:
        super().__init__(name, **unsupported)
        ways = ("uniform_average", "variance_weighted_average")
        self.class_aggregation = choice("R2Score", "class_aggregation", class_aggregation, ways)

    def get_config(self) -> dict[str, Any]:
        return {"class_aggregation": self.class_aggregation, "name": self.name}

    def statistics(self, features: int) -> int:
        return 3 * features

    def result(self, statistics: Sequence[float]) -> float:
        mean, mean_of_squares, error = np.reshape(statistics, (3, -1))
        variance = mean_of_squares - mean**2
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = 1 - error / variance
            scores[np.isinf(scores)] = 0
            weights = None if self.class_aggregation == "uniform_average" else variance / variance.sum()
        return float(scores.mean() if weights is None else (scores * weights).sum())


_CLASSES: dict[str, type[Metric]] = {
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "binary_accuracy": BinaryAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "perplexity": Perplexity,
    "bits_per_character": BitsPerCharacter,
    "mean_squared_error": MeanSquaredError,
    "root_mean_squared_error": RootMeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "r2_score": R2Score,
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
