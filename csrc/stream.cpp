#include "stream.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace pyrnn {

namespace {

// Multiply-adds of a step below which one thread does it: others, asleep since the last step, would wake too late.
constexpr double kAloneWork = 1e6;

InputSpec one_step(const InputSpec& spec) { return {spec.features, false, spec.ids_only, spec.name}; }

}  // namespace

template <class T>
Stream<T>::Stream(Network<T>& network, Index batch)
    : network_(network),
      batch_(batch),
      input_(one_step(input_of(network))),
      stack_(input_of(network), specs_of(network)),
      rows_(std::size_t(std::max<Index>(batch, 1))) {
  if (batch < 1) throw std::invalid_argument("stream: batch_size must be at least 1, got " + std::to_string(batch));
  if (!input_of(network).sequence)
    throw std::invalid_argument("stream: the model must read sequences [B, T, F], but it reads [B, F]");
  if (stack_.whole_sequence)
    throw std::invalid_argument(std::string("stream: a model with ") + stack_.whole_sequence +
                                " needs its whole sequence before it answers");
  for (const OpSpec& spec : specs_of(network))
    if (spec.go_backwards)
      throw std::invalid_argument("stream: a layer with go_backwards=True needs the last step of its sequence first");
  network.share_weights(stack_);
  std::iota(rows_.begin(), rows_.end(), std::int64_t(0));
  recurrent_ = stack_.with_state();
  const Workload load = network.workload(batch, 1);
  const bool alone = load.work * double(batch) < kAloneWork;
  schedule_ = choose_schedule(load, alone ? ScheduleKind::serial : ScheduleKind::automatic);
  lay_out_in(state_memory_, [&](Planner& memory) {
    for (Op<T>* op : recurrent_) op->place_state(batch, schedule_.block, memory);
  });
}

template <class T>
InputSpec Stream<T>::input_of(const Network<T>& network) {
  for (const OpSpec& spec : network.specs())
    if (spec.kind == OpKind::handover) return {spec.units, true, spec.ids_only};
  return network.input_spec();
}

template <class T>
std::vector<OpSpec> Stream<T>::specs_of(const Network<T>& network) {
  const auto& all = network.specs();
  const auto is_handover = [](const OpSpec& spec) { return spec.kind == OpKind::handover; };
  const auto at = std::find_if(all.begin(), all.end(), is_handover);
  return {at == all.end() ? all.begin() : at + 1, all.end()};
}

// Makes the arena for ids or for vectors: at the first step, and where a step brings the other kind.
template <class T>
void Stream<T>::plan(bool symbols) {
  if (planned_ && symbols == symbols_) return;
  stack_.check_input(symbols);
  planned_ = false;
  lay_out_in(arena_, [&](Planner& memory) {
    const Plan plan{batch_, schedule_.block, false, schedule_.kind == ScheduleKind::panels};
    out_ = input_.plan(symbols, 1, nullptr, plan, memory);
    for (auto& op : stack_.ops) out_ = op->plan(out_, plan, memory);
  });
  symbols_ = symbols;
  planned_ = true;
}

template <class T>
void Stream<T>::step(const ArrayView& x, T* out) {
  std::lock_guard<std::mutex> lock(network_.mutex());
  step_locked(x, out);
}

template <class T>
bool Stream<T>::try_step(const ArrayView& x, T* out) {
  std::unique_lock<std::mutex> lock(network_.mutex(), std::try_to_lock);
  if (lock) step_locked(x, out);
  return lock.owns_lock();
}

template <class T>
void Stream<T>::run(const ArrayView& x, T* out) {
  std::lock_guard<std::mutex> lock(network_.mutex());
  ArrayView x_t = x;
  x_t.ndim = x.ndim - 1;
  std::copy(x.shape + 1, x.shape + x.ndim, x_t.shape);
  std::copy(x.strides + 1, x.strides + x.ndim, x_t.strides);
  for (Index t = 0; t < x.shape[0]; t++, x_t.data += x.strides[0]) step_locked(x_t, out + t * batch_ * features());
}

template <class T>
void Stream<T>::step_locked(const ArrayView& x, T* out) {
  const bool symbols = input_.is_symbols(x);
  if (x.shape[0] != batch_)
    throw std::invalid_argument("x must have " + std::to_string(batch_) + " rows, the stream's batch_size, got " +
                                std::to_string(x.shape[0]));
  plan(symbols);
  for (auto& op : stack_.ops) op->set_iteration(steps_);
  steps_++;
  const auto forward = [&](const Share& share) {
    input_.forward(x, rows_.data(), share.own_rows());
    stack_.forward(stack_.ops.size(), share);
    const Rows rows = share.own_rows();
    for (Index r = rows.begin; r < rows.end; r++)
      std::memcpy(out + r * features(), out_.data.at(0, r), std::size_t(features()) * sizeof(T));
  };
  const SharedPass pass(schedule_, batch_, forward);
  parallel_phases({pass.phase()}, schedule_.kind == ScheduleKind::serial);
}

template <class T>
void Stream<T>::get_state(const Op<T>& op, Index i, T* to) {
  std::lock_guard<std::mutex> lock(network_.mutex());
  for (Index r = 0; r < batch_; r++) op.get_state(i, r, to + r * op.state_units());
}

template <class T>
void Stream<T>::set_state(Op<T>& op, Index i, const T* from) {
  std::lock_guard<std::mutex> lock(network_.mutex());
  for (Index r = 0; r < batch_; r++) op.set_state(i, r, from + r * op.state_units());
}

template <class T>
void Stream<T>::reset() {
  std::lock_guard<std::mutex> lock(network_.mutex());
  std::memset(state_memory_.data(), 0, state_memory_.size());
}

template class Stream<float>;
template class Stream<double>;

}  // namespace pyrnn
