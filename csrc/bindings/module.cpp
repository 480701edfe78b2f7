// pyrnn._core: a table of contents.
#include <pybind11/stl.h>

#include <optional>

#include "../cpu.h"
#include "../one_hot.h"
#include "../parallel.h"
#include "../probe.h"
#include "../processors.h"
#include "arrays.h"

namespace pyrnn {

namespace {

py::dict cpu_info() {
  py::dict info;
  info["isa"] = isa();
  info["available"] = available_isas();
  info["threads"] = num_threads();
  info["openmp"] = has_openmp();
  return info;
}

std::optional<py::array_t<std::int32_t>> ids_of_one_hot(const py::array& x) {
  const ArrayView x_view = view(x, "x");
  py::array_t<std::int32_t> ids(Shape(x.shape(), x.shape() + x.ndim() - 1));
  std::int32_t* to = data(ids);
  bool one_hot;
  {
    py::gil_scoped_release release;
    one_hot = one_hot_ids(x_view, to);
  }
  if (!one_hot) return std::nullopt;
  return ids;
}

double fma_peak_of(const std::string& dtype) {
  if (dtype != "float32" && dtype != "float64")
    throw py::value_error("fma_peak: dtype must be float32 or float64, got " + dtype);
  py::gil_scoped_release release;
  return dtype == "float32" ? fma_peak<float>() : fma_peak<double>();
}

}  // namespace

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  using namespace py::literals;
  try {
    isa(), num_threads();  // a wrong PYRNN_ISA or PYRNN_NUM_THREADS is told at import
  } catch (const std::invalid_argument& error) {
    throw py::import_error(error.what());
  }
  m.def("cpu_info", &cpu_info);
  m.def("get_num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, "n"_a);
  m.def("cgroup_limit", &cgroup_limit, "root"_a = "");
  m.def("fma_peak", &fma_peak_of, "dtype"_a);
  m.def("one_hot_ids", &ids_of_one_hot, "x"_a.noconvert());
  bind_functions(m);
  bind_optimizer_functions(m);
  bind_network(m);
  bind_stream(m);
}

}  // namespace pyrnn
