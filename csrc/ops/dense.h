// y = x W + b on the last axis, for every step of a sequence. Its activation is an op of its own.
#pragma once

#include "gradient.h"
#include "op.h"

namespace pyrnn {

template <class T>
class Dense : public Op<T> {
 public:
  Dense(Index inputs, Index units, bool use_bias);

  bool takes_ids() const override { return true; }
  bool takes_ragged() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;
  Index gradient_tasks() const override;
  void gradient(Index task, const GradientPiece& piece) override;
  Index derive_tasks() const override;
  void derive(Index task) override;
  double work() const override { return double(inputs_ * units_); }

 private:
  OuterSum<T> sum(const GradientPiece& piece) const;
  const Parameter<T>& kernel() const { return this->parameters[0]; }
  const T* bias(Index q) const { return use_bias_ ? this->parameters[1].value + q * kPanel : nullptr; }
  Index columns(Index q) const { return out_.width() - q * kPanel < kPanel ? out_.width() - q * kPanel : kPanel; }

  Index inputs_, units_, panels_;
  bool use_bias_;
  Signal<T> in_, out_;
  Memory derived_;  // W^T in panels of kPanel inputs, [input panel][units][kPanel]
};

}  // namespace pyrnn
