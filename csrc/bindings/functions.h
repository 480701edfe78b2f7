// What the two files of plain functions share.
#pragma once

#include <pybind11/stl.h>

#include "../functions.h"
#include "../op_spec.h"
#include "arrays.h"

namespace pyrnn {

void bind_recurrent_functions(py::module_& m);

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
