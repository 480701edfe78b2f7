# cython: language_level=3, freethreading_compatible=True, boundscheck=False, wraparound=False
"""str <-> ids, read from and written to CPython's own string buffer (PEP 393): no wide copy of the text is made.

A str stores 1, 2 or 4 bytes per character (its kind); each loop is written once and compiled for every width.
Strings never change and ids are borrowed as a buffer, so the loops run without the GIL.
"""

from cython cimport final
from cpython.buffer cimport PyBUF_ND, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GetLength, PyUnicode_KIND, PyUnicode_New
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

cdef extern from "Python.h":
    uint32_t PyUnicode_MAX_CHAR_VALUE(object text)

cdef enum:
    PAGE = 256           # code points on one page of the lookup table
    PAGES = 0x1100       # pages in all of Unicode
    BLOCK = 4096         # characters between two looks for an unknown one; a block stays in the first-level cache
    MAX_CHAR = 0x10FFFF

ctypedef fused Char:
    uint8_t
    uint16_t
    uint32_t

ctypedef fused Id:
    uint8_t
    uint16_t
    uint32_t

ctypedef fused AnyId:
    uint8_t
    uint16_t
    uint32_t
    uint64_t

# character -> id in two steps: pages[page_of[c / PAGE]][c % PAGE]. Page 0 is the one without symbols: all -1.
# Latin text reads a single page, Chinese the few dozen it uses, and no text costs more than the pages of its symbols.
cdef struct Table:
    uint16_t *page_of
    int32_t *pages


cdef inline int32_t _id_of(Table table, uint32_t char) noexcept nogil:
    return table.pages[table.page_of[char // PAGE] * PAGE + char % PAGE]


cdef Py_ssize_t _length(object value, str name) except -1:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {type(value).__name__}")
    return PyUnicode_GetLength(value)


# ------------------------------------------------------------------------------------------------- str -> symbols

cdef void _mark(const Char *text, Py_ssize_t n, uint8_t *seen) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        seen[text[i]] = 1


def distinct(text):
    """The distinct characters of `text` as one str, in the order of their code points.

    >>> distinct("banana")
    'abn'
    """
    cdef Py_ssize_t n = _length(text, "text")
    cdef Py_ssize_t bound = PyUnicode_MAX_CHAR_VALUE(text) + 1
    cdef int kind = PyUnicode_KIND(text)
    cdef const void *data = PyUnicode_DATA(text)
    cdef uint8_t *seen = <uint8_t *> PyMem_Calloc(bound, 1)
    if seen is NULL:
        raise MemoryError()
    try:
        with nogil:
            if kind == 1:
                _mark(<const uint8_t *> data, n, seen)
            elif kind == 2:
                _mark(<const uint16_t *> data, n, seen)
            else:
                _mark(<const uint32_t *> data, n, seen)
        return "".join([chr(char) for char in range(bound) if seen[char]])
    finally:
        PyMem_Free(seen)


# ----------------------------------------------------------------------------------------------------- str -> ids

cdef Py_ssize_t _encode(Table table, const Char *text, Py_ssize_t n, Id *ids) noexcept nogil:
    # ids[i] = id of text[i]; returns the position of the first unknown character, or -1
    cdef Py_ssize_t start = 0, stop, i
    cdef int32_t id, signs
    while start < n:
        stop = min(start + BLOCK, n)
        signs = 0
        for i in range(start, stop):
            id = _id_of(table, text[i])
            signs |= id
            ids[i] = <Id> id
        if signs < 0:
            while _id_of(table, text[start]) >= 0:
                start += 1
            return start
        start = stop
    return -1


cdef Py_ssize_t _encode_wide(Table table, const Char *text, Py_ssize_t n, void *ids, int width) noexcept nogil:
    if width == 1:
        return _encode(table, text, n, <uint8_t *> ids)
    if width == 2:
        return _encode(table, text, n, <uint16_t *> ids)
    return _encode(table, text, n, <uint32_t *> ids)


# ----------------------------------------------------------------------------------------------------- ids -> str

cdef Py_ssize_t _survey(
    const AnyId *ids, Py_ssize_t n, const uint32_t *codes, AnyId last, uint32_t *bits
) noexcept nogil:
    # bits = OR of all characters; returns the position of the first id > last, or -1.
    # A str must be stored in the narrowest kind, and the limits of the kinds are powers of two: the OR decides it.
    cdef Py_ssize_t i
    cdef uint32_t seen = 0
    for i in range(n):
        if ids[i] > last:
            return i
        seen |= codes[ids[i]]
    bits[0] = seen
    return -1


cdef void _write(const AnyId *ids, Py_ssize_t n, const uint32_t *codes, Char *text) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        text[i] = <Char> codes[ids[i]]


cdef object _decode(const AnyId *ids, Py_ssize_t n, const uint32_t *codes, Py_ssize_t symbols, Py_ssize_t *wrong):
    cdef uint32_t bits = 0
    cdef AnyId last = <AnyId> min(<uint64_t> symbols - 1, <uint64_t> <AnyId> -1)  # int64: a negative id is a huge one
    with nogil:
        wrong[0] = _survey(ids, n, codes, last, &bits)
    if wrong[0] >= 0:
        return None
    text = PyUnicode_New(n, min(bits, <uint32_t> MAX_CHAR))
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    with nogil:
        if kind == 1:
            _write(ids, n, codes, <uint8_t *> data)
        elif kind == 2:
            _write(ids, n, codes, <uint16_t *> data)
        else:
            _write(ids, n, codes, <uint32_t *> data)
    return text


@final
cdef class Codec:
    """`symbols`, a str of distinct characters in any order, as a two-way table: the id of a character is its position.

    Immutable. `width` is the size of an encoded id in bytes: 1 for up to 256 symbols, 2 for up to 65536, else 4.
    """

    cdef Table table
    cdef uint32_t *codes
    cdef readonly str symbols
    cdef readonly int width

    def __cinit__(self, symbols):
        cdef Py_ssize_t n = _length(symbols, "symbols"), i
        cdef uint32_t char
        cdef int32_t *slot
        cdef int used = 0
        if n == 0:
            raise ValueError("symbols must hold at least one character, got ''")
        self.symbols = str.__str__(symbols)
        self.width = 1 if n <= 0x100 else 2 if n <= 0x10000 else 4
        self.codes = <uint32_t *> PyMem_Malloc(n * sizeof(uint32_t))
        self.table.page_of = <uint16_t *> PyMem_Calloc(PAGES, sizeof(uint16_t))
        if self.codes is NULL or self.table.page_of is NULL:
            raise MemoryError()
        for i, char in enumerate(self.symbols):
            self.codes[i] = char
            if self.table.page_of[char // PAGE] == 0:
                used += 1
                self.table.page_of[char // PAGE] = used
        self.table.pages = <int32_t *> PyMem_Malloc((used + 1) * PAGE * sizeof(int32_t))
        if self.table.pages is NULL:
            raise MemoryError()
        memset(self.table.pages, 0xFF, (used + 1) * PAGE * sizeof(int32_t))
        for i in range(n):
            char = self.codes[i]
            slot = &self.table.pages[self.table.page_of[char // PAGE] * PAGE + char % PAGE]
            if slot[0] >= 0:
                raise ValueError(f"symbols must be distinct, got {chr(char)!r} at positions {slot[0]} and {i}")
            slot[0] = <int32_t> i

    def __dealloc__(self):
        PyMem_Free(self.codes)
        PyMem_Free(self.table.page_of)
        PyMem_Free(self.table.pages)

    def encode(self, text):
        """The ids of `text` as a bytearray of len(text) unsigned native integers of `width` bytes.

        Raises TypeError unless `text` is a str, ValueError naming the first unknown character and its position.
        """
        cdef Py_ssize_t n = _length(text, "text"), unknown
        cdef int kind = PyUnicode_KIND(text), width = self.width
        cdef const void *data = PyUnicode_DATA(text)
        cdef Table table = self.table
        out = PyByteArray_FromStringAndSize(NULL, n * width)
        cdef void *ids = PyByteArray_AS_STRING(out)
        with nogil:
            if kind == 1:
                unknown = _encode_wide(table, <const uint8_t *> data, n, ids, width)
            elif kind == 2:
                unknown = _encode_wide(table, <const uint16_t *> data, n, ids, width)
            else:
                unknown = _encode_wide(table, <const uint32_t *> data, n, ids, width)
        if unknown >= 0:
            raise ValueError(
                f"encode: text must be made of the {len(self.symbols)} symbols, "
                f"got {text[unknown]!r} at position {unknown}"
            )
        return out

    def decode(self, ids):
        """The str of `ids`, a contiguous and aligned one-dimensional buffer of native integers: unsigned, or int64.

        Raises TypeError on another buffer, ValueError naming the first id out of range and its position.
        """
        cdef Py_buffer view
        cdef Py_ssize_t n, symbols = len(self.symbols), wrong = -1
        PyObject_GetBuffer(ids, &view, PyBUF_ND)
        try:
            if view.ndim != 1 or view.itemsize not in (1, 2, 4, 8):
                raise TypeError(f"decode: ids must be integers [L], got {view.ndim} axes of {view.itemsize} bytes")
            if <size_t> view.buf % <size_t> view.itemsize:
                raise TypeError(f"decode: ids must be aligned to their {view.itemsize} bytes")
            n = view.shape[0]
            if view.itemsize == 1:
                text = _decode(<const uint8_t *> view.buf, n, self.codes, symbols, &wrong)
            elif view.itemsize == 2:
                text = _decode(<const uint16_t *> view.buf, n, self.codes, symbols, &wrong)
            elif view.itemsize == 4:
                text = _decode(<const uint32_t *> view.buf, n, self.codes, symbols, &wrong)
            else:
                text = _decode(<const uint64_t *> view.buf, n, self.codes, symbols, &wrong)
        finally:
            PyBuffer_Release(&view)
        if wrong >= 0:
            value = memoryview(ids)[wrong]
            raise ValueError(f"decode: ids must be in 0..{symbols - 1}, got {value} at position {wrong}")
        return text
