// From Python's dictionaries to the specs of ops, optimizer and objective. They raise ValueError for what is unknown.
#pragma once

#include "../network.h"
#include "arrays.h"

namespace pyrnn {

template <class E>
using Names = std::initializer_list<std::pair<const char*, E>>;

template <class E>
E by_name(const std::string& name, const char* what, Names<E> names) {
  std::string all;
  for (const auto& [known, value] : names) {
    if (name == known) return value;
    all += (all.empty() ? "" : ", ") + std::string(known);
  }
  throw py::value_error(std::string(what) + " must be one of " + all + ", got " + name);
}

OpSpec op_spec(const py::dict& d);
OptimizerSpec optimizer_spec(const py::dict& d);
Objective objective(const std::string& loss, bool from_logits, const std::vector<py::dict>& metrics,
                    double label_smoothing, double delta);

}  // namespace pyrnn
