"""The random state behind everything that was given no seed of its own.

numpy.random is imported when it is first used: it is a third of the time that importing pyrnn would take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

_generator: Generator | None = None


def new_generator(seed: int | None = None) -> Generator:
    from numpy.random import default_rng

    return default_rng(seed)


def seed(value: int) -> None:
    global _generator
    _generator = new_generator(value)


def generator() -> Generator:
    """The shared stream: initial weights are drawn from it in the order in which layers are built."""
    global _generator
    if _generator is None:
        _generator = new_generator()
    return _generator


def spawn() -> Generator:
    """A stream of its own, decided by the shared one."""
    return new_generator(draw_seed())


def draw_seed() -> int:
    return int(generator().integers(2**32))
