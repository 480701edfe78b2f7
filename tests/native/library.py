"""The C library as Python calls it."""

import ctypes
import os
from ctypes import byref, c_char_p, c_int64, c_size_t, c_void_p

OK, ARGUMENT, FILE, MODEL = range(4)


class Library:
    """The shared library that is installed at `prefix`; its functions are those of `c`."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.file = next(path for path in prefix.glob("lib*/**/libpyrnn.*") if not path.is_symlink())
        self.c = ctypes.CDLL(str(self.file))
        self.c.pyrnn_last_error.restype = self.c.pyrnn_version.restype = c_char_p
        for name in ("pyrnn_model_inputs", "pyrnn_model_outputs", "pyrnn_stream_state_size"):
            getattr(self.c, name).restype = c_int64

    def load(self, file):
        model = c_void_p()
        if isinstance(file, bytes):
            status = self.c.pyrnn_model_load_memory(file, c_size_t(len(file)), byref(model))
        else:
            status = self.c.pyrnn_model_load(os.fsencode(file), byref(model))
        assert (status == OK) == bool(model)
        return status, model

    @property
    def error(self):
        return self.c.pyrnn_last_error().decode()

    def stream(self, model, batch):
        stream = c_void_p()
        assert self.c.pyrnn_stream_new(model, c_int64(batch), byref(stream)) == OK, self.error
        return stream


def pointer(array):
    return c_void_p(array.ctypes.data)
