"""From layers to the engine's network."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ._core import Network
from .layers import Embedding, Layer, Masking, OneHot, Shape


class InputSpec(NamedTuple):
    """What the engine reads."""

    shape: Shape  # of the model's input, with the batch axis: (None, T, features), (None, features) or ids' (None, T)
    features: int  # values of a vector, or symbols of the ids
    sequence: bool
    takes_ids: bool  # integer ids may stand in place of vectors
    only_ids: bool  # and nothing else may
    reads_one_hot: bool  # exactly one-hot vectors are read as ids
    padding: float | None = None  # the id, or each value of the vector, of a step that is not real


def input_spec(layers: Sequence[Layer]) -> InputSpec:
    """Of built layers."""
    first = layers[0]
    shape = first.input_shape
    if isinstance(first, OneHot | Embedding):
        padding = 0 if isinstance(first, Embedding) and first.mask_zero else None
        return InputSpec(shape, first.num_symbols, True, True, only_ids=True, reads_one_hot=False, padding=padding)
    features, sequence = shape[-1] or 0, len(shape) == 3
    if isinstance(first, Masking):
        reads_one_hot = len(layers) > 1 and layers[1].takes_ids
        return InputSpec(shape, features, sequence, False, False, reads_one_hot, padding=first.mask_value)
    return InputSpec(shape, features, sequence, first.takes_ids, only_ids=False, reads_one_hot=first.takes_ids)


def plan_ops(
    layers: Sequence[Layer], training: bool = True, quantization: str | None = None
) -> tuple[list[dict[str, Any]], list[int]]:
    """The engine's ops, with what `training` needs or without, and which of them each layer became.

    `quantization`: of recurrent layers' weights. Masking, and a OneHot before a layer that reads ids itself, become no op; they share that of the layer that follows.
    """
    ops: list[dict[str, Any]] = []
    indices = []
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        indices.append(len(ops))
        vanishes = isinstance(layer, Masking) or (isinstance(layer, OneHot) and following and following.takes_ids)
        if following is None or not vanishes:
            options = {**layer.training_options(), "regularizers": penalties(layer)} if training else {}
            if quantization is not None and layer.state_units():
                options["quantization"] = quantization
            ops.append({**layer.op(), **options})
    return ops, indices


def penalties(layer: Layer) -> dict[str, tuple[float, float]]:
    """By the weights' names the factors l1 and l2 of those that have a regularizer."""
    specs = [(spec.name, spec.regularizer) for spec in layer.weight_specs]
    return {name: (regularizer.l1, regularizer.l2) for name, regularizer in specs if regularizer is not None}


def build_network(layers: Sequence[Layer], dtype: str, quantization: str | None = None) -> Network:
    """A network that has taken over the weights of built layers."""
    spec = input_spec(layers)
    ops, indices = plan_ops(layers, quantization=quantization)
    network = Network(dtype, spec.features, spec.sequence, spec.only_ids, ops)
    for layer, index in zip(layers, indices, strict=True):
        layer.attach(network, index)
    return network


def engine_description(layers: Sequence[Layer], dtype: str, quantization: str | None = None) -> dict[str, Any]:
    """What a network that only answers is made from, as JSON has it, the weights by their paths: for csrc/c/model_file.h.

    Nothing is drawn for it, and the network of the layers, where they have one, stays as it is.
    """
    spec = input_spec(layers)
    ops, indices = plan_ops(layers, training=False, quantization=quantization)
    for op in ops:
        op["weights"] = {}
    for layer, index in zip(layers, indices, strict=True):
        ops[index]["weights"] |= {weight.name: weight.path for weight in layer.weights}
    shape = {"features": spec.features, "sequence": spec.sequence, "ids_only": spec.only_ids}
    return {"version": 1, "class_name": "Sequential", "dtype": dtype, **shape, "ops": ops}


def last_activation(layers: Sequence[Layer]) -> str:
    """The activation that made the output, "linear" where none did: an LSTM's or a GRU's output is a product or a mixture."""
    op = plan_ops(layers)[0][-1]
    is_one = op["op"] in ("activation", "dense", "simple_rnn") and "bidirectional" not in op
    return str(op.get("activation", "linear")) if is_one else "linear"
