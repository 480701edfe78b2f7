// The plain functions to Python: names, arguments and results of pyrnn/reference.py, for float32 and float64.
// Every function: check, allocate, release the GIL, call, return.
#include "functions.h"

#include "../ops/sampler.h"

namespace pyrnn {

namespace {

// The rows of x [.., I] or ids [..] as one axis. C order only: rows of another order cannot be counted through.
py::array flat(const py::array& x, const char* name, bool keep_last) {
  if (!(x.flags() & py::array::c_style))
    throw py::value_error(std::string(name) + " must be in C order, got " + describe(x));
  if (keep_last && x.ndim() < 1)
    throw py::value_error(std::string(name) + " must have at least one axis, got a scalar");
  const Index last = keep_last ? x.shape(x.ndim() - 1) : 1, rows = last ? x.size() / last : 0;
  return const_cast<py::array&>(x).reshape(keep_last ? Shape{rows, last} : Shape{rows});
}

// ---- Dense, Embedding, cross-entropy: leading axes count as rows

Shape with_last(const py::array& x, bool ids, Index last) {
  Shape shape = shape_of(x);
  if (ids)
    shape.push_back(last);
  else
    shape.back() = last;
  return shape;
}

template <class T>
py::array dense_forward_of(const py::array& x, const py::array& kernel, const py::array& bias,
                           const std::string& activation) {
  const Shape k = axes(kernel, "kernel", 2);
  const bool ids = is_ids(x);
  const py::array rows = flat(x, "x", !ids);
  const Index B = rows.shape(0);
  if (!ids) values<T>(rows, "x", {B, k[0]});
  const T* w = values<T>(kernel, "kernel", k);
  const T* b = values<T>(bias, "bias", {k[1]});
  auto y = new_array<T>(with_last(x, ids, k[1]));
  const ArrayView x_view = view(rows, "x");
  const Activation a = activation_by_name(activation);
  T* to = data(y);
  if (B == 0) return y;
  {
    py::gil_scoped_release release;
    dense_forward(B, k[0], k[1], x_view, w, b, a, to);
  }
  return y;
}

template <class T>
py::tuple dense_backward_of(const py::array& dy, const py::array& x, const py::array& kernel, const py::array& y,
                            const std::string& activation) {
  const Shape k = axes(kernel, "kernel", 2);
  const bool ids = is_ids(x);
  const py::array rows = flat(x, "x", !ids);
  const Index B = rows.shape(0);
  if (B < 1) throw py::value_error("x must have rows, got " + describe(x));
  if (!ids) values<T>(rows, "x", {B, k[0]});
  const Shape out = with_last(x, ids, k[1]);
  const T *w = values<T>(kernel, "kernel", k), *g = values<T>(dy, "dy", out), *v = values<T>(y, "y", out);
  auto dx = new_array<T>(ids ? Shape{0} : shape_of(x)), dkernel = new_array<T>(k), dbias = new_array<T>({k[1]});
  const ArrayView x_view = view(rows, "x");
  const Activation a = activation_by_name(activation);
  if (keeps_input(a))
    throw py::value_error("dense_backward: activation must be one whose derivative is written by y, got " + activation);
  T *to_x = ids ? nullptr : data(dx), *to_kernel = data(dkernel), *to_bias = data(dbias);
  {
    py::gil_scoped_release release;
    dense_backward(B, k[0], k[1], g, x_view, w, v, a, to_x, to_kernel, to_bias);
  }
  return py::make_tuple(ids ? py::object(py::none()) : py::object(dx), dkernel, dbias);
}

template <class T>
py::array embedding_forward_of(const py::array& ids, const py::array& embeddings) {
  const Shape e = axes(embeddings, "embeddings", 2);
  const py::array rows = flat(ids, "ids", false);
  if (e[0] < 1 || e[1] < 1) throw py::value_error("embeddings must have rows and columns, got " + describe(embeddings));
  const T* table = values<T>(embeddings, "embeddings", e);
  auto y = new_array<T>(with_last(ids, true, e[1]));
  const ArrayView ids_view = view(rows, "ids");
  T* to = data(y);
  if (ids_view.shape[0] == 0) return y;
  {
    py::gil_scoped_release release;
    embedding_forward(ids_view.shape[0], e[0], e[1], ids_view, table, to);
  }
  return y;
}

template <class T>
py::array embedding_backward_of(const py::array& dy, const py::array& ids, Index V) {
  const py::array rows = flat(ids, "ids", false);
  if (dy.ndim() < 1 || V < 1 || rows.shape(0) < 1)
    throw py::value_error("embedding_backward: dy, ids and V must not be empty");
  const Index D = dy.shape(dy.ndim() - 1);
  const T* g = values<T>(dy, "dy", with_last(ids, true, D));
  auto dembeddings = new_array<T>({V, D});
  const ArrayView ids_view = view(rows, "ids");
  T* to = data(dembeddings);
  {
    py::gil_scoped_release release;
    embedding_backward(ids_view.shape[0], V, D, g, ids_view, to);
  }
  return dembeddings;
}

template <class T>
py::tuple crossentropy_of(const py::array& z, const py::array& y) {
  const py::array rows = flat(z, "z", true), targets = flat(y, "y", !is_ids(y));
  const Index B = rows.shape(0), V = rows.shape(1);
  if (B < 1 || V < 1) throw py::value_error("z must have rows, got " + describe(z));
  Shape wanted = shape_of(z);
  if (is_ids(y)) wanted.pop_back();
  if (shape_of(y) != wanted) refuse("y", describe(is_ids(y) ? "integer ids" : kDtypeName<T>, wanted), y);
  const T* logits = values<T>(rows, "z", {B, V});
  if (!is_ids(y)) values<T>(targets, "y", {B, V});
  auto dz = new_array<T>(shape_of(z));
  const ArrayView y_view = view(targets, "y");
  T* to = data(dz);
  double loss;
  {
    py::gil_scoped_release release;
    loss = crossentropy(B, V, logits, y_view, to);
  }
  return py::make_tuple(loss, dz);
}

// ---- Sampling: logits [B, V], one random number of each row's key

template <class T>
py::array_t<std::int32_t> sample_ids_of(const py::array& z, const std::vector<std::uint64_t>& keys,
                                        std::uint64_t position, const Sampling& sampling) {
  const Shape shape = axes(z, "z", 2);
  const T* logits = values<T>(z, "z", shape);
  if (Index(keys.size()) != shape[0] || shape[1] < 1)
    throw py::value_error("keys must be one for each row of z, got " + std::to_string(keys.size()) + " for " +
                          describe(z));
  auto ids = new_array<std::int32_t>({shape[0]});
  std::int32_t* to = data(ids);
  {
    py::gil_scoped_release release;
    Sampler sampler(shape[1]);
    for (Index r = 0; r < shape[0]; r++)
      to[r] = std::int32_t(sampler.draw(logits + r * shape[1], sampling, keys[std::size_t(r)], position));
  }
  return ids;
}

// ---- Activations: any shape

template <class T>
py::array activation_of(const py::array& x, Activation kind) {
  const Shape shape = shape_of(x);
  const T* from = values<T>(x, "x", shape);
  auto y = new_array<T>(shape);
  T* to = data(y);
  const Index n = x.size();
  {
    py::gil_scoped_release release;
    activation(kind, n, from, to);
  }
  return y;
}

}  // namespace

void bind_functions(py::module_& m) {
  using namespace py::literals;
  bind_recurrent_functions(m);
  m.def(
      "dense_forward",
      [](const py::array& x, const py::array& kernel, const py::array& bias, const std::string& activation) {
        return PYRNN_BY_DTYPE(kernel, "kernel", dense_forward_of)(x, kernel, bias, activation);
      },
      "x"_a, "kernel"_a, "bias"_a, "activation"_a);
  m.def(
      "dense_backward",
      [](const py::array& dy, const py::array& x, const py::array& kernel, const py::array& y,
         const std::string& activation) {
        return PYRNN_BY_DTYPE(kernel, "kernel", dense_backward_of)(dy, x, kernel, y, activation);
      },
      "dy"_a, "x"_a, "kernel"_a, "y"_a, "activation"_a);
  m.def(
      "embedding_forward",
      [](const py::array& ids, const py::array& embeddings) {
        return PYRNN_BY_DTYPE(embeddings, "embeddings", embedding_forward_of)(ids, embeddings);
      },
      "ids"_a, "embeddings"_a);
  m.def(
      "embedding_backward",
      [](const py::array& dy, const py::array& ids, Index V) {
        return PYRNN_BY_DTYPE(dy, "dy", embedding_backward_of)(dy, ids, V);
      },
      "dy"_a, "ids"_a, "V"_a);
  m.def(
      "crossentropy",
      [](const py::array& z, const py::array& y) { return PYRNN_BY_DTYPE(z, "z", crossentropy_of)(z, y); }, "z"_a,
      "y"_a);
  m.def(
      "sample_ids",
      [](const py::array& z, const std::vector<std::uint64_t>& keys, std::uint64_t position, double temperature,
         Index top_k, double top_p) {
        return PYRNN_BY_DTYPE(z, "z", sample_ids_of)(z, keys, position, {temperature, top_k, top_p});
      },
      "z"_a, "keys"_a, "position"_a, "temperature"_a = 1.0, "top_k"_a = 0, "top_p"_a = 1.0);
  m.def(
      "sigmoid", [](const py::array& x) { return PYRNN_BY_DTYPE(x, "x", activation_of)(x, Activation::sigmoid); },
      "x"_a);
  m.def("tanh", [](const py::array& x) { return PYRNN_BY_DTYPE(x, "x", activation_of)(x, Activation::tanh); }, "x"_a);
}

}  // namespace pyrnn
