// What regularizers add to the loss: of some weights l1 sum |w| + l2 sum w^2, whose gradient is l1 sign(w) + 2 l2 w.
#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace pyrnn {

// Keras 3's names and meaning
struct Regularizer {
  double l1 = 0, l2 = 0;
};

template <class T>
class Penalty {
 public:
  // One more run of weights, [first, first + n) of the w and g that are given to run; n is a multiple of kBlock,
  // padding included, which is zero and adds nothing.
  void add(const Regularizer& regularizer, Index first, Index n);

  // Of one batch: run every task, then ask for the value.
  Index tasks() const { return Index(tasks_.size()); }
  // A task's part of the value; the gradient is added to g, unless that is null.
  void run(Index task, const T* w, T* g);
  double value() const;

 private:
  struct Task {
    Regularizer regularizer;
    Index first, n;
  };
  std::vector<Task> tasks_;
  std::vector<double> partial_;  // by task
};

}  // namespace pyrnn
