// From Python's dictionaries to the specs of ops, optimizer and objective. They raise ValueError for what is unknown.
#pragma once

#include "../network.h"
#include "../op_spec.h"
#include "arrays.h"

namespace pyrnn {

OpSpec op_spec(const py::dict& d);
OptimizerSpec optimizer_spec(const py::dict& d);
Objective objective(const std::string& loss, bool from_logits, const std::vector<py::dict>& metrics,
                    double label_smoothing, double delta);

}  // namespace pyrnn
