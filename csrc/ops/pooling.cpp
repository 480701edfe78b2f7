#include "pooling.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace pyrnn {

namespace {

// The one vector of each row
template <class T>
Signal<T> pooled(const Signal<T>& in, Index features, const Plan& plan, Planner& memory) {
  Signal<T> one_step = in;
  one_step.steps = 1;
  one_step.sequence = false;
  one_step.active = nullptr;
  return new_signal(one_step, features, false, plan, memory);
}

template <class T>
void copy_rows(const Signal<T>& s, Rows rows, const T* from, T* to) {
  std::memcpy(to, from, std::size_t(rows.count() * s.stride()) * sizeof(T));
}

// out = the first step of each row, which sums and maxima go on from; zeros for a row that has none
template <class T>
void take_first_steps(const Signal<T>& in, Rows rows, const Signal<T>& out) {
  const Rows begun = in.rows_at(0, rows);
  T* y = out.data.at(0, rows.begin);
  copy_rows(in, begun, in.data.at(0, rows.begin), y);
  std::fill(y + begun.count() * in.stride(), y + rows.count() * in.stride(), T(0));
}

// Each row of `means` times 1 / its number of steps
template <class T>
void share_among_steps(const Signal<T>& in, Rows rows, const RowArray<T>& means) {
  if (!in.active) return kernels<T>().scale(rows.count() * in.stride(), T(1) / T(in.steps), means.at(0, rows.begin));
  const Rows begun = in.rows_at(0, rows);
  for (Index r = begun.begin; r < begun.end; r++)
    kernels<T>().scale(in.stride(), T(1) / T(in.steps_of(r)), means.at(0, r));
}

}  // namespace

// ---- Flatten

template <class T>
Signal<T> Flatten<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  if (in.steps != steps_)
    throw std::invalid_argument("x must have " + std::to_string(steps_) + " steps, as Flatten was made for, got " +
                                std::to_string(in.steps));
  if (in.active)
    throw std::invalid_argument(
        "rows of different lengths cannot be given to this model: Flatten needs all rows to have all steps; "
        "GlobalAveragePooling1D does not");
  in_ = out_ = in;
  out_.sequence = false;
  if (steps_ == 1) return out_;
  out_ = pooled(in, steps_ * in.features, plan, memory);
  clear(out_.data, plan.batch, memory);
  if (in_.wants_grad) clear(in_.grad, plan.batch, memory);
  return out_;
}

template <class T>
void Flatten<T>::forward(const Share& share) {
  if (steps_ == 1) return;
  const Rows rows = share.own_rows();
  for (Index r = rows.begin; r < rows.end; r++)
    for (Index t = 0; t < steps_; t++)
      std::copy_n(in_.data.at(t, r), in_.features, out_.data.at(0, r) + t * in_.features);
}

template <class T>
void Flatten<T>::backward(const Share& share) {
  if (steps_ == 1 || !in_.wants_grad) return;
  const Rows rows = share.own_rows();
  for (Index r = rows.begin; r < rows.end; r++)
    for (Index t = 0; t < steps_; t++)
      std::copy_n(out_.grad.at(0, r) + t * in_.features, in_.features, in_.grad.at(t, r));
}

// ---- AveragePool

template <class T>
Signal<T> AveragePool<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  return out_ = pooled(in, in.features, plan, memory);
}

template <class T>
void AveragePool<T>::forward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!rows.count()) return;
  take_first_steps(in_, rows, out_);
  T* y = out_.data.at(0, rows.begin);
  for (Index t = 1; t < in_.steps; t++)
    kernels<T>().add(in_.rows_at(t, rows).count(), in_.width(), in_.data.at(t, rows.begin), in_.stride(), y,
                     in_.stride());
  share_among_steps(in_, rows, out_.data);
}

template <class T>
void AveragePool<T>::backward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!in_.wants_grad || !rows.count()) return;
  share_among_steps(in_, rows, out_.grad);
  for (Index t = 0; t < in_.steps; t++)
    copy_rows(in_, in_.rows_at(t, rows), out_.grad.at(0, rows.begin), in_.grad.at(t, rows.begin));
}

// ---- MaxPool

template <class T>
Signal<T> MaxPool<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  return out_ = pooled(in, in.features, plan, memory);
}

template <class T>
void MaxPool<T>::forward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!rows.count()) return;
  take_first_steps(in_, rows, out_);
  for (Index t = 1; t < in_.steps; t++) {
    const Rows there = in_.rows_at(t, rows);
    for (Index r = there.begin; r < there.end; r++)
      kernels<T>().maximum(in_.width(), in_.data.at(t, r), out_.data.at(0, r));
  }
}

template <class T>
void MaxPool<T>::backward(const Share& share) {
  if (!in_.wants_grad) return;
  const Rows begun = in_.rows_at(0, share.own_rows());
  for (Index r = begun.begin; r < begun.end; r++)
    kernels<T>().maximum_backward(in_.steps_of(r), in_.width(), in_.data.at(0, r), in_.data.step, out_.data.at(0, r),
                                  out_.grad.at(0, r), in_.grad.at(0, r), in_.grad.step);
}

template class Flatten<float>;
template class Flatten<double>;
template class AveragePool<float>;
template class AveragePool<double>;
template class MaxPool<float>;
template class MaxPool<double>;

}  // namespace pyrnn
