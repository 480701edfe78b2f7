"""What the recurrent layers share: arguments, shapes, weights."""

from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from .. import _random
from .._checks import choice, flag, real, whole
from .._registry import snake_case
from ..initializers import Ones
from ..initializers import get as get_initializer
from ..regularizers import get as get_regularizer
from ._base import Layer, Shape, WeightSpec, config_with_initializers, config_with_regularizers

if TYPE_CHECKING:
    from numpy.random import Generator

CELL_ACTIVATIONS = ("hard_sigmoid", "linear", "relu", "sigmoid", "tanh")

_REGULARIZERS = ("kernel_regularizer", "recurrent_regularizer", "bias_regularizer")


def cell_activation(owner: str, argument: str, given: object) -> str:
    """One of the functions that the engine has for cells; None is "linear", as in Keras."""
    return choice(owner, argument, "linear" if given is None else given, CELL_ACTIVATIONS)


class RecurrentOptions(TypedDict, total=False):
    """What every recurrent layer takes by name; `RecurrentLayer` says what they mean."""

    return_sequences: bool
    return_state: bool
    go_backwards: bool
    stateful: bool
    kernel_regularizer: object
    recurrent_regularizer: object
    bias_regularizer: object
    dropout: float
    recurrent_dropout: float
    zoneout: float
    seed: int | None
    name: str | None
    input_shape: tuple[int | None, ...] | None


class RecurrentLayer(Layer):
    """Base of LSTM, GRU and SimpleRNN. A cell says how many gates it has, and its further options.

    Every one takes by name, in Keras' meaning:

    - `return_sequences`: the output is that of every step [N, T, H], and not the last one's [N, H].
    - `return_state`: the model's `predict` also returns the layer's last states [N, H], of an LSTM h and c.
    - `stateful`: row i of a batch begins in the state in which row i of the batch before ended, in training and out of it, until
      `reset_state` of the layer or the model. Batches may have any number of rows, but the same from reset to reset.
    - `go_backwards`: x is read from its last step to its first, and the outputs stand in that order.
    - `kernel_regularizer`, `recurrent_regularizer`, `bias_regularizer`: the penalties of these weights, None, that are part of the
      loss; see `pyrnn.regularizers`. The recurrent one is of `recurrent_kernel`, that of a GRU's bias of both rows.
    - `dropout`: in training, each row's x is multiplied by a mask of its own [I], the same at every step: 0 with this
      probability, else 1 / (1 - dropout).
    - `recurrent_dropout`: likewise h [H] where it enters the product with recurrent_kernel, or a reset gate before that.
      What of h does not, as in a GRU's z h, is not masked. All gates share a mask (Gal and Ghahramani 2016, "tied"), as
      with Keras' `dropout` alone; where `recurrent_dropout` is given, Keras 3 draws one for each gate.
    - `zoneout`: in training, each unit of h keeps its value of the step before with this probability (Krueger et al. 2017),
      drawn for each row and step; else, and in streams, h is what that is on average,
      zoneout h_prev + (1 - zoneout) h. An LSTM's c is left alone. This is the form that the haste library has.
    - `seed`: starts streams of this layer's own for the initial weights and for what is dropped, in place of
      `pyrnn.utils.set_random_seed`'s.
    - `name`, and `input_shape` of a first layer, (T, I), as every layer.

    Raises TypeError for an unknown name or an argument of the wrong type, ValueError for a value out of range.
    """

    takes_ids = True
    sequences_only = True
    option_names = tuple(RecurrentOptions.__annotations__)
    gates: ClassVar[int]
    states: ClassVar[int] = 1

    def __init__(
        self,
        units: int,
        activation: str | None,
        use_bias: bool,
        kernel_initializer: object,
        recurrent_initializer: object,
        bias_initializer: object,
        options: RecurrentOptions,
    ) -> None:
        unsupported = {name: value for name, value in options.items() if name not in self.option_names}
        super().__init__(options.get("name"), options.get("input_shape"), unsupported)
        owner = type(self).__name__
        self.units = whole(owner, "units", units)
        self.activation = cell_activation(owner, "activation", activation)
        self.use_bias = flag(owner, "use_bias", use_bias)
        self.kernel_initializer = get_initializer(kernel_initializer, f"{owner}: kernel_initializer")
        self.recurrent_initializer = get_initializer(recurrent_initializer, f"{owner}: recurrent_initializer")
        self.bias_initializer = get_initializer(bias_initializer, f"{owner}: bias_initializer")
        self.return_sequences = flag(owner, "return_sequences", options.get("return_sequences", False))
        self.return_state = flag(owner, "return_state", options.get("return_state", False))
        self.stateful = flag(owner, "stateful", options.get("stateful", False))
        self.go_backwards = flag(owner, "go_backwards", options.get("go_backwards", False))
        kernel, recurrent, bias = (get_regularizer(options.get(name), f"{owner}: {name}") for name in _REGULARIZERS)
        self.kernel_regularizer, self.recurrent_regularizer, self.bias_regularizer = kernel, recurrent, bias
        self.dropout = real(owner, "dropout", options.get("dropout", 0.0), 0, 1)
        self.recurrent_dropout = real(owner, "recurrent_dropout", options.get("recurrent_dropout", 0.0), 0, 1)
        self.zoneout = real(owner, "zoneout", options.get("zoneout", 0.0), 0, 1)
        seed = options.get("seed")
        self.seed = None if seed is None else whole(owner, "seed", seed, low=0)

    def bias_spec(self) -> WeightSpec:
        return WeightSpec("bias", (self.gates * self.units,), self.bias_initializer, self.bias_regularizer)

    def gamma_spec(self) -> WeightSpec:
        """What stretches the normalised products of x and of h in a cell with layer_norm."""
        return WeightSpec("gamma", (2, self.gates * self.units), Ones())

    def cell_options(self) -> dict[str, Any]:
        """The cell's own options, by the names that Keras and the engine both have for them."""
        return {}

    @property
    def reads_ahead(self) -> bool:  # type: ignore[override]
        return self.go_backwards

    def state_units(self) -> list[int]:
        return [self.units] * self.states

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3 or input_shape[2] is None:
            hint = "; put OneHot or Embedding before it to read ids" if len(input_shape) == 2 else ""
            raise self.wrong_input("[N, T, features]", input_shape, hint)
        batch, steps, _ = input_shape
        return (batch, steps, self.units) if self.return_sequences else (batch, self.units)

    def make_specs(self, input_shape: Shape) -> list[WeightSpec]:
        features, width = input_shape[2] or 0, self.gates * self.units
        specs = [
            WeightSpec("kernel", (features, width), self.kernel_initializer, self.kernel_regularizer),
            WeightSpec("recurrent_kernel", (self.units, width), self.recurrent_initializer, self.recurrent_regularizer),
        ]
        return [*specs, self.bias_spec()] if self.use_bias else specs

    def weight_rng(self) -> "Generator":
        return super().weight_rng() if self.seed is None else _random.new_generator(self.seed)

    def _rates(self) -> dict[str, float]:
        return {"dropout": self.dropout, "recurrent_dropout": self.recurrent_dropout, "zoneout": self.zoneout}

    def training_options(self) -> dict[str, Any]:
        """Nothing is drawn from the shared stream where nothing is dropped."""
        if not any(self._rates().values()):
            return {}
        if self.drawn_seed is None:
            self.drawn_seed = _random.draw_seed() if self.seed is None else self.seed
        return {"seed": self.drawn_seed}

    def op(self) -> dict[str, Any]:
        return {
            "op": snake_case(type(self).__name__),
            "units": self.units,
            "activation": self.activation,
            "return_sequences": self.return_sequences,
            "use_bias": self.use_bias,
            "go_backwards": self.go_backwards,
            **self._rates(),
            **self.cell_options(),
        }

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "units": self.units,
            "activation": self.activation,
            "use_bias": self.use_bias,
            **config_with_initializers(self, "kernel_initializer", "recurrent_initializer", "bias_initializer"),
            **config_with_regularizers(self, *_REGULARIZERS),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            **self._rates(),
            "seed": self.seed,
            **self.cell_options(),
        }
