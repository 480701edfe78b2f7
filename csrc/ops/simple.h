// The ops that have no matrix product: activation, dropout, repetition, embedding, one-hot.
#pragma once

#include "op.h"

namespace pyrnn {

template <class T>
class Activate : public Op<T> {
 public:
  explicit Activate(Activation activation) : activation_(activation) {}
  Activation activation() const { return activation_; }

  bool takes_ragged() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;

 private:
  Activation activation_;
  Signal<T> in_, out_;
};

// Inverted dropout (Srivastava et al. 2014): in training each value is zero with probability `rate`, else divided by
// 1 - rate. The mask depends on the seed, the iteration and the value's place only. `per_sequence` drops a feature at
// all steps of a row or at none (Tompson et al. 2015, "spatial dropout").
template <class T>
class Dropout : public Op<T> {
 public:
  Dropout(double rate, std::uint64_t seed, bool per_sequence) : rate_(rate), seed_(seed), per_sequence_(per_sequence) {}

  bool takes_ragged() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;
  void set_iteration(std::uint32_t iteration) override { iteration_ = iteration; }

 private:
  Index mask_step(Index t) const { return per_sequence_ ? 0 : t; }

  double rate_;
  std::uint64_t seed_;
  bool per_sequence_;
  std::uint32_t iteration_ = 0;
  bool training_ = false;
  Signal<T> in_, out_;
  RowArray<T> mask_;  // like out_.data, but of one step where per_sequence_
};

// In training y = x + a normal number of its own at each value (Bishop 1995, "Training with noise is equivalent to
// Tikhonov regularization"). It depends on the seed, the iteration and the value's place only. The gradient passes.
template <class T>
class GaussianNoise : public Op<T> {
 public:
  GaussianNoise(double deviation, std::uint64_t seed) : deviation_(T(deviation)), seed_(seed) {}

  bool takes_ragged() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share&) override {}
  void set_iteration(std::uint32_t iteration) override { iteration_ = iteration; }

 private:
  T deviation_;
  std::uint64_t seed_;
  std::uint32_t iteration_ = 0;
  bool training_ = false;
  Signal<T> in_, out_;
};

// [B, F] -> [B, n, F]. Where the next op takes a repeated signal nothing is copied.
template <class T>
class RepeatVector : public Op<T> {
 public:
  RepeatVector(Index n, bool copies) : n_(n), copies_(copies) {}

  bool takes_ragged() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;

 private:
  Index n_;
  bool copies_;
  Signal<T> in_, out_;
};

// ids -> rows of a table [V, D]
template <class T>
class Embedding : public Op<T> {
 public:
  Embedding(Index symbols, Index features);

  bool takes_ids() const override { return true; }
  bool takes_ragged() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share&) override {}
  Index gradient_tasks() const override;
  void gradient(Index task, const GradientPiece& piece) override;

 private:
  Index features_;
  Signal<T> in_, out_;
};

// ids -> [.., V] of zeros and a one, for an op that cannot take ids
template <class T>
class OneHot : public Op<T> {
 public:
  bool takes_ids() const override { return true; }
  bool takes_ragged() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share&) override {}

 private:
  Signal<T> in_, out_;
};

}  // namespace pyrnn
