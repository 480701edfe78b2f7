"""The random state behind everything that was given no seed of its own.

numpy.random is imported when it is first used: it is a third of the time that importing pyrnn would take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def get_state(of: Generator) -> dict[str, Any]:
    """Where a stream stands, as JSON has it."""
    return dict(of.bit_generator.state)


def from_state(state: dict[str, Any]) -> Generator:
    """A stream that goes on where `get_state` was asked. Raises ValueError, TypeError or KeyError for no such state."""
    made = new_generator(0)
    made.bit_generator.state = state
    return made


def set_state(state: dict[str, Any]) -> None:
    """Let the shared stream go on as another."""
    global _generator
    _generator = from_state(state)


def spawn() -> Generator:
    """A stream of its own, decided by the shared one."""
    return new_generator(draw_seed())


def draw_seed() -> int:
    return int(generator().integers(2**32))
