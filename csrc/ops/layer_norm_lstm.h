// Layer-normalised LSTM:
//
//   z_t = LN(x_t W; gamma_0) + LN(h_{t-1} R; gamma_1) + b      gates and c_t of z_t as in lstm.h
//   h_t = o tanh(LN(c_t; gamma_h) + beta_h)                    over the units of a row
#pragma once

#include "layer_norm_cell.h"

namespace pyrnn {

template <class T>
class LayerNormLstm : public LayerNormCell<T, Lstm<T>> {
 public:
  explicit LayerNormLstm(const RecurrentSpec& spec);

 protected:
  void plan_cell(Index state_slots, const Plan& plan, Planner& memory) override;
  void start_backward(Index p, Rows rows) override;
  void norm_forward(NormalizedStep<T>& step, Index t, Index row) override;
  void norm_backward(NormalizedStep<T>& step, Index t, Index row) override;
  void place(const T* sums, Index row, T* to) const override;
  void other_gradient(Rows panels, const GradientPiece& piece) override;

 private:
  using Base = LayerNormCell<T, Lstm<T>>;

  void set_cell(NormalizedStep<T>& step, Index t, Index row) const;
  const Parameter<T>& of_cell(Index i) const { return this->parameters[this->parameters.size() - 2 + std::size_t(i)]; }

  RowArray<T> cell_sums_;  // as sums_, of gamma_h and beta_h
};

}  // namespace pyrnn
