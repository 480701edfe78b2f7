"""Losses, by name or as objects for `Sequential.compile`. They describe; the engine computes.

Every loss is the mean over all samples and steps of a batch, in nats where logarithms are taken. With weights (`sample_weight`,
`class_weight`) it is the sum of weight times loss, divided by the number of steps and not by the sum of weights: Keras'
"sum_over_batch_size", the only `reduction` there is. A step of weight 0 adds exactly nothing, to the loss and to every gradient.
"""

from typing import Any, Literal

from ._checks import choice, flag, real, refuse_unknown
from ._registry import Configured, resolve, snake_case

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
]


class Loss(Configured):
    """Base of all. `targets` says what y holds: ids, distributions over symbols, probabilities, labels, or any values."""

    engine_name: str
    targets: Literal["ids", "distributions", "probabilities", "values", "labels"]
    from_logits = False

    def __init__(
        self, *, reduction: str = "sum_over_batch_size", name: str | None = None, **unsupported: object
    ) -> None:
        kind = type(self).__name__
        refuse_unknown(kind, type(self).__init__, unsupported)
        choice(kind, "reduction", reduction, ["sum_over_batch_size"])
        self.name = snake_case(kind) if name is None else name

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def engine_options(self) -> dict[str, Any]:
        """What the engine is told besides `engine_name`."""
        return {"from_logits": self.from_logits}


class _Crossentropy(Loss):
    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        *,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(reduction=reduction, name=name, **unsupported)
        kind = type(self).__name__
        self.from_logits = flag(kind, "from_logits", from_logits)
        self.label_smoothing = real(kind, "label_smoothing", label_smoothing, 0)
        if self.label_smoothing > 1:
            raise ValueError(f"{kind}: label_smoothing must be at most 1, got {label_smoothing}")

    def get_config(self) -> dict[str, Any]:
        return {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing, "name": self.name}

    def engine_options(self) -> dict[str, Any]:
        return {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing}


class CategoricalCrossentropy(_Crossentropy):
    """-sum_v y_v log p_v, for y of one-hot rows or distributions, [N, V] or [N, T, V].

    p is the model's output, which a softmax makes; with `from_logits=True` it is softmax(output). Either way the engine
    computes from the logits: log p_v = z_v - log sum exp z. `label_smoothing` s, from 0 to 1, moves y to (1 - s) y + s / V
    (Szegedy et al. 2016, section 7).

    >>> CategoricalCrossentropy(label_smoothing=0.1).get_config()
    {'from_logits': False, 'label_smoothing': 0.1, 'name': 'categorical_crossentropy'}
    """

    engine_name = "crossentropy"
    targets = "distributions"


class SparseCategoricalCrossentropy(_Crossentropy):
    """-log p_y, for integer ids y, [N], [N, 1], [N, T] or [N, T, 1]; p and `label_smoothing` as in CategoricalCrossentropy.

    >>> SparseCategoricalCrossentropy(from_logits=True).from_logits
    True
    """

    engine_name = "crossentropy"
    targets = "ids"


class BinaryCrossentropy(_Crossentropy):
    """-(y log p + (1 - y) log(1 - p)), averaged over the last axis; y from 0 to 1, shaped like the output.

    p is the model's output, which a sigmoid makes; with `from_logits=True` it is sigmoid(output). `label_smoothing` s, from 0
    to 1, moves y to (1 - s) y + s / 2.

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


class Huber(Loss):
    """e^2 / 2 where the error e = y - output is at most `delta` in size, else delta |e| - delta^2 / 2; averaged over the last
    axis (Huber 1964). Raises ValueError unless `delta` is more than 0.

    >>> Huber(delta=2).get_config()
    {'delta': 2.0, 'name': 'huber'}
    """

    engine_name = "huber"
    targets = "values"

    def __init__(
        self,
        delta: float = 1.0,
        *,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(reduction=reduction, name=name, **unsupported)
        self.delta = real("Huber", "delta", delta, 0, open_low=True)

    def get_config(self) -> dict[str, Any]:
        return {"delta": self.delta, "name": self.name}

    def engine_options(self) -> dict[str, Any]:
        return {"from_logits": False, "delta": self.delta}


class CTC(Loss):
    """Connectionist temporal classification: -log p(labels), summed over all ways to spread them over the steps.

    The output [N, T, V] is logits, of a last layer without activation; symbol 0 is the blank. y holds integer labels [N, L]
    from 1 to V - 1, padded with zeros at the end; T must be as long as the labels, with a step more between two equal ones.
    The mean is over samples, not steps (Graves et al. 2006, equation 12); weights are of samples, and there are no metrics.

    >>> CTC().targets
    'labels'
    """

    engine_name = "ctc"
    targets = "labels"


_CLASSES: dict[str, type[Loss]] = {
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "huber": Huber,
    "ctc": CTC,
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
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
