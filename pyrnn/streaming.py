"""A model one step at a time, for a signal that arrives as it is needed: audio, sensors, characters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ._arrays import as_array, copied, describe

if TYPE_CHECKING:
    from ._core import Stream as Engine

Array = npt.NDArray[Any]

__all__ = ["Stream"]


class Stream:
    """What `Sequential.stream` returns: `batch_size` rows whose recurrent state stays from step to step, zero at first.

    It reads the model's weights where they lie, so it follows their training. A NaN in x makes a row's state NaN until `reset`.
    """

    def __init__(self, engine: "Engine", batch_size: int, dtype: str) -> None:
        self._engine = engine
        self.batch_size = batch_size
        self.dtype = dtype

    def step(self, x: Array | int, out: Array | None = None) -> Array:
        """The model's output [batch_size, features] for one more step.

        x: vectors [batch_size, features] of any real dtype, or ids [batch_size] where the first layer reads ids; one id may
        be a plain integer. With `out`, an array like the result, nothing is allocated and `out` is returned. Raises
        ValueError or TypeError for what does not fit; the state is then as it was.
        """
        return self._engine.step(x, out)

    def run(self, x: Array, out: Array | None = None) -> Array:
        """The outputs [n, batch_size, features] for n more steps: x [n, batch_size, features], or ids [n, batch_size].

        The same as n calls of `step`, in one.
        """
        return self._engine.run(x, out)

    @property
    def state(self) -> list[tuple[Array, ...]]:
        """Copies of the recurrent layers' states, in order, each [batch_size, units]: of an LSTM (h, c), else (h,)."""
        return self._engine.get_state()

    def set_state(self, state: Sequence[Sequence[npt.ArrayLike]]) -> None:
        """Replace all states, shaped as `state` has them. Raises ValueError or TypeError, with nothing replaced.

        >>> import pyrnn
        >>> from pyrnn import layers
        >>> model = pyrnn.Sequential([layers.Input((None, 8)), layers.LSTM(16), layers.Dense(8, activation="softmax")])
        >>> stream = model.stream()
        >>> before = stream.state
        >>> first = stream.step(3)
        >>> stream.set_state(before)
        >>> bool((stream.step(3) == first).all())
        True
        """
        if not isinstance(state, list | tuple) or not all(isinstance(layer, list | tuple) for layer in state):
            raise TypeError(f"set_state: state must be a list of tuples of arrays, got {type(state).__name__}")
        shapes = {(i, j): array.shape for i, layer in enumerate(self.state) for j, array in enumerate(layer)}
        checked: list[list[Array]] = [[] for _ in state]
        for i, layer in enumerate(state):
            for j, given in enumerate(layer):
                name = f"state[{i}][{j}]"
                array = as_array("set_state", name, given)
                shape = shapes.get((i, j), array.shape)  # one too many, which the engine refuses
                if array.shape != shape:
                    raise ValueError(f"set_state: {name} must be {self.dtype} {list(shape)}, got {describe(array)}")
                checked[i].append(copied("set_state", name, array, self.dtype))
        self._engine.set_state(checked)

    def reset(self) -> None:
        """Make all states zero."""
        self._engine.reset()

    def __repr__(self) -> str:
        return f"<Stream batch_size={self.batch_size}, dtype={self.dtype}>"
