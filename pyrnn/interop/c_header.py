"""Models as one C99 header, for microcontrollers: weights and a scalar step, with nothing of the C library but `math.h`."""

import os
import re
from collections.abc import Sequence

import numpy as np

from .. import _files
from .._network import input_spec, plan_ops
from ..layers import Bidirectional, Layer, RecurrentLayer
from ..models import Sequential
from ..seq2seq import Seq2Seq
from ._c_code import HELPERS, Code

__all__ = ["save"]

_LAYERS = ["LSTM", "GRU", "SimpleRNN", "Dense", "TimeDistributed", "Embedding", "OneHot", "Activation", "Masking"]
_LAYERS += ["Dropout", "SpatialDropout1D", "GaussianNoise"]
_TRAINING_ONLY = ("dropout", "gaussian_noise")


def save(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write `model` as a header of C99, replaced in one step; `Sequential.export` calls it.

    What it declares begins with the file's name. Of "m.h", for a model that reads I values, or ids of I symbols, and makes O:

        m_state                                            the state, of all recurrent layers
        void m_reset(m_state *)                            makes it zero, as it must be before the first step
        void m_step(m_state *, const float *x, float *y)   x [I], y [O]
        int m_step_id(m_state *, int id, float *y)         1; or 0 with nothing done, where id is not from 0 to I - 1
        M_INPUTS, M_OUTPUTS                                I and O

    m_step is there where the model can read vectors, m_step_id where it can read ids. A step answers as `Sequential.stream` does
    but for rounding: sums are in order and not fused, functions are the C library's. It keeps on the stack some arrays as wide
    as the layers. Weights are constant, and can stay in flash memory; nothing is allocated.

    The layers are LSTM, GRU in both forms, SimpleRNN, Dense, TimeDistributed, Embedding, OneHot, Activation; Dropout,
    GaussianNoise and Masking do nothing in a stream. Raises ValueError for any other, for a dtype other than float32, for
    `go_backwards` and `layer_norm`, for weights that are not finite, and for a model that reads no sequences; TypeError for a
    Seq2Seq; OSError where the file cannot be written.

    >>> import tempfile
    >>> from pyrnn import layers
    >>> model = Sequential([layers.LSTM(8, input_shape=(None, 3)), layers.Dense(2)])
    >>> path = os.path.join(tempfile.mkdtemp(), "m.h")
    >>> save(model, path)
    >>> with open(path) as file:
    ...     "static inline void m_step(m_state *state, const float *x, float *y)" in file.read()
    True
    """
    if isinstance(model, Seq2Seq):
        raise TypeError("export: a Seq2Seq cannot be a C header, whose step reads and answers at once")
    model._refuse_quantized("export", "export")
    layers = model._built_layers()
    if model.dtype != "float32":
        raise ValueError(f"export: dtype must be float32 for a C header, got {model.dtype}")
    if not input_spec(layers).sequence:
        raise ValueError(
            f"export: a C header needs a model that reads sequences [N, T, features], got {model.input_shape}"
        )
    for layer in layers:
        _check(layer)
    stem = os.path.splitext(os.path.basename(os.fspath(path)))[0]
    text = _header(identifier(stem), layers)
    _files.replace(os.fspath(path), "the header", text.encode("ascii"))


def _check(layer: Layer) -> None:
    inner = getattr(layer, "layer", layer)
    if isinstance(inner, RecurrentLayer) and (getattr(inner, "layer_norm", False) or inner.go_backwards):
        option = "go_backwards" if inner.go_backwards else "layer_norm"
        raise ValueError(f"export: a C header cannot have {layer.title} with {option}=True")
    if isinstance(layer, Bidirectional) or type(inner).__name__ not in _LAYERS:
        raise ValueError(f"export: a C header cannot have {layer.title}; it can have {', '.join(_LAYERS)}")
    for weight in layer.weights:
        if not np.isfinite(weight.numpy()).all():
            raise ValueError(f"export: weights must be finite, but those of {weight.path} are not")


def identifier(name: str) -> str:
    """A name of C.

    >>> identifier("my model-2"), identifier("2nd")
    ('my_model_2', '_2nd')
    """
    text = re.sub(r"[^0-9A-Za-z_]", "_", name)
    return f"_{text}" if not text or text[0].isdigit() else text


def _header(name: str, layers: Sequence[Layer]) -> str:
    spec = input_spec(layers)
    code = Code(name, spec.features)
    ops, indices = plan_ops(layers, training=False)
    for index, op in enumerate(ops):
        layer = layers[
            len(indices) - 1 - indices[::-1].index(index)
        ]  # of those that share an op the last, which has weights
        if op["op"] not in _TRAINING_ONLY:
            weights = {weight.name: weight.numpy() for weight in layer.weights}
            code.add(op, f"{identifier(layer.name)}_{index}", layer.title, weights)
    takes_ids = spec.takes_ids or spec.only_ids
    return _file(name, code, takes_ids, takes_vectors=not spec.only_ids)


def _file(name: str, code: Code, takes_ids: bool, takes_vectors: bool) -> str:
    big = name.upper()
    state = "".join(f"  float {array}[{size}];\n" for array, size in code.state) or "  char none;\n"
    resets = "".join(f"  for (i = 0; i < {size}; i++) state->{array}[i] = 0.0f;\n" for array, size in code.state)
    steps = []
    if takes_vectors:
        steps.append(f"""/* x [{big}_INPUTS] to y [{big}_OUTPUTS] */
static inline void {name}_step({name}_state *state, const float *x, float *y) {{
  {name}_forward(state, x, 0, y);
}}
""")
    if takes_ids:
        steps.append(f"""/* id to y [{big}_OUTPUTS]; 0, with nothing done, where id is not from 0 to {big}_INPUTS - 1, else 1 */
static inline int {name}_step_id({name}_state *state, int id, float *y) {{
  if (id < 0 || id >= {big}_INPUTS) return 0;
  {name}_forward(state, 0, id, y);
  return 1;
}}
""")
    return f"""/* A recurrent network, one step at a time, written by pyrnn. C99; needs nothing but math.h.
 *
 *   static {name}_state state;
 *   {name}_reset(&state);
 *   each step: {f"{name}_step(&state, x, y)" if takes_vectors else f"{name}_step_id(&state, id, y)"}
 */
#ifndef {big}_H
#define {big}_H

#include <math.h>

#define {big}_INPUTS {code.inputs}
#define {big}_OUTPUTS {code.width}

typedef struct {name}_state {{
{state}}} {name}_state;

{"".join(code.constants)}
{HELPERS.replace("PREFIX", name)}
/* Of x, or of id where x is null */
static inline void {name}_forward({name}_state *state, const float *x, int id, float *y) {{
  int i;
  {"".join(code.body).strip()}
  for (i = 0; i < {big}_OUTPUTS; i++) y[i] = {code.signal}[i];
  (void)state, (void)x, (void)id;
}}

static inline void {name}_reset({name}_state *state) {{
  int i;
{resets}  (void)state, (void)i;
}}

{chr(10).join(steps)}
#endif
"""
