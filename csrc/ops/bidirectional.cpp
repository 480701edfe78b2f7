#include "bidirectional.h"

#include <algorithm>

namespace pyrnn {

template <class T>
Bidirectional<T>::Bidirectional(OpPtr<T> forward, OpPtr<T> backward, Index units, Merge merge)
    : forward_(std::move(forward)), backward_(std::move(backward)), units_(units), merge_(merge) {
  for (const auto& [op, prefix] : {std::pair{forward_.get(), "forward_"}, std::pair{backward_.get(), "backward_"}})
    for (Parameter<T> parameter : op->parameters) {
      parameter.name = prefix + parameter.name;
      this->parameters.push_back(parameter);
    }
}

template <class T>
Signal<T> Bidirectional<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  auto given = this->parameters.begin();  // where the network has placed them
  for (Op<T>* op : {forward_.get(), backward_.get()})
    for (Parameter<T>& parameter : op->parameters) {
      parameter.value = given->value, parameter.grad = given->grad;
      ++given;
    }
  in_ = in;
  dx_ = in.wants_grad ? signal_array(in, plan, memory) : RowArray<T>{};
  Signal<T> to_backward = in;
  to_backward.grad = dx_;
  of_forward_ = forward_->plan(in, plan, memory);
  of_backward_ = backward_->plan(to_backward, plan, memory);
  return out_ = new_signal(of_forward_, merge_ == Merge::concat ? 2 * units_ : units_, true, plan, memory);
}

template <class T>
template <class F>
void Bidirectional<T>::each_step(Rows rows, const F& body) const {
  for (Index r = rows.begin; r < rows.end; r++) {
    const Index steps = out_.steps_of(r);
    for (Index t = 0; t < steps; t++) body(t, r, steps - 1 - t);
  }
}

template <class T>
void Bidirectional<T>::forward(const Share& share) {
  forward_->forward(share);
  backward_->forward(share);
  share.part.wait();
  merge(share.own_rows());
}

template <class T>
void Bidirectional<T>::merge(Rows rows) {
  each_step(rows, [&](Index t, Index r, Index back_t) {
    const T *f = of_forward_.data.at(t, r), *b = of_backward_.data.at(back_t, r);
    T* y = out_.data.at(t, r);
    Index n = units_;
    switch (merge_) {
      case Merge::concat:
        std::copy_n(f, n, y);
        std::copy_n(b, n, y + n);
        n += units_;
        break;
      case Merge::sum:
        for (Index u = 0; u < n; u++) y[u] = f[u] + b[u];
        break;
      case Merge::mul:
        for (Index u = 0; u < n; u++) y[u] = f[u] * b[u];
        break;
      case Merge::ave:
        for (Index u = 0; u < n; u++) y[u] = (f[u] + b[u]) * T(0.5);
        break;
    }
    std::fill(y + n, y + out_.width(), T(0));
  });
}

template <class T>
void Bidirectional<T>::split_gradient(Rows rows) {
  const Index width = of_forward_.width();
  each_step(rows, [&](Index t, Index r, Index back_t) {
    const T *dy = out_.grad.at(t, r), *f = of_forward_.data.at(t, r), *b = of_backward_.data.at(back_t, r);
    T *df = of_forward_.grad.at(t, r), *db = of_backward_.grad.at(back_t, r);
    switch (merge_) {
      case Merge::concat:
        std::copy_n(dy, units_, df);
        std::copy_n(dy + units_, units_, db);
        break;
      case Merge::sum:
        std::copy_n(dy, units_, df);
        std::copy_n(dy, units_, db);
        break;
      case Merge::mul:
        for (Index u = 0; u < units_; u++) df[u] = dy[u] * b[u], db[u] = dy[u] * f[u];
        break;
      case Merge::ave:
        for (Index u = 0; u < units_; u++) df[u] = db[u] = dy[u] * T(0.5);
        break;
    }
    std::fill(df + units_, df + width, T(0));
    std::fill(db + units_, db + width, T(0));
  });
}

template <class T>
void Bidirectional<T>::backward(const Share& share) {
  split_gradient(share.own_rows());
  share.part.wait();
  forward_->backward(share);
  backward_->backward(share);
  if (!in_.wants_grad) return;
  share.part.wait();
  for (Index t = 0; t < in_.stored_steps(); t++) {
    const Rows rows = in_.rows_at(t, share.own_rows());
    kernels<T>().add(rows.count(), in_.width(), dx_.at(t, rows.begin), in_.stride(), in_.grad.at(t, rows.begin),
                     in_.stride());
  }
}

template <class T>
void Bidirectional<T>::gradient(Index task, const GradientPiece& piece) {
  const Index first = forward_->gradient_tasks();
  task < first ? forward_->gradient(task, piece) : backward_->gradient(task - first, piece);
}

template <class T>
void Bidirectional<T>::derive(Index task) {
  const Index first = forward_->derive_tasks();
  task < first ? forward_->derive(task) : backward_->derive(task - first);
}

template <class T>
void Bidirectional<T>::set_iteration(std::uint32_t iteration) {
  forward_->set_iteration(iteration);
  backward_->set_iteration(iteration);
}

template <class T>
void Bidirectional<T>::use_state(const StateUse& use) {
  forward_->use_state(use);
  backward_->use_state(use);
}

template class Bidirectional<float>;
template class Bidirectional<double>;

}  // namespace pyrnn
