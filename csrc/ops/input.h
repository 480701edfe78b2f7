// The first signal of a network: the rows of the caller's x that an index names, gathered into the engine's order.
#pragma once

#include "../array.h"
#include "op.h"

namespace pyrnn {

struct InputSpec {
  Index features;          // values of a step, or symbols when x holds ids
  bool sequence;           // x is [N, T, features] or ids [N, T]; else [N, features] or ids [N]
  bool ids_only;           // the first layer wants ids
  const char* name = "x";  // what errors call it
};

template <class T>
class Input {
 public:
  explicit Input(const InputSpec& spec) : spec_(spec) {}

  // Whether x holds ids: integers with one axis less than vectors would have. Throws where x is neither.
  bool is_symbols(const ArrayView& x) const;
  // active: see Signal
  Signal<T> plan(bool symbols, Index steps, const Index* active, const Plan& plan, Planner& memory);
  // starts: the step of x at which a row's begin, null where all do at 0
  void forward(const ArrayView& x, const std::int64_t* index, Rows rows, const Index* starts = nullptr);

 private:
  InputSpec spec_;
  Signal<T> out_;
};

}  // namespace pyrnn
