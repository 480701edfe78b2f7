#include "optimizer.h"

#include <algorithm>
#include <cmath>

#include "parallel.h"

namespace pyrnn {

namespace {

constexpr Index kChunkOfWeights = 8192;  // fixed, so that the norm's partial sums do not depend on threads

template <class F>
void for_chunks(Index n, bool serial, F body) {
  parallel_for(divide_up(n, kChunkOfWeights), serial, [&](Index chunk) {
    const Index first = chunk * kChunkOfWeights;
    body(chunk, first, std::min(kChunkOfWeights, n - first));
  });
}

}  // namespace

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
  partial_.resize(std::size_t(divide_up(n, kChunkOfWeights)));
}

template <class T>
void Optimizer<T>::step(T* w, T* g, double learning_rate, bool serial) {
  if (spec_.global_clipnorm > 0) clip(g, serial);
  iterations++;
  UpdateRule<T> rule{T(learning_rate), T(spec_.momentum), spec_.nesterov,  T(spec_.rho),
                     T(spec_.beta_1),  T(spec_.beta_2),   T(spec_.epsilon)};
  if (spec_.kind == OptimizerKind::adam) {
    const double t = double(iterations);
    rule.learning_rate = T(learning_rate * std::sqrt(1 - std::pow(spec_.beta_2, t)) / (1 - std::pow(spec_.beta_1, t)));
  }
  const Kernels<T>& k = kernels<T>();
  for_chunks(n_, serial, [&](Index, Index first, Index n) {
    auto slot = [&](bool present, std::size_t i) { return present ? slots[i].data() + first : nullptr; };
    switch (spec_.kind) {
      case OptimizerKind::sgd:
        k.sgd(rule, n, w + first, g + first, slot(spec_.momentum != 0, 0));
        break;
      case OptimizerKind::rmsprop:
        k.rmsprop(rule, n, w + first, g + first, slot(true, 0), slot(spec_.centered, 1),
                  slot(spec_.momentum != 0, 1 + std::size_t(spec_.centered)));
        break;
      case OptimizerKind::adam:
        k.adam(rule, n, w + first, g + first, slot(true, 0), slot(true, 1));
        break;
    }
  });
}

template <class T>
void Optimizer<T>::clip(T* g, bool serial) {
  for_chunks(n_, serial, [&](Index chunk, Index first, Index n) {
    partial_[std::size_t(chunk)] = kernels<T>().sum_of_squares(n, g + first);
  });
  double sum = 0;
  for (double part : partial_) sum += part;
  const T factor = T(clip_factor(sum, spec_.global_clipnorm));
  if (factor != T(1))
    for_chunks(n_, serial, [&](Index, Index first, Index n) { kernels<T>().scale(n, factor, g + first); });
}

double clip_factor(double sum_of_squares, double clipnorm) {
  return clipnorm * std::min(1 / std::sqrt(sum_of_squares), 1 / clipnorm);
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace pyrnn
