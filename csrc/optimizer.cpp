#include "optimizer.h"

#include <algorithm>
#include <cmath>

namespace pyrnn {

template <class T>
Optimizer<T>::Optimizer(const OptimizerSpec& spec, Index n) : spec_(spec), n_(n) {
  std::size_t n_slots = 0;
  switch (spec.kind) {
    case OptimizerKind::sgd:
      n_slots = spec.momentum != 0;
      break;
    case OptimizerKind::rmsprop:
      n_slots = 1 + std::size_t(spec.centered) + std::size_t(spec.momentum != 0);
      break;
    case OptimizerKind::adam:
      n_slots = 2;
      break;
  }
  slots.assign(n_slots, std::vector<T>(std::size_t(n), T(0)));
  partial_.resize(std::size_t(tasks()));
}

template <class T>
Index Optimizer<T>::tasks() const {
  return divide_up(n_, kWeightsPerTask);
}

template <class T>
void Optimizer<T>::begin(double learning_rate) {
  rule_ = {T(learning_rate), T(spec_.momentum), spec_.nesterov,  T(spec_.rho),
           T(spec_.beta_1),  T(spec_.beta_2),   T(spec_.epsilon)};
  if (spec_.kind == OptimizerKind::adam) {
    const double t = double(iterations + 1);
    rule_.learning_rate = T(learning_rate * std::sqrt(1 - std::pow(spec_.beta_2, t)) / (1 - std::pow(spec_.beta_1, t)));
  }
}

template <class T>
void Optimizer<T>::norm(Index task, const T* g) {
  const Index first = task * kWeightsPerTask;
  partial_[std::size_t(task)] = kernels<T>().sum_of_squares(std::min(kWeightsPerTask, n_ - first), g + first);
}

// min(1, clipnorm / norm of all gradients)
template <class T>
T Optimizer<T>::clip_factor() const {
  double sum = 0;
  for (double part : partial_) sum += part;
  const double norm = std::sqrt(sum);  // infinite or NaN: all weights shall be NaN, as in Keras, so that it is noticed
  return std::isfinite(norm) ? T(spec_.global_clipnorm / std::max(norm, spec_.global_clipnorm)) : T(NAN);
}

template <class T>
void Optimizer<T>::update(Index task, T* w, T* g) {
  const Kernels<T>& k = kernels<T>();
  const Index first = task * kWeightsPerTask, n = std::min(kWeightsPerTask, n_ - first);
  w += first, g += first;
  if (spec_.global_clipnorm > 0) {
    const T factor = clip_factor();
    if (factor != T(1)) k.scale(n, factor, g);
  }
  auto slot = [&](std::size_t i) { return slots[i].data() + first; };
  const bool momentum = spec_.momentum != 0;
  switch (spec_.kind) {
    case OptimizerKind::sgd:
      k.sgd(rule_, n, w, g, momentum ? slot(0) : nullptr);
      break;
    case OptimizerKind::rmsprop:
      k.rmsprop(rule_, n, w, g, slot(0), spec_.centered ? slot(1) : nullptr,
                momentum ? slot(1 + spec_.centered) : nullptr);
      break;
    case OptimizerKind::adam:
      k.adam(rule_, n, w, g, slot(0), slot(1));
      break;
  }
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace pyrnn
