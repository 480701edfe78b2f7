// NumPy arrays at the border: what may enter the engine, and the one sentence for what may not.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../array.h"
#include "../kernels/kernels.h"

namespace pyrnn {

namespace py = pybind11;

using Shape = std::vector<Index>;

// "float32 [64, 256]"
std::string describe(const py::array& a);
std::string describe(const char* dtype, const Shape& shape);
Shape shape_of(const py::array& a);

template <class T>
constexpr const char* kDtypeName = sizeof(T) == 4 ? "float32" : "float64";

// An array to be read where it lies: any strides, native byte order, real or bool, one to three axes.
ArrayView view(const py::array& a, const char* name);

[[noreturn]] void refuse(const std::string& name, const std::string& expected, const py::array& got);

// The values of an array of exactly this dtype and shape, C-contiguous and aligned. Refuses, never converts.
template <class T>
const T* values(const py::array& a, const std::string& name, const Shape& shape) {
  const bool right =
      py::isinstance<py::array_t<T>>(a) && std::equal(a.shape(), a.shape() + a.ndim(), shape.begin(), shape.end());
  if (!right) refuse(name, describe(kDtypeName<T>, shape), a);
  if (!(a.flags() & py::array::c_style)) refuse(name, describe(kDtypeName<T>, shape) + " in C order", a);
  if (reinterpret_cast<std::uintptr_t>(a.data()) % alignof(T))
    refuse(name, describe(kDtypeName<T>, shape) + ", aligned", a);
  return static_cast<const T*>(a.data());
}

template <class T>
T* writable_values(py::array& a, const std::string& name, const Shape& shape) {
  values<T>(a, name, shape);
  return static_cast<T*>(a.mutable_data());  // throws ValueError for a read-only array
}

template <class T>
T* data(py::array_t<T>& a) {
  return static_cast<T*>(a.mutable_data());
}

// Whether an array is float64; refuses what is neither float64 nor float32.
bool is_double(const py::array& a, const char* name);

// f<float> or f<double> by the dtype of the first weight
#define PYRNN_BY_DTYPE(array, name, call) (is_double(array, name) ? call<double> : call<float>)

// int64 in C order. Not an array_t as an argument: pybind11 makes an empty one of that in every call.
class IndexArray : public py::array {
  using Checked = py::array_t<std::int64_t, py::array::c_style>;

 public:
  PYBIND11_OBJECT(IndexArray, py::array, Checked::check_)
  const std::int64_t* data() const { return static_cast<const std::int64_t*>(py::array::data()); }
};

void bind_network(py::module_& m);
void bind_stream(py::module_& m);
void bind_functions(py::module_& m);
void bind_optimizer_functions(py::module_& m);

}  // namespace pyrnn
