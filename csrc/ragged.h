// A batch whose rows have different numbers of steps. Its rows are put in the order of falling lengths, so that those
// that are still there at a step are the first ones.
#pragma once

#include <vector>

#include "array.h"

namespace pyrnn {

// Which steps of x a row has: `steps` from `first` on.
struct Span {
  std::int64_t first;
  std::int64_t steps;
};

// The rows of the caller's arrays that a batch takes: index[0:n] of each.
struct Batch {
  const ArrayView& x;
  const std::int64_t* index;
  Index n;
  const Span* spans = nullptr;  // by row of x; null: all rows have all steps
  const ArrayView* y = nullptr;
  const ArrayView* weights = nullptr;
  const ArrayView* second = nullptr;  // what the decoder reads, where there is one
};

class RaggedRows {
 public:
  // Orders index[0:n], rows of a dataset of `steps` steps. Throws std::invalid_argument for a span that is not within
  // them. Memory is kept from call to call.
  void order(const std::int64_t* index, Index n, const Span* spans, Index steps);

  const std::int64_t* index() const { return index_.data(); }
  const Index* active() const { return active_.data(); }              // [steps]: rows that have such a step
  const Index* starts() const { return starts_.data(); }              // [n]: the step of x at which a row's begin
  Index place(Index row) const { return places_[std::size_t(row)]; }  // of a row in the caller's index
  Index nonempty() const { return active_[0]; }
  Index steps() const { return total_; }  // of all rows together

 private:
  std::vector<std::int64_t> index_;
  std::vector<Index> active_, starts_, places_;
  Index total_ = 0;
};

}  // namespace pyrnn
