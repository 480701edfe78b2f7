"""What is said of a batch that came to a value which is not finite."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._network import plan_ops
from .layers import Layer


class Found(NamedTuple):
    """The arguments of the engine's FloatingPointError."""

    where: str
    op: int
    weight: str
    sample: int  # -1 where it was in none
    value: float
    loss: float


def described(where: str, error: FloatingPointError, layers: Sequence[Layer]) -> FloatingPointError:
    """The engine's error with the layers' names, for a batch that is called `where`."""
    found = Found(*error.args)
    layer = _layer_of(layers, found.op)
    sample = "" if found.sample < 0 else f" for sample {found.sample}"
    first = {
        "output": f"the output of {layer.title} is the first that is not finite, {found.value}{sample}",
        "loss": "the output of every layer is finite, the loss of it is not",
        "penalty": "the penalty of the regularizers is not finite",
        "loss_gradient": f"the loss's gradient by the model's output is not finite, {found.value}{sample}",
        "weight_gradient": f"the gradient of {layer.title} is the first that is not finite, that of its {found.weight}",
        "input_gradient": f"the gradient of {layer.title} is the first that is not finite, by its input"
        f" {found.value}{sample}",
    }
    cause = _not_finite_weight(layer) if found.where == "output" else ""
    return FloatingPointError(f"{where}: the loss is {found.loss}: {first[found.where]}{cause}")


def _layer_of(layers: Sequence[Layer], op: int) -> Layer:
    """A layer that became no op shares the number of the one that follows, which did."""
    indices = plan_ops(layers)[1]
    return [layer for layer, index in zip(layers, indices, strict=True) if index == op][-1]


def _not_finite_weight(layer: Layer) -> str:
    for spec, value in zip(layer.weight_specs, layer.get_weights(), strict=True):
        if not np.isfinite(value).all():
            return f"; its {spec.name} was not before this batch"
    return ""
