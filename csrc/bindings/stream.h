// Stream to Python, of either precision.
#pragma once

#include "../stream.h"
#include "arrays.h"

namespace pyrnn {

template <class V>
using CArray = py::array_t<V, py::array::c_style>;

// The arrays of a Writing
struct GeneratedRows {
  CArray<std::int32_t> ids;
  CArray<std::int64_t> known;
  CArray<double> temperatures;
  CArray<std::uint64_t> keys;
  Sampling sampling;
  Index window;
};

class AnyStream {
 public:
  virtual ~AnyStream() = default;
  virtual py::object step(const py::object& x, const py::object& out) = 0;
  virtual py::object run(const py::object& x, const py::object& out) = 0;
  virtual void generate(const GeneratedRows& rows, Index begin, Index end) = 0;
  virtual py::list get_state() = 0;
  virtual void set_state(const std::vector<std::vector<py::array>>& state) = 0;
  virtual void reset() = 0;
};

template <class T>
std::unique_ptr<AnyStream> make_stream(Network<T>& network, Index batch);

}  // namespace pyrnn
