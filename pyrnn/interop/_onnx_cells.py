"""LSTM, GRU and RNN nodes of ONNX as pyrnn's recurrent layers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..layers import GRU, LSTM, RecurrentLayer, SimpleRNN
from ._onnx_values import DEFAULTS, Array, Known, Misplaced, Record, Refused, Side, Value, constant, zeros
from ._onnx_write import CELL_ACTIVATIONS, gates_of_onnx

CELLS: dict[str, type[RecurrentLayer]] = {"LSTM": LSTM, "GRU": GRU, "RNN": SimpleRNN}


def recurrent(op: str, inputs: list[Known], attributes: dict[str, Any]) -> Sequence[Known]:
    padded: list[Known] = [*inputs, *[None] * (8 - len(inputs))]
    (x, w, r, b, lengths), states = padded[:5], padded[5:]
    if not isinstance(x, Value) or x.axes != "tnf" or x.pending:
        raise Misplaced(f"needs x [time, batch, features], got the axes {getattr(x, 'axes', None)}")
    for name, harmless in (("layout", 0), ("input_forget", 0), ("clip", None)):
        if attributes.get(name, harmless) != harmless:
            raise Refused(f"has {name}={attributes[name]}, which is not supported")
    if op == "LSTM" and states.pop() is not None:
        raise Refused("has peepholes P, which are not supported")
    if any(state is not None and not zeros(state) and not _is_input(state) for state in states):
        raise Refused("begins in a state that is neither zero nor an input of the graph")
    if lengths is not None and not _is_input(lengths):
        raise Refused("has sequence_lens that are no input of the graph")
    cell = CELLS[op]
    direction = attributes.get("direction", b"forward").decode()
    both, back = direction == "bidirectional", direction == "reverse"
    w, r = constant([w], 0), constant([r], 0)
    if (
        w.ndim != 3
        or r.ndim != 3
        or len(w) != len(r)
        or len(w) != 1 + both
        or b is not None
        and len(constant([b], 0)) != len(w)
    ):
        raise Refused(f"has W {list(w.shape)} and R {list(r.shape)}, which do not fit the direction {direction!r}")
    options = {"units": r.shape[2], "use_bias": b is not None, "go_backwards": back}
    options |= _cell_options(op, attributes, 1 + both)
    weights: list[Array] = []
    for index in range(len(w)):
        weights += [_gates_of_pyrnn(cell, array[index]).T for array in (w, r)]
        weights += [] if b is None else [_bias(cell, constant([b], 0)[index], options)]
    merge = "?" if both else ""

    def record(return_sequences: bool) -> Record:
        return Record(cell, {**options, "return_sequences": return_sequences}, tuple(weights), merge)

    last = Value("dnf", (*x.layers, record(False)))
    return [Value("rdnf" if back else "tdnf", (*x.layers, record(True))), last, Side("other")]


def _is_input(value: Known) -> bool:
    return isinstance(value, Side) and value.kind == "input"


def _gates_of_pyrnn(cell: type[RecurrentLayer], value: Array) -> Array:
    """The rows i o f c of an LSTM as i f c o: twice the way to ONNX."""
    return gates_of_onnx(cell, gates_of_onnx(cell, value))


def _bias(cell: type[RecurrentLayer], value: Array, options: dict[str, Any]) -> Array:
    of_x, of_h = (_gates_of_pyrnn(cell, part) for part in np.split(value, 2))
    if options.get("reset_after"):
        return np.stack([of_x, of_h])
    with np.errstate(all="ignore"):  # a file may hold infinite values
        return of_x + of_h


def _cell_options(op: str, attributes: dict[str, Any], directions: int) -> dict[str, Any]:
    defaults = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}[op]
    names = [name.decode() for name in attributes.get("activations", [])] or defaults * directions
    alphas, betas = (list(attributes.get(f"activation_{name}", [])) for name in ("alpha", "beta"))
    found = [_cell_activation(name, alphas, betas) for name in names]
    own = found[: len(defaults)]
    if found != own * directions or (op == "LSTM" and own[1] != own[2]):
        raise Refused(f"has the activations {names}, which is not supported")
    options: dict[str, Any] = {"activation": own[-1]}
    if op != "RNN":
        options["recurrent_activation"] = own[0]
    if op == "GRU":
        options["reset_after"] = attributes.get("linear_before_reset", 0) == 1
    return options


def _cell_activation(name: str, alphas: list[float], betas: list[float]) -> str:
    for own, (known, alpha, beta) in CELL_ACTIVATIONS.items():
        if known.lower() == name.lower():
            if not alpha:
                return own
            default = DEFAULTS.get(known, {"alpha": 1.0, "beta": 0.0})
            got = [values.pop(0) if values else default[key] for key, values in (("alpha", alphas), ("beta", betas))]
            if not np.allclose(got, [*alpha, *beta], rtol=1e-6):
                raise Refused(
                    f"has the activation {name} with alpha={got[0]} and beta={got[1]}, which is not supported"
                )
            return own
    raise Refused(f"has the activation {name}, which is not supported")
