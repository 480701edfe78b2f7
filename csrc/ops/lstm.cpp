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
  together_ = plan.together;
  keeps_h_ = training_ || (return_sequences_ && !streaming_);

  const auto rows = [&](Index steps, Index stride) { return row_array<T>(memory, batch_, plan.height, steps, stride); };
  gates_ = rows(training_ ? steps_ * panels_ : together_ ? panels_ : 1, kPanel);
  if (!streaming_) {
    c_ = rows((training_ ? steps_ + 1 : 1) * panels_, kBlock);
    h_ = rows(keeps_h_ ? steps_ + 1 : 2, h_stride());
  }
  projected_ = in.repeated ? rows(panels_, kPanel) : RowArray<T>{};
  dgates_sum_ = in.repeated && training_ ? rows(panels_, kPanel) : RowArray<T>{};
  dc_ = training_ ? rows(panels_, kBlock) : RowArray<T>{};
  dh0_ = training_ && given_state_ ? rows(1, h_stride()) : RowArray<T>{};

  out_ = Signal<T>{};
  out_.sequence = return_sequences_;
  out_.steps = return_sequences_ ? steps_ : 1;
  out_.features = units_;
  if (!memory.counting()) out_.data = h_.from(return_sequences_ ? 1 : keeps_h_ ? steps_ : steps_ % 2);
  out_.wants_grad = training_;
  if (training_) out_.grad = signal_array(out_, plan, memory);

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
void Lstm<T>::forward(const Share& share) {
  const Rows rows = share.rows;
  const Part::Range own = share.part.of(panels_);
  for (Index p = own.begin; p < own.end; p++) start(p, rows);
  for (Index t = 0; t < steps_; t++) {
    const bool from_back = (t + turn_) % 2;
    for (Index i = own.begin; i < own.end; i++) {
      const Index p = own.pick(i, from_back);
      pre_activations(t, p, rows);
      step_forward(t, p, rows);
    }
    share.part.wait();  // step t + 1 reads h_t of all panels
  }
  if (streaming_)
    for (Index r = rows.begin; r < rows.end; r++)
      std::copy(state_at(0, steps_, r, own.begin), state_at(0, steps_, r, own.end), state_at(0, 0, r, own.begin));
}

// The state before step 0, and the input's part of z where it is the same for every step.
template <class T>
void Lstm<T>::start(Index p, Rows rows) {
  if (!given_state_) std::memset(c(0, p, rows.begin), 0, std::size_t(rows.count() * kBlock) * sizeof(T));
  if (!in_.repeated) return;
  const Product<T> x_w{in_.data.at(0, rows.begin), in_.stride(), kernel().value + p * inputs_ * kPanel, kPanel,
                       inputs_};
  Gemm<T> g{rows.count(), kPanel, &x_w, 1, projected_.at(p, rows.begin), kPanel};
  g.bias = bias(p);
  kernels<T>().gemm(g);
}

// gates[t] = b + x_t W + h_{t-1} R        [rows, 4, kBlock] of panel p
template <class T>
void Lstm<T>::pre_activations(Index t, Index p, Rows rows) {
  Product<T> products[2];
  Index n = 0;
  Gemm<T> g{rows.count(), kPanel, products, 0, gates(t, p, rows.begin), kPanel};
  if (in_.repeated) {
    g.table = projected_.at(p, rows.begin);
    g.table_stride = kPanel;
  } else if (in_.symbols) {
    g.bias = bias(p);
    g.ids = in_.ids.at(t, rows.begin);
    g.table = kernel().value + p * inputs_ * kPanel;
    g.table_stride = kPanel;
  } else {
    g.bias = bias(p);
    products[n++] = {in_.data.at(t, rows.begin), in_.stride(), kernel().value + p * inputs_ * kPanel, kPanel, inputs_};
  }
  if (t > 0 || given_state_) {
    products[n++] = {h(t, rows.begin), h_stride(), recurrent_kernel().value + p * units_ * kPanel, kPanel, units_};
  }
  g.n_products = n;
  kernels<T>().gemm(g);
}

// From pre-activations to gates, c_t and h_t.
template <class T>
void Lstm<T>::step_forward(Index t, Index p, Rows rows) {
  LstmStep<T> step{};
  step.rows = rows.count();
  step.gates = gates(t, p, rows.begin);
  step.c_prev = c(t, p, rows.begin);
  step.c = c(t + 1, p, rows.begin);
  step.h = h(t + 1, rows.begin) + p * kBlock;
  step.h_stride = h_stride();
  kernels<T>().lstm_forward(step);
}

// ---- backward, mirroring forward from the last step ----------------------------------------------------------------

template <class T>
void Lstm<T>::backward(const Share& share) {
  const Rows rows = share.rows;
  const Part::Range own = share.part.of(panels_);
  auto upstream = [&](Index t) { return out_.grad.at(return_sequences_ ? t : 0, rows.begin); };
  auto clear = [&](T* values, Index width) { std::memset(values, 0, std::size_t(rows.count() * width) * sizeof(T)); };
  for (Index p = own.begin; p < own.end; p++) {
    if (!given_state_) clear(dc(p, rows.begin), kBlock);
    if (dgates_sum_) clear(dgates_sum_.at(p, rows.begin), kPanel);
  }
  for (Index t = steps_ - 1; t >= 0; t--) {
    for (Index p = own.begin; p < own.end; p++) step_backward(t, p, upstream(t), rows);
    share.part.wait();  // dh_{t-1} sums over the dgates of all panels
    // dh_{t-1} = upstream + dz_t R^T, into the memory of upstream: nobody reads that again
    if (t > 0)
      state_gradient(t, upstream(t - 1), return_sequences_, share);
    else if (given_state_)
      state_gradient(0, dh0_.at(0, rows.begin), false, share);
    share.part.wait();  // before step t - 1 reads it
  }
  if (in_.wants_grad) input_gradient(share);
}

// From dh of step t to dgates of step t, in place of the gates.
template <class T>
void Lstm<T>::step_backward(Index t, Index p, T* dh, Rows rows) {
  const Kernels<T>& k = kernels<T>();
  LstmStep<T> step{};
  step.rows = rows.count();
  step.gates = gates(t, p, rows.begin);
  step.c_prev = c(t, p, rows.begin);
  step.c = c(t + 1, p, rows.begin);
  step.dh = dh + p * kBlock;
  step.dc = dc(p, rows.begin);
  step.h_stride = h_stride();
  k.lstm_backward(step);
  if (dgates_sum_) k.add(rows.count(), kPanel, step.gates, kPanel, dgates_sum_.at(p, rows.begin), kPanel);
}

// dh (+)= dgates[t] R^T        [rows, padded_units], a sum over all panels
template <class T>
void Lstm<T>::state_gradient(Index t, T* dh, bool accumulate, const Share& share) {
  const Index width = padded_units(), height = 4 * width;
  const Part::Range own = share.part.of(divide_up(width, kPanel));
  for (Index i = own.begin; i < own.end; i++) {
    const Index q = own.pick(i, t % 2);
    const Product<T> dz_r{gates(t, 0, share.rows.begin),
                          kPanel,
                          recurrent_kernel_t_ + q * height * kPanel,
                          kPanel,
                          kPanel,
                          panels_,
                          gates_.step,
                          kPanel * kPanel};
    Gemm<T> g{share.rows.count(), std::min(kPanel, width - q * kPanel), &dz_r, 1, dh + q * kPanel, h_stride()};
    g.accumulate = accumulate;
    kernels<T>().gemm(g);
  }
}

// dx_t = dgates[t] W^T; of a repeated input, dx = (sum of dgates over t) W^T
template <class T>
void Lstm<T>::input_gradient(const Share& share) {
  const Index width = in_.width(), height = 4 * padded_units(), x_panels = divide_up(width, kPanel);
  const Part::Range own = share.part.of((in_.repeated ? 1 : steps_) * x_panels);
  for (Index i = own.begin; i < own.end; i++) {
    const Index t = i / x_panels, q = i % x_panels;
    const Index first = share.rows.begin;
    const Product<T> dz_w{in_.repeated ? dgates_sum_.at(0, first) : gates(t, 0, first),
                          kPanel,
                          kernel_t_ + q * height * kPanel,
                          kPanel,
                          kPanel,
                          panels_,
                          gates_.step,
                          kPanel * kPanel};
    T* dx = in_.grad.at(t, first) + q * kPanel;
    kernels<T>().gemm({share.rows.count(), std::min(kPanel, width - q * kPanel), &dz_w, 1, dx, in_.stride()});
  }
}

// ---- state from call to call ---------------------------------------------------------------------------------------

template <class T>
void Lstm<T>::place_state(Index batch, Index height, Planner& memory) {
  streaming_ = given_state_ = true;
  batch_ = batch;
  h_ = row_array<T>(memory, batch, height, 2, h_stride());
  c_ = row_array<T>(memory, batch, height, panels_, kBlock);
}

// h (i 0) or c (i 1) before step t: the kBlock units of panel p
template <class T>
T* Lstm<T>::state_at(Index i, Index t, Index row, Index p) const {
  return i == 0 ? h(t, row) + p * kBlock : c(t, p, row);
}

template <class T>
void Lstm<T>::get_state(Index i, T* to) const {
  for (Index r = 0; r < batch_; r++)
    for (Index u = 0; u < units_; u++) to[r * units_ + u] = state_at(i, 0, r, u / kBlock)[u % kBlock];
}

template <class T>
void Lstm<T>::set_state(Index i, const T* from) {
  for (Index r = 0; r < batch_; r++)
    for (Index u = 0; u < units_; u++) state_at(i, 0, r, u / kBlock)[u % kBlock] = from[r * units_ + u];
}

// ---- gradients of the weights --------------------------------------------------------------------------------------

template <class T>
RowArray<const T> Lstm<T>::dz(const RowArray<T>& gates, Index first_step) const {
  return {gates.base + first_step * panels_ * gates.step, gates.height, gates.stride, panels_ * gates.step,
          gates.block};
}

template <class T>
OuterSum<T> Lstm<T>::input_sum(const GradientPiece& piece) const {
  const bool once = in_.repeated;
  return {once ? 1 : steps_,
          piece.samples,
          inputs_,
          in_.data,
          in_.ids,
          dz(once ? dgates_sum_ : gates_, 0),
          gates_.step,
          panels_ * kPanel,
          kernel().grad + piece.offset,
          use_bias_ ? this->parameters[2].grad + piece.offset : nullptr};
}

template <class T>
OuterSum<T> Lstm<T>::recurrent_sum(const GradientPiece& piece) const {
  const Index first = given_state_ ? 0 : 1;  // h before step 0 is zero
  return {steps_ - first,
          piece.samples,
          units_,
          h_.from(first),
          {},
          dz(gates_, first),
          gates_.step,
          panels_ * kPanel,
          recurrent_kernel().grad + piece.offset,
          nullptr};
}

// By panels first: a thread's own run of tasks then reads the gates of its panels alone.
template <class T>
Index Lstm<T>::gradient_tasks() const {
  const OuterSum<T> of_input = input_sum({});
  return of_input.groups() * (of_input.tasks_per_group() + recurrent_sum({}).tasks_per_group());
}

template <class T>
void Lstm<T>::gradient(Index task, const GradientPiece& piece) {
  const OuterSum<T> of_input = input_sum(piece), of_state = recurrent_sum(piece);
  const Index in_group = of_input.tasks_per_group() + of_state.tasks_per_group();
  const Index group = task / in_group, i = task % in_group - of_input.tasks_per_group();
  if (i < 0)
    of_input.run(group, task % in_group);
  else
    of_state.run(group, i);
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
