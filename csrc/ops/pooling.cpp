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
  return new_signal(one_step, features, false, plan, memory);
}

template <class T>
void copy_rows(const Signal<T>& s, Rows rows, const T* from, T* to) {
  std::memcpy(to, from, std::size_t(rows.count() * s.stride()) * sizeof(T));
}

}  // namespace

// ---- Flatten

template <class T>
Signal<T> Flatten<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  if (in.steps != steps_)
    throw std::invalid_argument("x must have " + std::to_string(steps_) + " steps, as Flatten was made for, got " +
                                std::to_string(in.steps));
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
  T* y = out_.data.at(0, rows.begin);
  copy_rows(in_, rows, in_.data.at(0, rows.begin), y);
  for (Index t = 1; t < in_.steps; t++)
    kernels<T>().add(rows.count(), in_.width(), in_.data.at(t, rows.begin), in_.stride(), y, in_.stride());
  kernels<T>().scale(rows.count() * in_.stride(), T(1) / T(in_.steps), y);
}

template <class T>
void AveragePool<T>::backward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!in_.wants_grad || !rows.count()) return;
  T* dy = out_.grad.at(0, rows.begin);
  kernels<T>().scale(rows.count() * in_.stride(), T(1) / T(in_.steps), dy);
  for (Index t = 0; t < in_.steps; t++) copy_rows(in_, rows, dy, in_.grad.at(t, rows.begin));
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
  T* y = out_.data.at(0, rows.begin);
  copy_rows(in_, rows, in_.data.at(0, rows.begin), y);
  for (Index t = 1; t < in_.steps; t++)
    for (Index r = rows.begin; r < rows.end; r++)
      kernels<T>().maximum(in_.width(), in_.data.at(t, r), out_.data.at(0, r));
}

template <class T>
void MaxPool<T>::backward(const Share& share) {
  if (!in_.wants_grad) return;
  const Rows rows = share.own_rows();
  for (Index r = rows.begin; r < rows.end; r++)
    kernels<T>().maximum_backward(in_.steps, in_.width(), in_.data.at(0, r), in_.data.step, out_.data.at(0, r),
                                  out_.grad.at(0, r), in_.grad.at(0, r), in_.grad.step);
}

template class Flatten<float>;
template class Flatten<double>;
template class AveragePool<float>;
template class AveragePool<double>;
template class MaxPool<float>;
template class MaxPool<double>;

}  // namespace pyrnn
