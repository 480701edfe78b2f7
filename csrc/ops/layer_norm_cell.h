// What the layer-normalised cells share (Ba et al. 2016; LayerNormLSTM and LayerNormGRU of github.com/lmnt-com/haste):
//
//   LN(v; gamma) = gamma (v - mean(v)) / sqrt(variance(v) + 1e-5), over a row of a product, all its gates together
//
// `Cell` is Lstm or Gru, of which everything stays but a step and the gradients of the further weights. A row's moments
// need its products of all panels, so a step goes by panels up to the products, and then by rows.
#pragma once

#include "gru.h"
#include "lstm.h"

namespace pyrnn {

template <class T, class Cell>
class LayerNormCell : public Cell {
 public:
  explicit LayerNormCell(const RecurrentSpec& spec);

 protected:
  bool keeps_gates() const override { return true; }
  const RowArray<T>& state_products() const override { return of_h_; }
  void plan_cell(Index state_slots, const Plan& plan, Planner& memory) override;
  void start_backward(Index p, Rows rows) override;
  void step_forward(Index t, const Share& share) override;
  void step_backward(Index t, T* dh, T* dh_prev, bool adds, const Share& share) override;
  Index other_tasks_per_group() const override { return 1; }
  void other_gradient(Rows panels, const GradientPiece& piece) override;

  // The kernels of a step
  virtual void norm_forward(NormalizedStep<T>& step, Index t, Index row) = 0;
  virtual void norm_backward(NormalizedStep<T>& step, Index t, Index row) = 0;
  // From a panel's sums by columns of products to row 0 or 1 of a weight, that of x or of h
  virtual void place(const T* sums, Index row, T* to) const = 0;

  // Of sum i over the steps, panel p: `columns` values for all samples of the piece
  void total(const RowArray<T>& sums, Index i, Index p, const GradientPiece& piece, Index columns, T* to) const;
  T* gradient_of(const Parameter<T>& weight, Index p, const GradientPiece& piece) const {
    return weight.grad + piece.offset + p * weight.layout.panel_size();
  }
  const Parameter<T>* bias() const { return has_bias_ ? &this->parameters[2] : nullptr; }
  const Parameter<T>& gamma() const { return this->parameters[has_bias_ ? 3 : 2]; }

 private:
  NormalizedStep<T> norm_step(Index t, Rows rows) const;

  bool has_bias_;
  std::array<T, 2 * kBlock> has_unit_;  // see NormalizedStep
  RowArray<T> of_x_, of_h_;             // the steps are (t, panel), as those of the gates
  RowArray<T> moments_;
  RowArray<T> sums_;  // of the gradients over a row's steps: the steps are (what, panel)
};

}  // namespace pyrnn
