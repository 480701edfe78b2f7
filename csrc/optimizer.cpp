#include "optimizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pyrnn {

namespace {

std::vector<std::string> rule_slots(const OptimizerSpec& spec) {
  std::vector<std::string> names;
  const auto add = [&](const char* name, bool is_on = true) {
    if (is_on) names.push_back(name);
  };
  const bool momentum = spec.momentum != 0;
  switch (spec.kind) {
    case OptimizerKind::sgd:
      add("momentum", momentum);
      break;
    case OptimizerKind::rmsprop:
      add("velocity"), add("average_gradient", spec.centered), add("momentum", momentum);
      break;
    case OptimizerKind::adam:
      add("momentum"), add("velocity"), add("velocity_hat", spec.amsgrad);
      break;
    case OptimizerKind::nadam:
      add("momentum"), add("velocity");
      break;
    case OptimizerKind::adagrad:
      add("accumulator");
      break;
    case OptimizerKind::lion:
      add("momentum");
      break;
  }
  return names;
}

// The momentum of Nadam's step t: Dozat 2015, section 3.2, with his decay 0.96^(t / 250) as Keras has it, 0.96^t
double nadam_momentum(double beta_1, std::int64_t t) { return beta_1 * (1 - 0.5 * std::pow(0.96, double(t))); }

}  // namespace

template <class T>
Optimizer<T>::Optimizer(const OptimizerSpec& spec, const std::vector<Index>& sizes) : spec_(spec) {
  const Index n = std::accumulate(sizes.begin(), sizes.end(), Index(0));
  slot_names = rule_slots(spec);
  average_ = slot_names.size();
  if (spec.use_ema) slot_names.push_back("average");
  sum_ = slot_names.size();
  if (accumulates()) slot_names.push_back("gradient_accumulator");
  slots.assign(slot_names.size(), std::vector<T>(std::size_t(n), T(0)));
  if (spec.kind == OptimizerKind::adagrad)
    std::fill(slots[0].begin(), slots[0].end(), T(spec.initial_accumulator_value));
  if (spec.clipnorm > 0) {
    Index first = 0;
    for (const Index size : sizes) add_tasks(first, size), first += size;
  } else {
    add_tasks(0, n);
  }
  partial_.resize(tasks_.size());
}

template <class T>
void Optimizer<T>::add_tasks(Index first, Index n) {
  const std::size_t begin = tasks_.size(), end = begin + std::size_t(divide_up(n, kWeightsPerTask));
  for (const Index last = first + n; first < last; first += kWeightsPerTask)
    tasks_.push_back({first, std::min(kWeightsPerTask, last - first), begin, end});
}

// Keras counts updates for the rules and the average, and takes the weights themselves for the first average.
template <class T>
void Optimizer<T>::begin(double learning_rate) {
  const std::int64_t every = spec_.gradient_accumulation_steps, step = iterations / every + 1;
  updates_ = (iterations + 1) % every == 0;
  overwrites_ = spec_.use_ema && spec_.ema_overwrite_frequency > 0 && step % spec_.ema_overwrite_frequency == 0;
  decay_ = T(learning_rate * spec_.weight_decay);
  ema_momentum_ = step == 1 ? T(0) : T(spec_.ema_momentum);
  rule_ = {T(learning_rate), T(spec_.momentum), spec_.nesterov,  T(spec_.rho),
           T(spec_.beta_1),  T(spec_.beta_2),   T(spec_.epsilon)};
  if (spec_.kind == OptimizerKind::adam) {
    const double t = double(step);
    rule_.learning_rate = T(learning_rate * std::sqrt(1 - std::pow(spec_.beta_2, t)) / (1 - std::pow(spec_.beta_1, t)));
  }
  if (spec_.kind == OptimizerKind::nadam) begin_nadam(learning_rate, step);
}

template <class T>
void Optimizer<T>::begin_nadam(double learning_rate, std::int64_t step) {
  if (momentum_steps_ > step) momentum_steps_ = 0, momentum_product_ = 1;
  while (momentum_steps_ < step) momentum_product_ *= nadam_momentum(spec_.beta_1, ++momentum_steps_);
  const double now = nadam_momentum(spec_.beta_1, step), next = nadam_momentum(spec_.beta_1, step + 1);
  rule_.mean_rate = T(learning_rate * next / (1 - momentum_product_ * next));
  rule_.gradient_rate = T(learning_rate * (1 - now) / (1 - momentum_product_));
  rule_.square_scale = T(1 / (1 - std::pow(spec_.beta_2, double(step))));
}

template <class T>
void Optimizer<T>::prepare(Index i, T* g) {
  const Task& task = tasks_[std::size_t(i)];
  g += task.first;
  if (accumulates()) accumulate(task, g);
  if (takes_norm()) partial_[std::size_t(i)] = kernels<T>().sum_of_squares(task.n, g);
}

// Adds g to the sum; where this batch is the last of an update, moves the mean to g.
template <class T>
void Optimizer<T>::accumulate(const Task& task, T* g) {
  const Kernels<T>& k = kernels<T>();
  T* sum = slots[sum_].data() + task.first;
  if (!updates_) return k.add(1, task.n, g, 0, sum, 0);
  k.add(1, task.n, sum, 0, g, 0);
  k.scale(task.n, T(1) / T(spec_.gradient_accumulation_steps), g);
  std::fill_n(sum, task.n, T(0));
}

// min(1, clipnorm / norm). Where a norm is infinite or NaN, its weights shall all be NaN, so that it is noticed.
template <class T>
T Optimizer<T>::clip_factor(const Task& task) const {
  double sum = 0;
  for (std::size_t i = task.norm_begin; i < task.norm_end; i++) sum += partial_[i];
  const double norm = std::sqrt(sum);
  const double limit = spec_.clipnorm > 0 ? spec_.clipnorm : spec_.global_clipnorm;
  return std::isfinite(norm) ? T(limit / std::max(norm, limit)) : T(NAN);
}

template <class T>
void Optimizer<T>::clip(const Task& task, T* g) const {
  if (takes_norm()) {
    const T factor = clip_factor(task);
    if (factor != T(1)) kernels<T>().scale(task.n, factor, g);
  } else if (spec_.clipvalue > 0) {
    kernels<T>().clip(task.n, T(spec_.clipvalue), g);
  }
}

template <class T>
void Optimizer<T>::update(Index i, T* w, T* g) {
  const Kernels<T>& k = kernels<T>();
  const Task& task = tasks_[std::size_t(i)];
  w += task.first, g += task.first;
  if (updates_) {
    if (keeps_norm() && !takes_norm()) partial_[std::size_t(i)] = k.sum_of_squares(task.n, g);
    clip(task, g);
    if (spec_.weight_decay > 0) k.shrink(task.n, decay_, w);
    apply_rule(task, w, g);
  }
  if (!spec_.use_ema) return;
  T* average = slots[average_].data() + task.first;
  k.blend(task.n, ema_momentum_, w, average);
  if (overwrites_) std::copy_n(average, task.n, w);
}

template <class T>
void Optimizer<T>::apply_rule(const Task& task, T* w, const T* g) {
  const Kernels<T>& k = kernels<T>();
  const Index n = task.n;
  const auto slot = [&](std::size_t i) { return slots[i].data() + task.first; };
  const bool momentum = spec_.momentum != 0;
  switch (spec_.kind) {
    case OptimizerKind::sgd:
      return k.sgd(rule_, n, w, g, momentum ? slot(0) : nullptr);
    case OptimizerKind::rmsprop:
      return k.rmsprop(rule_, n, w, g, slot(0), spec_.centered ? slot(1) : nullptr,
                       momentum ? slot(1 + spec_.centered) : nullptr);
    case OptimizerKind::adam:
      return k.adam(rule_, n, w, g, slot(0), slot(1), spec_.amsgrad ? slot(2) : nullptr);
    case OptimizerKind::nadam:
      return k.nadam(rule_, n, w, g, slot(0), slot(1));
    case OptimizerKind::adagrad:
      return k.adagrad(rule_, n, w, g, slot(0));
    case OptimizerKind::lion:
      return k.lion(rule_, n, w, g, slot(0));
  }
}

template <class T>
void Optimizer<T>::write_average(T* w) const {
  if (spec_.use_ema && iterations > 0) std::copy(slots[average_].begin(), slots[average_].end(), w);
}

template <class T>
double Optimizer<T>::gradient_norm(const T* g) const {
  double sum = 0;
  for (std::size_t i = 0; i < tasks_.size(); i++)
    sum += keeps_norm() ? partial_[i] : kernels<T>().sum_of_squares(tasks_[i].n, g + tasks_[i].first);
  return std::sqrt(sum);
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace pyrnn
