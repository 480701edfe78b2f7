"""What every layer offers: shapes, weights, and the engine op that it becomes. A layer computes nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _random
from .._arrays import copied, rectangular
from .._checks import refuse_unknown, shape_text, whole
from .._registry import Configured, serialize, snake_case
from ..initializers import Initializer
from ..regularizers import Regularizer

if TYPE_CHECKING:
    from numpy.random import Generator

    from .._core import Network

Shape = tuple[int | None, ...]  # with the batch axis, which is None, in front
Array = npt.NDArray[Any]

ACTIVATIONS = (
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
)

_used_names: dict[str, int] = {}


def auto_name(class_name: str) -> str:
    """`lstm`, then `lstm_1`, `lstm_2`, counted through the process."""
    stem = snake_case(class_name)
    count = _used_names.get(stem, 0)
    _used_names[stem] = count + 1
    return f"{stem}_{count}" if count else stem


def checked_name(owner: str, name: object) -> str:
    if not isinstance(name, str) or not name or "/" in name or name == "optimizer":
        raise ValueError(f"{owner}: name must be text without '/', and not 'optimizer', got {name!r}")
    return name


def checked_activation(owner: str, activation: object) -> str:
    """One of the engine's activations; None is "linear", as in Keras."""
    if activation is None:
        return "linear"
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ValueError(f"{owner}: activation must be one of {', '.join(map(repr, ACTIVATIONS))}, got {activation!r}")
    return activation


def shape_without_batch(owner: str, argument: str, shape: object) -> Shape:
    """A user's input shape, (T, features), (features,) or (T,), with a batch axis put in front. T may be None."""
    if not isinstance(shape, tuple | list):
        raise TypeError(f"{owner}: {argument} must be a tuple such as (7, 12), got {shape!r}")
    if not 1 <= len(shape) <= 2:
        raise ValueError(f"{owner}: {argument} must be (features,) or (T, features), got {tuple(shape)}")
    return (None, *(None if size is None else whole(owner, argument, size) for size in shape))


def old_input_shape(owner: str, sequences_only: bool, options: dict[str, object]) -> object:
    """The input_shape= that Keras 2's batch_input_shape=, or input_dim= and input_length=, mean; they leave `options`.

    Raises ValueError for a batch_input_shape that has a number of samples.
    """
    if "batch_input_shape" in options:
        shape = options.pop("batch_input_shape")
        if not isinstance(shape, tuple | list) or not shape or shape[0] is not None:
            raise ValueError(
                f"{owner}: batch_input_shape must begin with None, as batches may have any size, got {shape!r}"
            )
        return tuple(shape[1:])
    if "input_dim" not in options:
        return None
    features = options.pop("input_dim")
    if not sequences_only and "input_length" not in options:
        return (features,)
    return (options.pop("input_length", None), features)


class WeightSpec(NamedTuple):
    """A weight before it has values."""

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    regularizer: Regularizer | None = None


class Weight:
    """A weight of a built layer: `name`, `path` (layer/name), `shape`, and a copy of its values by `numpy()`."""

    def __init__(self, layer: "Layer", index: int) -> None:
        spec = layer.weight_specs[index]
        self._layer, self._index = layer, index
        self.name, self.shape, self.dtype = spec.name, spec.shape, layer.dtype
        self.path = f"{layer.name}/{spec.name}"

    def numpy(self) -> Array:
        return self._layer.get_weights()[self._index]

    def __repr__(self) -> str:
        return f"<Weight {self.path} {self.dtype} {list(self.shape)}>"


class Layer(Configured):
    """Base of all layers.

    A layer is built when its input's shape is known: then it has shapes and initial weights. A model's engine takes these
    weights over at first use; `get_weights` and `set_weights` then ask the engine.
    """

    takes_ids = False  # as a first layer, reads integer ids of symbols in place of vectors
    sequences_only = False  # its input must have steps
    reads_ahead = False  # answers the first step when it has seen the last
    stateful = False
    return_state = False
    drawn_seed: int | None = None  # of what it draws in training; none before the engine has it
    option_names: ClassVar[Sequence[str]] = ()  # what it takes by name beside its signature

    def __init__(self, name: str | None, input_shape: object, unsupported: dict[str, object]) -> None:
        kind = type(self).__name__
        if input_shape is None:
            input_shape = old_input_shape(kind, self.sequences_only, unsupported)
        refuse_unknown(kind, type(self).__init__, unsupported, self.option_names)
        self.name = auto_name(kind) if name is None else checked_name(kind, name)
        self.given_shape = None if input_shape is None else shape_without_batch(kind, "input_shape", input_shape)
        self.dtype = "float32"
        self.owner: object = None
        self.kept_state: list[Array] = []  # of a stateful layer, arrays [rows, units]; none before its first batch
        self._input_shape: Shape | None = None
        self._specs: list[WeightSpec] = []
        self._values: list[Array] = []
        self._network: Network | None = None
        self._op_index = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # -- what a kind of layer says of itself ------------------------------------

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The output's shape for an input's, both with the batch axis. Raises ValueError for an input it cannot take."""
        raise NotImplementedError

    def op(self) -> dict[str, Any]:
        """The engine op that the built layer becomes: all that an answer needs."""
        raise NotImplementedError

    def training_options(self) -> dict[str, Any]:
        """What the op needs beside, to be trained: the seed of what is random, drawn at first use."""
        return {}

    def make_specs(self, input_shape: Shape) -> list[WeightSpec]:
        return []

    def state_units(self) -> list[int]:
        """The numbers of units of the arrays that are the state of a recurrent layer, in Keras' order."""
        return []

    def reset_state(self) -> None:
        """Let a stateful layer begin at zero again."""
        self.kept_state = []

    reset_states = reset_state  # Keras 2's name

    def weight_rng(self) -> "Generator":
        return _random.generator()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    # -- shapes ---------------------------------------------------------------

    @property
    def built(self) -> bool:
        return self._input_shape is not None

    def build(self, input_shape: Shape) -> None:
        """Fix the input's shape, batch axis included, and draw the initial weights."""
        self.fix_shapes(input_shape)
        rng = self.weight_rng()
        self._values = [spec.initializer.draw(spec.shape, rng).astype(self.dtype, order="C") for spec in self._specs]

    def fix_shapes(self, input_shape: Shape) -> None:
        """The part of `build` that needs no values: shapes, and weights described."""
        input_shape = tuple(input_shape)
        self.compute_output_shape(input_shape)
        if self.given_shape not in (None, input_shape):
            raise ValueError(
                f"{self.title}: input_shape says {shape_text(self.given_shape or ())}, but the input is {shape_text(input_shape)}"
            )
        self._input_shape = input_shape
        self._specs = self.make_specs(input_shape)

    def forget_shapes(self) -> None:
        """Be as before `build`."""
        self._input_shape, self._specs, self._values = None, [], []

    @property
    def input_shape(self) -> Shape:
        if self._input_shape is None:
            raise AttributeError(f"{self.title} has no shapes yet: give the model an Input, or train it first")
        return self._input_shape

    @property
    def output_shape(self) -> Shape:
        return self.compute_output_shape(self.input_shape)

    @property
    def title(self) -> str:
        """How errors call this layer."""
        return f"{type(self).__name__} {self.name!r}"

    def wrong_input(self, wanted: str, got: Shape, advice: str = "") -> ValueError:
        return ValueError(f"{self.title}: input must be {wanted}, got {shape_text(got)}{advice}")

    # -- weights --------------------------------------------------------------

    @property
    def trainable(self) -> bool:
        return True

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if value is not True:
            raise ValueError(f"{self.title}: trainable must stay True; freezing a layer is not supported")

    @property
    def weight_specs(self) -> list[WeightSpec]:
        return self._specs

    @property
    def weights(self) -> list[Weight]:
        return [Weight(self, index) for index in range(len(self.weight_specs))]

    def count_params(self) -> int:
        """How many numbers the weights hold. Raises ValueError before the layer is built."""
        if not self.built:
            raise ValueError(f"{self.title} has no weights yet: give the model an Input, or train it first")
        return sum(int(np.prod(spec.shape)) for spec in self.weight_specs)

    def get_weights(self) -> list[Array]:
        """Copies of the weights, in the order of `weights`."""
        if self._network is None:
            return [value.copy() for value in self._values]
        return [self._network.get_weight(self._op_index, spec.name) for spec in self._specs]

    def set_weights(self, weights: Sequence[npt.ArrayLike]) -> None:
        """Replace all weights, or none where one does not fit.

        Raises ValueError for a wrong number of arrays or a wrong shape, TypeError for values that are not real numbers.
        """
        self.take_weights(self.checked_weights(weights))

    def take_weights(self, values: list[Array]) -> None:
        """`set_weights` for values of `checked_weights`, which needs no memory."""
        if self._network is None:
            self._values = values
            return
        for spec, value in zip(self._specs, values, strict=True):
            self._network.set_weight(self._op_index, spec.name, value)

    def checked_weights(self, weights: Sequence[npt.ArrayLike]) -> list[Array]:
        """`weights` as arrays of this layer's dtype and shapes, C-contiguous."""
        if not isinstance(weights, Sequence) or len(weights) != len(self.weight_specs):
            names = ", ".join(spec.name for spec in self.weight_specs)
            got = f"{len(weights)} arrays" if isinstance(weights, Sequence) else type(weights).__name__
            raise ValueError(
                f"{self.title}: weights must be a list of {len(self.weight_specs)} arrays ({names}), got {got}"
            )
        values = []
        for spec, weight in zip(self.weight_specs, weights, strict=True):
            value = rectangular(self.title, spec.name, weight)
            if isinstance(value, np.ma.MaskedArray):
                raise TypeError(
                    f"{self.title}: {spec.name} must be an array without a mask; fill the masked values first"
                )
            if value.dtype.kind not in "biuf":
                raise TypeError(f"{self.title}: {spec.name} must be {self.dtype} {list(spec.shape)}, got {value.dtype}")
            if value.shape != spec.shape:
                raise ValueError(
                    f"{self.title}: {spec.name} must be {self.dtype} {list(spec.shape)}, got {value.dtype} {list(value.shape)}"
                )
            values.append(copied(self.title, spec.name, value, self.dtype))
        return values

    # -- engine -----------------------------------------------------------------

    def attach(self, network: "Network", op_index: int) -> None:
        """Hand the weights over to op `op_index` of `network`; wherever this ends, they are here or there."""
        values = self._values if self._network is None else self.get_weights()
        for spec, value in zip(self._specs, values, strict=True):
            network.set_weight(op_index, spec.name, value)
        self._network, self._op_index = network, op_index
        self._values = []

    def detach(self) -> None:
        """Take the weights back from the engine."""
        self._values, self._network = self.get_weights(), None


def config_with_initializers(layer: Layer, *names: str) -> dict[str, Any]:
    return {name: serialize(getattr(layer, name)) for name in names}


def config_with_regularizers(layer: Layer, *names: str) -> dict[str, Any]:
    given = {name: getattr(layer, name) for name in names}
    return {name: None if regularizer is None else serialize(regularizer) for name, regularizer in given.items()}
