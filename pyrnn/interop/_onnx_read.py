"""Nodes of ONNX as the layers of a pyrnn model."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..layers import (
    Activation,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Layer,
    LayerNormalization,
    OneHot,
    RecurrentLayer,
    RepeatVector,
)
from ._onnx_cells import CELLS, recurrent
from ._onnx_values import DEFAULTS, Array, Known, Refused, Side, Value, constant, integers, main, zeros
from ._onnx_write import ACTIVATIONS, MERGES

_MOVES = ("Cast", "Concat", "Gather", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")  # zeros stay zeros
_GELU = (("Div", math.sqrt(2)), ("Erf", 0.0), ("Add", 1.0), ("Mul", math.nan), ("Mul", 0.5))  # nan stands for x


def run(op: str, inputs: list[Known], attributes: dict[str, Any], outputs: int) -> Sequence[Known]:
    """What a node of the kind `op` makes of `inputs`. Raises Refused."""
    values = [value for value in inputs if isinstance(value, Value)]
    if not values:
        return [_side(op, inputs, attributes)] * max(outputs, 1)
    if op == "Shape":
        return [Side("other")]
    if op in CELLS:
        return recurrent(op, inputs, attributes)
    step = _STEPS.get(op)
    if op in {name for name, _ in ACTIVATIONS.values()}:
        return [_activation(op, values[0], attributes)]
    if step is None:
        raise Refused("is not supported")
    if any(value.pending for value in values) and op not in ("Erf", "Add", "Mul", "Concat"):
        raise Refused("stands in a formula that is not supported")
    return [step(inputs, attributes)]


def _side(op: str, inputs: list[Known], attributes: dict[str, Any]) -> Known:
    if op == "Constant":
        return np.asarray(attributes["value"])
    if op == "Identity":
        return inputs[0]
    if op == "ConstantOfShape":
        return Side("other" if np.any(attributes.get("value", 0)) else "zeros")
    if op == "Expand" and zeros(inputs[0]):
        return Side("zeros")
    sides = {value.kind for value in inputs if isinstance(value, Side)}
    mixed = op == "Concat" and any(isinstance(value, np.ndarray) for value in inputs)
    return Side(sides.pop() if op in _MOVES and len(sides) == 1 and not mixed else "other")


# -- the other nodes ------------------------------------------------------------


def _same(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    return main(inputs)


def _dropout(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    if len(inputs) > 2 and inputs[2] is not None and np.any(constant(inputs, 2)):
        raise Refused("has training_mode, which is not supported")
    return main(inputs)


def _cast(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    value = main(inputs)
    wanted = (1,) if value.axes.endswith("f") else (6, 7)  # float32, or int32 and int64
    if attributes["to"] not in wanted:
        raise Refused(f"casts to the type {attributes['to']}, where {wanted} is supported")
    return value


def _transpose(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    value = main(inputs)
    perm = attributes.get("perm", list(range(len(value.axes)))[::-1])
    return value._replace(axes="".join(value.axes[axis] for axis in perm))


def _squeeze(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    value = main(inputs)
    (axis,) = integers(inputs, attributes)
    if value.axes[axis] != "d" or value.layers[-1].merge:
        raise Refused(f"drops the axis {value.axes[axis]!r}, which is not supported")
    return value._replace(axes=value.axes.replace("d", ""))


def _reshape(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    """[..., d, f] with the directions side by side, or [n, t, f] with the steps side by side."""
    value, shape = main(inputs), integers(inputs, attributes, "shape")
    kept = len(value.axes) - 2
    if len(shape) != kept + 1 or any(shape[:kept]) and value.axes != "ntf":
        raise Refused(f"makes {shape} of the axes {value.axes!r}, which is not supported")
    if value.axes == "ntf" and shape[0] in (0, -1):
        return value.then(Flatten, axes="nf")
    if not value.axes.endswith("df"):
        raise Refused(f"makes {shape} of the axes {value.axes!r}, which is not supported")
    axes = value.axes.replace("d", "")
    return value.changed(axes, merge="concat") if value.layers[-1].merge else value._replace(axes=axes)


def _flatten(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    value = main(inputs)
    if value.axes not in ("ntf", "nf") or attributes.get("axis", 1) != 1:
        raise Refused(f"flattens the axes {value.axes!r}, which is not supported")
    return value.then(Flatten, axes="nf")


def _reduce(op: str) -> Callable[[list[Known], dict[str, Any]], Value]:
    poolings: dict[str, type[Layer]] = {"ReduceMean": GlobalAveragePooling1D, "ReduceMax": GlobalMaxPooling1D}
    merges = {name: mode for mode, name in MERGES.items()}

    def step(inputs: list[Known], attributes: dict[str, Any]) -> Value:
        value = main(inputs)
        (axis,) = integers(inputs, attributes)
        letter = value.axes[axis]
        axes = value.axes.replace(letter, "")
        if not attributes.get("keepdims", 1):
            if letter == "d" and op in merges and value.layers[-1].merge:
                return value.changed(axes, merge=merges[op])
            if letter == "t" and axes == "nf" and op in poolings:
                return value.then(poolings[op], axes=axes)
        raise Refused(f"reduces the axes {value.axes!r} along {letter!r}, which is not supported")

    return step


def _slice(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    """All steps, from the last to the first."""
    value = main(inputs)
    starts, ends, axes, steps = (constant(inputs, index).reshape(-1).tolist() for index in range(1, 5))
    axis = axes[0] if len(axes) == 1 else 0
    if len(axes) != 1 or value.axes[axis] != "r" or (starts, steps) != ([-1], [-1]) or ends[0] > -(2**31):
        raise Refused("takes a part of the steps, which is not supported")
    return value._replace(axes=value.axes.replace("r", "t"))


def _unsqueeze(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    value = main(inputs)
    if value.axes != "nf" or integers(inputs, attributes) != [1]:
        raise Refused(f"adds an axis to {value.axes!r}, which is not supported")
    return value._replace(axes="n1f")


def _expand(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    value, shape = main(inputs), integers(inputs, attributes, "shape")
    if value.axes != "n1f" or len(shape) != 3 or (shape[0], shape[2]) != (1, 1):
        raise Refused(f"expands the axes {value.axes!r} to {shape}, which is not supported")
    return value.then(RepeatVector, axes="ntf", n=shape[1])


def _gather(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    if isinstance(inputs[0], Value):
        return _take(inputs[0], constant(inputs, 1), attributes.get("axis", 0))
    ids = inputs[1]
    if not isinstance(ids, Value) or ids.axes not in ("nt", "tn") or attributes.get("axis", 0) != 0:
        raise Refused("takes other than rows of a table by ids, which is not supported")
    table = constant(inputs, 0)
    rows, width = table.shape
    return ids.then(Embedding, table, axes=ids.axes + "f", input_dim=rows, output_dim=width)


def _take(value: Value, index: Array, axis: int) -> Value:
    """One direction of a last state [d, n, f], or the last step of a layer's output."""
    letter, last = value.axes[axis], value.layers[-1] if value.layers else None
    if last is not None and index.shape == ():
        axes = value.axes.replace(letter, "")
        if letter == "d" and last.merge:
            return value._replace(axes=axes, pending=(("direction", float(index % 2)),))
        if letter == "d":
            return value._replace(axes=axes)
        if letter == "t" and index == -1 and not last.merge and issubclass(last.kind, RecurrentLayer):
            return value.changed(axes, options={**last.options, "return_sequences": False})
    raise Refused(f"takes a part of the axis {letter!r}, which is not supported")


def _concat(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    """Both directions of a last state side by side."""
    value = main(inputs)
    parts = [part.pending if isinstance(part, Value) and part.layers == value.layers else None for part in inputs]
    if (
        value.axes != "nf"
        or attributes["axis"] not in (1, -1)
        or parts != [(("direction", way),) for way in (0.0, 1.0)]
    ):
        raise Refused("puts results side by side that are not the two directions of one layer")
    return value._replace(pending=()).changed(merge="concat")


def _one_hot(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    value = main(inputs)
    (depth,), off_on = constant(inputs, 1).reshape(-1).tolist(), constant(inputs, 2).tolist()
    if value.axes not in ("nt", "tn") or attributes.get("axis", -1) != -1 or off_on != [0, 1]:
        raise Refused("makes other vectors than one-hot ones of ids, which is not supported")
    return value.then(OneHot, axes=value.axes + "f", num_symbols=int(depth))


def _mat_mul(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    kernel = constant(inputs, 1)
    if kernel.ndim != 2 or not main(inputs).axes.endswith("f"):
        raise Refused(f"multiplies by {list(kernel.shape)}, which is not supported")
    return main(inputs).then(Dense, kernel, units=kernel.shape[1], use_bias=False)


def _gemm(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    if attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1 or attributes.get("transA", 0):
        raise Refused(f"has {attributes}, which is not supported")
    kernel = constant(inputs, 1)
    made = _mat_mul([inputs[0], kernel.T if attributes.get("transB", 0) else kernel], {})
    return _add([made, inputs[2]], {}) if len(inputs) > 2 else made


def _add(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    """A bias, or a step of a formula."""
    if isinstance(inputs[1], Value):
        inputs = inputs[::-1]
    value, number = main(inputs), constant(inputs, 1)
    if value.pending:
        return _formula(value, "Add", number)
    last = value.layers[-1] if value.layers else None
    if last is None or last.kind is not Dense or last.options["use_bias"] or "activation" in last.options:
        raise Refused("adds to what no MatMul made, which is not supported")
    return value.changed(options={**last.options, "use_bias": True}, weights=(*last.weights, number))


def _multiply(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    if not isinstance(inputs[0], Value) or not isinstance(inputs[1], Value):
        one, other = inputs if isinstance(inputs[0], Value) else inputs[::-1]
        return _formula(main([one]), "Mul", constant([other], 0))
    one, other = sorted((inputs[0], inputs[1]), key=lambda value: len(value.pending))
    if other == _activation("Sigmoid", one, {}):
        return _apply(one, "silu")
    if other.pending and not one.pending and other._replace(pending=()) == one:
        return _formula(other, "Mul", np.array(math.nan))
    raise Refused("multiplies two results, which is not supported")


def _formula(value: Value, op: str, number: Array) -> Value:
    """One further node of x (1 + erf(x / sqrt(2))) / 2."""
    pending = (*value.pending, (op, float(number.reshape(-1)[0]) if number.size == 1 else math.inf))
    wanted = _GELU[: len(pending)]
    same = [name for name, _ in pending] == [name for name, _ in wanted]
    if not same or not np.allclose([n for _, n in pending], [n for _, n in wanted], rtol=1e-6, equal_nan=True):
        raise Refused("stands in a formula that is not supported")
    return _apply(value._replace(pending=()), "gelu") if len(pending) == len(_GELU) else value._replace(pending=pending)


def _activation(op: str, value: Value, attributes: dict[str, Any]) -> Value:
    for name, (known, wanted) in ACTIVATIONS.items():
        if known == op:
            given = {**DEFAULTS.get(op, {}), **attributes}
            if op == "Softmax" and given["axis"] == len(value.axes) - 1:
                given["axis"] = -1
            if given.keys() != wanted.keys() or not all(
                math.isclose(given[key], wanted[key], rel_tol=1e-6) for key in wanted
            ):
                raise Refused(f"has {given}, where {wanted} is supported")
            return _apply(value, name)
    raise Refused("is not supported")


def _apply(value: Value, activation: str) -> Value:
    """As a Dense layer's own activation where one is before it."""
    if value.pending or not value.axes.endswith("f"):
        raise Refused("stands in a formula that is not supported")
    last = value.layers[-1] if value.layers else None
    if last is not None and last.kind is Dense and "activation" not in last.options:
        return value.changed(options={**last.options, "activation": activation})
    return value.then(Activation, activation=activation)


def _layer_normalization(inputs: list[Known], attributes: dict[str, Any]) -> Value:
    value = main(inputs)
    if attributes.get("axis", -1) not in (-1, len(value.axes) - 1) or not value.axes.endswith("f"):
        raise Refused("normalises other than the last axis, which is not supported")
    weights = [constant(inputs, index) for index in range(1, len(inputs)) if inputs[index] is not None]
    options = {"epsilon": attributes.get("epsilon", 1e-5), "center": len(weights) == 2}
    return value.then(LayerNormalization, *weights, **options)


_STEPS: dict[str, Callable[[list[Known], dict[str, Any]], Value]] = {
    "Identity": _same,
    "Dropout": _dropout,
    "Cast": _cast,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Flatten": _flatten,
    **{op: _reduce(op) for op in ("ReduceSum", "ReduceMean", "ReduceProd", "ReduceMax")},
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Expand": _expand,
    "Gather": _gather,
    "Concat": _concat,
    "OneHot": _one_hot,
    "MatMul": _mat_mul,
    "Gemm": _gemm,
    "Add": _add,
    "Mul": _multiply,
    "Div": lambda inputs, attributes: _formula(main(inputs), "Div", constant(inputs, 1)),
    "Erf": lambda inputs, attributes: _formula(main(inputs), "Erf", np.array(0.0)),
    "LayerNormalization": _layer_normalization,
}
