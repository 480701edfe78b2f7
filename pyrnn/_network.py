"""From layers to the engine's network."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ._core import Network
from .layers import Embedding, Layer, OneHot, Shape


class InputSpec(NamedTuple):
    """What the engine reads."""

    shape: Shape  # of the model's input, with the batch axis: (None, T, features), (None, features) or ids' (None, T)
    features: int  # values of a vector, or symbols of the ids
    sequence: bool
    takes_ids: bool  # integer ids may stand in place of vectors
    only_ids: bool  # and nothing else may


def input_spec(layers: Sequence[Layer]) -> InputSpec:
    """Of built layers."""
    first = layers[0]
    shape = first.input_shape
    if isinstance(first, OneHot | Embedding):
        return InputSpec(shape, first.num_symbols, sequence=True, takes_ids=True, only_ids=True)
    return InputSpec(shape, shape[-1] or 0, sequence=len(shape) == 3, takes_ids=first.takes_ids, only_ids=False)


def plan_ops(layers: Sequence[Layer]) -> tuple[list[dict[str, Any]], list[int]]:
    """The engine's ops, and which of them each layer became.

    A OneHot before a layer that reads ids itself becomes no op; it shares that layer's.
    """
    ops: list[dict[str, Any]] = []
    indices = []
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        indices.append(len(ops))
        if not (isinstance(layer, OneHot) and following is not None and following.takes_ids):
            ops.append(layer.op())
    return ops, indices


def build_network(layers: Sequence[Layer], dtype: str) -> Network:
    """A network that has taken over the weights of built layers."""
    spec = input_spec(layers)
    ops, indices = plan_ops(layers)
    network = Network(dtype, spec.features, spec.sequence, spec.only_ids, ops)
    for layer, index in zip(layers, indices, strict=True):
        layer.attach(network, index)
    return network


def last_activation(layers: Sequence[Layer]) -> str:
    """The activation that made the output: "linear" where it is none of the engine's."""
    ops, _ = plan_ops(layers)
    return str(ops[-1].get("activation", "linear"))
