"""Models of other libraries, read and written without these libraries.

- `pyrnn.interop.keras`: `load` reads a whole model's `.keras` or `.h5` file, `to_keras` gives what Keras' `set_weights` takes.
- `pyrnn.interop.torch`: `from_state_dict` makes a model of PyTorch's weights, `to_state_dict` gives them back.
- `pyrnn.interop.onnx`: `save` writes a model as a graph of LSTM, GRU, RNN and other nodes, as `Sequential.export` does; `load`
  reads such graphs.
- `pyrnn.interop.c_header`: `save` writes a model as one C99 header, as `Sequential.export` does.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["c_header", "keras", "onnx", "torch"]


def __getattr__(name: str) -> ModuleType:
    """A module at its first use: `import pyrnn` stays quick."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f".{name}", __name__)
