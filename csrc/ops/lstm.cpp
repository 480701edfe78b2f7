#include "lstm.h"

#include <cstring>

namespace pyrnn {

template <class T>
Lstm<T>::Lstm(const RecurrentSpec& spec)
    : Recurrent<T>(spec, {4, kBlock, 0, kPanel, 0, kPanel, {0, 1, 2, 3}, {0, 1, 2, 3}}) {
  if (spec.use_bias) this->parameters.push_back({"bias", {4 * spec.units}, {1, 4, spec.units, kBlock}});
}

template <class T>
void Lstm<T>::plan_cell(Index state_slots, const Plan& plan, Planner& memory) {
  const Index panels = this->panels_;
  if (!this->streaming_) c_ = row_array<T>(memory, plan.batch, plan.height, state_slots * panels, kBlock);
  dc_ = plan.training ? row_array<T>(memory, plan.batch, plan.height, panels, kBlock) : RowArray<T>{};
}

template <class T>
void Lstm<T>::start_forward(Index p, Rows rows) {
  if (this->given_state_) return;
  std::memset(c(0, p, rows.begin), 0, std::size_t(rows.count() * kBlock) * sizeof(T));
}

template <class T>
void Lstm<T>::cell_forward(CellStep<T>& step, Index t, Index p, Index row) {
  step.c_prev = c(t, p, row);
  step.c = c(t + 1, p, row);
  kernels<T>().lstm_forward(step);
}

template <class T>
void Lstm<T>::start_backward(Index p, Rows rows) {
  if (this->has_state_gradient_) return;
  std::memset(dc_.at(p, rows.begin), 0, std::size_t(rows.count() * kBlock) * sizeof(T));
}

template <class T>
void Lstm<T>::cell_backward(CellStep<T>& step, Index t, Index p, Index row) {
  step.c_prev = c(t, p, row);
  step.c = c(t + 1, p, row);
  step.dc = dc_.at(p, row);
  kernels<T>().lstm_backward(step);
}

template <class T>
void Lstm<T>::place_state(Index batch, Index height, Planner& memory) {
  Recurrent<T>::place_state(batch, height, memory);
  c_ = row_array<T>(memory, batch, height, this->panels_, kBlock);
}

template <class T>
T* Lstm<T>::state_at(Index i, Index t, Index row, Index p) const {
  return i == 0 ? Recurrent<T>::state_at(0, t, row, p) : c(t, p, row);
}

template <class T>
T* Lstm<T>::state_gradient_at(Index i, bool after_backward, Index row, Index p) const {
  return i == 0 ? Recurrent<T>::state_gradient_at(0, after_backward, row, p) : dc_.at(p, row);
}

template class Lstm<float>;
template class Lstm<double>;

}  // namespace pyrnn
