// The recurrent cells' plain functions to Python.
#include <pybind11/stl.h>

#include <optional>

#include "functions.h"

namespace pyrnn {

namespace {

// The arrays by their names in Python. LSTM has c, a cell without gates has none of them.
struct Arguments {
  py::array x, h0, c0, kernel, recurrent_kernel, bias;
  py::array dh = {}, dc = {}, h = {}, c = {}, gates = {};  // of backward
  py::array gamma = {}, gamma_h = {}, beta_h = {};         // of the layer-normalised cells
};

using OptionalArray = std::optional<py::array>;

struct Masks {
  OptionalArray dropout = {}, recurrent = {}, zoneout = {};
};

struct Sizes {
  Index gates_of_kernel, saved_gates;
  bool has_c, normalized;
};

Sizes sizes_of(CellKind kind) {
  switch (kind) {
    case CellKind::lstm:
      return {4, 4, true, false};
    case CellKind::layer_norm_lstm:
      return {4, 0, true, true};
    case CellKind::layer_norm_gru:
      return {3, 0, false, true};
    case CellKind::simple_rnn:
      return {1, 0, false, false};
    default:
      return {3, 4, false, false};
  }
}

RecurrentShape shape_of_arguments(const Arguments& g) {
  const Shape xs = axes(g.x, "x", is_ids(g.x) ? 2 : 3), k = axes(g.kernel, "kernel", 2),
              r = axes(g.recurrent_kernel, "recurrent_kernel", 2);
  if (xs[0] < 1 || xs[1] < 1) throw py::value_error("x must have rows and steps, got " + describe(g.x));
  return {xs[0], xs[1], k[0], r[0]};
}

Shape bias_shape(CellKind kind, Index H) {
  const bool two = kind == CellKind::gru || kind == CellKind::layer_norm_gru;  // a row for each product
  return two ? Shape{2, 3 * H} : Shape{sizes_of(kind).gates_of_kernel * H};
}

template <class T>
RecurrentArrays<T> inputs_of(CellKind kind, const RecurrentShape& s, const Arguments& g, const Masks& masks) {
  const Sizes sizes = sizes_of(kind);
  RecurrentArrays<T> a{};
  if (!is_ids(g.x)) values<T>(g.x, "x", {s.B, s.T, s.I});
  a.x = view(g.x, "x");
  a.h0 = values<T>(g.h0, "h0", {s.B, s.H});
  if (sizes.has_c) a.c0 = values<T>(g.c0, "c0", {s.B, s.H});
  a.kernel = values<T>(g.kernel, "kernel", {s.I, sizes.gates_of_kernel * s.H});
  a.recurrent_kernel = values<T>(g.recurrent_kernel, "recurrent_kernel", {s.H, sizes.gates_of_kernel * s.H});
  a.bias = values<T>(g.bias, "bias", bias_shape(kind, s.H));
  if (masks.dropout) a.dropout_mask = values<T>(*masks.dropout, "dropout_mask", {s.B, s.I});
  if (masks.recurrent) a.recurrent_mask = values<T>(*masks.recurrent, "recurrent_mask", {s.B, s.H});
  if (masks.zoneout) a.zoneout_mask = values<T>(*masks.zoneout, "zoneout_mask", {s.B, s.T, s.H});
  if (sizes.normalized) a.gamma = values<T>(g.gamma, "gamma", {2, sizes.gates_of_kernel * s.H});
  if (sizes.normalized && sizes.has_c) {
    a.gamma_h = values<T>(g.gamma_h, "gamma_h", {s.H});
    a.beta_h = values<T>(g.beta_h, "beta_h", {s.H});
  }
  return a;
}

// (h, c, gates), those that the cell has
template <class T>
py::object forward_of(const CellOptions& cell, const Arguments& g, const Masks& masks) {
  const Sizes sizes = sizes_of(cell.kind);
  const RecurrentShape s = shape_of_arguments(g);
  RecurrentArrays<T> a = inputs_of<T>(cell.kind, s, g, masks);
  auto h = new_array<T>({s.B, s.T, s.H}), c = new_array<T>({s.B, s.T, sizes.has_c ? s.H : 0}),
       gates = new_array<T>({s.B, s.T, sizes.saved_gates * s.H});
  a.h = data(h), a.c = data(c), a.gates = data(gates);
  {
    py::gil_scoped_release release;
    recurrent_forward(cell, s, a);
  }
  if (sizes.has_c && sizes.normalized) return py::make_tuple(h, c);
  if (sizes.has_c) return py::make_tuple(h, c, gates);
  if (sizes.saved_gates) return py::make_tuple(h, gates);
  return h;
}

// (dx, dh0, dc0, dkernel, drecurrent_kernel, dbias, dgamma, dgamma_h, dbeta_h), those that the cell has
template <class T>
py::object backward_of(const CellOptions& cell, Arguments g, const Masks& masks) {
  const Sizes sizes = sizes_of(cell.kind);
  const RecurrentShape s = shape_of_arguments(g);
  auto dbias = new_array<T>(bias_shape(cell.kind, s.H));
  if (!sizes.normalized) g.bias = dbias;  // backward reads no bias, unless it runs forward again
  RecurrentArrays<T> a = inputs_of<T>(cell.kind, s, g, masks);
  RecurrentGradients<T> d{};
  if (!sizes.normalized) a.h = const_cast<T*>(values<T>(g.h, "h", {s.B, s.T, s.H}));
  if (!sizes.normalized && sizes.has_c) a.c = const_cast<T*>(values<T>(g.c, "c", {s.B, s.T, s.H}));
  d.dh = values<T>(g.dh, "dh", {s.B, s.T, s.H});
  if (sizes.has_c) d.dc = values<T>(g.dc, "dc", {s.B, s.H});
  if (sizes.saved_gates) a.gates = const_cast<T*>(values<T>(g.gates, "gates", {s.B, s.T, sizes.saved_gates * s.H}));
  auto dx = new_array<T>(is_ids(g.x) ? Shape{0} : Shape{s.B, s.T, s.I});
  auto dh0 = new_array<T>({s.B, s.H}), dc0 = new_array<T>({sizes.has_c ? s.B : 0, s.H});
  auto dkernel = new_array<T>(shape_of(g.kernel)), drecurrent_kernel = new_array<T>(shape_of(g.recurrent_kernel));
  d.dx = is_ids(g.x) ? nullptr : data(dx);
  d.dh0 = data(dh0), d.dc0 = data(dc0);
  auto dgamma = new_array<T>(sizes.normalized ? shape_of(g.gamma) : Shape{0});
  auto dgamma_h = new_array<T>({s.H}), dbeta_h = new_array<T>({s.H});
  d.dkernel = data(dkernel), d.drecurrent_kernel = data(drecurrent_kernel), d.dbias = data(dbias);
  d.dgamma = data(dgamma), d.dgamma_h = data(dgamma_h), d.dbeta_h = data(dbeta_h);
  {
    py::gil_scoped_release release;
    recurrent_backward(cell, s, a, d);
  }
  const py::object of_x = is_ids(g.x) ? py::object(py::none()) : py::object(dx);
  if (sizes.normalized && sizes.has_c)
    return py::make_tuple(of_x, dh0, dc0, dkernel, drecurrent_kernel, dbias, dgamma, dgamma_h, dbeta_h);
  if (sizes.normalized) return py::make_tuple(of_x, dh0, dkernel, drecurrent_kernel, dbias, dgamma);
  if (sizes.has_c) return py::make_tuple(of_x, dh0, dc0, dkernel, drecurrent_kernel, dbias);
  return py::make_tuple(of_x, dh0, dkernel, drecurrent_kernel, dbias);
}

CellOptions lstm_cell(const std::string& activation, const std::string& recurrent_activation) {
  return {CellKind::lstm, activation_by_name(activation), activation_by_name(recurrent_activation)};
}

CellOptions gru_cell(bool reset_after, const std::string& activation, const std::string& recurrent_activation) {
  return {reset_after ? CellKind::gru : CellKind::gru_reset_before, activation_by_name(activation),
          activation_by_name(recurrent_activation)};
}

py::object forward(const CellOptions& cell, const Arguments& g, const Masks& masks = {}) {
  return PYRNN_BY_DTYPE(g.kernel, "kernel", forward_of)(cell, g, masks);
}

py::object backward(const CellOptions& cell, const Arguments& g, const Masks& masks = {}) {
  return PYRNN_BY_DTYPE(g.kernel, "kernel", backward_of)(cell, g, masks);
}

CellOptions normalized_cell(CellKind kind, const std::string& activation, const std::string& recurrent_activation) {
  return {kind, activation_by_name(activation), activation_by_name(recurrent_activation)};
}

void bind_layer_norm_functions(py::module_& m) {
  using namespace py::literals;
  using Array = const py::array&;
  using Name = const std::string&;
  m.def(
      "layer_norm_lstm_forward",
      [](Array x, Array h0, Array c0, Array kernel, Array recurrent_kernel, Array bias, Array gamma, Array gamma_h,
         Array beta_h, Name activation, Name recurrent_activation) {
        return forward(normalized_cell(CellKind::layer_norm_lstm, activation, recurrent_activation),
                       {x, h0, c0, kernel, recurrent_kernel, bias, {}, {}, {}, {}, {}, gamma, gamma_h, beta_h});
      },
      "x"_a, "h0"_a, "c0"_a, "kernel"_a, "recurrent_kernel"_a, "bias"_a, "gamma"_a, "gamma_h"_a, "beta_h"_a,
      "activation"_a = "tanh", "recurrent_activation"_a = "sigmoid");
  m.def(
      "layer_norm_lstm_backward",
      [](Array dh, Array dc, Array x, Array h0, Array c0, Array kernel, Array recurrent_kernel, Array bias, Array gamma,
         Array gamma_h, Array beta_h, Name activation, Name recurrent_activation) {
        return backward(normalized_cell(CellKind::layer_norm_lstm, activation, recurrent_activation),
                        {x, h0, c0, kernel, recurrent_kernel, bias, dh, dc, {}, {}, {}, gamma, gamma_h, beta_h});
      },
      "dh"_a, "dc"_a, "x"_a, "h0"_a, "c0"_a, "kernel"_a, "recurrent_kernel"_a, "bias"_a, "gamma"_a, "gamma_h"_a,
      "beta_h"_a, "activation"_a = "tanh", "recurrent_activation"_a = "sigmoid");
  m.def(
      "layer_norm_gru_forward",
      [](Array x, Array h0, Array kernel, Array recurrent_kernel, Array bias, Array gamma, Name activation,
         Name recurrent_activation) {
        return forward(normalized_cell(CellKind::layer_norm_gru, activation, recurrent_activation),
                       {x, h0, {}, kernel, recurrent_kernel, bias, {}, {}, {}, {}, {}, gamma});
      },
      "x"_a, "h0"_a, "kernel"_a, "recurrent_kernel"_a, "bias"_a, "gamma"_a, "activation"_a = "tanh",
      "recurrent_activation"_a = "sigmoid");
  m.def(
      "layer_norm_gru_backward",
      [](Array dh, Array x, Array h0, Array kernel, Array recurrent_kernel, Array bias, Array gamma, Name activation,
         Name recurrent_activation) {
        return backward(normalized_cell(CellKind::layer_norm_gru, activation, recurrent_activation),
                        {x, h0, {}, kernel, recurrent_kernel, bias, dh, {}, {}, {}, {}, gamma});
      },
      "dh"_a, "x"_a, "h0"_a, "kernel"_a, "recurrent_kernel"_a, "bias"_a, "gamma"_a, "activation"_a = "tanh",
      "recurrent_activation"_a = "sigmoid");
}

}  // namespace

void bind_recurrent_functions(py::module_& m) {
  bind_layer_norm_functions(m);
  using namespace py::literals;
  using Array = const py::array&;
  using Name = const std::string&;
  using Mask = const OptionalArray&;
  const py::arg_v dropout_mask = "dropout_mask"_a = py::none(), recurrent_mask = "recurrent_mask"_a = py::none(),
                  zoneout_mask = "zoneout_mask"_a = py::none();
  m.def(
      "lstm_forward",
      [](Array x, Array h0, Array c0, Array kernel, Array recurrent_kernel, Array bias, Name activation,
         Name recurrent_activation, Mask dropout, Mask recurrent, Mask zoneout) {
        return forward(lstm_cell(activation, recurrent_activation), {x, h0, c0, kernel, recurrent_kernel, bias},
                       {dropout, recurrent, zoneout});
      },
      "x"_a, "h0"_a, "c0"_a, "kernel"_a, "recurrent_kernel"_a, "bias"_a, "activation"_a = "tanh",
      "recurrent_activation"_a = "sigmoid", dropout_mask, recurrent_mask, zoneout_mask);
  m.def(
      "lstm_backward",
      [](Array dh, Array dc, Array x, Array h0, Array c0, Array kernel, Array recurrent_kernel, Array h, Array c,
         Array gates, Name activation, Name recurrent_activation, Mask dropout, Mask recurrent, Mask zoneout) {
        return backward(lstm_cell(activation, recurrent_activation),
                        {x, h0, c0, kernel, recurrent_kernel, {}, dh, dc, h, c, gates}, {dropout, recurrent, zoneout});
      },
      "dh"_a, "dc"_a, "x"_a, "h0"_a, "c0"_a, "kernel"_a, "recurrent_kernel"_a, "h"_a, "c"_a, "gates"_a,
      "activation"_a = "tanh", "recurrent_activation"_a = "sigmoid", dropout_mask, recurrent_mask, zoneout_mask);
  m.def(
      "gru_forward",
      [](Array x, Array h0, Array kernel, Array recurrent_kernel, Array bias, bool reset_after, Name activation,
         Name recurrent_activation, Mask dropout, Mask recurrent, Mask zoneout) {
        return forward(gru_cell(reset_after, activation, recurrent_activation),
                       {x, h0, {}, kernel, recurrent_kernel, bias}, {dropout, recurrent, zoneout});
      },
      "x"_a, "h0"_a, "kernel"_a, "recurrent_kernel"_a, "bias"_a, "reset_after"_a = true, "activation"_a = "tanh",
      "recurrent_activation"_a = "sigmoid", dropout_mask, recurrent_mask, zoneout_mask);
  m.def(
      "gru_backward",
      [](Array dh, Array x, Array h0, Array kernel, Array recurrent_kernel, Array h, Array gates, bool reset_after,
         Name activation, Name recurrent_activation, Mask dropout, Mask recurrent, Mask zoneout) {
        return backward(gru_cell(reset_after, activation, recurrent_activation),
                        {x, h0, {}, kernel, recurrent_kernel, {}, dh, {}, h, {}, gates}, {dropout, recurrent, zoneout});
      },
      "dh"_a, "x"_a, "h0"_a, "kernel"_a, "recurrent_kernel"_a, "h"_a, "gates"_a, "reset_after"_a = true,
      "activation"_a = "tanh", "recurrent_activation"_a = "sigmoid", dropout_mask, recurrent_mask, zoneout_mask);
  m.def(
      "simple_rnn_forward",
      [](Array x, Array h0, Array kernel, Array recurrent_kernel, Array bias, Name activation, Mask dropout,
         Mask recurrent, Mask zoneout) {
        return forward({CellKind::simple_rnn, activation_by_name(activation)},
                       {x, h0, {}, kernel, recurrent_kernel, bias}, {dropout, recurrent, zoneout});
      },
      "x"_a, "h0"_a, "kernel"_a, "recurrent_kernel"_a, "bias"_a, "activation"_a = "tanh", dropout_mask, recurrent_mask,
      zoneout_mask);
  m.def(
      "simple_rnn_backward",
      [](Array dh, Array x, Array h0, Array kernel, Array recurrent_kernel, Array h, Name activation, Mask dropout,
         Mask recurrent, Mask zoneout) {
        return backward({CellKind::simple_rnn, activation_by_name(activation)},
                        {x, h0, {}, kernel, recurrent_kernel, {}, dh, {}, h}, {dropout, recurrent, zoneout});
      },
      "dh"_a, "x"_a, "h0"_a, "kernel"_a, "recurrent_kernel"_a, "h"_a, "activation"_a = "tanh", dropout_mask,
      recurrent_mask, zoneout_mask);
}

}  // namespace pyrnn
