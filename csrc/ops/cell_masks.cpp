#include "cell_masks.h"

#include <algorithm>

namespace pyrnn {

template <class T>
void CellMasks<T>::plan(const Signal<T>& in, Index units, Index h_stride, const Plan& plan, Planner& memory) {
  in_ = in;
  units_ = units;
  stride_ = h_stride;
  training_ = plan.training;
  const auto rows = [&](bool wanted, Index steps, Index stride) {
    return wanted ? row_array<T>(memory, plan.batch, plan.height, steps, stride) : RowArray<T>{};
  };
  input_ = rows(of_input(), 1, in.stride());
  scales_ = rows(of_input() && in.symbols, in.steps, 1);
  state_ = rows(of_state(), 1, h_stride);
  h_ = rows(of_state(), in.steps + 1, h_stride);
  product_ = rows(of_state(), 1, h_stride);
  zoneout_ = {};
  if (training_ && zones_out()) zoneout_ = row_array<std::uint8_t>(memory, plan.batch, plan.height, in.steps, h_stride);
  passed_ = rows(training_ && zones_out(), 1, h_stride);
}

template <class T>
void CellMasks<T>::draw(Rows rows, std::uint32_t iteration) {
  if (rates_.given) return;
  const auto of_row = [&](int which, double rate, Index n, Index row, const RowArray<T>& to) {
    kernels<T>().dropout_mask(n, rate, key_of_mask(rates_.seed, which), iteration, std::uint32_t(row), 0,
                              to.at(0, row));
  };
  for (Index r = rows.begin; r < rows.end; r++) {
    if (input_) of_row(0, rates_.dropout, in_.width(), r, input_);
    if (state_) of_row(1, rates_.recurrent_dropout, units_, r, state_);
    if (zoneout_)
      for (Index t = 0, n = in_.steps_of(r); t < n; t++)
        kernels<T>().flags(units_, rates_.zoneout, key_of_mask(rates_.seed, 2), iteration, std::uint32_t(r),
                           std::uint32_t(t), zoneout_.at(t, r));
  }
}

template <class T>
void CellMasks<T>::mask_input(Index row, const T* x, T* to) const {
  const T* mask = input_.at(0, row);
  for (Index i = 0; i < in_.width(); i++) to[i] = x[i] * mask[i];
}

template <class T>
MaskedStep<T> CellMasks<T>::step(Rows rows, Index first, Index n) const {
  MaskedStep<T> step{};
  step.rows = rows.count(), step.columns = n, step.stride = stride_;
  if (state_) step.mask = state_.at(0, rows.begin) + first;
  return step;
}

template <class T>
void CellMasks<T>::begin(Rows rows, T* h0) const {
  if (h0) return mask_state(0, rows, h0);
  for (Index r = rows.begin; r < rows.end; r++) std::fill_n(h(0, r), units_, T(0));
}

template <class T>
void CellMasks<T>::mask_state(Index t, Rows rows, T* of) const {
  MaskedStep<T> masked = step(rows, 0, units_);
  masked.h = of;
  masked.masked_h = h(t, rows.begin);
  kernels<T>().masked_forward(masked);
}

template <class T>
void CellMasks<T>::step_done(Index t, Rows rows, Index first, Index n, const T* h_prev, T* of) const {
  MaskedStep<T> masked = step(rows, first, n);
  masked.h = of;
  if (zones_out()) masked.h_prev = h_prev, masked.keep = T(1 - rates_.zoneout);
  if (zoneout_) masked.zoneout = zoneout_.at(t, rows.begin) + first;
  if (state_) masked.masked_h = h(t + 1, rows.begin) + first;
  kernels<T>().masked_forward(masked);
}

template <class T>
void CellMasks<T>::split(Index t, Rows rows, Index first, Index n, T* dh) const {
  MaskedStep<T> masked = step(rows, first, n);
  masked.zoneout = zoneout_.at(t, rows.begin) + first;
  masked.dh = dh;
  masked.passed = passed_.at(0, rows.begin) + first;
  kernels<T>().zoneout_backward(masked);
}

template <class T>
T* CellMasks<T>::clear_product(Rows rows, Index first, Index n) const {
  for (Index r = rows.begin; r < rows.end; r++) std::fill_n(product(r) + first, n, T(0));
  return product(rows.begin) + first;
}

template <class T>
void CellMasks<T>::step_undone(Rows rows, Index first, Index n, T* dh_prev, bool adds) const {
  MaskedStep<T> masked = step(rows, first, n);
  masked.dh = dh_prev;
  masked.adds = adds || !state_;  // unmasked, the product is there
  if (state_) masked.masked_h = product(rows.begin) + first;
  if (passed_) masked.passed = passed_.at(0, rows.begin) + first;
  kernels<T>().masked_backward(masked);
}

template class CellMasks<float>;
template class CellMasks<double>;

}  // namespace pyrnn
