"""Layers without weights: Activation, Dropout, GaussianNoise, RepeatVector."""

from typing import Any

from .. import _random
from .._checks import real, whole
from ._base import Layer, Shape, checked_activation


class Activation(Layer):
    """A function of every value, or softmax along the last axis. Input and output [N, F] or [N, T, F].

        linear        x, also where `activation` is None        tanh          tanh(x)
        relu          max(x, 0)                                 sigmoid       1 / (1 + exp(-x))
        leaky_relu    x > 0 ? x : 0.2 x                         hard_sigmoid  min(max(x + 3, 0), 6) / 6
        elu           x > 0 ? x : exp(x) - 1                    exponential   exp(x)
        softplus      log(1 + exp(x))                           silu          x sigmoid(x)
        gelu          x (1 + erf(x / sqrt(2))) / 2

    These are Keras 3's. Raises ValueError for any other name.

    >>> Activation("softmax").compute_output_shape((None, 4, 12))
    (None, 4, 12)
    """

    def __init__(
        self,
        activation: str | None,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(name, input_shape, unsupported)
        self.activation = checked_activation("Activation", activation)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return _unchanged(self, input_shape)

    def op(self) -> dict[str, Any]:
        return {"op": "activation", "activation": self.activation}

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "activation": self.activation}


class _Random(Layer):
    """A layer that draws numbers in training: from `seed`, or else from one that `pyrnn.utils.set_random_seed` decides."""

    def __init__(
        self,
        seed: int | None,
        name: str | None,
        input_shape: tuple[int | None, ...] | None,
        unsupported: dict[str, object],
    ) -> None:
        super().__init__(name, input_shape, unsupported)
        self.seed = None if seed is None else whole(type(self).__name__, "seed", seed, low=0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return _unchanged(self, input_shape)

    def training_options(self) -> dict[str, Any]:
        if self.drawn_seed is None:
            self.drawn_seed = _random.draw_seed() if self.seed is None else self.seed
        return {"seed": self.drawn_seed}


class Dropout(_Random):
    """In training, sets a share `rate` of the values to 0 and the others to 1 / (1 - rate) of theirs (Srivastava et al. 2014).

    Outside training it changes nothing. 0 <= rate < 1. Input and output [N, F] or [N, T, F]. `seed` decides what is dropped;
    without it, `pyrnn.utils.set_random_seed` does.

    >>> Dropout(0.2).compute_output_shape((None, 128))
    (None, 128)
    """

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(seed, name, input_shape, unsupported)
        self.rate = real(type(self).__name__, "rate", rate, 0, 1)

    def op(self) -> dict[str, Any]:
        return {"op": "dropout", "rate": self.rate}

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "rate": self.rate, "seed": self.seed}


class SpatialDropout1D(Dropout):
    """Dropout of whole features: in training, what is dropped of a sequence is dropped at all its steps (Tompson et al. 2015).

    0 <= rate < 1. Input and output [N, T, F]. The rest is as in `Dropout`.

    >>> SpatialDropout1D(0.2).compute_output_shape((None, 40, 128))
    (None, 40, 128)
    """

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3 or input_shape[2] is None:
            raise self.wrong_input("[N, T, features]", input_shape)
        return input_shape

    def op(self) -> dict[str, Any]:
        return {**super().op(), "per_sequence": True}


class GaussianNoise(_Random):
    """In training, adds to every value a normal number of mean 0 and standard deviation `stddev` (Bishop 1995).

    Outside training it changes nothing. stddev >= 0; Keras allows 1 at most. Input and output [N, F] or [N, T, F]. `seed` decides
    the noise; without it, `pyrnn.utils.set_random_seed` does.

    >>> GaussianNoise(0.1).compute_output_shape((None, 40, 3))
    (None, 40, 3)
    """

    def __init__(
        self,
        stddev: float,
        seed: int | None = None,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(seed, name, input_shape, unsupported)
        self.stddev = real("GaussianNoise", "stddev", stddev, 0)

    def op(self) -> dict[str, Any]:
        return {"op": "gaussian_noise", "stddev": self.stddev}

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "stddev": self.stddev, "seed": self.seed}


class RepeatVector(Layer):
    """The same vector at `n` steps: [N, F] -> [N, n, F]. An LSTM after it computes its part of the input once, not n times.

    >>> RepeatVector(4).compute_output_shape((None, 128))
    (None, 4, 128)
    """

    def __init__(
        self,
        n: int,
        name: str | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        **unsupported: object,
    ) -> None:
        super().__init__(name, input_shape, unsupported)
        self.n = whole("RepeatVector", "n", n)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2 or input_shape[1] is None:
            raise self.wrong_input("[N, features]", input_shape)
        return (input_shape[0], self.n, input_shape[1])

    def op(self) -> dict[str, Any]:
        return {"op": "repeat_vector", "n": self.n}

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "n": self.n}


def _unchanged(layer: Layer, input_shape: Shape) -> Shape:
    if not 2 <= len(input_shape) <= 3 or input_shape[-1] is None:
        raise layer.wrong_input("[N, features] or [N, T, features]", input_shape)
    return input_shape
