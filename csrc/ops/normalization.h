// Layer normalisation over the features of every row and step.
#pragma once

#include "op.h"

namespace pyrnn {

template <class T>
class LayerNorm : public Op<T> {
 public:
  LayerNorm(Index features, double epsilon, bool center, bool scale);

  bool takes_ragged() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;
  Index gradient_tasks() const override;
  void gradient(Index task, const GradientPiece& piece) override;

 private:
  Normalize<T> kernel_arguments(Index t, Rows rows) const;
  const Parameter<T>* gamma() const { return scale_ ? &this->parameters.front() : nullptr; }
  const Parameter<T>* beta() const { return center_ ? &this->parameters.back() : nullptr; }

  T epsilon_;
  bool center_, scale_;
  std::vector<T> ones_, zeros_;  // in place of a gamma or beta that is off
  Signal<T> in_, out_;
  RowArray<T> moments_;  // [..][2]: mean and 1 / deviation of a row
};

}  // namespace pyrnn
