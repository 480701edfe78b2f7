// The check of a batch for values that are not finite; and where there are any, of which op the first is: for that the
// batch goes through all ops once more, one after another, and each is looked at.
#include <algorithm>
#include <cmath>
#include <utility>

#include "network.h"

namespace pyrnn {

namespace {

template <class T>
bool all_finite(const T* values, Index n) {
  bool finite = true;
  for (Index i = 0; i < n; i++) finite &= bool(std::isfinite(values[i]));
  return finite;
}

// The first row, by steps, in which `values` of a signal are not finite, and such a value there
template <class T>
bool find_in(const RowArray<T>& values, const Signal<T>& signal, Index batch, Index& row, double& value) {
  for (Index t = 0; values && t < signal.stored_steps(); t++) {
    const Rows there = signal.rows_at(t, {0, batch});
    for (row = there.begin; row < there.end; row++) {
      const T* at = values.at(t, row);
      for (Index f = 0; f < signal.features; f++)
        if (value = double(at[f]); !std::isfinite(value)) return true;
    }
  }
  return false;
}

}  // namespace

template <class T>
void Network<T>::check_batch(const Batch& batch, const States<T>& states, const double* results) {
  if (std::isfinite(results[0]) && all_finite(grads_, n_weights_)) return;
  NotFinite found = find_not_finite(batch);
  found.loss = results[0];
  restore_states(states);
  throw found;
}

template <class T>
NotFinite Network<T>::find_not_finite(const Batch& batch) {
  using Where = NotFinite::Where;
  const FlushDenormals flush;
  const Index height = schedule_.kind == ScheduleKind::panels ? batch_ : schedule_.height;
  const auto each_share = [&](auto body) {
    for (Index r = 0; r < batch_; r += height) body(Share{{r, std::min(batch_, r + height)}});
  };
  const Index* starts = is_ragged_ ? ragged_.starts() : nullptr;
  Index row = 0;
  double value = 0;
  const auto found = [&](Where where, std::size_t op, bool in_row, std::string weight = {}) {
    return NotFinite{where, spec_of(op), std::move(weight), in_row ? batch.index[row] : -1, value};
  };

  each_share([&](const Share& share) {
    input_.forward(batch.x, batch.index, share.rows, starts);
    if (given_states_) set_states(share.rows);
  });
  for (std::size_t i = 0; i < active_ops_; i++) {
    each_share([&](const Share& share) { stack_.ops[i]->forward(share); });
    if (find_in(outputs_[i].data, outputs_[i], batch_, row, value)) return found(Where::output, i, true);
  }
  each_share([&](const Share& share) { loss_->run(*batch.y, batch.index, share.rows, batch.weights, starts); });
  std::vector<double> means;
  means.resize(std::size_t(result_count()));
  loss_->means(means.data());
  if (!std::isfinite(means[0])) return found(Where::loss, 0, false);
  if (!std::isfinite(penalty_.value())) return found(Where::penalty, 0, false);
  if (find_in(prediction_.grad, prediction_, batch_, row, value)) return found(Where::loss_gradient, 0, true);
  for (std::size_t i = active_ops_; i-- > 0;) {
    each_share([&](const Share& share) { stack_.ops[i]->backward(share); });
    for (const Parameter<T>& parameter : stack_.ops[i]->parameters)
      if (!all_finite(parameter.grad, parameter.layout.size()))
        return found(Where::weight_gradient, i, false, parameter.name);
    if (i && find_in(outputs_[i - 1].grad, outputs_[i - 1], batch_, row, value))
      return found(Where::input_gradient, i, true);
  }
  throw std::logic_error("check_numerics: a batch that was not finite is so when it is looked at");
}

template <class T>
std::size_t Network<T>::spec_of(std::size_t op) const {
  std::size_t spec = 0;
  while (spec + 1 < stack_.op_of_spec.size() && stack_.op_of_spec[spec + 1] <= op) spec++;
  return spec;
}

// A batch may end in the arrays in which it began; one that comes to nothing shall find there what it began with.
template <class T>
States<T> Network<T>::kept_states(const States<T>& states, Index rows) {
  kept_.clear(), kept_at_.clear();
  if (!states.first) return states;
  Index array = 0;
  for (const Op<T>* op : recurrent_)
    for (Index i = 0; i < op->states(); i++, array++)
      kept_.emplace_back(states.first[array], states.first[array] + rows * op->state_units());
  for (const std::vector<T>& state : kept_) kept_at_.push_back(state.data());
  return {kept_at_.data(), states.last};
}

template <class T>
void Network<T>::restore_states(const States<T>& states) const {
  for (std::size_t i = 0; i < kept_.size() && states.last; i++)
    if (states.last[i] == states.first[i]) std::copy(kept_[i].begin(), kept_[i].end(), states.last[i]);
}

#define PYRNN_INSTANTIATE(T)                                                            \
  template void Network<T>::check_batch(const Batch&, const States<T>&, const double*); \
  template NotFinite Network<T>::find_not_finite(const Batch&);                         \
  template std::size_t Network<T>::spec_of(std::size_t) const;                          \
  template States<T> Network<T>::kept_states(const States<T>&, Index);                  \
  template void Network<T>::restore_states(const States<T>&) const;
PYRNN_INSTANTIATE(float)
PYRNN_INSTANTIATE(double)
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
