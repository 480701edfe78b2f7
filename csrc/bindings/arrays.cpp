#include "arrays.h"

namespace pyrnn {

std::string describe(const char* dtype, const Shape& shape) {
  std::string text = std::string(dtype) + " [";
  for (std::size_t i = 0; i < shape.size(); i++) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Shape shape_of(const py::array& a) { return Shape(a.shape(), a.shape() + a.ndim()); }

std::string describe(const py::array& a) { return describe(std::string(py::str(a.dtype())).c_str(), shape_of(a)); }

void refuse(const std::string& name, const std::string& expected, const py::array& got) {
  throw py::value_error(name + " must be " + expected + ", got " + describe(got) +
                        (got.flags() & py::array::c_style ? "" : " in another order"));
}

namespace {

DType dtype_of(const py::array& a, const char* name) {
  const py::dtype type = a.dtype();
  const auto size = type.itemsize();
  const char order = type.byteorder();
  if (order == '=' || order == '|') switch (type.kind()) {
      case 'b':
        return DType::boolean;
      case 'f':
        if (size == 4) return DType::f32;
        if (size == 8) return DType::f64;
        break;
      case 'i':
        return size == 1 ? DType::i8 : size == 2 ? DType::i16 : size == 4 ? DType::i32 : DType::i64;
      case 'u':
        return size == 1 ? DType::u8 : size == 2 ? DType::u16 : size == 4 ? DType::u32 : DType::u64;
    }
  throw py::type_error(std::string(name) + " must be bool, integer, float32 or float64 in native byte order, got " +
                       std::string(py::str(type)));
}

}  // namespace

ArrayView view(const py::array& a, const char* name) {
  if (a.ndim() < 1 || a.ndim() > ArrayView::kMaxDims)
    throw py::value_error(std::string(name) + " must have one to three axes, got " + describe(a));
  ArrayView v;
  v.data = static_cast<const char*>(a.data());
  v.dtype = dtype_of(a, name);
  v.ndim = int(a.ndim());
  for (int i = 0; i < v.ndim; i++) {
    v.shape[i] = a.shape(i);
    v.strides[i] = a.strides(i);
  }
  return v;
}

bool is_double(const py::array& a, const char* name) {
  if (py::isinstance<py::array_t<double>>(a)) return true;
  if (py::isinstance<py::array_t<float>>(a)) return false;
  throw py::type_error(std::string(name) + " must be float32 or float64, got " + describe(a));
}

}  // namespace pyrnn
