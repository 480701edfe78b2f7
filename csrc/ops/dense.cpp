#include "dense.h"

#include <algorithm>

namespace pyrnn {

template <class T>
Dense<T>::Dense(Index inputs, Index units, bool use_bias)
    : inputs_(inputs), units_(units), panels_(divide_up(units, kPanel)), use_bias_(use_bias) {
  this->parameters.push_back({"kernel", {inputs, units}, {inputs, 1, units, kPanel}});
  if (use_bias) this->parameters.push_back({"bias", {units}, {1, 1, units, kPanel}});
}

template <class T>
Signal<T> Dense<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  out_ = new_signal(in, units_, true, plan, memory);
  if (in.wants_grad && !derived_.size())
    derived_ = Memory(std::size_t(divide_up(in.width(), kPanel) * units_ * kPanel) * sizeof(T));
  return out_;
}

template <class T>
void Dense<T>::forward(const Share& share) {
  const Part::Range own = share.part.of(in_.steps * panels_);
  for (Index i = own.begin; i < own.end; i++) {
    const Index q = i % panels_, t = i / panels_, first = share.rows.begin;
    const Rows rows = in_.rows_at(t, share.rows);
    const T* kernel_q = kernel().value + q * inputs_ * kPanel;
    Product<T> x_w{};
    Gemm<T> g{rows.count(), columns(q), &x_w, 0, out_.data.at(t, first) + q * kPanel, out_.stride()};
    g.bias = bias(q);
    if (in_.symbols) {
      g.ids = in_.ids.at(t, first);
      g.table = kernel_q;
      g.table_stride = kPanel;
    } else {
      x_w = {in_.data.at(t, first), in_.stride(), kernel_q, kPanel, inputs_};
      g.n_products = 1;
    }
    kernels<T>().gemm(g);
  }
}

// dx = dy W^T
template <class T>
void Dense<T>::backward(const Share& share) {
  if (!in_.wants_grad) return;
  const T* kernel_t = reinterpret_cast<const T*>(derived_.data());
  const Index panels = divide_up(in_.width(), kPanel);
  const Part::Range own = share.part.of(in_.steps * panels);
  for (Index i = own.begin; i < own.end; i++) {
    const Index q = i % panels, t = i / panels, first = share.rows.begin;
    const Rows rows = in_.rows_at(t, share.rows);
    const Product<T> dy_w{out_.grad.at(t, first), out_.stride(), kernel_t + q * units_ * kPanel, kPanel, units_};
    T* dx = in_.grad.at(t, first) + q * kPanel;
    kernels<T>().gemm({rows.count(), std::min(kPanel, in_.width() - q * kPanel), &dy_w, 1, dx, in_.stride()});
  }
}

template <class T>
OuterSum<T> Dense<T>::sum(const GradientPiece& piece) const {
  OuterSum<T> sum;
  sum.steps = in_.steps;
  sum.samples = piece.samples;
  sum.active = in_.active;
  sum.inputs = inputs_;
  sum.x = in_.data;
  sum.ids = in_.ids;
  sum.dz = out_.grad;
  sum.columns = out_.width();
  sum.grad = kernel().grad + piece.offset;
  if (use_bias_) sum.bias_grad = this->parameters[1].grad + piece.offset;
  return sum;
}

template <class T>
Index Dense<T>::gradient_tasks() const {
  const OuterSum<T> all = sum({});
  return all.groups() * all.tasks_per_group();
}

template <class T>
void Dense<T>::gradient(Index task, const GradientPiece& piece) {
  const OuterSum<T> of_piece = sum(piece);
  of_piece.run(task / of_piece.tasks_per_group(), task % of_piece.tasks_per_group());
}

template <class T>
Index Dense<T>::derive_tasks() const {
  return in_.wants_grad ? panels_ : 0;
}

template <class T>
void Dense<T>::derive(Index p) {
  T* kernel_t = reinterpret_cast<T*>(derived_.data());
  transpose_panel(kernel().value + p * inputs_ * kPanel, inputs_, kPanel, std::min(kPanel, units_ - p * kPanel),
                  kernel_t + p * kPanel * kPanel, units_);
}

template class Dense<float>;
template class Dense<double>;

}  // namespace pyrnn
