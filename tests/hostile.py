"""Arrays as nobody expects them: the same values in any layout and dtype, and all that is wrong with an argument.

Letters: N samples, T steps.
"""

import numpy as np

HUGE = 1 << 40


class Own(np.ndarray):
    """A subclass that has nothing of its own."""


def strided(array):
    room = np.zeros([2 * size + 1 for size in array.shape], array.dtype)
    view = room[tuple(slice(1, 2 * size + 1, 2) for size in array.shape)]
    view[...] = array
    return view


def unaligned(array):
    room = np.zeros(array.nbytes + 1, np.uint8)
    view = room[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def swapped(array):
    return array.astype(array.dtype.newbyteorder("S"))


def all_rows_one(array):
    """The first row again and again, in the same memory."""
    return np.broadcast_to(array[:1], array.shape)


def overlapping(array):
    """Rows that begin one value after each other, in the same memory."""
    flat = np.resize(array.ravel(), array.shape[0] + array[0].size)
    step = flat.itemsize
    inner = np.empty(array.shape[1:], array.dtype).strides
    return np.lib.stride_tricks.as_strided(flat, array.shape, (step, *inner))


# The same values and the same dtype, or for `swapped` one that compares equal. `overlapping` and `all_rows_one` take values
# of the array for all of theirs, and are compared with copies of themselves.
LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": lambda a: np.array(a, order="F"),
    "backwards": lambda a: np.flip(np.flip(a).copy()),
    "first axis last": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0),
    "strided": strided,
    "strided backwards": lambda a: np.flip(strided(np.flip(a))),
    "unaligned": unaligned,
    "unaligned Fortran": lambda a: unaligned(np.ascontiguousarray(a.T)).T,
    "other byte order": swapped,
    "other byte order, strided": lambda a: strided(swapped(a)),
    "read only": read_only,
    "own class": lambda a: a.copy().view(Own),
    "all rows one": all_rows_one,
    "overlapping": overlapping,
    "list": lambda a: a.tolist(),
    "list of arrays": list,
    "tuple of lists": lambda a: tuple(a.tolist()),
}

DTYPES = {
    "i": ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"],
    "f": ["f2", "f4", "f8", "i1", "i8", "u1", "u4", "?"],
    "b": ["?"],
}


def spoilt_value(value, dtype=None):
    def spoil(array, rng):
        changed = array.astype(dtype or array.dtype)
        if changed.dtype.kind in "biu":
            changed = changed.astype(np.int64 if np.isfinite(value) else np.float64)
        changed[tuple(rng.integers(size) for size in array.shape)] = value
        return changed

    return spoil


def of_dtype(dtype):
    return lambda array, rng: array.astype(dtype)


def huge(axis):
    def spoil(array, rng):
        shape = list(array.shape)
        shape[axis % array.ndim] = HUGE
        return np.broadcast_to(array.ravel()[0], shape)

    return spoil


# name -> spoil(array, rng). What comes is mostly wrong; where it is right after all, the answer must be.
SPOILS = {
    "no first axis": lambda a, rng: a[0],
    "one axis more": lambda a, rng: a[..., None],
    "one axis more, in front": lambda a, rng: a[None],
    "two axes more": lambda a, rng: a[None, ..., None],
    "flat": lambda a, rng: a.ravel(),
    "a number": lambda a, rng: a.ravel()[0],
    "no dimension": lambda a, rng: np.array(a.ravel()[0]),
    "no rows": lambda a, rng: a[:0],
    "no columns": lambda a, rng: a[..., :0],
    "nothing": lambda a, rng: [],
    "one row less": lambda a, rng: a[:-1],
    "one row more": lambda a, rng: np.concatenate([a, a[:1]]),
    "one column less": lambda a, rng: a[..., :-1],
    "one column more": lambda a, rng: np.concatenate([a, a[..., :1]], axis=-1),
    "axes swapped": lambda a, rng: a.T,
    "rows of different lengths": lambda a, rng: [
        row[: max(1, len(row) - i % 2)] if row.ndim else row for i, row in enumerate(a)
    ],
    "NaN": spoilt_value(np.nan, "f8"),
    "infinity": spoilt_value(np.inf, "f4"),
    "minus infinity": spoilt_value(-np.inf, "f8"),
    "more than float32": spoilt_value(1e300, "f8"),
    "minus one": spoilt_value(-1, "i2"),
    "too large an id": spoilt_value(100, "i4"),
    "2**31": spoilt_value(2**31, "i8"),
    "2**32": spoilt_value(2**32, "i8"),
    "-2**63": spoilt_value(-(2**63), "i8"),
    "2**64 - 1": lambda a, rng: np.full(a.shape, 2**64 - 1, np.uint64),
    "half": spoilt_value(0.5, "f8"),
    "objects": of_dtype(object),
    "objects of all kinds": lambda a, rng: np.array([None, {}, "a", *a.ravel()[3:]][: a.size], object).reshape(a.shape),
    "complex": of_dtype("c16"),
    "half complex": of_dtype("c8"),
    "long": of_dtype(np.longdouble),
    "text": of_dtype("U8"),
    "bytes": of_dtype("S8"),
    "dates": lambda a, rng: np.zeros(a.shape, "M8[s]"),
    "durations": lambda a, rng: np.zeros(a.shape, "m8[s]"),
    "records": lambda a, rng: np.zeros(a.shape, "f4,i4"),
    "opaque": lambda a, rng: np.zeros(a.shape, "V4"),
    "masked": lambda a, rng: np.ma.masked_array(a, np.arange(a.size).reshape(a.shape) == 0),
    "None": lambda a, rng: None,
    "a word": lambda a, rng: "abc",
    "a dictionary": lambda a, rng: {"x": a},
    "a set": lambda a, rng: {1, 2},
    "an iterator": lambda a, rng: iter(a),
    "lists of different lengths": lambda a, rng: [[1, [2]], [3]],
    "a list that has itself": lambda a, rng: itself(),
    "an object": lambda a, rng: object(),
    "a liar": lambda a, rng: Liar(),
}
HUGE_SPOILS = {
    "2**40 in the last axis": huge(-1),
    "2**40 in the middle": lambda a, rng: huge(1)(a, rng) if a.ndim > 2 else huge(-1)(a, rng),
    "2**62 in all": lambda a, rng: np.broadcast_to(np.uint8(1), (1 << 31, 1 << 31)),
    "2**62 in one": lambda a, rng: np.broadcast_to(np.int8(1), (1 << 62,)),
    "2**60 in four": lambda a, rng: np.broadcast_to(True, (1 << 15,) * 4),
}


def itself():
    made = []
    made.append(made)
    return made


class Liar:
    """Says it is an array and is none."""

    shape, ndim, dtype = (2, 3), 2, np.dtype("f4")

    def __array__(self, dtype=None, copy=None):
        raise ValueError("no array after all")


def plain(value, dtype, ndim):
    """A contiguous copy of an array of numbers in `dtype`, or its own, where it is one of that kind and rank; all else as it is."""
    if isinstance(value, np.ma.MaskedArray) or (isinstance(value, np.ndarray) and value.size > 10**6):
        return value
    try:
        array = np.array(value)
    except (ValueError, TypeError, RecursionError):
        return value
    dtype = array.dtype.newbyteorder("=") if dtype is None or array.dtype == np.uint64 else np.dtype(dtype)
    kinds = "iu" if dtype.kind in "iu" else "biuf"
    if array.ndim != ndim or array.dtype.kind not in kinds or array.dtype.itemsize > 8:
        return value
    with np.errstate(over="ignore"):
        return array.astype(dtype)
