// What the two files of plain functions share.
#pragma once

#include <pybind11/stl.h>

#include "../functions.h"
#include "arrays.h"

namespace pyrnn {

void bind_recurrent_functions(py::module_& m);

inline bool is_double(const py::array& a, const char* name) {
  if (py::isinstance<py::array_t<double>>(a)) return true;
  if (py::isinstance<py::array_t<float>>(a)) return false;
  throw py::type_error(std::string(name) + " must be float32 or float64, got " + describe(a));
}

// f<float> or f<double> by the dtype of the first weight
#define PYRNN_BY_DTYPE(array, name, call) (is_double(array, name) ? call<double> : call<float>)

template <class T>
py::array_t<T> new_array(const Shape& shape) {
  return py::array_t<T>(shape);
}

inline Shape axes(const py::array& a, const char* name, py::ssize_t n) {
  if (a.ndim() != n)
    throw py::value_error(std::string(name) + " must have " + std::to_string(n) + " axes, got " + describe(a));
  return shape_of(a);
}

inline bool is_ids(const py::array& x) { return x.dtype().kind() == 'i' || x.dtype().kind() == 'u'; }

}  // namespace pyrnn
