// The choice of the next symbol: one drawn from softmax(logits / temperature), perhaps among the likeliest alone.
#pragma once

#include <cstdint>
#include <vector>

#include "../rnn.h"

namespace pyrnn {

struct Sampling {
  double temperature = 1;  // 0: the largest logit, the first of equals
  Index top_k = 0;         // only so many symbols, those of the largest logits; 0: all
  double top_p = 1;        // then only the fewest, likeliest first, whose probabilities add up to this or more
};

// Of equal logits the first counts as the likelier. Not for two threads at once: it keeps room for its work.
class Sampler {
 public:
  explicit Sampler(Index symbols);

  // The number that decides is a function of key and position alone. Throws std::invalid_argument where the largest
  // logit is not finite; others may be minus infinity, and are then never drawn.
  template <class T>
  Index draw(const T* logits, const Sampling& sampling, std::uint64_t key, std::uint64_t position);

 private:
  template <class T>
  void keep_k(const T* logits, Index k);
  template <class T>
  void keep_p(const T* logits, double p);

  Index symbols_;
  // Of each symbol: what its weight is the exponential of, its weight, the sum of weights up to its own
  std::vector<double> scaled_, weights_, sums_;
  std::vector<Index> order_;
};

}  // namespace pyrnn
