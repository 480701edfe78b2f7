"""The engine's ops as C, for `c_header`."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Sums are in the engine's order: the bias, then every product. A row of a matrix is a column of Keras' kernel.
HELPERS = """\
static inline float PREFIX_dot(int n, const float *row, const float *x, float sum) {
  int k;
  for (k = 0; k < n; k++) sum += row[k] * x[k];
  return sum;
}

/* Of the model's input: its vector, or the id of a one-hot one */
static inline float PREFIX_read(int n, const float *row, const float *x, int id, float sum) {
  return x ? PREFIX_dot(n, row, x, sum) : sum + row[id];
}

static inline float PREFIX_linear(float x) { return x; }
static inline float PREFIX_tanh(float x) { return tanhf(x); }
static inline float PREFIX_sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
static inline float PREFIX_relu(float x) { return x < 0.0f ? 0.0f : x; }
static inline float PREFIX_hard_sigmoid(float x) {
  const float y = x / 6.0f + 0.5f;
  return y < 0.0f ? 0.0f : y > 1.0f ? 1.0f : y;
}
static inline float PREFIX_softplus(float x) { return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x))); }
static inline float PREFIX_elu(float x) { return x > 0.0f ? x : expm1f(x); }
static inline float PREFIX_leaky_relu(float x) { return x < 0.0f ? 0.2f * x : x; }
static inline float PREFIX_exponential(float x) { return expf(x); }
static inline float PREFIX_silu(float x) { return x * PREFIX_sigmoid(x); }
static inline float PREFIX_gelu(float x) { return 0.5f * x * erfcf(-0.70710678f * x); }
static inline void PREFIX_softmax(int n, float *x) {
  float highest = x[0], sum = 0.0f;
  int k;
  for (k = 1; k < n; k++) highest = x[k] > highest ? x[k] : highest;
  for (k = 0; k < n; k++) sum += x[k] = expf(x[k] - highest);
  for (k = 0; k < n; k++) x[k] /= sum;
}
"""


class Code:
    """Collects constants, the state, and the body of a step. `signal` is the array that the last op made, `width` its size."""

    def __init__(self, prefix: str, inputs: int) -> None:
        self._prefix = prefix
        self.inputs = self.width = inputs
        self.signal = "x"
        self.constants: list[str] = []
        self.state: list[tuple[str, int]] = []
        self.body: list[str] = []

    def add(self, op: dict[str, Any], name: str, title: str, weights: dict[str, Array]) -> None:
        self.body.append(f"\n  /* {title.encode('ascii', 'backslashreplace').decode()} */\n")
        getattr(self, f"_{op['op']}")(op, name, weights)

    # -- ops ------------------------------------------------------------------

    def _lstm(self, op: dict[str, Any], name: str, weights: dict[str, Array]) -> None:
        act, gate = self._functions(op)
        gates = [self._sum(name, op, weights, place, "W", "R") for place in range(4)]
        self._recurrent(
            op,
            name,
            f"""\
    const float input = {gate}({gates[0]});
    const float forget = {gate}({gates[1]});
    const float candidate = {act}({gates[2]});
    const float output = {gate}({gates[3]});
    const float c = forget * state->{name}_c[i] + input * candidate;
    const float h = output * {act}(c);
    state->{name}_c[i] = c;
""",
        )
        self.state.append((f"{name}_c", op["units"]))

    def _gru(self, op: dict[str, Any], name: str, weights: dict[str, Array]) -> None:
        act, gate = self._functions(op)
        z, r = (self._sum(name, op, weights, place, "W", "R") for place in (0, 1))
        x = self._sum(name, op, weights, 2, "W")
        mix = f"    const float h = z * state->{name}_h[i] + (1.0f - z) * n;\n"
        if op["reset_after"]:
            h = self._sum(name, op, weights, 2, "R")
            n = f"    const float n = {act}({x} + r * {h});\n"
            self._recurrent(op, name, f"    const float z = {gate}({z});\n    const float r = {gate}({r});\n{n}{mix}")
            return
        units = op["units"]
        self.body.append(f"  float {name}_rh[{units}];\n")
        self.body.append(f"  for (i = 0; i < {units}; i++) {name}_rh[i] = {gate}({r}) * state->{name}_h[i];\n")
        n = f"    const float n = {act}({self._dot(f'{name}_R', units, 2 * units, f'{name}_rh', x)});\n"
        self._recurrent(op, name, f"    const float z = {gate}({z});\n{n}{mix}")

    def _simple_rnn(self, op: dict[str, Any], name: str, weights: dict[str, Array]) -> None:
        total = self._sum(name, op, weights, 0, "W", "R")
        self._recurrent(op, name, f"    const float h = {self._prefix}_{op['activation']}({total});\n")

    def _dense(self, op: dict[str, Any], name: str, weights: dict[str, Array]) -> None:
        total = self._sum(name, op, weights, 0, "W")
        self._array(name, op["units"], total, op["activation"])

    def _activation(self, op: dict[str, Any], name: str, weights: dict[str, Array]) -> None:
        self._array(name, self.width, f"{self.signal}[i]", op["activation"])

    def _embedding(self, op: dict[str, Any], name: str, weights: dict[str, Array]) -> None:
        self._constant(f"{name}_table", weights["embeddings"])
        self.width = op["output_dim"]
        self.body.append(f"  const float *{name} = {self._prefix}_{name}_table + id * {self.width};\n")
        self.signal = name

    def _one_hot(self, op: dict[str, Any], name: str, weights: dict[str, Array]) -> None:
        self._array(name, self.width, "i == id ? 1.0f : 0.0f", "linear")

    # -- pieces ---------------------------------------------------------------

    def _functions(self, op: dict[str, Any]) -> tuple[str, str]:
        return f"{self._prefix}_{op['activation']}", f"{self._prefix}_{op['recurrent_activation']}"

    def _recurrent(self, op: dict[str, Any], name: str, cell: str) -> None:
        """Of every unit i `cell` computes h, from a state that stays as it is until all are there."""
        units, zoneout = op["units"], float(op["zoneout"])
        self.state.append((f"{name}_h", units))
        kept = f"{_number(zoneout)} * state->{name}_h[i] + {_number(1 - zoneout)} * h" if zoneout else "h"
        self.body.append(
            f"  float {name}_next[{units}];\n"
            f"  for (i = 0; i < {units}; i++) {{\n{cell}    {name}_next[i] = {kept};\n  }}\n"
            f"  for (i = 0; i < {units}; i++) state->{name}_h[i] = {name}_next[i];\n"
        )
        self.signal, self.width = f"state->{name}_h", units

    def _array(self, name: str, size: int, value: str, activation: str) -> None:
        whole = activation == "softmax"
        element = value if whole else f"{self._prefix}_{activation}({value})"
        self.body.append(f"  float {name}[{size}];\n  for (i = 0; i < {size}; i++) {name}[i] = {element};\n")
        if whole:
            self.body.append(f"  {self._prefix}_softmax({size}, {name});\n")
        self.signal, self.width = name, size

    def _sum(self, name: str, op: dict[str, Any], weights: dict[str, Array], gate: int, *products: str) -> str:
        """bias + x W + h R of unit i of a gate, or one of the products with the bias that belongs to it."""
        units = op["units"]
        if gate == 0:
            self._constant(f"{name}_W", weights["kernel"].T)
            if "recurrent_kernel" in weights:
                self._constant(f"{name}_R", weights["recurrent_kernel"].T)
            if op["use_bias"]:
                self._constant(f"{name}_b", weights["bias"])
        row, total = gate * units, "0.0f"
        if op["use_bias"]:
            of_two = weights["bias"].ndim == 2
            terms = [
                self._at(name, row + (of_two and product == "R") * weights["bias"].shape[-1]) for product in products
            ]
            total = " + ".join(terms if of_two else terms[:1])
        if "W" in products:
            total = self._dot(f"{name}_W", self.width, row, self.signal, total)
        return self._dot(f"{name}_R", units, row, f"state->{name}_h", total) if "R" in products else total

    def _at(self, name: str, offset: int) -> str:
        return f"{self._prefix}_{name}_b[{offset} + i]" if offset else f"{self._prefix}_{name}_b[i]"

    def _dot(self, matrix: str, depth: int, row: int, x: str, start: str) -> str:
        place = f"{self._prefix}_{matrix} + ({row} + i) * {depth}" if row else f"{self._prefix}_{matrix} + i * {depth}"
        if x == "x":
            return f"{self._prefix}_read({depth}, {place}, x, id, {start})"
        return f"{self._prefix}_dot({depth}, {place}, {x}, {start})"

    def _constant(self, name: str, values: Array) -> None:
        numbers = [_number(value) for value in values.ravel()]
        lines = ",\n".join("  " + ", ".join(numbers[at : at + 8]) for at in range(0, len(numbers), 8))
        self.constants.append(f"static const float {self._prefix}_{name}[{len(numbers)}] = {{\n{lines}\n}};\n")


def _number(value: float) -> str:
    """The shortest text that is read as the same float32.

    >>> _number(np.float32(0.1)), _number(3.0), _number(-1e-9)
    ('0.1f', '3.0f', '-1e-09f')
    """
    text = repr(float(np.format_float_scientific(np.float32(value), unique=True)))
    return f"{text}f"
