"""Penalties of large weights, with Keras 3's names and meaning: they are part of the loss, in `fit` and in `evaluate`.

`layers.Dense(2, kernel_regularizer=L2(1e-4))` adds 1e-4 times the sum of the kernel's squares to the loss that is trained and
reported. Unlike an optimizer's `weight_decay`, the penalty's gradient goes through clipping and through the optimizer's rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import real
from ._registry import Configured, resolve

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get", "l1", "l1_l2", "l2"]


class Regularizer(Configured):
    """Base of L1, L2 and L1L2: `regularizer(w)` is the penalty l1 sum |w| + l2 sum w^2 of an array of any shape.

    >>> L1L2(l1=1.0, l2=0.5)([[1.0, -2.0]])
    5.5
    """

    def __init__(self, l1: float, l2: float) -> None:
        self.l1 = real(type(self).__name__, "l1", l1, 0)
        self.l2 = real(type(self).__name__, "l2", l2, 0)

    def __call__(self, w: npt.ArrayLike) -> float:
        values = np.asarray(w, np.float64)
        return float(self.l1 * np.abs(values).sum() + self.l2 * np.square(values).sum())


class L1(Regularizer):
    """l1 sum |w| (Tibshirani 1996): draws weights to exactly 0, all at the same pace. None is 0.01.

    Raises ValueError for a negative factor, TypeError for one that is no number.

    >>> L1(0.1)([3.0, -4.0]), L1().get_config()
    (0.7000000000000001, {'l1': 0.01})
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(0.01 if l1 is None else l1, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(Regularizer):
    """l2 sum w^2 (Hoerl and Kennard 1970): draws weights to 0 the more, the larger they are. None is 0.01.

    Raises ValueError for a negative factor, TypeError for one that is no number.

    >>> L2(0.1)([3.0, -4.0]), L2().get_config()
    (2.5, {'l2': 0.01})
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(0.0, 0.01 if l2 is None else l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class L1L2(Regularizer):
    """Both penalties (Zou and Hastie 2005); a factor that is not given, or None, is 0, unlike those of `L1` and `L2`.

    Raises ValueError for a negative factor, TypeError for one that is no number.

    >>> L1L2(l1=0.1, l2=0.1)([3.0, -4.0])
    3.2
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        super().__init__(0.0 if l1 is None else l1, 0.0 if l2 is None else l2)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


l1, l2, l1_l2 = L1, L2, L1L2  # Keras' second names

_CLASSES: dict[str, type[Regularizer]] = {"l1": L1, "l2": L2, "l1_l2": L1L2}


def get(identifier: object, argument: str = "regularizer") -> Regularizer | None:
    """The regularizer that a name, a configuration or an object means; None for None. `argument` is named in errors.

    The name "l1_l2" is L1L2(0.01, 0.01), as Keras 2 has it and Keras 3 describes it. Raises ValueError for an unknown name,
    TypeError for a function or a class of the caller's own, which the engine cannot run.

    >>> get("l2").get_config(), get("l1_l2").get_config(), get(None)
    ({'l2': 0.01}, {'l1': 0.01, 'l2': 0.01}, None)
    """
    if identifier is None:
        return None
    if identifier == "l1_l2":
        return L1L2(0.01, 0.01)
    made = resolve(argument, identifier, Regularizer, _CLASSES)
    if type(made) not in _CLASSES.values():
        raise TypeError(f"{argument} must be an L1, L2 or L1L2, got {made!r}, whose penalty the engine does not know")
    return made
