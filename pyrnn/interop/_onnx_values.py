"""What the nodes of an ONNX graph make, as far as pyrnn needs to know it.

The graph is walked once, in its order. Of what the nodes make, a `Value` knows the layers that make it so far and which axes it
has: n rows, t steps, f features, d directions, and r for steps that stand from the last to the first.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..layers import Bidirectional, Layer

Array = npt.NDArray[Any]
DEFAULTS: dict[str, dict[str, Any]] = {  # ONNX's, of activations
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "Elu": {"alpha": 1.0},
    "LeakyRelu": {"alpha": 0.01},
    "Softmax": {"axis": -1},
}


class Refused(Exception):
    """What a graph has that pyrnn cannot be; the sentence begins with a verb or with the node."""


class Misplaced(Refused):
    """A recurrent node reads other axes than it should: x may have its steps first."""


class Record(NamedTuple):
    """A layer to be. `merge` is the merge mode of one in both directions, "?" before it is known, else ""."""

    kind: type[Layer]
    options: dict[str, Any]
    weights: tuple[Array, ...] = ()
    merge: str = ""

    def layer(self) -> Layer:
        layer = self.kind(**self.options)
        return Bidirectional(layer, merge_mode=self.merge) if self.merge else layer


class Value(NamedTuple):
    axes: str
    layers: tuple[Record, ...] = ()
    pending: tuple[tuple[str, float], ...] = ()  # what has been done to it of a formula of several nodes

    def then(self, kind: type[Layer], *weights: Array, axes: str = "", **options: Any) -> "Value":
        return Value(axes or self.axes, (*self.layers, Record(kind, options, weights)))

    def changed(self, axes: str = "", **changes: Any) -> "Value":
        """With its last layer changed."""
        return Value(axes or self.axes, (*self.layers[:-1], self.layers[-1]._replace(**changes)))


class Side(NamedTuple):
    """What is neither known nor the layers' output: "input" what comes from further inputs alone, "zeros", or "other"."""

    kind: str


Known = Array | Value | Side | None


def zeros(value: Known) -> bool:
    return not np.any(value) if isinstance(value, np.ndarray) else isinstance(value, Side) and value.kind == "zeros"


def main(inputs: list[Known]) -> Value:
    if not isinstance(inputs[0], Value):
        raise Refused("has what the layers make in another place than its first input")
    return inputs[0]


def constant(inputs: list[Known], index: int) -> Array:
    value = inputs[index] if index < len(inputs) else None
    if not isinstance(value, np.ndarray):
        raise Refused(f"needs a constant as input {index}")
    return value


def integers(inputs: list[Known], attributes: dict[str, Any], name: str = "axes", index: int = 1) -> list[int]:
    """A list of integers, which is an attribute in some versions and an input in others."""
    value = attributes[name] if name in attributes else constant(inputs, index)
    return [int(number) for number in np.asarray(value).reshape(-1)]
