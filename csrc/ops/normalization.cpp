#include "normalization.h"

#include <algorithm>
#include <stdexcept>

namespace pyrnn {

template <class T>
LayerNorm<T>::LayerNorm(Index features, double epsilon, bool center, bool scale)
    : epsilon_(T(epsilon)), center_(center), scale_(scale) {
  if (!(epsilon > 0))
    throw std::invalid_argument("Network: epsilon of layer_norm must be positive, got " + std::to_string(epsilon));
  const PanelLayout row{1, 1, features, kPanel};
  if (scale)
    this->parameters.push_back({"gamma", {features}, row});
  else
    ones_.assign(std::size_t(row.size()), T(1));
  if (center)
    this->parameters.push_back({"beta", {features}, row});
  else
    zeros_.assign(std::size_t(row.size()), T(0));
}

template <class T>
Signal<T> LayerNorm<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  out_ = new_signal(in, in.features, !this->parameters.empty(), plan, memory);
  moments_ = row_array<T>(memory, plan.batch, plan.height, in.steps, 2);
  clear(out_.data, plan.batch, memory);
  if (in_.wants_grad) clear(in_.grad, plan.batch, memory);
  return out_;
}

template <class T>
Normalize<T> LayerNorm<T>::kernel_arguments(Index t, Rows rows) const {
  return {rows.count(),
          in_.features,
          in_.data.at(t, rows.begin),
          out_.data.at(t, rows.begin),
          in_.stride(),
          gamma() ? gamma()->value : ones_.data(),
          beta() ? beta()->value : zeros_.data(),
          epsilon_,
          moments_.at(t, rows.begin)};
}

template <class T>
void LayerNorm<T>::forward(const Share& share) {
  for (Index t = 0; t < in_.steps; t++) kernels<T>().normalize(kernel_arguments(t, in_.rows_at(t, share.own_rows())));
}

template <class T>
void LayerNorm<T>::backward(const Share& share) {
  if (!in_.wants_grad) return;
  for (Index t = 0; t < in_.steps; t++) {
    const Rows rows = in_.rows_at(t, share.own_rows());
    kernels<T>().normalize_backward(kernel_arguments(t, rows), out_.grad.at(t, rows.begin), in_.grad.at(t, rows.begin));
  }
}

template <class T>
Index LayerNorm<T>::gradient_tasks() const {
  return this->parameters.empty() ? 0 : divide_up(in_.features, kBlock);
}

// A step's rows are summed by themselves before they are added: short sums, exact to more places than one long one.
template <class T>
void LayerNorm<T>::gradient(Index task, const GradientPiece& piece) {
  const Index first = task * kBlock;
  T total[2][kBlock] = {};
  for (Index t = 0; t < in_.steps; t++) {
    T step[2][kBlock] = {};
    for_blocks(in_.rows_at(t, piece.samples), in_.data.height, [&](Index r, Index n) {
      kernels<T>().normalize_gradient(n, in_.data.at(t, r) + first, out_.grad.at(t, r) + first, in_.stride(),
                                      moments_.at(t, r), step[0], step[1]);
    });
    kernels<T>().add(1, 2 * kBlock, step[0], 0, total[0], 0);
  }
  if (gamma()) std::copy_n(total[0], kBlock, gamma()->grad + piece.offset + first);
  if (beta()) std::copy_n(total[1], kBlock, beta()->grad + piece.offset + first);
}

template class LayerNorm<float>;
template class LayerNorm<double>;

}  // namespace pyrnn
