#include "penalty.h"

#include <algorithm>
#include <numeric>

#include "optimizer.h"

namespace pyrnn {

template <class T>
void Penalty<T>::add(const Regularizer& regularizer, Index first, Index n) {
  for (const Index last = first + n; first < last; first += kWeightsPerTask)
    tasks_.push_back({regularizer, first, std::min(kWeightsPerTask, last - first)});
  partial_.resize(tasks_.size());
}

template <class T>
void Penalty<T>::run(Index i, const T* w, T* g) {
  const auto& [regularizer, first, n] = tasks_[std::size_t(i)];
  partial_[std::size_t(i)] =
      kernels<T>().penalty(n, regularizer.l1, regularizer.l2, w + first, g ? g + first : nullptr);
}

template <class T>
double Penalty<T>::value() const {
  return std::accumulate(partial_.begin(), partial_.end(), 0.0);
}

template class Penalty<float>;
template class Penalty<double>;

}  // namespace pyrnn
