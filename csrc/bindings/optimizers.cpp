// The optimizers' rules as plain functions to Python, with the names and arguments of pyrnn/reference.py. Results are
// new arrays.
#include <pybind11/stl.h>

#include "../functions.h"
#include "arrays.h"
#include "functions.h"

namespace pyrnn {

namespace {

template <class T>
py::array_t<T> copy_of(const py::array& a, const char* name, const Shape& shape) {
  const T* from = values<T>(a, name, shape);
  py::array_t<T> copy(shape);
  std::copy_n(from, a.size(), data(copy));
  return copy;
}

struct Slot {
  const char* name;
  const py::array& value;
  bool used = true;
};

template <class T>
py::tuple step_of(const OptimizerSpec& spec, std::int64_t step, double learning_rate, const py::array& w,
                  const py::array& g, const std::vector<Slot>& state) {
  if (step < 1) throw py::value_error("step must be at least 1, got " + std::to_string(step));
  const Shape shape = shape_of(w);
  const T* gradient = values<T>(g, "g", shape);
  py::tuple result(1 + state.size());
  py::array_t<T> weights = copy_of<T>(w, "w", shape);
  result[0] = weights;
  std::vector<T*> slots;
  for (std::size_t i = 0; i < state.size(); i++) {
    py::array_t<T> slot = copy_of<T>(state[i].value, state[i].name, shape);
    if (state[i].used) slots.push_back(data(slot));
    result[1 + i] = slot;
  }
  T* to = data(weights);
  const Index n = w.size();
  py::gil_scoped_release release;
  optimizer_step(spec, step - 1, learning_rate, n, to, gradient, slots);
  return result;
}

py::tuple step(const OptimizerSpec& spec, std::int64_t step, double learning_rate, const py::array& w,
               const py::array& g, const std::vector<Slot>& state) {
  return PYRNN_BY_DTYPE(w, "w", step_of)(spec, step, learning_rate, w, g, state);
}

py::tuple sgd_step(const py::array& w, const py::array& g, const py::array& velocity, double learning_rate,
                   double momentum, bool nesterov) {
  OptimizerSpec spec{OptimizerKind::sgd};
  spec.momentum = momentum, spec.nesterov = nesterov;
  return step(spec, 1, learning_rate, w, g, {{"velocity", velocity, momentum != 0}});
}

py::tuple rmsprop_step(const py::array& w, const py::array& g, const py::array& v, const py::array& momentum_buffer,
                       const py::array& average, double learning_rate, double rho, double momentum, double epsilon,
                       bool centered) {
  OptimizerSpec spec{OptimizerKind::rmsprop};
  spec.rho = rho, spec.momentum = momentum, spec.epsilon = epsilon, spec.centered = centered;
  py::tuple r = step(spec, 1, learning_rate, w, g,
                     {{"v", v}, {"average", average, centered}, {"momentum_buffer", momentum_buffer, momentum != 0}});
  return py::make_tuple(r[0], r[1], r[3], r[2]);
}

OptimizerSpec moments(OptimizerKind kind, double beta_1, double beta_2, double epsilon) {
  OptimizerSpec spec{kind};
  spec.beta_1 = beta_1, spec.beta_2 = beta_2, spec.epsilon = epsilon;
  return spec;
}

py::tuple adam_step(const py::array& w, const py::array& g, const py::array& m, const py::array& v, std::int64_t t,
                    double learning_rate, double beta_1, double beta_2, double epsilon) {
  return step(moments(OptimizerKind::adam, beta_1, beta_2, epsilon), t, learning_rate, w, g, {{"m", m}, {"v", v}});
}

py::tuple amsgrad_step(const py::array& w, const py::array& g, const py::array& m, const py::array& v,
                       const py::array& v_max, std::int64_t t, double learning_rate, double beta_1, double beta_2,
                       double epsilon) {
  OptimizerSpec spec = moments(OptimizerKind::adam, beta_1, beta_2, epsilon);
  spec.amsgrad = true;
  return step(spec, t, learning_rate, w, g, {{"m", m}, {"v", v}, {"v_max", v_max}});
}

py::tuple nadam_step(const py::array& w, const py::array& g, const py::array& m, const py::array& v, std::int64_t t,
                     double learning_rate, double beta_1, double beta_2, double epsilon) {
  return step(moments(OptimizerKind::nadam, beta_1, beta_2, epsilon), t, learning_rate, w, g, {{"m", m}, {"v", v}});
}

py::tuple adagrad_step(const py::array& w, const py::array& g, const py::array& accumulator, double learning_rate,
                       double epsilon) {
  OptimizerSpec spec{OptimizerKind::adagrad};
  spec.epsilon = epsilon;
  return step(spec, 1, learning_rate, w, g, {{"accumulator", accumulator}});
}

py::tuple lion_step(const py::array& w, const py::array& g, const py::array& m, double learning_rate, double beta_1,
                    double beta_2) {
  return step(moments(OptimizerKind::lion, beta_1, beta_2, 0), 1, learning_rate, w, g, {{"m", m}});
}

template <class T>
py::list clip_of(const OptimizerSpec& spec, const std::vector<py::array>& gradients) {
  std::vector<py::array_t<T>> copies;
  for (const py::array& g : gradients) copies.push_back(copy_of<T>(g, "gradients", shape_of(g)));
  std::vector<T*> each;
  std::vector<Index> sizes;
  for (auto& copy : copies) each.push_back(data(copy)), sizes.push_back(copy.size());
  clip_gradients(spec, each, sizes);
  return py::cast(copies);
}

template <class T>
py::tuple penalty_of(const Regularizer& regularizer, const py::array& w) {
  const T* weights = values<T>(w, "w", shape_of(w));
  auto gradient = new_array<T>(shape_of(w));
  T* to = data(gradient);
  const Index n = w.size();
  double value;
  {
    py::gil_scoped_release release;
    value = penalty(regularizer, n, weights, to);
  }
  return py::make_tuple(value, gradient);
}

// A function of gradients and a limit, which is one of the spec's
auto clip_by(double OptimizerSpec::* limit) {
  return [limit](const std::vector<py::array>& gradients, double value) {
    if (gradients.empty()) return py::list();
    OptimizerSpec spec{OptimizerKind::sgd};
    spec.*limit = value;
    return PYRNN_BY_DTYPE(gradients[0], "gradients", clip_of)(spec, gradients);
  };
}

}  // namespace

void bind_optimizer_functions(py::module_& m) {
  using namespace py::literals;
  m.def("sgd_step", &sgd_step, "w"_a, "g"_a, "velocity"_a, "learning_rate"_a, "momentum"_a, "nesterov"_a);
  m.def("rmsprop_step", &rmsprop_step, "w"_a, "g"_a, "v"_a, "momentum_buffer"_a, "average"_a, "learning_rate"_a,
        "rho"_a, "momentum"_a, "epsilon"_a, "centered"_a);
  m.def("adam_step", &adam_step, "w"_a, "g"_a, "m"_a, "v"_a, "step"_a, "learning_rate"_a, "beta_1"_a, "beta_2"_a,
        "epsilon"_a);
  m.def("amsgrad_step", &amsgrad_step, "w"_a, "g"_a, "m"_a, "v"_a, "v_max"_a, "step"_a, "learning_rate"_a, "beta_1"_a,
        "beta_2"_a, "epsilon"_a);
  m.def("nadam_step", &nadam_step, "w"_a, "g"_a, "m"_a, "v"_a, "step"_a, "learning_rate"_a, "beta_1"_a, "beta_2"_a,
        "epsilon"_a);
  m.def("adagrad_step", &adagrad_step, "w"_a, "g"_a, "accumulator"_a, "learning_rate"_a, "epsilon"_a);
  m.def("lion_step", &lion_step, "w"_a, "g"_a, "m"_a, "learning_rate"_a, "beta_1"_a, "beta_2"_a);
  m.def(
      "penalty",
      [](const py::array& w, double l1, double l2) {
        return PYRNN_BY_DTYPE(w, "w", penalty_of)(Regularizer{l1, l2}, w);
      },
      "w"_a, "l1"_a, "l2"_a);
  m.def("clip_by_norm", clip_by(&OptimizerSpec::clipnorm), "gradients"_a, "clipnorm"_a);
  m.def("clip_by_value", clip_by(&OptimizerSpec::clipvalue), "gradients"_a, "clipvalue"_a);
  m.def("clip_by_global_norm", clip_by(&OptimizerSpec::global_clipnorm), "gradients"_a, "clipnorm"_a);
}

}  // namespace pyrnn
