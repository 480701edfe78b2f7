"""A recurrent layer in both directions."""

from typing import TYPE_CHECKING, Any

from .._checks import choice
from .._registry import resolve, serialize
from ._base import Layer, Shape, WeightSpec
from ._gru import GRU
from ._lstm import LSTM
from ._recurrent import RecurrentLayer
from ._simple_rnn import SimpleRNN

if TYPE_CHECKING:
    from numpy.random import Generator

MERGE_MODES = ("concat", "sum", "mul", "ave")
_INNER: dict[str, type[Layer]] = {cls.__name__: cls for cls in (LSTM, GRU, SimpleRNN)}


class Bidirectional(Layer):
    """`layer`, an LSTM, GRU or SimpleRNN, and a second one like it that reads backwards (Schuster and Paliwal 1997), as in Keras 3.

    Input as `layer` takes it. Output [N, T, F], step by step of x, or [N, F] of both last states: F is 2H for the
    `merge_mode` "concat", forward first, and H for "sum", "mul" and "ave". The weights are those of the forward layer, then of
    the backward one, each with a start of its own; so are the states, where `layer` has `stateful` or `return_state`. A stream cannot run it. Raises TypeError for any other layer.

    >>> layer = Bidirectional(LSTM(64, return_sequences=True))
    >>> layer.compute_output_shape((None, 7, 12))
    (None, 7, 128)
    """

    takes_ids = True
    sequences_only = True
    reads_ahead = True

    def __init__(
        self,
        layer: Layer,
        merge_mode: str = "concat",
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        if not isinstance(layer, RecurrentLayer):
            raise TypeError(f"Bidirectional: layer must be an LSTM, GRU or SimpleRNN layer, got {layer!r}")
        if layer.given_shape is not None:
            raise ValueError("Bidirectional: input_shape belongs to Bidirectional, (T, features), not to its layer")
        super().__init__(name, input_shape, unsupported)
        self.layer = layer
        self.stateful, self.return_state = layer.stateful, layer.return_state
        self.merge_mode = choice("Bidirectional", "merge_mode", merge_mode, MERGE_MODES)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        *leading, units = self.layer.compute_output_shape(input_shape)
        return (*leading, 2 * (units or 0) if self.merge_mode == "concat" else units)

    def make_specs(self, input_shape: Shape) -> list[WeightSpec]:
        specs = self.layer.make_specs(input_shape)
        return [
            spec._replace(name=f"{direction}_{spec.name}") for direction in ("forward", "backward") for spec in specs
        ]

    def state_units(self) -> list[int]:
        return [*self.layer.state_units(), *self.layer.state_units()]

    def weight_rng(self) -> "Generator":
        return self.layer.weight_rng()

    def op(self) -> dict[str, Any]:
        return {**self.layer.op(), "bidirectional": self.merge_mode}

    def training_options(self) -> dict[str, Any]:
        return self.layer.training_options()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "layer": serialize(self.layer), "merge_mode": self.merge_mode}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Bidirectional":
        inner = resolve("Bidirectional: layer", config["layer"], Layer, _INNER)
        return cls(**{**config, "layer": inner})
