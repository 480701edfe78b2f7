// GRU, with the reset gate after the recurrent product or before it:
//
//   z_t = sigmoid(x_t W_z + h_{t-1} R_z + b_z)      r_t = sigmoid(x_t W_r + h_{t-1} R_r + b_r)
//   n_t = tanh(x_t W_n + b_n + r_t (h_{t-1} R_n + b'_n))          after; b' is a bias of its own
//   n_t = tanh(x_t W_n + b_n + (r_t h_{t-1}) R_n)                 before
//   h_t = z_t h_{t-1} + (1 - z_t) n_t
//
// Gates stand in Keras' order z r n in the user's matrices, and as n_x z r n_h in a panel, so that x W and h R each
// fill columns in a row.
#pragma once

#include "recurrent.h"

namespace pyrnn {

constexpr CellShape kGruShape = {3, kBlock, 0, 3 * kBlock, kBlock, 3 * kBlock, {1, 2, 0}, {0, 1, 2}};

// The reset gate after the product
template <class T>
class Gru : public Recurrent<T> {
 public:
  explicit Gru(const RecurrentSpec& spec);

 protected:
  bool reads_h() const override { return true; }
  bool input_bias() const override { return false; }  // `bias` has a row for each product
  void cell_forward(CellStep<T>& step, Index t, Index p, Index row) override;
  void cell_backward(CellStep<T>& step, Index, Index, Index) override { kernels<T>().gru_backward(step); }
  Index other_tasks_per_group() const override { return this->spec_.use_bias; }
  void other_gradient(Rows panels, const GradientPiece& piece) override;
};

// The reset gate before the product: a step has two parts, for the candidate's product needs r of all units.
template <class T>
class GruResetBefore : public Recurrent<T> {
 public:
  explicit GruResetBefore(const RecurrentSpec& spec);

  T* reset_h(Index t, Index row) const { return reset_h_.at(this->training_ ? t : 0, row); }

 protected:
  bool reads_h() const override { return true; }
  bool keeps_gates() const override { return true; }
  void plan_cell(Index state_slots, const Plan& plan, Planner& memory) override;
  void step_forward(Index t, const Share& share) override;
  void step_backward(Index t, T* dh, T* dh_prev, bool adds, const Share& share) override;
  Index recurrent_sums() const override { return 2; }
  OuterSum<T> recurrent_sum(Index i, const GradientPiece& piece) const override;

 private:
  RowArray<T> reset_h_;   // r h_{t-1} by step
  RowArray<T> dreset_h_;  // its gradient
};

}  // namespace pyrnn
