"""From a sequence to one vector."""

from typing import Any

from ._base import Layer, Shape


class Flatten(Layer):
    """All steps side by side: [N, T, F] -> [N, T*F], step 0 first. [N, F] stays as it is. T must be known.

    Raises ValueError for an input of any number of steps, (None, None, F), which has no fixed width; the model does for rows
    of different lengths.

    >>> Flatten().compute_output_shape((None, 7, 12))
    (None, 84)
    """

    def __init__(
        self, name: str | None = None, input_shape: tuple[int | None, ...] | None = None, **unsupported: object
    ) -> None:
        super().__init__(name, input_shape, unsupported)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if not 2 <= len(input_shape) <= 3 or input_shape[-1] is None:
            raise self.wrong_input("[N, T, features] or [N, features]", input_shape)
        batch, *steps, features = input_shape
        if None in steps:
            raise self.wrong_input(
                "of a known number of steps", input_shape, "; GlobalAveragePooling1D takes any number"
            )
        return (batch, _steps(input_shape) * (features or 0))

    def op(self) -> dict[str, Any]:
        return {"op": "flatten", "steps": _steps(self.input_shape)}


class _GlobalPooling(Layer):
    """[N, T, F] -> [N, F] by one function of the steps."""

    _op: str

    def __init__(
        self, name: str | None = None, input_shape: tuple[int | None, ...] | None = None, **unsupported: object
    ) -> None:
        super().__init__(name, input_shape, unsupported)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3 or input_shape[2] is None:
            raise self.wrong_input("[N, T, features]", input_shape)
        return (input_shape[0], input_shape[2])

    def op(self) -> dict[str, Any]:
        return {"op": self._op}


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean over the steps: [N, T, F] -> [N, F].

    Where rows differ in length it is over the real steps, as Keras' with a mask; of a row without steps it is 0, where Keras
    divides 0 by 0.

    >>> GlobalAveragePooling1D().compute_output_shape((None, None, 12))
    (None, 12)
    """

    _op = "average_pool"


class GlobalMaxPooling1D(_GlobalPooling):
    """The maximum over the steps: [N, T, F] -> [N, F].

    Steps that hold the same maximum share its gradient evenly, as in Keras and in PyTorch's `amax`. Where rows differ in
    length it is over the real steps, where Keras takes padding for values; of a row without steps it is 0.

    >>> GlobalMaxPooling1D().compute_output_shape((None, None, 12))
    (None, 12)
    """

    _op = "max_pool"


def _steps(input_shape: Shape) -> int:
    return (input_shape[1] or 0) if len(input_shape) == 3 else 1
