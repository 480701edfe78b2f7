"""Seeds, one-hot rows, padded sequences, windows of a series, files from the network."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _random
from .._arrays import rectangular
from .._checks import whole
from .data_utils import get_file
from .sequences import pad_sequences, timeseries_dataset_from_array

__all__ = ["get_file", "pad_sequences", "set_random_seed", "timeseries_dataset_from_array", "to_categorical"]


def set_random_seed(seed: int) -> None:
    """Seed Python's `random`, NumPy's legacy generator and pyrnn's own: same seed, same bits.

    pyrnn draws initial weights, dropout and shuffling from its own generator only, unless a `seed=` is given there.
    Raises TypeError when `seed` is no integer, ValueError outside 0 ... 2^32 - 1.

    >>> set_random_seed(0)
    """
    seed = whole("set_random_seed", "seed", seed, low=0)
    if seed >= 2**32:
        raise ValueError(f"set_random_seed: seed must be less than 2**32, got {seed}")
    import random

    random.seed(seed)
    np.random.seed(seed)
    _random.seed(seed)


def to_categorical(x: npt.ArrayLike, num_classes: int | None = None) -> npt.NDArray[Any]:
    """One-hot rows, float64 [..., V], of integer ids [...]; a last axis of size 1 is dropped, as Keras does.

    V is `num_classes`, or the largest id + 1. Raises TypeError for ids that are no integers, ValueError outside 0 ... V - 1.

    >>> to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]])
    """
    ids = rectangular("to_categorical", "x", x)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"to_categorical: x must be integers, got {ids.dtype}")
    if ids.ndim > 1 and ids.shape[-1] == 1:
        ids = ids[..., 0]
    if num_classes is None:
        if ids.size == 0:
            raise ValueError("to_categorical: x is empty, so num_classes must be given")
        num_classes = int(ids.max()) + 1
    classes = whole("to_categorical", "num_classes", num_classes)
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < classes:
        raise ValueError(f"to_categorical: x must be from 0 to {classes - 1}, got {ids.min()} to {ids.max()}")
    rows = np.zeros((*ids.shape, classes))
    np.put_along_axis(rows, ids[..., None].astype(np.intp), 1.0, axis=-1)
    return rows
