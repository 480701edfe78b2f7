// LSTM over a sequence: forward, and backward through time.
//
//   z_t = x_t W + h_{t-1} R + b          i, f, o = sigmoid(z_i, z_f, z_o)     g = tanh(z_c)
//   c_t = f c_{t-1} + i g                h_t = o tanh(c_t)
#pragma once

#include "gradient.h"
#include "op.h"

namespace pyrnn {

template <class T>
class Lstm : public Op<T> {
 public:
  Lstm(Index inputs, Index units, bool return_sequences, bool use_bias);

  bool takes_repeated() const override { return true; }
  bool takes_ids() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;
  Index gradient_tasks() const override;
  void gradient(Index task, const GradientPiece& piece) override;
  Index derive_tasks() const override;
  void derive(Index task) override;
  double work() const override { return double(4 * units_ * (units_ + inputs_)); }
  void set_iteration(std::uint32_t iteration) override { turn_ = iteration; }
  Index step_parts() const override { return panels_; }

  // The caller fills h(0) and c(0), and reads their gradients from dh0 and dc after backward. Call before plan.
  void give_initial_state() { given_state_ = true; }

  Index states() const override { return 2; }  // h, c
  Index state_units() const override { return units_; }
  void place_state(Index batch, Index height, Planner& memory) override;
  void get_state(Index i, T* to) const override;
  void set_state(Index i, const T* from) override;

  Index panels() const { return panels_; }
  Index padded_units() const { return panels_ * kBlock; }
  Index h_stride() const { return row_stride<T>(units_); }
  // Saved state of panel p from a row on: [rows, 4, kBlock] gates (gradients after backward), [rows, kBlock] c, and of
  // all panels [rows, h_stride] h. Slot t of h and c is the state before step t. In inference one slot of c and two of
  // h serve all steps, and one of gates, or one for each panel where threads share them.
  T* gates(Index t, Index p, Index row) const {
    return gates_.at(training_ ? t * panels_ + p : together_ ? p : 0, row);
  }
  T* c(Index t, Index p, Index row) const { return c_.at((training_ ? t * panels_ : 0) + p, row); }
  T* h(Index t, Index row) const { return h_.at(keeps_h_ ? t : t % 2, row); }
  T* dc(Index p, Index row) const { return dc_.at(p, row); }
  const RowArray<T>& h() const { return h_; }
  const RowArray<T>& dh0() const { return dh0_; }

 private:
  void start(Index p, Rows rows);
  T* state_at(Index i, Index t, Index row, Index p) const;
  void pre_activations(Index t, Index p, Rows rows);
  void step_forward(Index t, Index p, Rows rows);
  void step_backward(Index t, Index p, T* dh, Rows rows);
  void state_gradient(Index t, T* dh, bool accumulate, const Share& share);
  void input_gradient(const Share& share);
  // Rows of dz of panel 0, from step to step
  RowArray<const T> dz(const RowArray<T>& gates, Index first_step) const;
  OuterSum<T> input_sum(const GradientPiece& piece) const;
  OuterSum<T> recurrent_sum(const GradientPiece& piece) const;

  // parameters[..] by name
  const Parameter<T>& kernel() const { return this->parameters[0]; }
  const Parameter<T>& recurrent_kernel() const { return this->parameters[1]; }
  const T* bias(Index p) const { return use_bias_ ? this->parameters[2].value + p * kPanel : nullptr; }

  Index inputs_, units_, panels_;
  bool return_sequences_, use_bias_;
  bool given_state_ = false;

  Signal<T> in_, out_;
  Index batch_ = 0, steps_ = 0;
  Index turn_ = 0;  // of the first step
  bool training_ = false, together_ = false, streaming_ = false, keeps_h_ = false;
  RowArray<T> gates_, c_, h_, dc_, dh0_;  // the steps of gates_ and c_ are (t, panel), of dc_ panels
  RowArray<T> projected_;                 // [panel][rows, 4, kBlock]: x W + b of a repeated input, computed once
  RowArray<T> dgates_sum_;                // like projected_: gradients of its gates summed over t

  // Transposed weights for dh = dz R^T and dx = dz W^T, in panels of kPanel columns: [column panel][4 *
  // padded_units][kPanel]
  Memory derived_;
  T* kernel_t_ = nullptr;
  T* recurrent_kernel_t_ = nullptr;
};

}  // namespace pyrnn
