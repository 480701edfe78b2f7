// From a sequence to one vector: its steps side by side, their mean, or their maximum.
#pragma once

#include "op.h"

namespace pyrnn {

// [B, T, F] -> [B, T*F]. T is fixed when the model is made: the weights of what follows depend on it, and all rows must
// have all steps. A single step is left where it lies.
template <class T>
class Flatten : public Op<T> {
 public:
  explicit Flatten(Index steps) : steps_(steps) {}

  bool takes_ragged() const override { return true; }  // and refuses them by its name
  bool ends_sequence() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;

 private:
  Index steps_;
  Signal<T> in_, out_;
};

// [B, T, F] -> [B, F], the mean over a row's own steps; zeros of none
template <class T>
class AveragePool : public Op<T> {
 public:
  bool takes_ragged() const override { return true; }
  bool ends_sequence() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;

 private:
  Signal<T> in_, out_;
};

// [B, T, F] -> [B, F], the maximum over a row's own steps, zeros of none. Steps that share it share its gradient
// evenly, as in TensorFlow and JAX.
template <class T>
class MaxPool : public Op<T> {
 public:
  bool takes_ragged() const override { return true; }
  bool ends_sequence() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;

 private:
  Signal<T> in_, out_;
};

}  // namespace pyrnn
