#include "stream.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "ops/simple.h"

namespace pyrnn {

namespace {

// Multiply-adds of a step below which one thread does it: others, asleep since the last step, would wake too late.
constexpr double kAloneWork = 1e6;

InputSpec one_step(const InputSpec& spec) { return {spec.features, false, spec.ids_only, spec.name}; }

}  // namespace

template <class T>
Stream<T>::Stream(Network<T>& network, Index batch)
    : reader_(network.readers().add()),
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
  const auto* last = dynamic_cast<const Activate<T>*>(stack_.ops.back().get());
  logit_ops_ = stack_.ops.size() - (last && last->activation() == Activation::softmax && stack_.ops.size() > 1);
  const Workload load = network.workload(batch, 1);
  const bool alone = load.work * double(batch) < kAloneWork;
  schedule_ = choose_schedule(load, alone ? ScheduleKind::serial : ScheduleKind::automatic);
  lay_out_in(state_memory_, [&](Planner& memory) {
    for (Op<T>* op : recurrent_) op->place_state(batch, schedule_.block, memory);
  });
  allow(state_memory_.data(), state_memory_.data() + state_memory_.size());  // clear_state writes over it whole
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

template <class T>
void Stream<T>::plan(bool symbols) {
  if (planned_ && symbols == symbols_) return;
  stack_.check_input(symbols);
  planned_ = false;
  lay_out_in(arena_, [&](Planner& memory) {
    const Plan plan{batch_, schedule_.block, false, schedule_.kind == ScheduleKind::panels};
    out_ = input_.plan(symbols, 1, nullptr, plan, memory);
    for (std::size_t i = 0; i < stack_.ops.size(); i++) {
      out_ = stack_.ops[i]->plan(out_, plan, memory);
      if (i + 1 == logit_ops_) logits_ = out_;
    }
  });
  symbols_ = symbols;
  planned_ = true;
}

template <class T>
void Stream<T>::step(const ArrayView& x, T* out) {
  std::lock_guard<Readers::Lock> lock(*reader_);
  step_locked(x, out);
}

template <class T>
bool Stream<T>::try_step(const ArrayView& x, T* out) {
  std::unique_lock<Readers::Lock> lock(*reader_, std::try_to_lock);
  if (lock) step_locked(x, out);
  return lock.owns_lock();
}

template <class T>
void Stream<T>::run(const ArrayView& x, T* out) {
  std::lock_guard<Readers::Lock> lock(*reader_);
  ArrayView x_t = x;
  x_t.ndim = x.ndim - 1;
  std::copy(x.shape + 1, x.shape + x.ndim, x_t.shape);
  std::copy(x.strides + 1, x.strides + x.ndim, x_t.strides);
  for (Index t = 0; t < x.shape[0]; t++, x_t.data += x.strides[0]) step_locked(x_t, out + t * batch_ * features());
}

template <class T>
void Stream<T>::check_rows(Index rows) const {
  if (rows != batch_)
    throw std::invalid_argument("x must have " + std::to_string(batch_) + " rows, the stream's batch_size, got " +
                                std::to_string(rows));
}

template <class T>
template <class F>
void Stream<T>::forward(const ArrayView& x, std::size_t n_ops, F finish) {
  const bool symbols = input_.is_symbols(x);
  check_rows(x.shape[0]);
  plan(symbols);
  for (auto& op : stack_.ops) op->set_iteration(steps_);
  steps_++;
  const auto through = [&](const Share& share) {
    input_.forward(x, rows_.data(), share.own_rows());
    stack_.forward(n_ops, share);
    finish(share.own_rows());
  };
  const SharedPass pass(schedule_, batch_, through);
  parallel_phases({pass.phase()}, schedule_.kind == ScheduleKind::serial);
}

template <class T>
void Stream<T>::step_locked(const ArrayView& x, T* out) {
  forward(x, stack_.ops.size(), [&](Rows rows) {
    for (Index r = rows.begin; r < rows.end; r++)
      std::memcpy(out + r * features(), out_.data.at(0, r), std::size_t(features()) * sizeof(T));
  });
}

template <class T>
void Stream<T>::generate(const Writing& writing, Index begin, Index end) {
  std::lock_guard<Readers::Lock> lock(*reader_);
  if (!sampler_) sampler_.emplace(features());
  const auto read = [&](Index column) {
    ArrayView x;
    x.data = reinterpret_cast<const char*>(writing.ids + column);
    x.dtype = DType::i32;
    x.ndim = 1;
    x.shape[0] = batch_;
    x.strides[0] = writing.length * Index(sizeof(std::int32_t));
    forward(x, logit_ops_, [](Rows) {});
  };
  const auto first_known = *std::min_element(writing.known, writing.known + batch_);
  for (Index next = begin + 1; next <= end; next++) {
    if (writing.window == 0) {
      read(next - 1);
    } else if (next >= first_known) {
      clear_state();
      for (Index column = std::max<Index>(0, next - writing.window); column < next; column++) read(column);
    }
    for (Index r = 0; r < batch_; r++) {
      if (next < writing.known[r]) continue;
      Sampling sampling = writing.sampling;
      sampling.temperature = writing.temperatures[r];
      const std::uint64_t position = std::uint64_t(next - writing.known[r]);
      const Index id = sampler_->draw(logits_.data.at(0, r), sampling, writing.keys[r], position);
      writing.ids[r * writing.length + next] = std::int32_t(id);
    }
  }
}

template <class T>
void Stream<T>::get_state(const Op<T>& op, Index i, T* to) {
  std::lock_guard<Readers::Lock> lock(*reader_);
  for (Index r = 0; r < batch_; r++) op.get_state(i, r, to + r * op.state_units());
}

template <class T>
void Stream<T>::set_state(Op<T>& op, Index i, const T* from) {
  std::lock_guard<Readers::Lock> lock(*reader_);
  for (Index r = 0; r < batch_; r++) op.set_state(i, r, from + r * op.state_units());
}

template <class T>
void Stream<T>::reset() {
  std::lock_guard<Readers::Lock> lock(*reader_);
  clear_state();
}

template class Stream<float>;
template class Stream<double>;

}  // namespace pyrnn
