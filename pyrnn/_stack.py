"""Layers in a row: their shapes, their weights, and the engine's network that they become."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ._checks import choice, refuse_unknown
from ._core import Network
from ._network import build_network
from ._registry import resolve, serialize
from .layers import CLASSES, Embedding, Input, Layer, Masking, OneHot, Shape, Weight
from .layers._base import auto_name, checked_name

Array = npt.NDArray[Any]

# Held while a model gets its weights, its network or its training, or loses them, so that threads come to the same. A fork takes it too, as a
# child could not have it from a thread that is not there.
changing = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=changing.acquire, after_in_parent=changing.release, after_in_child=changing.release)


class Stack:
    """What `Sequential` is before anyone asks it to learn."""

    _quantization: str | None = None

    def __init__(
        self,
        layers: Iterable[Input | Layer] | None = None,
        name: str | None = None,
        dtype: str = "float32",
        **unsupported: object,
    ) -> None:
        refuse_unknown("Sequential", Stack.__init__, unsupported)
        self.name = auto_name("Sequential") if name is None else checked_name("Sequential", name)
        self.dtype = choice("Sequential", "dtype", dtype, ("float32", "float64"))
        self._input: Input | None = None
        self._layers: list[Layer] = []
        self._network: Network | None = None
        for layer in layers or []:
            self.add(layer)

    # -- structure ------------------------------------------------------------

    def add(self, layer: Input | Layer, **unsupported: object) -> None:
        """Put `layer` at the end. The weights of the layers before it stay; an optimizer's state starts anew.

        Raises TypeError for what is no layer, ValueError for a layer that is in a model already, whose name is taken, or that
        cannot read what comes before it. The model is then as it was.
        """
        refuse_unknown("add", Stack.add, unsupported)
        self._append(layer, draw=True)

    def _append(self, layer: Input | Layer, draw: bool) -> None:
        if isinstance(layer, Input):
            if self._input is not None or self._layers:
                raise ValueError("add: Input must come first, and once")
            self._input = layer
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"add: layer must be one of pyrnn.layers, got {layer!r}")
        if layer.owner is not None:
            raise ValueError(f"add: {layer.title} is part of a model already; make a new layer")
        if any(other.name == layer.name for other in self._layers):
            raise ValueError(f"add: layers must have distinct names, but there are two called {layer.name!r}")
        if self._layers and isinstance(layer, OneHot | Embedding):
            raise ValueError(f"add: {layer.title} reads ids and must be the first layer")
        if self._layers and isinstance(layer, Masking):
            raise ValueError(f"add: {layer.title} looks at x and must be the first layer")
        layer.dtype = self.dtype
        shape = self._shape_before(layer)
        if shape is not None:
            (layer.build if draw else layer.fix_shapes)(shape)
        self._release_network()
        layer.owner = self
        self._layers.append(layer)

    def _shape_before(self, layer: Layer) -> Shape | None:
        if self._layers:
            return self._layers[-1].output_shape if self._layers[-1].built else None
        return layer.given_shape if self._input is None else self._input.shape

    def _require_network(self) -> Network:
        """The engine's network, which has the weights from here on."""
        with changing:
            if self._network is None:
                self._network = build_network(self._built_layers(), self.dtype, self._quantization)
            return self._network

    def _release_network(self) -> None:
        with changing:
            if self._network is not None:
                self._network = None  # first: should this end midway, each layer still knows where its weights are
                for layer in self._layers:
                    layer.detach()

    @property
    def built(self) -> bool:
        return bool(self._layers) and self._layers[-1].built

    def build(self, input_shape: Shape) -> None:
        """Fix the shape of the input, batch axis included, for example (None, 7, 12), and draw the initial weights.

        Raises ValueError for an empty model, for a shape that its layers cannot take, or another shape than it has.
        """
        if not self._layers:
            raise ValueError(f"model {self.name!r} has no layers; add some first")
        shape = Input(tuple(input_shape)[1:]).shape
        with changing:
            if self.built:
                if shape != self.input_shape:
                    raise ValueError(f"build: input_shape must be {self.input_shape}, which the model has, got {shape}")
                return
            self._build(shape)

    def _build(self, shape: Shape) -> None:
        try:
            for layer in self._layers:
                layer.fix_shapes(shape)
                shape = layer.output_shape
            for layer in self._layers:
                layer.build(layer.input_shape)
        except BaseException:  # all or none
            for layer in self._layers:
                layer.forget_shapes()
            raise

    def reset_state(self) -> None:
        """Let all stateful layers begin at zero again."""
        for layer in self._layers:
            layer.reset_state()

    reset_states = reset_state  # Keras 2's name

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, without Input."""
        return list(self._layers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name, or at this place. Raises ValueError where there is none."""
        if (name is None) == (index is None):
            raise ValueError("get_layer: one of name and index must be given")
        found = [layer for i, layer in enumerate(self._layers) if layer.name == name or i == index]
        if not found:
            names = ", ".join(layer.name for layer in self._layers)
            raise ValueError(
                f"get_layer: no layer {(name if index is None else index)!r} among {len(self._layers)} ({names})"
            )
        return found[0]

    @property
    def input_shape(self) -> Shape:
        return self._built_layers()[0].input_shape

    @property
    def output_shape(self) -> Shape:
        return self._built_layers()[-1].output_shape

    def count_params(self) -> int:
        return sum(layer.count_params() for layer in self._built_layers())

    def summary(self, *, print_fn: Callable[[str], object] | None = None, **unsupported: object) -> None:
        """Print a table of layers, output shapes and parameters; `print_fn` gets it as one text."""
        from ._summary import print_summary

        refuse_unknown("summary", Stack.summary, unsupported)
        print_summary(self.name, self._layers, np.dtype(self.dtype).itemsize, print_fn)

    def _refuse_quantized(self, caller: str, what: str) -> None:
        if self._quantization is not None:
            raise ValueError(
                f"{caller}: model {self.name!r} has weights in {self._quantization}, for answers alone; {what} the model that"
                " it was made from"
            )

    def _built_layers(self) -> list[Layer]:
        if not self._layers:
            raise ValueError(f"model {self.name!r} has no layers; add some first")
        if not self.built:
            raise ValueError(
                f"model {self.name!r} has no shapes yet: begin it with Input, or give input_shape= to its first layer"
            )
        return self._layers

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # -- weights and configuration ----------------------------------------------------

    @property
    def weights(self) -> list[Weight]:
        return [weight for layer in self._built_layers() for weight in layer.weights]

    @property
    def trainable(self) -> bool:
        return True

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if value is not True:
            raise ValueError(f"model {self.name!r}: trainable must stay True; freezing a model is not supported")

    def get_weights(self) -> list[Array]:
        """Copies of all weights, layer by layer, in Keras' shapes and order."""
        return [weight for layer in self._built_layers() for weight in layer.get_weights()]

    def set_weights(self, weights: Sequence[npt.ArrayLike]) -> None:
        """Replace all weights, or none where one does not fit. Raises ValueError or TypeError as a layer's does."""
        names = [weight.path for weight in self.weights]
        if not isinstance(weights, Sequence) or len(weights) != len(names):
            got = f"{len(weights)} arrays" if isinstance(weights, Sequence) else type(weights).__name__
            raise ValueError(
                f"set_weights: weights must be a list of {len(names)} arrays ({', '.join(names)}), got {got}"
            )
        rest = list(weights)
        checked = []
        for layer in self._layers:
            count = len(layer.weight_specs)
            checked.append(layer.checked_weights(rest[:count]))
            rest = rest[count:]
        for layer, values in zip(self._layers, checked, strict=True):
            layer.take_weights(values)

    def get_config(self) -> dict[str, Any]:
        """Name, dtype, input shape and layers, as JSON has them."""
        shape = self.input_shape if self.built else None if self._input is None else self._input.shape
        return {
            "name": self.name,
            "dtype": self.dtype,
            "input_shape": None if shape is None else list(shape[1:]),
            "layers": [serialize(layer) for layer in self._layers],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], **unsupported: object) -> Self:
        """A new model, with new weights, from `get_config()`'s dictionary."""
        refuse_unknown("from_config", Stack.from_config, unsupported)
        return cls._from_config(config, draw=True)

    @classmethod
    def _from_config(cls, config: dict[str, Any], draw: bool) -> Self:
        model = cls(name=config["name"], dtype=config["dtype"])
        if config["input_shape"] is not None:
            model.add(Input(config["input_shape"]))
        for layer in config["layers"]:
            model._append(resolve("layer", layer, Layer, CLASSES), draw)
        return model
