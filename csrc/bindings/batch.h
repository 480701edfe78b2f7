// The arrays of a batch, from Python.
#pragma once

#include <optional>

#include "../network.h"
#include "arrays.h"

namespace pyrnn {

using OptionalArray = std::optional<py::array>;

// A Batch of Python's arrays. x is an array, or a tuple that begins with it, in one argument, for pybind11 asks for
// memory in a call of more than six:
//
//   (array, spans, first, last, second)     spans: int64 [N, 2], the first step and the number of steps of each row
//                                           first, last: see States, sequences of arrays
//                                           second: what the decoder reads
//
// each of which may be None.
class BatchOf {
 public:
  BatchOf(const py::object& x, const IndexArray& index, const py::array* y = nullptr, const OptionalArray& weights = {})
      : index_(index.data()), n_(index.size()), has_y_(y) {
    const bool more = PyTuple_CheckExact(x.ptr()) && PyTuple_GET_SIZE(x.ptr()) == 5;
    const py::handle values = more ? PyTuple_GET_ITEM(x.ptr(), 0) : x.ptr();
    if (!py::isinstance<py::array>(values))
      throw py::type_error("x must be an array, or (array, spans, first, last, second)");
    x_ = view(py::reinterpret_borrow<py::array>(values), "x");
    if (y) y_ = view(*y, "y");
    if (weights) weights_ = view(*weights, "weights");
    if (!more) return;
    const py::handle spans = PyTuple_GET_ITEM(x.ptr(), 1);
    if (!spans.is_none()) spans_ = spans_of(spans, x_.shape[0]);
    first_ = PyTuple_GET_ITEM(x.ptr(), 2), last_ = PyTuple_GET_ITEM(x.ptr(), 3);
    const py::handle second = PyTuple_GET_ITEM(x.ptr(), 4);
    if (second.is_none()) return;
    if (!py::isinstance<py::array>(second)) throw py::type_error("what the decoder reads must be an array");
    second_ = view(py::reinterpret_borrow<py::array>(second), "the decoder's x");
  }
  Batch get() const {
    const auto if_given = [](const ArrayView& array) { return array.data ? &array : nullptr; };
    return {x_, index_, n_, spans_, has_y_ ? &y_ : nullptr, if_given(weights_), if_given(second_)};
  }
  // Of the output, where it has x's
  Index steps() const {
    const ArrayView& x = second_.data ? second_ : x_;
    return x.ndim > 1 ? x.shape[1] : 1;
  }

  // The pointers lie in vectors of this thread, which are kept, so that a batch asks for no memory.
  template <class T>
  States<T> states(const Network<T>& network) const {
    thread_local std::vector<const T*> first;
    thread_local std::vector<T*> last;
    first.clear(), last.clear();
    each_state(network, first_, "first", [&](const py::array& array, const std::string& name, const Shape& shape) {
      first.push_back(values<T>(array, name, shape));
    });
    each_state(network, last_, "last", [&](py::array& array, const std::string& name, const Shape& shape) {
      last.push_back(writable_values<T>(array, name, shape));
    });
    return {first_.is_none() ? nullptr : first.data(), last_.is_none() ? nullptr : last.data()};
  }

 private:
  // body(array, its name, its shape) for each state of the network
  template <class T, class F>
  void each_state(const Network<T>& network, py::handle given, const char* name, F body) const {
    if (given.is_none()) return;
    const auto arrays = given.cast<py::sequence>();
    std::size_t next = 0;
    for (const Op<T>* op : network.recurrent())
      for (Index i = 0; i < op->states(); i++, next++) {
        const std::string which = std::string(name) + "[" + std::to_string(next) + "]";
        if (next >= arrays.size()) throw py::value_error(which + " is missing");
        py::object array = arrays[next];
        if (!py::isinstance<py::array>(array)) throw py::type_error(which + " must be an array");
        auto as_array = py::reinterpret_borrow<py::array>(array);
        body(as_array, which, {n_, op->state_units()});
      }
    if (next < arrays.size())
      throw py::value_error(std::string(name) + " must have " + std::to_string(next) + " arrays, got " +
                            std::to_string(arrays.size()));
  }

  static const Span* spans_of(py::handle spans, Index rows) {
    static_assert(sizeof(Span) == 2 * sizeof(std::int64_t));
    const Shape wanted = {rows, 2};
    if (!py::isinstance<IndexArray>(spans)) throw py::type_error("spans must be " + describe("int64", wanted));
    const auto array = py::reinterpret_borrow<IndexArray>(spans);
    if (shape_of(array) != wanted) refuse("spans", describe("int64", wanted), array);
    return reinterpret_cast<const Span*>(array.data());
  }

  ArrayView x_{}, y_{}, weights_{}, second_{};
  const Span* spans_ = nullptr;
  py::handle first_ = Py_None, last_ = Py_None;
  const std::int64_t* index_;
  Index n_;
  bool has_y_;
};

}  // namespace pyrnn
