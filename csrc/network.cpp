#include "network.h"

#include <algorithm>
#include <utility>

#include "ops/simple.h"

namespace pyrnn {

// ---- building ------------------------------------------------------------------------------------------------------

template <class T>
Network<T>::Network(const InputSpec& input, const std::vector<OpSpec>& specs, NetworkUse use)
    : input_spec_(input), specs_(specs), input_(input), stack_(input, specs) {
  place_weights(use);
  recurrent_ = stack_.with_state();
  place_penalties();
}

template <class T>
Network<T>::Network(const Network& original)
    : input_spec_(original.input_spec_),
      specs_(original.specs_),
      input_(input_spec_),
      stack_(input_spec_, specs_),
      n_weights_(original.n_weights_) {
  original.share_weights(stack_);
  recurrent_ = stack_.with_state();
}

template <class T>
void Network<T>::compile(const Objective& objective, const OptimizerSpec& optimizer, bool checks_numerics) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto* last = dynamic_cast<const Activate<T>*>(stack_.ops.back().get());
  const Activation inside = objective.loss == LossKind::crossentropy ? Activation::softmax : Activation::sigmoid;
  const bool has_logits = objective.loss == LossKind::crossentropy || objective.loss == LossKind::binary_crossentropy;
  const bool activates =
      has_logits && !objective.from_logits && stack_.ops.size() > 1 && last && last->activation() == inside;
  Objective resolved = objective;
  resolved.from_logits = objective.from_logits || activates;
  resolved.activation_inside = activates;
  std::vector<Index> sizes;
  for (const auto& op : stack_.ops)
    for (const auto& parameter : op->parameters) sizes.push_back(parameter.layout.size());
  Loss<T> loss(resolved);  // both or none: either may find no memory
  Optimizer<T> rule(optimizer, sizes);
  loss_.emplace(std::move(loss));
  optimizer_.emplace(std::move(rule));
  outputs_.clear();
  checks_numerics_ = checks_numerics;
  loss_activates_ = activates;
  planned_ = false;
}

// In the order in which batches take these locks
template <class T>
void Network<T>::hold() {
  mutex_.lock();
  held_.emplace(readers_);
  twins_mutex_.lock();
}

template <class T>
void Network<T>::release() {
  twins_mutex_.unlock();
  held_.reset();
  mutex_.unlock();
}

// ---- planning ------------------------------------------------------------------------------------------------------

template <class T>
void Network<T>::begin(Mode mode, Batch& batch, const States<T>& states) {
  states_ = states;
  check_rows(batch.x, "x", batch.index, batch.n);
  if (batch.spans) {
    check_ragged();
    input_.is_symbols(batch.x);  // refuses another number of axes
    ragged_.order(batch.index, batch.n, batch.spans, batch.x.shape[1]);
    batch.index = ragged_.index();
  }
  give_second(batch);
  if (mode != Mode::predict) {
    check_rows(*batch.y, "y", batch.index, batch.n);
    planned_ &= !loss_->wants_plan_for(*batch.y);
  }
  plan(mode, batch);
  if (mode == Mode::predict) return;
  check_targets(batch);
  if (batch.spans) loss_->set_steps(ragged_.nonempty(), ragged_.steps());
}

template <class T>
void Network<T>::give_second(const Batch& batch) {
  Handover<T>* handover = stack_.handover;
  if (bool(batch.second) != bool(handover))
    throw std::invalid_argument(handover ? "a network with a decoder needs what the decoder reads"
                                         : "a network without a decoder reads one input");
  if (!handover) return;
  check_rows(*batch.second, "the decoder's x", batch.index, batch.n);
  handover->give(*batch.second, batch.index);
  stack_.check_decoder_input(handover->symbols());
  planned_ &= handover->symbols() == decoder_symbols_ && handover->steps() == decoder_steps_;
  decoder_symbols_ = handover->symbols();
  decoder_steps_ = handover->steps();
  if (decoder_steps_ < 1) throw std::invalid_argument("the decoder's x must have at least one step, got 0");
}

template <class T>
void Network<T>::check_ragged() const {
  if (!input_spec_.sequence) throw std::invalid_argument("spans of steps need a model that reads sequences [B, T, F]");
  bool sequence = true;  // until a layer makes one output of all steps
  for (std::size_t i = 0; i < stack_.ops.size() && sequence; i++) {
    if (!stack_.ops[i]->takes_ragged())
      throw std::invalid_argument("rows of different lengths cannot be given to this model: op " + std::to_string(i) +
                                  " needs all rows to have all steps");
    sequence = !stack_.ops[i]->ends_sequence();
  }
}

template <class T>
void Network<T>::plan(Mode mode, const Batch& batch) {
  const bool symbols = input_.is_symbols(batch.x), ragged = batch.spans;
  stack_.check_input(symbols);
  const Index steps = input_spec_.sequence ? batch.x.shape[1] : 1;
  if (steps < 1) throw std::invalid_argument("x must have at least one step, got 0");
  const int threads = num_threads();
  const bool asked = states_.last || stack_.handover;
  const bool given = states_.first || (asked && ragged);  // a row without steps ends where it begins
  if (planned_ && mode == mode_ && batch.n == batch_ && steps == steps_ && symbols == symbols_ &&
      ragged == is_ragged_ && given == given_states_ && threads == threads_)
    return;
  planned_ = false;
  mode_ = mode;
  batch_ = batch.n;
  steps_ = steps;
  symbols_ = symbols;
  is_ragged_ = ragged;
  given_states_ = given;
  threads_ = threads;
  schedule_ = choose_schedule(workload(batch_, std::max(steps, stack_.fixed_steps)), wanted_schedule_);
  pieces_ = gradient_pieces(batch_, double(n_weights_) * sizeof(T));
  active_ops_ = stack_.ops.size() - (mode != Mode::predict && loss_activates_);
  for (Op<T>* op : recurrent_) op->use_state({given});
  if (stack_.handover) stack_.handover->use_states(given, mode == Mode::train);
  if (checks_numerics_) outputs_.resize(stack_.ops.size());
  lay_out_in(arena_, [&](Planner& memory) { lay_out(memory); });
  planned_ = true;
}

template <class T>
void Network<T>::lay_out(Planner& memory) {
  const Plan plan{batch_, schedule_.block, mode_ == Mode::train, schedule_.kind == ScheduleKind::panels};
  Signal<T> signal = input_.plan(symbols_, steps_, is_ragged_ ? ragged_.active() : nullptr, plan, memory);
  for (std::size_t i = 0; i < active_ops_; i++) {
    signal = stack_.ops[i]->plan(signal, plan, memory);
    if (checks_numerics_) outputs_[i] = signal;
  }
  prediction_ = signal;
  if (mode_ != Mode::predict) loss_->plan(signal, plan, memory);
}

template <class T>
void Network<T>::output_shape(Index batch, Index steps, std::vector<Index>& shape) const {
  shape.assign({batch});
  if (stack_.sequence) shape.push_back(stack_.fixed_steps ? stack_.fixed_steps : steps);
  shape.push_back(stack_.features);
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
void Network<T>::train_batch(Batch batch, const States<T>& states, double learning_rate, double* results) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Readers::Writing writing(readers_);
  if (quantized_memory_.size()) throw std::invalid_argument("a network with quantized weights cannot be trained");
  begin(Mode::train, batch, checks_numerics_ ? kept_states(states, batch.n) : states);
  for (auto& op : stack_.ops) op->set_iteration(std::uint32_t(optimizer_->iterations));
  const OpTasks gradients = op_tasks(&Op<T>::gradient_tasks), derivations = op_tasks(&Op<T>::derive_tasks);
  const auto derive = [&](Index task) { run(derivations, task, [](Op<T>& op, Index of_op) { op.derive(of_op); }); };
  if (derived_stale_) parallel_for(derivations.total, is_serial(), derive);
  derived_stale_ = true;  // until this batch is through
  optimizer_->begin(learning_rate);

  const auto train = [&](const Share& share) { train_rows(batch, share); };
  const SharedPass forward_backward(schedule_, batch_, train);
  const auto gradient = [&](Index task) { sum_gradient(gradients, task); };
  const auto add = [&](Index task) { add_pieces(task); };
  const auto penalize = [&](Index task) { penalty_.run(task, weights_, grads_); };
  const auto prepare = [&](Index task) { optimizer_->prepare(task, grads_); };
  const auto update = [&](Index task) { optimizer_->update(task, weights_, grads_); };
  const Phase rows = forward_backward.phase(is_ragged_), sums(gradients.total * pieces_, gradient),
              added(pieces_ > 1 ? divide_up(n_weights_, kWeightsPerTask) : 0, add),
              penalties(penalty_.tasks(), penalize), prepared(optimizer_->prepare_tasks(), prepare),
              updated(optimizer_->update_tasks(), update),
              derived(optimizer_->changes_weights() ? derivations.total : 0, derive);
  if (checks_numerics_) {
    parallel_phases({rows, sums, added, penalties}, is_serial());
    read_results(results);
    check_batch(batch, states, results);
    parallel_phases({prepared, updated, derived}, is_serial());
  } else {
    parallel_phases({rows, sums, added, penalties, prepared, updated, derived}, is_serial());
    read_results(results);
  }
  derived_stale_ = false;
  optimizer_->end();
  batches_trained_++;
}

template <class T>
void Network<T>::read_results(double* results) const {
  loss_->means(results);
  results[0] += penalty_.value();
}

template <class T>
void Network<T>::finish_training() {
  std::lock_guard<std::mutex> lock(mutex_);
  const Readers::Writing writing(readers_);
  optimizer_->write_average(weights_);
  derived_stale_ = true;
}

template <class T>
double Network<T>::gradient_norm() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!optimizer_->has_gradient())
    throw std::invalid_argument("gradient_norm: there must have been an update since compile, got none");
  return optimizer_->gradient_norm(grads_);
}

template <class T>
void Network<T>::train_rows(const Batch& batch, const Share& share) {
  forward(batch, share);
  loss_->run(*batch.y, batch.index, share.own_rows(), batch.weights, is_ragged_ ? ragged_.starts() : nullptr);
  for (std::size_t i = active_ops_; i-- > 0;) {
    share.part.wait();
    stack_.ops[i]->backward(share);
  }
}

template <class T>
void Network<T>::forward(const Batch& batch, const Share& share) {
  input_.forward(batch.x, batch.index, share.own_rows(), is_ragged_ ? ragged_.starts() : nullptr);
  if (given_states_) set_states(share.own_rows());
  stack_.forward(active_ops_, share);
  if (states_.last) get_states(share.own_rows());
}

template <class T>
void Network<T>::set_states(Rows rows) {
  Index array = 0;
  for (Op<T>* op : recurrent_) {
    const Index units = op->state_units();
    const std::vector<T> zero(states_.first ? 0 : std::size_t(units), T(0));
    for (Index i = 0; i < op->states(); i++, array++)
      for (Index r = rows.begin; r < rows.end; r++)
        op->set_state(i, r, states_.first ? states_.first[array] + place(r) * units : zero.data());
  }
}

template <class T>
void Network<T>::get_states(Rows rows) {
  Index array = 0;
  for (Op<T>* op : recurrent_)
    for (Index i = 0; i < op->states(); i++, array++)
      for (Index r = rows.begin; r < rows.end; r++)
        op->get_state(i, r, states_.last[array] + place(r) * op->state_units());
}

template <class T>
void Network<T>::evaluate_batch(Batch batch, const States<T>& states, double* results) {
  std::lock_guard<std::mutex> lock(mutex_);
  begin(Mode::evaluate, batch, states);
  const auto evaluate = [&](const Share& share) {
    forward(batch, share);
    loss_->run(*batch.y, batch.index, share.own_rows(), batch.weights, is_ragged_ ? ragged_.starts() : nullptr);
  };
  const SharedPass pass(schedule_, batch_, evaluate);
  const auto penalize = [&](Index task) { penalty_.run(task, weights_, nullptr); };
  parallel_phases({pass.phase(), {penalty_.tasks(), penalize}}, is_serial());
  read_results(results);
}

template <class T>
void Network<T>::predict_batch(Batch batch, const States<T>& states, T* out) {
  std::unique_lock<std::mutex> own(mutex_, std::try_to_lock);
  if (own) return predict_locked(batch, states, out);
  Twin twin = take_twin();
  {
    std::lock_guard<Readers::Lock> lock(*twin.reader);
    twin.network->predict_locked(batch, states, out);
  }
  std::lock_guard<std::mutex> lock(twins_mutex_);
  twins_.push_back(std::move(twin));
}

template <class T>
typename Network<T>::Twin Network<T>::take_twin() {
  {
    std::lock_guard<std::mutex> lock(twins_mutex_);
    if (!twins_.empty()) {
      Twin twin = std::move(twins_.back());
      twins_.pop_back();
      return twin;
    }
  }
  return {std::unique_ptr<Network>(new Network(*this)), readers_.add()};
}

template <class T>
void Network<T>::predict_locked(Batch batch, const States<T>& states, T* out) {
  begin(Mode::predict, batch, states);
  const auto predict = [&](const Share& share) {
    forward(batch, share);
    write_prediction(share.own_rows(), out);
  };
  const SharedPass pass(schedule_, batch_, predict);
  parallel_phases({pass.phase(is_ragged_)}, is_serial());
}

template <class T>
void Network<T>::write_prediction(Rows rows, T* out) const {
  const Signal<T>& p = prediction_;
  for (Index r = rows.begin; r < rows.end; r++) {
    T* to = out + place(r) * p.steps * p.features;
    if (p.active) std::fill_n(to, p.steps * p.features, T(0));
    const Index start = p.active ? ragged_.starts()[r] : 0;
    for (Index t = 0; t < p.steps && (!p.active || r < p.active[t]); t++)
      std::copy_n(p.data.at(t, r), p.features, to + (start + t) * p.features);
  }
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

template <class T>
void Network<T>::check_targets(const Batch& batch) const {
  loss_->check_targets(*batch.y, prediction_);
  if (!batch.weights) return;
  check_rows(*batch.weights, "weights", batch.index, batch.n);
  loss_->check_weights(*batch.weights, prediction_);
}

// ---- sharing work --------------------------------------------------------------------------------------------------

template <class T>
Workload Network<T>::workload(Index batch, Index steps) const {
  Index most_parts = 0;
  for (const auto& op : stack_.ops)
    if (const Index parts = op->step_parts()) most_parts = most_parts ? std::min(most_parts, parts) : parts;
  return {batch, steps, stack_.work, double(n_weights_) * sizeof(T), most_parts};
}

template <class T>
void Network<T>::set_schedule(ScheduleKind wanted) {
  std::lock_guard<std::mutex> lock(mutex_);
  wanted_schedule_ = wanted;
  planned_ = false;
}

template <class T>
typename Network<T>::OpTasks Network<T>::op_tasks(Index (Op<T>::*count)() const) const {
  OpTasks tasks{0, count};
  for (std::size_t i = 0; i < active_ops_; i++) tasks.total += (*stack_.ops[i].*count)();
  return tasks;
}

template <class T>
template <class F>
void Network<T>::run(const OpTasks& tasks, Index task, F body) {
  for (std::size_t i = 0; i < active_ops_; i++) {
    const Index of_op = (*stack_.ops[i].*tasks.count)();
    if (task < of_op) return body(*stack_.ops[i], task);
    task -= of_op;
  }
}

template <class T>
void Network<T>::sum_gradient(const OpTasks& tasks, Index task) {
  const Index i = task / tasks.total;
  const Part::Range samples = Part{int(i), int(pieces_)}.of(batch_);
  const GradientPiece piece{{samples.begin, samples.end}, i * n_weights_};
  run(tasks, task % tasks.total, [&](Op<T>& op, Index of_op) { op.gradient(of_op, piece); });
}

template <class T>
void Network<T>::add_pieces(Index task) {
  const Index first = task * kWeightsPerTask, n = std::min(kWeightsPerTask, n_weights_ - first);
  for (Index i = 1; i < pieces_; i++) kernels<T>().add(1, n, grads_ + i * n_weights_ + first, 0, grads_ + first, 0);
}

template class Network<float>;
template class Network<double>;

}  // namespace pyrnn
