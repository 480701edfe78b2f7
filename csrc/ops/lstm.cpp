#include "lstm.h"

#include <algorithm>
#include <cstring>

namespace pyrnn {

template <class T>
Lstm<T>::Lstm(Index inputs, Index units, bool return_sequences, bool use_bias)
    : inputs_(inputs),
      units_(units),
      panels_(divide_up(units, kBlock)),
      return_sequences_(return_sequences),
      use_bias_(use_bias) {
  this->parameters.push_back({"kernel", {inputs, 4 * units}, {inputs, 4, units, kBlock}});
  this->parameters.push_back({"recurrent_kernel", {units, 4 * units}, {units, 4, units, kBlock}});
  if (use_bias) this->parameters.push_back({"bias", {4 * units}, {1, 4, units, kBlock}});
}

template <class T>
Signal<T> Lstm<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  batch_ = plan.batch;
  steps_ = in.steps;
  training_ = plan.training;
  keeps_h_ = training_ || return_sequences_;

  gates_ = memory.array<T>((training_ ? steps_ * panels_ : 1) * batch_ * kPanel);
  c_ = memory.array<T>((training_ ? steps_ + 1 : 1) * panels_ * batch_ * kBlock);
  h_ = memory.array<T>((keeps_h_ ? steps_ + 1 : 2) * batch_ * h_stride());
  projected_ = in.repeated ? memory.array<T>(panels_ * batch_ * kPanel) : nullptr;
  dgates_sum_ = in.repeated && training_ ? memory.array<T>(panels_ * batch_ * kPanel) : nullptr;
  dc_ = training_ ? memory.array<T>(panels_ * batch_ * kBlock) : nullptr;
  dh0_ = training_ && given_state_ ? memory.array<T>(batch_ * h_stride()) : nullptr;

  out_ = Signal<T>{};
  out_.sequence = return_sequences_;
  out_.steps = return_sequences_ ? steps_ : 1;
  out_.features = units_;
  if (!memory.counting()) out_.data = return_sequences_ ? h(1) : h(steps_);
  out_.wants_grad = training_;
  if (training_) out_.grad = memory.array<T>(out_.size(batch_));

  if (training_ && !derived_.size()) {
    const Index height = 4 * padded_units(), h_panels = divide_up(padded_units(), kPanel);
    const Index x_panels = in.wants_grad ? divide_up(round_up(inputs_, kBlock), kPanel) : 0;
    derived_ = Memory(std::size_t((h_panels + x_panels) * height * kPanel) * sizeof(T));
    recurrent_kernel_t_ = reinterpret_cast<T*>(derived_.data());
    kernel_t_ = recurrent_kernel_t_ + h_panels * height * kPanel;
  }
  return out_;
}

// ---- forward -------------------------------------------------------------------------------------------------------

template <class T>
void Lstm<T>::forward(Rows rows) {
  const Kernels<T>& k = kernels<T>();
  start(rows);
  for (Index t = 0; t < steps_; t++)
    for (Index p = 0; p < panels_; p++) {
      pre_activations(t, p, rows);
      LstmStep<T> step{};
      step.rows = rows.count();
      step.gates = gates(t, p) + rows.begin * kPanel;
      step.c_prev = c(t, p) + rows.begin * kBlock;
      step.c = c(t + 1, p) + rows.begin * kBlock;
      step.h = h(t + 1) + rows.begin * h_stride() + p * kBlock;
      step.h_stride = h_stride();
      k.lstm_forward(step);
    }
}

// The state before step 0, and the input's part of z where it is the same for every step.
template <class T>
void Lstm<T>::start(Rows rows) {
  if (!given_state_)
    for (Index p = 0; p < panels_; p++)
      std::memset(c(0, p) + rows.begin * kBlock, 0, std::size_t(rows.count() * kBlock) * sizeof(T));
  if (!in_.repeated) return;
  for (Index p = 0; p < panels_; p++) {
    const Product<T> x_w{in_.data + rows.begin * in_.stride(), in_.stride(), kernel().value + p * inputs_ * kPanel,
                         kPanel, inputs_};
    Gemm<T> g{rows.count(), kPanel, &x_w, 1, projected_ + (p * batch_ + rows.begin) * kPanel, kPanel};
    g.bias = bias(p);
    kernels<T>().gemm(g);
  }
}

// gates[t] = b + x_t W + h_{t-1} R        [rows, 4, kBlock] of panel p
template <class T>
void Lstm<T>::pre_activations(Index t, Index p, Rows rows) {
  Product<T> products[2];
  Index n = 0;
  Gemm<T> g{rows.count(), kPanel, products, 0, gates(t, p) + rows.begin * kPanel, kPanel};
  if (in_.repeated) {
    g.table = projected_ + (p * batch_ + rows.begin) * kPanel;
    g.table_stride = kPanel;
  } else if (in_.symbols) {
    g.bias = bias(p);
    g.ids = in_.ids + t * batch_ + rows.begin;
    g.table = kernel().value + p * inputs_ * kPanel;
    g.table_stride = kPanel;
  } else {
    g.bias = bias(p);
    const T* x_t = in_.data + (t * batch_ + rows.begin) * in_.stride();
    products[n++] = {x_t, in_.stride(), kernel().value + p * inputs_ * kPanel, kPanel, inputs_};
  }
  if (t > 0 || given_state_) {
    const T* h_t = h(t) + rows.begin * h_stride();
    products[n++] = {h_t, h_stride(), recurrent_kernel().value + p * units_ * kPanel, kPanel, units_};
  }
  g.n_products = n;
  kernels<T>().gemm(g);
}

// ---- backward, mirroring forward from the last step ----------------------------------------------------------------

template <class T>
void Lstm<T>::backward(Rows rows) {
  const Index stride = h_stride();
  auto upstream = [&](Index t) { return out_.grad + ((return_sequences_ ? t * batch_ : 0) + rows.begin) * stride; };
  if (!given_state_)
    for (Index p = 0; p < panels_; p++)
      std::memset(dc(p) + rows.begin * kBlock, 0, std::size_t(rows.count() * kBlock) * sizeof(T));
  if (dgates_sum_)
    for (Index p = 0; p < panels_; p++)
      std::memset(dgates_sum_ + (p * batch_ + rows.begin) * kPanel, 0, std::size_t(rows.count() * kPanel) * sizeof(T));

  for (Index t = steps_ - 1; t >= 0; t--) {
    step_backward(t, upstream(t), rows);
    // dh_{t-1} = upstream + dz_t R^T, into the memory of upstream: nobody reads that again
    if (t > 0)
      state_gradient(t, upstream(t - 1), return_sequences_, rows);
    else if (given_state_)
      state_gradient(0, dh0_ + rows.begin * stride, false, rows);
  }
  if (in_.wants_grad) input_gradient(rows);
}

// From dh of step t to dgates of step t, in place of the gates.
template <class T>
void Lstm<T>::step_backward(Index t, T* dh, Rows rows) {
  const Kernels<T>& k = kernels<T>();
  for (Index p = 0; p < panels_; p++) {
    LstmStep<T> step{};
    step.rows = rows.count();
    step.gates = gates(t, p) + rows.begin * kPanel;
    step.c_prev = c(t, p) + rows.begin * kBlock;
    step.c = c(t + 1, p) + rows.begin * kBlock;
    step.dh = dh + p * kBlock;
    step.dc = dc(p) + rows.begin * kBlock;
    step.h_stride = h_stride();
    k.lstm_backward(step);
    if (dgates_sum_)
      k.add(rows.count(), kPanel, step.gates, kPanel, dgates_sum_ + (p * batch_ + rows.begin) * kPanel, kPanel);
  }
}

// dh (+)= dgates[t] R^T        [rows, padded_units], a sum over all panels
template <class T>
void Lstm<T>::state_gradient(Index t, T* dh, bool accumulate, Rows rows) {
  const Index width = padded_units(), height = 4 * width;
  for (Index q = 0; q * kPanel < width; q++) {
    const Product<T> dz_r{gates(t, 0) + rows.begin * kPanel,
                          kPanel,
                          recurrent_kernel_t_ + q * height * kPanel,
                          kPanel,
                          kPanel,
                          panels_,
                          batch_ * kPanel,
                          kPanel * kPanel};
    Gemm<T> g{rows.count(), std::min(kPanel, width - q * kPanel), &dz_r, 1, dh + q * kPanel, h_stride()};
    g.accumulate = accumulate;
    kernels<T>().gemm(g);
  }
}

// dx_t = dgates[t] W^T; of a repeated input, dx = (sum of dgates over t) W^T
template <class T>
void Lstm<T>::input_gradient(Rows rows) {
  const Index width = in_.width(), height = 4 * padded_units();
  for (Index t = 0; t < (in_.repeated ? 1 : steps_); t++) {
    const T* dz = in_.repeated ? dgates_sum_ : gates(t, 0);
    for (Index q = 0; q * kPanel < width; q++) {
      const Product<T> dz_w{
          dz + rows.begin * kPanel, kPanel,         kernel_t_ + q * height * kPanel, kPanel, kPanel, panels_,
          batch_ * kPanel,          kPanel * kPanel};
      T* dx = in_.grad + (t * batch_ + rows.begin) * in_.stride() + q * kPanel;
      kernels<T>().gemm({rows.count(), std::min(kPanel, width - q * kPanel), &dz_w, 1, dx, in_.stride()});
    }
  }
}

// ---- gradients of the weights --------------------------------------------------------------------------------------

template <class T>
OuterSum<T> Lstm<T>::input_sum(Index p) const {
  if (in_.repeated)
    return {1, batch_, in_.data, in_.stride(), 0, nullptr, dgates_sum_ + p * batch_ * kPanel, kPanel, 0, kPanel};
  return {steps_,
          batch_,
          in_.data,
          in_.stride(),
          batch_ * in_.stride(),
          in_.ids,
          gates(0, p),
          kPanel,
          panels_ * batch_ * kPanel,
          kPanel};
}

template <class T>
OuterSum<T> Lstm<T>::recurrent_sum(Index p) const {
  const Index first = given_state_ ? 0 : 1;  // h before step 0 is zero
  const Index stride = h_stride(), steps = std::max<Index>(0, steps_ - first);
  return {steps, batch_, h(first), stride, batch_ * stride, nullptr, gates(first, p), kPanel, panels_ * batch_ * kPanel,
          kPanel};
}

// Tasks by panel: first those of W, then those of R. The bias goes with the first.
template <class T>
Index Lstm<T>::gradient_tasks() const {
  return panels_ * (outer_sum_tasks(inputs_, in_.symbols) + outer_sum_tasks(units_, false));
}

template <class T>
void Lstm<T>::gradient(Index task) {
  const Index of_w = outer_sum_tasks(inputs_, in_.symbols), of_r = outer_sum_tasks(units_, false);
  const Index p = task / (of_w + of_r), i = task % (of_w + of_r);
  if (i < of_w)
    outer_sum(input_sum(p), inputs_, i, kernel().grad + p * inputs_ * kPanel, kPanel);
  else
    outer_sum(recurrent_sum(p), units_, i - of_w, recurrent_kernel().grad + p * units_ * kPanel, kPanel);
  if (i == 0 && use_bias_) bias_sum(input_sum(p), this->parameters[2].grad + p * kPanel, kPanel);
}

// ---- transposed copies ---------------------------------------------------------------------------------------------

template <class T>
Index Lstm<T>::derive_tasks() const {
  return panels_ * (in_.wants_grad ? 2 : 1);
}

// Panel p of W or R, [k, kPanel], becomes rows p * kPanel... of the transposed panels, [kPanel, k].
template <class T>
void Lstm<T>::derive(Index task) {
  const Index p = task % panels_, height = 4 * padded_units();
  const bool of_w = task >= panels_;
  const Index depth = of_w ? inputs_ : units_;
  const T* from = (of_w ? kernel() : recurrent_kernel()).value + p * depth * kPanel;
  T* to = of_w ? kernel_t_ : recurrent_kernel_t_;
  for (Index q = 0; q * kPanel < depth; q++)
    kernels<T>().transpose(std::min(kPanel, depth - q * kPanel), kPanel, from + q * kPanel * kPanel, kPanel,
                           to + (q * height + p * kPanel) * kPanel, kPanel);
}

template class Lstm<float>;
template class Lstm<double>;

}  // namespace pyrnn
