#include "sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include "../kernels/kernels.h"

namespace pyrnn {

namespace {

// Uniform in [0, 1): 53 bits, the most that a double's fraction holds
double uniform(std::uint64_t key, std::uint64_t position) {
  std::uint32_t words[2];
  kernels<double>().random_words(2, key, std::uint32_t(position), 0, std::uint32_t(position >> 32), words);
  return (double(words[0] >> 5) * 67108864.0 + double(words[1] >> 6)) / 9007199254740992.0;
}

// Where the largest stands, the first of equals; a NaN is larger than all.
template <class T>
Index largest(const T* x, Index n) {
  Index best = 0;
  for (Index i = 1; i < n; i++)
    if (x[i] > x[best] || x[i] != x[i]) best = i;
  return best;
}

template <class T>
auto likelier(const T* logits) {
  return [logits](Index a, Index b) { return logits[a] > logits[b] || (logits[a] == logits[b] && a < b); };
}

}  // namespace

Sampler::Sampler(Index symbols)
    : symbols_(symbols),
      scaled_(std::size_t(round_up(symbols, kBlock))),
      weights_(scaled_.size()),
      sums_(scaled_.size()),
      order_(std::size_t(symbols)) {}

// The inverse of the cumulative distribution (Devroye 1986, section III.2.1), of weights that need not add up to one.
template <class T>
Index Sampler::draw(const T* logits, const Sampling& sampling, std::uint64_t key, std::uint64_t position) {
  const Index best = largest(logits, symbols_);
  if (!std::isfinite(logits[best]))
    throw std::invalid_argument("the largest logit must be finite, got " + std::to_string(logits[best]) +
                                " for symbol " + std::to_string(best));
  if (sampling.temperature == 0) return best;
  // The largest weight is 1: none overflows, and one too small to count is 0.
  const double top = double(logits[best]);
  for (Index v = 0; v < symbols_; v++) scaled_[std::size_t(v)] = (double(logits[v]) - top) / sampling.temperature;
  kernels<double>().activate(Activation::exponential, 1, symbols_, scaled_.data(), weights_.data(), 0);
  if (sampling.top_k > 0 && sampling.top_k < symbols_) keep_k(logits, sampling.top_k);
  if (sampling.top_p < 1) keep_p(logits, sampling.top_p);

  // The uniform number is less than 1, so its multiple of the last sum is less than that.
  const auto end = std::partial_sum(weights_.begin(), weights_.begin() + symbols_, sums_.begin());
  return std::upper_bound(sums_.begin(), end, uniform(key, position) * end[-1]) - sums_.begin();
}

template <class T>
void Sampler::keep_k(const T* logits, Index k) {
  std::iota(order_.begin(), order_.end(), Index(0));
  std::nth_element(order_.begin(), order_.begin() + k, order_.end(), likelier(logits));
  std::for_each(order_.begin() + k, order_.end(), [&](Index v) { weights_[std::size_t(v)] = 0; });
}

// The nucleus (Holtzman et al. 2020, "The curious case of neural text degeneration"). A heap, for it is mostly small.
template <class T>
void Sampler::keep_p(const T* logits, double p) {
  std::iota(order_.begin(), order_.end(), Index(0));
  const auto less_likely = [is_likelier = likelier(logits)](Index a, Index b) { return is_likelier(b, a); };
  std::make_heap(order_.begin(), order_.end(), less_likely);
  const double wanted = p * std::accumulate(weights_.begin(), weights_.begin() + symbols_, 0.0);
  double kept = 0;
  auto rest = order_.end();
  do {
    std::pop_heap(order_.begin(), rest, less_likely);
    kept += weights_[std::size_t(*--rest)];
  } while (kept < wanted && rest != order_.begin());
  std::for_each(order_.begin(), rest, [&](Index v) { weights_[std::size_t(v)] = 0; });
}

template Index Sampler::draw(const float*, const Sampling&, std::uint64_t, std::uint64_t);
template Index Sampler::draw(const double*, const Sampling&, std::uint64_t, std::uint64_t);

}  // namespace pyrnn
