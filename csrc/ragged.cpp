#include "ragged.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

namespace pyrnn {

void RaggedRows::order(const std::int64_t* index, Index n, const Span* spans, Index steps) {
  const auto length = [&](Index place) { return Index(spans[index[place]].steps); };
  if (Index(active_.size()) < steps) active_.resize(std::size_t(steps));
  std::fill(active_.begin(), active_.end(), Index(0));
  total_ = 0;
  for (Index i = 0; i < n; i++) {
    const Span& span = spans[index[i]];
    if (span.first < 0 || span.steps < 0 || span.first > steps || span.steps > steps - span.first)
      throw std::invalid_argument("spans must lie within the " + std::to_string(steps) + " steps of x, got " +
                                  std::to_string(span.steps) + " from " + std::to_string(span.first) + " at row " +
                                  std::to_string(index[i]));
    if (span.steps > 0) active_[std::size_t(span.steps - 1)]++;
    total_ += Index(span.steps);
  }
  // From rows that end with a step to rows that have it
  for (Index t = steps - 1; t > 0; t--) active_[std::size_t(t - 1)] += active_[std::size_t(t)];

  places_.resize(std::size_t(n));
  std::iota(places_.begin(), places_.end(), Index(0));
  std::sort(places_.begin(), places_.end(),
            [&](Index a, Index b) { return length(a) != length(b) ? length(a) > length(b) : a < b; });
  index_.resize(std::size_t(n));
  starts_.resize(std::size_t(n));
  for (Index r = 0; r < n; r++) {
    index_[std::size_t(r)] = index[place(r)];
    starts_[std::size_t(r)] = Index(spans[index[place(r)]].first);
  }
}

}  // namespace pyrnn
