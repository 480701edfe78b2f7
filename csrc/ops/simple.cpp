#include "simple.h"

#include <algorithm>
#include <cstring>

namespace pyrnn {

namespace {

template <class T>
std::size_t bytes(const Signal<T>& s, Rows rows) {
  return std::size_t(rows.count() * s.stride()) * sizeof(T);
}

}  // namespace

// ---- Activate

template <class T>
Signal<T> Activate<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  out_ = new_signal(in, in.features, false, plan, memory);
  clear(out_.data, plan.batch, memory);
  if (out_.wants_grad) clear(in_.grad, plan.batch, memory);
  return out_;
}

template <class T>
void Activate<T>::forward(const Share& share) {
  for (Index t = 0; t < in_.steps; t++) {
    const Rows rows = in_.rows_at(t, share.own_rows());
    kernels<T>().activate(activation_, rows.count(), in_.features, in_.data.at(t, rows.begin),
                          out_.data.at(t, rows.begin), in_.stride());
  }
}

template <class T>
void Activate<T>::backward(const Share& share) {
  if (!in_.wants_grad) return;
  const RowArray<T> saved = keeps_input(activation_) ? in_.data : out_.data;
  for (Index t = 0; t < in_.steps; t++) {
    const Rows rows = in_.rows_at(t, share.own_rows());
    kernels<T>().activate_backward(activation_, rows.count(), in_.features, saved.at(t, rows.begin),
                                   out_.grad.at(t, rows.begin), in_.grad.at(t, rows.begin), in_.stride());
  }
}

// ---- Dropout

template <class T>
Signal<T> Dropout<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  training_ = plan.training;
  if (!training_) return out_ = in;
  out_ = new_signal(in, in.features, false, plan, memory);
  Signal<T> masked = out_;
  if (per_sequence_) masked.steps = 1;
  mask_ = signal_array(masked, plan, memory);
  return out_;
}

template <class T>
void Dropout<T>::forward(const Share& share) {
  if (!training_) return;
  for (Index t = 0; t < in_.steps; t++) {
    const Rows rows = in_.rows_at(t, share.own_rows());
    for (Index r = rows.begin; r < rows.end; r++) {
      const T* x = in_.data.at(t, r);
      const Index step = mask_step(t);
      T *y = out_.data.at(t, r), *mask = mask_.at(step, r);
      if (step == t)
        kernels<T>().dropout_mask(in_.width(), rate_, seed_, iteration_, std::uint32_t(r), std::uint32_t(t), mask);
      for (Index f = 0; f < in_.width(); f++) y[f] = x[f] * mask[f];
    }
  }
}

template <class T>
void Dropout<T>::backward(const Share& share) {
  if (!in_.wants_grad) return;
  for (Index t = 0; t < in_.steps; t++) {
    const Rows rows = in_.rows_at(t, share.own_rows());
    for (Index r = rows.begin; r < rows.end; r++) {
      const T *dy = out_.grad.at(t, r), *mask = mask_.at(mask_step(t), r);
      T* dx = in_.grad.at(t, r);
      for (Index f = 0; f < in_.width(); f++) dx[f] = dy[f] * mask[f];
    }
  }
}

// ---- GaussianNoise

template <class T>
Signal<T> GaussianNoise<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = out_ = in;  // also the gradient
  training_ = plan.training;
  if (!training_) return out_;
  out_.data = signal_array(in, plan, memory);
  clear(out_.data, plan.batch, memory);
  return out_;
}

template <class T>
void GaussianNoise<T>::forward(const Share& share) {
  if (!training_) return;
  for (Index t = 0; t < in_.steps; t++) {
    const Rows rows = in_.rows_at(t, share.own_rows());
    for (Index r = rows.begin; r < rows.end; r++)
      kernels<T>().gaussian_noise(in_.features, deviation_, seed_, iteration_, std::uint32_t(r), std::uint32_t(t),
                                  in_.data.at(t, r), out_.data.at(t, r));
  }
}

// ---- RepeatVector

template <class T>
Signal<T> RepeatVector<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  Signal<T> repeated = in;
  repeated.steps = n_;
  repeated.sequence = true;
  repeated.repeated = true;
  repeated.active = nullptr;
  return out_ = copies_ ? new_signal(repeated, in.features, false, plan, memory) : repeated;
}

template <class T>
void RepeatVector<T>::forward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!copies_) return;
  for (Index t = 0; t < n_; t++) std::memcpy(out_.data.at(t, rows.begin), in_.data.at(0, rows.begin), bytes(in_, rows));
}

template <class T>
void RepeatVector<T>::backward(const Share& share) {
  const Rows rows = share.own_rows();
  if (!copies_ || !in_.wants_grad) return;
  T* dx = in_.grad.at(0, rows.begin);
  std::memset(dx, 0, bytes(in_, rows));
  for (Index t = 0; t < n_; t++)
    kernels<T>().add(rows.count(), in_.width(), out_.grad.at(t, rows.begin), in_.stride(), dx, in_.stride());
}

// ---- Embedding

template <class T>
Embedding<T>::Embedding(Index symbols, Index features) : features_(features) {
  this->parameters.push_back({"embeddings", {symbols, features}, {symbols, 1, features, round_up(features, kBlock)}});
}

template <class T>
Signal<T> Embedding<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  return out_ = new_signal(in, features_, true, plan, memory);
}

template <class T>
void Embedding<T>::forward(const Share& share) {
  const T* table = this->parameters[0].value;
  for (Index t = 0; t < in_.steps; t++) {
    const Rows rows = in_.rows_at(t, share.own_rows());
    for (Index r = rows.begin; r < rows.end; r++)
      std::memcpy(out_.data.at(t, r), table + *in_.ids.at(t, r) * out_.width(), std::size_t(out_.width()) * sizeof(T));
  }
}

template <class T>
Index Embedding<T>::gradient_tasks() const {
  return out_.width() / kBlock;
}

template <class T>
void Embedding<T>::gradient(Index task, const GradientPiece& piece) {
  const Index column = task * kBlock;
  T* to = this->parameters[0].grad + piece.offset + column;
  for (Index v = 0; v < in_.features; v++) std::fill_n(to + v * out_.width(), kBlock, T(0));
  for (Index t = 0; t < in_.steps; t++)
    for_blocks(in_.rows_at(t, piece.samples), out_.grad.height, [&](Index r, Index n) {
      kernels<T>().scatter_add(n, kBlock, in_.ids.at(t, r), nullptr, out_.grad.at(t, r) + column, out_.stride(), to,
                               out_.width());
    });
}

// ---- OneHot

template <class T>
Signal<T> OneHot<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  return out_ = new_signal(in, in.features, false, plan, memory);
}

template <class T>
void OneHot<T>::forward(const Share& share) {
  for (Index t = 0; t < in_.steps; t++) {
    const Rows rows = in_.rows_at(t, share.own_rows());
    std::memset(out_.data.at(t, rows.begin), 0, bytes(out_, rows));
    for (Index r = rows.begin; r < rows.end; r++) out_.data.at(t, r)[*in_.ids.at(t, r)] = T(1);
  }
}

#define PYRNN_INSTANTIATE(Name) \
  template class Name<float>;   \
  template class Name<double>;
PYRNN_INSTANTIATE(Activate)
PYRNN_INSTANTIATE(Dropout)
PYRNN_INSTANTIATE(GaussianNoise)
PYRNN_INSTANTIATE(RepeatVector)
PYRNN_INSTANTIATE(Embedding)
PYRNN_INSTANTIATE(OneHot)
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
