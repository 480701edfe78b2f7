// The fully connected recurrent layer: h_t = tanh(x_t W + h_{t-1} R + b). Its products are made in the place of h.
#pragma once

#include "recurrent.h"

namespace pyrnn {

template <class T>
class SimpleRnn : public Recurrent<T> {
 public:
  explicit SimpleRnn(const RecurrentSpec& spec)
      : Recurrent<T>(spec, {1, kPanel, 0, kPanel, 0, kPanel, {0, 1, 2, 3}, {0, 1, 2, 3}}) {
    if (spec.use_bias) this->parameters.push_back({"bias", {spec.units}, {1, 1, spec.units, kPanel}});
  }

 protected:
  bool products_in_h() const override { return true; }
  void cell_forward(CellStep<T>& step, Index, Index, Index) override { kernels<T>().simple_rnn_forward(step); }
  void cell_backward(CellStep<T>& step, Index, Index, Index) override { kernels<T>().simple_rnn_backward(step); }
};

}  // namespace pyrnn
