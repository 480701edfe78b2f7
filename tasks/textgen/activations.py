"""What the units of a character model do while it reads: states from the engine, gates from the papers' formulas.

Letters: T characters that are shown, L that are read, V symbols, H units, I inputs of a layer.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import pyrnn
from pyrnn import layers, reference

from .scores import first_layers

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Value:
    """One of the values that a recurrent layer has for each unit and step."""

    key: str  # as in the formulas
    name: str
    centre: float  # where it is neither high nor low: 1/2 for a gate between 0 and 1
    steps: Floats  # [T, H], after each character


@dataclass(frozen=True)
class LayerReading:
    layer: layers.RecurrentLayer
    values: list[Value]

    def __getitem__(self, key: str) -> Floats:
        return next(value.steps for value in self.values if value.key == key)


@dataclass(frozen=True)
class Reading:
    """What a model did at each of T characters."""

    layers: list[LayerReading]
    p: Floats  # [T, V]: the probabilities of the next character, after each
    bits: Floats  # [T]: -log2 of the probability that each character had; NaN for one that nothing was read before


def read(model: pyrnn.Sequential, ids: Array, first: int = 0) -> Reading:
    """Let a model of characters read ids [L] from a zero state, and keep what happens from ids[first] on.

    h and c are the engine's own. Gates are computed in float64 by the formulas of `pyrnn.reference` from the weights,
    the layer's input and the engine's states of the step before.

    Raises ValueError for a model that has no recurrent layer, whose layers need a whole text, whose cells are
    layer-normalised, or that does not end with a softmax.

    >>> model = pyrnn.Sequential([pyrnn.Input((None, 5)), layers.GRU(3), layers.Dense(5, activation="softmax")])
    >>> reading = read(model, np.array([1, 4, 2, 2]), first=1)
    >>> [value.key for value in reading.layers[0].values], reading.layers[0]["h"].shape, reading.p.shape
    (['h', 'z', 'r', 'h~'], (3, 3), (3, 5))
    """
    _check(model)
    stream = model.stream()
    before = stream.run(ids[:first, None])[-1] if first else None
    states, outputs = [stream.state], []
    for id in ids[first:].tolist():
        outputs.append(stream.step(id)[0].copy())
        states.append(stream.state)
    p = np.array(outputs, np.float64)
    predicted = np.concatenate([np.full((1, p.shape[1]), np.nan) if before is None else before, p[:-1]])
    with np.errstate(divide="ignore"):  # a probability of 0 is infinitely many bits
        bits = -np.log2(predicted[np.arange(len(p)), ids[first:]])
    recurrent = [(at, layer) for at, layer in enumerate(model.layers) if isinstance(layer, layers.RecurrentLayer)]
    return Reading(
        [
            LayerReading(
                layer,
                _values(
                    layer,
                    _input_of(model, at, ids)[first:],
                    [np.array([state[k][j][0] for state in states], np.float64) for j in range(layer.states)],
                ),
            )
            for k, (at, layer) in enumerate(recurrent)
        ],
        p,
        bits,
    )


def _check(model: pyrnn.Sequential) -> None:
    recurrent = [layer for layer in model.layers if isinstance(layer, layers.RecurrentLayer)]
    if not recurrent:
        raise ValueError("read: model must have a recurrent layer, got none")
    for layer in recurrent:
        if getattr(layer, "layer_norm", False):
            raise ValueError(f"read: model must have plain cells, but {layer.title} has layer_norm=True")
    if getattr(model.layers[-1], "activation", None) != "softmax":
        raise ValueError(f"read: model must end with a softmax, but its last layer is {model.layers[-1].title}")


def _input_of(model: pyrnn.Sequential, at: int, ids: Array) -> Array:
    """What layer number `at` reads at each step [L, 1, I], or the ids [L, 1]."""
    if at == 0:
        return ids[:, None]
    return first_layers(model, at).stream().run(ids[:, None])


def _values(layer: layers.RecurrentLayer, x: Array, states: list[Floats]) -> list[Value]:
    """The values of T steps from their inputs [T, 1, I] and the states [T + 1, H] between which they lie.

    As a batch of T sequences of one step, since the state before each is known.
    """
    h = Value("h", "hidden state", 0.0, states[0][1:])
    before = [state[:-1] for state in states]
    kernel, recurrent_kernel, *rest = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    bias = rest[0] if rest else np.zeros(layer.bias_spec().shape)
    if isinstance(layer, layers.LSTM):
        activations = layer.activation, layer.recurrent_activation
        *_, gates = reference.lstm_forward(x, before[0], before[1], kernel, recurrent_kernel, bias, *activations)
        i, f, c_tilde, o = np.split(gates[:, 0], 4, axis=1)
        middle = _middle(layer.recurrent_activation)
        return [
            h,
            Value("c", "cell state", 0.0, states[1][1:]),
            Value("i", "input gate", middle, i),
            Value("f", "forget gate", middle, f),
            Value("c~", "candidate", 0.0, c_tilde),
            Value("o", "output gate", middle, o),
        ]
    if isinstance(layer, layers.GRU):
        activations = layer.activation, layer.recurrent_activation
        _, gates = reference.gru_forward(x, before[0], kernel, recurrent_kernel, bias, layer.reset_after, *activations)
        z, r, candidate, _ = np.split(gates[:, 0], 4, axis=1)
        middle = _middle(layer.recurrent_activation)
        return [
            h,
            Value("z", "update gate", middle, z),
            Value("r", "reset gate", middle, r),
            Value("h~", "candidate", 0.0, candidate),
        ]
    return [h]


def _middle(activation: str) -> float:
    return 0.5 if activation in ("sigmoid", "hard_sigmoid") else 0.0
