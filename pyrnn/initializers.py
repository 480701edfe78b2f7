"""First values of weights, distributed as in Keras 3.

Fans of a matrix [I, N] are I and N, those of a vector [N] both N. An initializer with `seed=` gives the same values at every
call; without, it draws from the stream that `pyrnn.utils.set_random_seed` starts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _random
from ._checks import real, refuse_unknown, whole
from ._registry import Configured, resolve

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "Zeros",
    "get",
]

Array = npt.NDArray[Any]

# The standard deviation of a standard normal cut off at two: what is drawn is divided by it to have the variance asked for.
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(Configured):
    """Base of all: `initializer(shape, dtype)` gives an array.

    >>> Ones()((2, 2))
    array([[1., 1.],
           [1., 1.]], dtype=float32)
    """

    seed: int | None = None

    def __call__(self, shape: tuple[int, ...], dtype: str = "float32") -> Array:
        return self.draw(tuple(shape), _random.generator()).astype(dtype, order="C")

    def draw(self, shape: tuple[int, ...], shared: Generator) -> Array:
        """float64 [shape], from `shared` unless this initializer has a seed."""
        return self._values(shape, shared if self.seed is None else _random.new_generator(self.seed))

    def _values(self, shape: tuple[int, ...], rng: Generator) -> Array:
        raise NotImplementedError

    def _checked_seed(self, seed: int | None) -> int | None:
        return None if seed is None else whole(type(self).__name__, "seed", seed, low=0)


class Constant(Initializer):
    """`value` everywhere."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = real("Constant", "value", value, -math.inf)

    def _values(self, shape: tuple[int, ...], rng: Generator) -> Array:
        return np.full(shape, self.value)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}


class Zeros(Initializer):
    """0 everywhere."""

    def _values(self, shape: tuple[int, ...], rng: Generator) -> Array:
        return np.zeros(shape)


class Ones(Initializer):
    """1 everywhere."""

    def _values(self, shape: tuple[int, ...], rng: Generator) -> Array:
        return np.ones(shape)


class RandomNormal(Initializer):
    """Normal with `mean` and `stddev`."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = real("RandomNormal", "mean", mean, -math.inf)
        self.stddev = real("RandomNormal", "stddev", stddev, 0)
        self.seed = self._checked_seed(seed)

    def _values(self, shape: tuple[int, ...], rng: Generator) -> Array:
        return rng.normal(self.mean, self.stddev, shape)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


class RandomUniform(Initializer):
    """Uniform from `minval` to `maxval`."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval = real("RandomUniform", "minval", minval, -math.inf)
        self.maxval = real("RandomUniform", "maxval", maxval, self.minval)
        self.seed = self._checked_seed(seed)

    def _values(self, shape: tuple[int, ...], rng: Generator) -> Array:
        return rng.uniform(self.minval, self.maxval, shape)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


class _Scaled(Initializer):
    """Variance from the fans; the base of Glorot's and He's."""

    def __init__(self, seed: int | None = None, **unsupported: object) -> None:
        refuse_unknown(type(self).__name__, type(self).__init__, unsupported)
        self.seed = self._checked_seed(seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}

    def _variance(self, shape: tuple[int, ...]) -> float:
        raise NotImplementedError


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    if not shape:
        return 1, 1
    rows = math.prod(shape[:-1]) if len(shape) > 1 else shape[0]
    return rows, shape[-1]


class _Glorot(_Scaled):
    def _variance(self, shape: tuple[int, ...]) -> float:
        return 2.0 / max(2.0, float(sum(_fans(shape))))


class _He(_Scaled):
    def _variance(self, shape: tuple[int, ...]) -> float:
        return 2.0 / max(1.0, float(_fans(shape)[0]))


class _Uniform(_Scaled):
    def _values(self, shape: tuple[int, ...], rng: Generator) -> Array:
        limit = math.sqrt(3.0 * self._variance(shape))
        return rng.uniform(-limit, limit, shape)


class _Normal(_Scaled):
    def _values(self, shape: tuple[int, ...], rng: Generator) -> Array:
        values = rng.standard_normal(shape)
        while (outside := np.abs(values) > 2.0).any():
            values[outside] = rng.standard_normal(int(outside.sum()))
        return values * (math.sqrt(self._variance(shape)) / _TRUNCATED_STDDEV)


class GlorotUniform(_Glorot, _Uniform):
    """Uniform within sqrt(6 / (fan in + fan out)): Glorot and Bengio 2010, equation 16.

    >>> float(abs(GlorotUniform(seed=0)((3, 3))).max()) <= 1.0
    True
    """


class GlorotNormal(_Glorot, _Normal):
    """Normal cut off at two sigma, variance 2 / (fan in + fan out): Glorot and Bengio 2010, equation 12."""


class HeUniform(_He, _Uniform):
    """Uniform within sqrt(6 / fan in): He et al. 2015, equation 10."""


class HeNormal(_He, _Normal):
    """Normal cut off at two sigma, variance 2 / fan in: He et al. 2015, equation 10."""


class Orthogonal(Initializer):
    """`gain` times a matrix with orthonormal rows or columns, whichever are fewer: Saxe et al. 2014, section 3.

    Q of the QR decomposition of a normal matrix, its columns signed by R's diagonal, which makes Q uniform over all such
    matrices. For `recurrent_kernel` it is taken over the whole [H, 4H]. Raises ValueError for a shape of less than two axes.

    >>> q = Orthogonal(seed=0)((3, 12), "float64")
    >>> bool(np.allclose(q @ q.T, np.eye(3)))
    True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = real("Orthogonal", "gain", gain, -math.inf)
        self.seed = self._checked_seed(seed)

    def _values(self, shape: tuple[int, ...], rng: Generator) -> Array:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: shape must have at least two axes, got {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))
        return self.gain * (q.T if rows < columns else q).reshape(shape)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed}


_CLASSES: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "orthogonal": Orthogonal,
    "normal": RandomNormal,
    "uniform": RandomUniform,
}


def get(identifier: object, argument: str = "initializer") -> Initializer:
    """The initializer that a name, a configuration or an object means; `argument` is named in errors.

    >>> get("glorot_uniform").get_config()
    {'seed': None}
    """
    return resolve(argument, identifier, Initializer, _CLASSES)
