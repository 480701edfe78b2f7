"""A pyrnn model as nodes of ONNX, opset 17."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..layers import (
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Layer,
    LayerNormalization,
    Masking,
    OneHot,
    RecurrentLayer,
    RepeatVector,
    TimeDistributed,
)
from ..layers._elementwise import Activation, Dropout, GaussianNoise
from ..models import Sequential

Array = npt.NDArray[Any]
Node = tuple[str, list[str], list[str], dict[str, Any]]  # op, inputs, outputs, attributes
Port = tuple[str, str, list[int | str]]  # an input or output of the graph: name, "float32" or "int64", shape

MERGES = {"sum": "ReduceSum", "ave": "ReduceMean", "mul": "ReduceProd"}
CELL_ACTIVATIONS: dict[str, tuple[str, list[float], list[float]]] = {  # ONNX's name, alpha, beta
    "tanh": ("Tanh", [], []),
    "sigmoid": ("Sigmoid", [], []),
    "relu": ("Relu", [], []),
    "hard_sigmoid": ("HardSigmoid", [1 / 6], [0.5]),
    "linear": ("Affine", [1.0], [0.0]),
}
ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "relu": ("Relu", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "softmax": ("Softmax", {"axis": -1}),
    "softplus": ("Softplus", {}),
    "exponential": ("Exp", {}),
    "elu": ("Elu", {"alpha": 1.0}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
}


def gates_of_onnx(cell: RecurrentLayer | type[RecurrentLayer], value: Array) -> Array:
    """The rows i f c o of an LSTM as i o f c; other cells' rows stand as here."""
    if not (cell is LSTM or isinstance(cell, LSTM)):
        return value
    i, f, c, o = np.split(value, 4)
    return np.concatenate([i, o, f, c])


class Writer:
    """Collects the nodes, weights, inputs and outputs of a graph. `value` is the name of what the last node made."""

    def __init__(self, model: Sequential, states: bool, lengths: bool, ids: bool) -> None:
        first = model.layers[0]
        self.nodes: list[Node] = []
        self.weights: dict[str, Array] = {}
        self.inputs: list[Port] = []
        self.outputs: list[Port] = []
        self._states, self._title = states, ""
        self._fixed = any(isinstance(layer, Flatten) for layer in model.layers)
        self._begin(first, ids)
        self._lengths = ""
        if lengths:
            self.inputs.append(("lengths", "int64", ["batch"]))
            self._lengths = self._node("Cast", ["lengths"], to=6)  # int32
        for layer in model.layers:
            self._title = layer.name
            self._layer(layer)
        self._node("Identity", [self.value], output="y")
        rank = len(model.output_shape)
        steps = [] if rank == 2 else [_steps(model)]
        self.outputs.insert(0, ("y", "float32", ["batch", *steps, model.output_shape[-1] or 0]))

    def _begin(self, first: Layer, ids: bool) -> None:
        shape = first.input_shape
        reads_ids = isinstance(first, OneHot | Embedding)
        steps = [shape[1] if self._fixed and shape[1] else "time"] if reads_ids or len(shape) == 3 else []
        if reads_ids or ids:
            self.inputs.append(("x", "int64", ["batch", *steps]))
        else:
            self.inputs.append(("x", "float32", ["batch", *steps, shape[-1] or 0]))
        self.value = "x"
        if ids and not reads_ids:
            self._title = "x"
            self._one_hot(shape[-1] or 0)

    def _node(self, op: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Add a node of one output, and return that."""
        name = output or f"{self._title}/{op}_{len(self.nodes)}"
        self.nodes.append((op, inputs, [name], attributes))
        return name

    def _weight(self, name: str, value: Array) -> str:
        name = f"{self._title}/{name}"
        self.weights[name] = np.asarray(value, order="C")
        return name

    def _integers(self, *values: int) -> str:
        return self._weight(f"shape_{len(self.weights)}", np.array(values, np.int64))

    def _number(self, value: float) -> str:
        return self._weight(f"number_{len(self.weights)}", np.array(value, np.float32))

    # -- layers ---------------------------------------------------------------

    def _layer(self, layer: Layer) -> None:
        inner = layer.layer if isinstance(layer, Bidirectional | TimeDistributed) else layer
        match inner:
            case RecurrentLayer():
                self._recurrent(layer, inner)
            case Dense():
                self._dense(layer, inner)
            case Embedding():
                table = self._weight("embeddings", layer.get_weights()[0])
                self.value = self._node("Gather", [table, self.value], axis=0)
            case OneHot():
                self._one_hot(inner.num_symbols)
            case Activation():
                self._activation(inner.activation)
            case LayerNormalization():
                self._layer_normalization(layer, inner)
            case RepeatVector():
                self.value = self._node("Unsqueeze", [self.value, self._integers(1)])
                self.value = self._node("Expand", [self.value, self._integers(1, inner.n, 1)])
                self._lengths = ""
            case Flatten():
                self.value = self._node("Flatten", [self.value], axis=1)
            case GlobalAveragePooling1D() | GlobalMaxPooling1D():
                self._pool(isinstance(inner, GlobalMaxPooling1D))
            case Dropout() | GaussianNoise() | Masking():
                pass
            case _:
                raise ValueError(f"export: {layer.title} has no form in ONNX")

    def _one_hot(self, symbols: int) -> None:
        values = self._weight("values", np.array([0, 1], np.float32))
        self.value = self._node("OneHot", [self.value, self._integers(symbols), values], axis=-1)

    def _dense(self, layer: Layer, dense: Dense) -> None:
        kernel, *bias = layer.get_weights()
        self.value = self._node("MatMul", [self.value, self._weight("kernel", kernel)])
        if bias:
            self.value = self._node("Add", [self.value, self._weight("bias", bias[0])])
        self._activation(dense.activation)

    def _activation(self, name: str) -> None:
        x = self.value
        if name == "silu":
            self.value = self._node("Mul", [x, self._node("Sigmoid", [x])])
        elif name == "gelu":  # x (1 + erf(x / sqrt(2))) / 2; ONNX has it from opset 20 on
            erf = self._node("Erf", [self._node("Div", [x, self._number(math.sqrt(2))])])
            self.value = self._node("Mul", [x, self._node("Add", [erf, self._number(1)])])
            self.value = self._node("Mul", [self.value, self._number(0.5)])
        elif name != "linear":
            op, attributes = ACTIVATIONS[name]
            self.value = self._node(op, [x], **attributes)

    def _layer_normalization(self, layer: Layer, norm: LayerNormalization) -> None:
        rest = layer.get_weights()
        features = layer.input_shape[-1] or 0
        gamma = rest.pop(0) if norm.scale else np.ones(features, np.float32)
        inputs = [self.value, self._weight("gamma", gamma)]
        if norm.center:
            inputs.append(self._weight("beta", rest[0]))
        self.value = self._node("LayerNormalization", inputs, axis=-1, epsilon=norm.epsilon)

    def _pool(self, maximum: bool) -> None:
        """[N, T, F] -> [N, F], over a row's real steps where there are lengths."""
        if not self._lengths:
            self.value = self._node("ReduceMax" if maximum else "ReduceMean", [self.value], axes=[1], keepdims=0)
            return
        count = self._node("Unsqueeze", [self._lengths, self._integers(1)])  # [N, 1]
        shape = self._node("Shape", [self.value], start=1, end=2)
        last = self._node("Squeeze", [shape])
        zero, one = (self._weight(name, np.array(at, np.int64)) for name, at in (("zero", 0), ("one", 1)))
        steps = self._node("Cast", [self._node("Range", [zero, last, one])], to=6)
        real = self._node("Unsqueeze", [self._node("Less", [steps, count]), self._integers(2)])  # [N, T, 1]
        kept = self._node("Where", [real, self.value, self._number(-np.inf if maximum else 0.0)])
        if maximum:
            self.value = self._node("ReduceMax", [kept], axes=[1], keepdims=0)
        else:
            total = self._node("ReduceSum", [kept, self._integers(1)], keepdims=0)
            self.value = self._node("Div", [total, self._node("Cast", [count], to=1)])
        self._lengths = ""

    # -- recurrent layers -----------------------------------------------------

    def _recurrent(self, layer: Layer, cell: RecurrentLayer) -> None:
        both = isinstance(layer, Bidirectional)
        values = layer.get_weights()
        parts = [values[: len(values) // 2], values[len(values) // 2 :]] if both else [values]
        x = self._node("Transpose", [self.value], perm=[1, 0, 2])  # [T, N, I]
        inputs = [x, *self._cell_weights(cell, parts), self._lengths, *self._initial_states(layer, cell)]
        while not inputs[-1]:
            inputs.pop()
        outputs = [f"{layer.name}/{name}" for name in ("Y", "Y_h", "Y_c")[: 1 + cell.states]]
        self.nodes.append((_op(cell), inputs, outputs, _attributes(layer, cell)))
        self._merge(layer, cell, outputs)
        if self._states or layer.return_state:
            self._final_states(layer, cell, outputs[1:])

    def _cell_weights(self, cell: RecurrentLayer, parts: list[list[Array]]) -> list[str]:
        """W [dirs, G H, I], R [dirs, G H, H] and B [dirs, 2 G H], of x's bias and then h's."""
        weights = []
        for name, index in (("W", 0), ("R", 1)):
            weights.append(self._weight(name, np.stack([gates_of_onnx(cell, part[index].T) for part in parts])))
        if not cell.use_bias:
            return [*weights, ""]
        biases = []
        for part in parts:
            of_x, of_h = part[2] if part[2].ndim == 2 else (part[2], np.zeros_like(part[2]))
            biases.append(np.concatenate([gates_of_onnx(cell, of_x), of_h]))
        return [*weights, self._weight("B", np.stack(biases))]

    def _initial_states(self, layer: Layer, cell: RecurrentLayer) -> list[str]:
        if not self._states:
            return []
        arrays: dict[str, list[str]] = {state: [] for state in ("h", "c")[: cell.states]}
        for way in _ways(layer):
            for state, parts in arrays.items():
                name = f"{layer.name}.{way}initial_{state}"
                self.inputs.append((name, "float32", ["batch", cell.units]))
                parts.append(self._node("Unsqueeze", [name, self._integers(0)]))
        return [parts[0] if len(parts) == 1 else self._node("Concat", parts, axis=0) for parts in arrays.values()]

    def _final_states(self, layer: Layer, cell: RecurrentLayer, outputs: list[str]) -> None:
        for index, way in enumerate(_ways(layer)):
            for state, output in zip(("h", "c"), outputs, strict=False):
                name = f"{layer.name}.{way}final_{state}"
                which = self._weight(f"direction_{index}", np.array(index, np.int64))
                self._node("Gather", [output, which], output=name, axis=0)
                self.outputs.append((name, "float32", ["batch", cell.units]))

    def _merge(self, layer: Layer, cell: RecurrentLayer, outputs: list[str]) -> None:
        """Y [T, dirs, N, H] or Y_h [dirs, N, H] as [N, T, F] or [N, F]."""
        perm, axis = ([2, 0, 1, 3], 2) if cell.return_sequences else ([1, 0, 2], 1)
        y = self._node("Transpose", [outputs[0 if cell.return_sequences else 1]], perm=perm)
        mode = layer.merge_mode if isinstance(layer, Bidirectional) else "concat"
        if mode == "concat":
            self.value = self._node("Reshape", [y, self._integers(*[0] * axis, -1)])
        elif mode == "sum":
            self.value = self._node("ReduceSum", [y, self._integers(axis)], keepdims=0)
        else:
            self.value = self._node(MERGES[mode], [y], axes=[axis], keepdims=0)
        if cell.return_sequences and cell.go_backwards:
            last, beyond = self._integers(-1), self._integers(np.iinfo(np.int64).min)
            self.value = self._node("Slice", [self.value, last, beyond, self._integers(1), last])
        if not cell.return_sequences:
            self._lengths = ""


def _steps(model: Sequential) -> int | str:
    """The output's number of steps: that of x, but for what stands behind a RepeatVector."""
    repeats = [layer.n for layer in model.layers if isinstance(layer, RepeatVector)]
    return repeats[-1] if repeats else "time"


def _ways(layer: Layer) -> list[str]:
    return ["forward_", "backward_"] if isinstance(layer, Bidirectional) else [""]


def _op(cell: RecurrentLayer) -> str:
    return "LSTM" if isinstance(cell, LSTM) else "GRU" if isinstance(cell, GRU) else "RNN"


def _attributes(layer: Layer, cell: RecurrentLayer) -> dict[str, Any]:
    of_state = CELL_ACTIVATIONS[cell.activation]
    functions = [of_state]
    if isinstance(cell, LSTM | GRU):
        functions = [CELL_ACTIVATIONS[cell.recurrent_activation], *([of_state] * (2 if isinstance(cell, LSTM) else 1))]
    both = isinstance(layer, Bidirectional)
    functions = functions * 2 if both else functions
    attributes: dict[str, Any] = {
        "hidden_size": cell.units,
        "direction": "bidirectional" if both else "reverse" if cell.go_backwards else "forward",
        "activations": [name for name, _, _ in functions],
    }
    for place, name in ((1, "activation_alpha"), (2, "activation_beta")):
        values = [value for function in functions for value in function[place]]
        attributes |= {name: values} if values else {}
    if isinstance(cell, GRU):
        attributes["linear_before_reset"] = int(cell.reset_after)
    return attributes
