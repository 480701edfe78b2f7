#include "network.h"

#include <algorithm>
#include <cstring>

#include "ops/dense.h"
#include "ops/lstm.h"
#include "ops/simple.h"
#include "parallel.h"

namespace pyrnn {

namespace {

constexpr Index kRowsPerTask = 32;  // the saved state of a block of rows shall stay in cache from forward to backward
constexpr Index kLeastRowsPerTask = 6;  // one tile: fewer would leave registers idle
constexpr double kSerialWork = 2e5;     // multiply-adds below which waking threads costs more than it saves

}  // namespace

// ---- building ------------------------------------------------------------------------------------------------------

template <class T>
Network<T>::Network(const InputSpec& input, const std::vector<OpSpec>& specs)
    : input_spec_(input), input_(input), features_(input.features), sequence_(input.sequence) {
  if (input.features < 1)
    throw std::invalid_argument("Network: features must be at least 1, got " + std::to_string(input.features));
  for (std::size_t i = 0; i < specs.size(); i++) append(specs[i], i + 1 < specs.size() ? &specs[i + 1] : nullptr);
  if (ops_.empty()) throw std::invalid_argument("Network: ops must not be empty");
  if (input.ids_only && !ops_.front()->takes_ids())
    throw std::invalid_argument("Network: the first op cannot take ids");
  place_weights();
}

template <class T>
void Network<T>::append(const OpSpec& spec, const OpSpec* next) {
  const bool first = ops_.empty();
  auto add = [&](Op<T>* op) { ops_.emplace_back(op); };
  auto positive = [](Index n, const char* what) {
    if (n < 1)
      throw std::invalid_argument(std::string("Network: ") + what + " must be at least 1, got " + std::to_string(n));
    return n;
  };
  op_of_spec_.push_back(ops_.size());
  switch (spec.kind) {
    case OpKind::embedding:
      if (!first) throw std::invalid_argument("Network: embedding must be the first op: it takes ids");
      add(new Embedding<T>(features_, positive(spec.units, "output_dim of embedding")));
      features_ = spec.units;
      break;
    case OpKind::one_hot:
      if (!first) throw std::invalid_argument("Network: one_hot must be the first op: it takes ids");
      add(new OneHot<T>());
      break;
    case OpKind::lstm:
      if (!sequence_) throw std::invalid_argument("Network: lstm needs a sequence [B, T, F], got [B, F]");
      add(new Lstm<T>(features_, positive(spec.units, "units of lstm"), spec.return_sequences, spec.use_bias));
      features_ = spec.units;
      sequence_ = spec.return_sequences;
      break;
    case OpKind::dense:
      add(new Dense<T>(features_, positive(spec.units, "units of dense"), spec.use_bias));
      features_ = spec.units;
      if (spec.activation != Activation::linear) add(new Activate<T>(spec.activation));
      break;
    case OpKind::activation:
      add(new Activate<T>(spec.activation));
      break;
    case OpKind::dropout:
      if (!(spec.rate >= 0 && spec.rate < 1))
        throw std::invalid_argument("Network: rate of dropout must be in [0, 1), got " + std::to_string(spec.rate));
      add(new Dropout<T>(spec.rate, spec.seed));
      break;
    case OpKind::repeat_vector:
      if (sequence_) throw std::invalid_argument("Network: repeat_vector needs [B, F], got a sequence");
      add(new RepeatVector<T>(positive(spec.units, "n of repeat_vector"), !(next && next->kind == OpKind::lstm)));
      sequence_ = true;
      fixed_steps_ = spec.units;
      break;
  }
  work_ += ops_[op_of_spec_.back()]->work();
}

// All values, then all gradients, in one flat block, so that the optimizer needs to know of no op.
template <class T>
void Network<T>::place_weights() {
  for (auto& op : ops_)
    for (auto& parameter : op->parameters) n_weights_ += parameter.layout.size();
  weight_memory_ = Memory(std::size_t(2 * n_weights_) * sizeof(T));
  weights_ = reinterpret_cast<T*>(weight_memory_.data());
  grads_ = weights_ + n_weights_;
  Index at = 0;
  for (auto& op : ops_)
    for (auto& parameter : op->parameters) {
      parameter.value = weights_ + at;
      parameter.grad = grads_ + at;
      at += parameter.layout.size();
    }
}

template <class T>
const Parameter<T>& Network<T>::parameter(std::size_t spec, const std::string& name) const {
  if (spec < op_of_spec_.size())
    for (const auto& parameter : ops_[op_of_spec_[spec]]->parameters)
      if (parameter.name == name) return parameter;
  throw std::invalid_argument("Network: op " + std::to_string(spec) + " has no weight " + name);
}

template <class T>
void Network<T>::get_weight(const Parameter<T>& parameter, T* to) {
  std::lock_guard<std::mutex> lock(mutex_);
  parameter.unpack(parameter.value, to);
}

template <class T>
void Network<T>::set_weight(const Parameter<T>& parameter, const T* from) {
  std::lock_guard<std::mutex> lock(mutex_);
  parameter.pack(from);
  derived_stale_ = true;
}

template <class T>
void Network<T>::compile(const Objective& objective, const OptimizerSpec& optimizer) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto* last = dynamic_cast<const Activate<T>*>(ops_.back().get());
  const Activation inside = objective.loss == LossKind::crossentropy ? Activation::softmax : Activation::sigmoid;
  const bool has_logits = objective.loss == LossKind::crossentropy || objective.loss == LossKind::binary_crossentropy;
  loss_activates_ = has_logits && !objective.from_logits && ops_.size() > 1 && last && last->activation() == inside;
  Objective resolved = objective;
  resolved.from_logits = objective.from_logits || loss_activates_;
  resolved.activation_inside = loss_activates_;
  loss_.emplace(resolved);
  optimizer_.emplace(optimizer, n_weights_);
  planned_ = false;
}

// ---- planning ------------------------------------------------------------------------------------------------------

template <class T>
void Network<T>::plan(Mode mode, const ArrayView& x, Index batch) {
  const bool symbols = input_.is_symbols(x);
  if (symbols && !ops_.front()->takes_ids())
    throw std::invalid_argument("x must be vectors, got integer ids: the first layer cannot take ids");
  const Index steps = input_spec_.sequence ? x.shape[1] : 1;
  if (steps < 1) throw std::invalid_argument("x must have at least one step, got 0");
  if (planned_ && mode == mode_ && batch == batch_ && steps == steps_ && symbols == symbols_) return;
  planned_ = false;
  mode_ = mode;
  batch_ = batch;
  steps_ = steps;
  symbols_ = symbols;
  active_ops_ = ops_.size() - (mode != Mode::predict && loss_activates_);
  Planner counting(nullptr);
  lay_out(counting);
  if (counting.used() > arena_.size()) {
    arena_ = Memory();
    arena_ = Memory(counting.used());
  }
  Planner memory(arena_.data());
  lay_out(memory);
  planned_ = true;
}

template <class T>
void Network<T>::lay_out(Planner& memory) {
  const Plan plan{batch_, mode_ == Mode::train};
  Signal<T> signal = input_.plan(symbols_, steps_, batch_, memory);
  for (std::size_t i = 0; i < active_ops_; i++) signal = ops_[i]->plan(signal, plan, memory);
  prediction_ = signal;
  if (mode_ != Mode::predict) loss_->plan(signal, plan, memory);
}

template <class T>
std::vector<Index> Network<T>::output_shape(Index steps) const {
  if (sequence_) return {fixed_steps_ ? fixed_steps_ : steps, features_};
  return {features_};
}

template <class T>
std::size_t Network<T>::memory() const {
  std::size_t slots = 0;
  if (optimizer_)
    for (const auto& slot : optimizer_->slots) slots += slot.size() * sizeof(T);
  return weight_memory_.size() + arena_.size() + slots;
}

// ---- the way of a batch --------------------------------------------------------------------------------------------

template <class T>
void Network<T>::train_batch(const ArrayView& x, const ArrayView& y, const std::int64_t* index, Index n,
                             double learning_rate, double* results) {
  std::lock_guard<std::mutex> lock(mutex_);
  check_rows(x, "x", index, n);
  check_rows(y, "y", index, n);
  plan(Mode::train, x, n);
  loss_->check_targets(y, prediction_);
  for (auto& op : ops_) op->set_iteration(std::uint32_t(optimizer_->iterations));
  const OpTasks gradients = op_tasks(&Op<T>::gradient_tasks), derivations = op_tasks(&Op<T>::derive_tasks);
  const auto derive = [&](Index task) { run(derivations, &Op<T>::derive, task); };
  if (derived_stale_) parallel_for(derivations.total, is_small(), derive);
  derived_stale_ = true;  // until this batch is through
  optimizer_->begin(learning_rate);

  const Index height = rows_per_task();
  const auto forward_backward = [&](Index task) { train_rows(x, y, index, rows_of(task, height)); };
  const auto gradient = [&](Index task) { run(gradients, &Op<T>::gradient, task); };
  const auto norm = [&](Index task) { optimizer_->norm(task, grads_); };
  const auto update = [&](Index task) { optimizer_->update(task, weights_, grads_); };
  parallel_phases({{divide_up(n, height), forward_backward},
                   {gradients.total, gradient},
                   {optimizer_->norm_tasks(), norm},
                   {optimizer_->tasks(), update},
                   {derivations.total, derive}},
                  is_small());
  derived_stale_ = false;
  optimizer_->end();
  loss_->means(results);
}

template <class T>
void Network<T>::train_rows(const ArrayView& x, const ArrayView& y, const std::int64_t* index, Rows rows) {
  forward(x, index, rows);
  loss_->run(y, index, rows);
  for (std::size_t i = active_ops_; i-- > 0;) ops_[i]->backward(rows);
}

template <class T>
void Network<T>::forward(const ArrayView& x, const std::int64_t* index, Rows rows) {
  input_.forward(x, index, rows);
  for (std::size_t i = 0; i < active_ops_; i++) ops_[i]->forward(rows);
}

template <class T>
void Network<T>::evaluate_batch(const ArrayView& x, const ArrayView& y, const std::int64_t* index, Index n,
                                double* results) {
  std::lock_guard<std::mutex> lock(mutex_);
  check_rows(x, "x", index, n);
  check_rows(y, "y", index, n);
  plan(Mode::evaluate, x, n);
  loss_->check_targets(y, prediction_);
  for_rows([&](Rows rows) {
    forward(x, index, rows);
    loss_->run(y, index, rows);
  });
  loss_->means(results);
}

template <class T>
void Network<T>::predict_batch(const ArrayView& x, const std::int64_t* index, Index n, T* out) {
  std::lock_guard<std::mutex> lock(mutex_);
  check_rows(x, "x", index, n);
  plan(Mode::predict, x, n);
  for_rows([&](Rows rows) {
    forward(x, index, rows);
    const Signal<T>& p = prediction_;
    for (Index r = rows.begin; r < rows.end; r++)
      for (Index t = 0; t < p.steps; t++)
        std::memcpy(out + (r * p.steps + t) * p.features, p.data + (t * batch_ + r) * p.stride(),
                    std::size_t(p.features) * sizeof(T));
  });
}

template <class T>
void Network<T>::check_rows(const ArrayView& a, const char* name, const std::int64_t* index, Index n) const {
  if (n < 1) throw std::invalid_argument("index must name at least one row, got none");
  if (a.ndim < 1) throw std::invalid_argument(std::string(name) + " must have a first axis of rows, got a scalar");
  for (Index i = 0; i < n; i++)
    if (index[i] < 0 || index[i] >= a.shape[0])
      throw std::invalid_argument("index must be from 0 to " + std::to_string(a.shape[0] - 1) + " for " + name +
                                  ", got " + std::to_string(index[i]));
}

// ---- sharing work --------------------------------------------------------------------------------------------------

template <class T>
bool Network<T>::is_small() const {
  return work_ * double(batch_) * double(std::max(steps_, fixed_steps_)) < kSerialWork;
}

// Blocks of equal height, one or more for each thread where there are rows enough. Results do not depend on them.
template <class T>
Index Network<T>::rows_per_task() const {
  Index blocks = divide_up(batch_, kRowsPerTask);
  if (!is_small()) blocks = std::max(blocks, std::min<Index>(num_threads(), divide_up(batch_, kLeastRowsPerTask)));
  return divide_up(batch_, blocks);
}

template <class T>
Rows Network<T>::rows_of(Index task, Index height) const {
  return {task * height, std::min(batch_, (task + 1) * height)};
}

template <class T>
template <class F>
void Network<T>::for_rows(const F& body) const {
  const Index height = rows_per_task();
  parallel_for(divide_up(batch_, height), is_small(), [&](Index task) { body(rows_of(task, height)); });
}

template <class T>
typename Network<T>::OpTasks Network<T>::op_tasks(Index (Op<T>::*count)() const) const {
  OpTasks tasks{0, count};
  for (std::size_t i = 0; i < active_ops_; i++) tasks.total += (*ops_[i].*count)();
  return tasks;
}

template <class T>
void Network<T>::run(const OpTasks& tasks, void (Op<T>::*body)(Index), Index task) {
  for (std::size_t i = 0; i < active_ops_; i++) {
    const Index of_op = (*ops_[i].*tasks.count)();
    if (task < of_op) return (*ops_[i].*body)(task);
    task -= of_op;
  }
}

template class Network<float>;
template class Network<double>;

}  // namespace pyrnn
