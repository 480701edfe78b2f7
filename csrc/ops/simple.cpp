#include "simple.h"

#include <algorithm>
#include <cstring>

namespace pyrnn {

namespace {

// body(offset) for every step's run of rows in a signal's data
template <class T, class F>
void each_step(const Signal<T>& s, Index batch, Rows rows, F body) {
  for (Index t = 0; t < s.steps; t++) body((t * batch + rows.begin) * s.stride());
}

template <class T>
std::size_t bytes(const Signal<T>& s, Rows rows) {
  return std::size_t(rows.count() * s.stride()) * sizeof(T);
}

}  // namespace

// ---- Activate

template <class T>
Signal<T> Activate<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  batch_ = plan.batch;
  out_ = new_signal(in, in.features, false, plan, memory);
  if (!memory.counting()) std::memset(out_.data, 0, std::size_t(out_.size(batch_)) * sizeof(T));  // padding stays zero
  if (!memory.counting() && out_.wants_grad) std::memset(in_.grad, 0, std::size_t(in_.size(batch_)) * sizeof(T));
  return out_;
}

template <class T>
void Activate<T>::forward(const Share& share) {
  const Rows rows = share.own_rows();
  each_step(out_, batch_, rows, [&](Index at) {
    kernels<T>().activate(activation_, rows.count(), in_.features, in_.data + at, out_.data + at, in_.stride());
  });
}

template <class T>
void Activate<T>::backward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!in_.wants_grad) return;
  each_step(out_, batch_, rows, [&](Index at) {
    kernels<T>().activate_backward(activation_, rows.count(), in_.features, out_.data + at, out_.grad + at,
                                   in_.grad + at, in_.stride());
  });
}

// ---- Dropout

template <class T>
Signal<T> Dropout<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  batch_ = plan.batch;
  training_ = plan.training;
  if (!training_) return out_ = in;
  out_ = new_signal(in, in.features, false, plan, memory);
  mask_ = memory.array<T>(out_.size(batch_));
  return out_;
}

template <class T>
void Dropout<T>::forward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!training_) return;
  const Index stride = in_.stride();
  for (Index t = 0; t < in_.steps; t++)
    for (Index r = rows.begin; r < rows.end; r++) {
      const Index at = (t * batch_ + r) * stride;
      kernels<T>().dropout_mask(in_.width(), rate_, seed_, iteration_, std::uint32_t(r), std::uint32_t(t), mask_ + at);
      for (Index f = 0; f < in_.width(); f++) out_.data[at + f] = in_.data[at + f] * mask_[at + f];
    }
}

template <class T>
void Dropout<T>::backward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!in_.wants_grad) return;
  each_step(out_, batch_, rows, [&](Index at) {
    for (Index r = 0; r < rows.count(); r++, at += in_.stride())
      for (Index i = at; i < at + in_.width(); i++) in_.grad[i] = out_.grad[i] * mask_[i];
  });
}

// ---- RepeatVector

template <class T>
Signal<T> RepeatVector<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  batch_ = plan.batch;
  Signal<T> repeated = in;
  repeated.steps = n_;
  repeated.sequence = true;
  repeated.repeated = true;
  return out_ = copies_ ? new_signal(repeated, in.features, false, plan, memory) : repeated;
}

template <class T>
void RepeatVector<T>::forward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!copies_) return;
  const T* x = in_.data + rows.begin * in_.stride();
  each_step(out_, batch_, rows, [&](Index at) { std::memcpy(out_.data + at, x, bytes(in_, rows)); });
}

template <class T>
void RepeatVector<T>::backward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!copies_ || !in_.wants_grad) return;
  T* dx = in_.grad + rows.begin * in_.stride();
  std::memset(dx, 0, bytes(in_, rows));
  each_step(out_, batch_, rows, [&](Index at) {
    kernels<T>().add(rows.count(), in_.width(), out_.grad + at, in_.stride(), dx, in_.stride());
  });
}

// ---- Embedding

template <class T>
Embedding<T>::Embedding(Index symbols, Index features) : features_(features) {
  this->parameters.push_back({"embeddings", {symbols, features}, {symbols, 1, features, round_up(features, kBlock)}});
}

template <class T>
Signal<T> Embedding<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  batch_ = plan.batch;
  return out_ = new_signal(in, features_, true, plan, memory);
}

template <class T>
void Embedding<T>::forward(const Share& share) {
  const Rows rows = share.own_rows();
  const T* table = this->parameters[0].value;
  for (Index t = 0; t < in_.steps; t++)
    for (Index r = rows.begin; r < rows.end; r++)
      std::memcpy(out_.data + (t * batch_ + r) * out_.stride(), table + in_.ids[t * batch_ + r] * out_.width(),
                  std::size_t(out_.width()) * sizeof(T));
}

template <class T>
Index Embedding<T>::gradient_tasks() const {
  return out_.width() / kBlock;
}

template <class T>
void Embedding<T>::gradient(Index task) {
  const Parameter<T>& table = this->parameters[0];
  const Index column = task * kBlock, stride = out_.stride();
  for (Index v = 0; v < in_.features; v++) std::fill_n(table.grad + v * out_.width() + column, kBlock, T(0));
  for (Index t = 0; t < in_.steps; t++)
    kernels<T>().scatter_add(batch_, kBlock, in_.ids + t * batch_, out_.grad + t * batch_ * stride + column, stride,
                             table.grad + column, out_.width());
}

// ---- OneHot

template <class T>
Signal<T> OneHot<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  batch_ = plan.batch;
  return out_ = new_signal(in, in.features, false, plan, memory);
}

template <class T>
void OneHot<T>::forward(const Share& share) {
  const Rows rows = share.own_rows();
  each_step(out_, batch_, rows, [&](Index at) { std::memset(out_.data + at, 0, bytes(out_, rows)); });
  for (Index t = 0; t < in_.steps; t++)
    for (Index r = rows.begin; r < rows.end; r++)
      out_.data[(t * batch_ + r) * out_.stride() + in_.ids[t * batch_ + r]] = T(1);
}

#define PYRNN_INSTANTIATE(Name) \
  template class Name<float>;   \
  template class Name<double>;
PYRNN_INSTANTIATE(Activate)
PYRNN_INSTANTIATE(Dropout)
PYRNN_INSTANTIATE(RepeatVector)
PYRNN_INSTANTIATE(Embedding)
PYRNN_INSTANTIATE(OneHot)
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
