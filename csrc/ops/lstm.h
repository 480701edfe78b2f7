// LSTM:
//
//   z_t = x_t W + h_{t-1} R + b          i, f, o = sigmoid(z_i, z_f, z_o)     g = tanh(z_c)
//   c_t = f c_{t-1} + i g                h_t = o tanh(c_t)
#pragma once

#include "recurrent.h"

namespace pyrnn {

template <class T>
class Lstm : public Recurrent<T> {
 public:
  explicit Lstm(const RecurrentSpec& spec);

  Index states() const override { return 2; }  // h, c
  void place_state(Index batch, Index height, Planner& memory) override;

  // [rows, kBlock] of panel p. Slot t of c is the state before step t; in inference one slot serves all steps.
  T* c(Index t, Index p, Index row) const { return c_.at((this->training_ ? t * this->panels_ : 0) + p, row); }

 protected:
  void plan_cell(Index state_slots, const Plan& plan, Planner& memory) override;
  void start_forward(Index p, Rows rows) override;
  void start_backward(Index p, Rows rows) override;
  void cell_forward(CellStep<T>& step, Index t, Index p, Index row) override;
  void cell_backward(CellStep<T>& step, Index t, Index p, Index row) override;
  T* state_at(Index i, Index t, Index row, Index p) const override;
  T* state_gradient_at(Index i, bool after_backward, Index row, Index p) const override;

  RowArray<T> c_, dc_;  // the steps of c_ are (t, panel), of dc_ panels
};

}  // namespace pyrnn
