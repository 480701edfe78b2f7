// Layer-normalised GRU: gru.h with the reset gate after the recurrent product, of LN(x_t W; gamma_0) and
// LN(h_{t-1} R; gamma_1) in place of the products, before their biases.
#pragma once

#include "layer_norm_cell.h"

namespace pyrnn {

template <class T>
class LayerNormGru : public LayerNormCell<T, Gru<T>> {
 public:
  explicit LayerNormGru(const RecurrentSpec& spec) : LayerNormCell<T, Gru<T>>(spec) {}

 protected:
  void norm_forward(NormalizedStep<T>& step, Index, Index) override { kernels<T>().layer_norm_gru_forward(step); }
  void norm_backward(NormalizedStep<T>& step, Index, Index) override { kernels<T>().layer_norm_gru_backward(step); }
  void place(const T* sums, Index row, T* to) const override;
};

}  // namespace pyrnn
