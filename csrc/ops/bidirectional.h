// Two recurrent ops on one sequence, of which one reads it backwards (Schuster & Paliwal 1997). Their outputs are
// merged step by step of the sequence.
#pragma once

#include "recurrent.h"

namespace pyrnn {

enum class Merge : int { concat, sum, mul, ave };

template <class T>
class Bidirectional : public Op<T> {
 public:
  using Way = std::unique_ptr<Recurrent<T>>;

  // `forward` and `backward` are ops of `units` that differ in their direction alone.
  Bidirectional(Way forward, Way backward, Index units, Merge merge);

  bool takes_repeated() const override { return true; }
  bool takes_ids() const override { return true; }
  bool takes_ragged() const override { return true; }
  bool ends_sequence() const override { return forward_->ends_sequence(); }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;
  Index gradient_tasks() const override { return forward_->gradient_tasks() + backward_->gradient_tasks(); }
  void gradient(Index task, const GradientPiece& piece) override;
  Index derive_tasks() const override { return forward_->derive_tasks() + backward_->derive_tasks(); }
  void derive(Index task) override;
  double work() const override { return forward_->work() + backward_->work(); }
  Index step_parts() const override { return forward_->step_parts(); }
  void set_iteration(std::uint32_t iteration) override;

  // The states of the forward op, then those of the other
  Index states() const override { return 2 * forward_->states(); }
  Index state_units() const override { return units_; }
  void use_state(const StateUse& use) override;
  void set_state(Index i, Index row, const T* from) override { of(i).set_state(i % per_op(), row, from); }
  void get_state(Index i, Index row, T* to) const override { of(i).get_state(i % per_op(), row, to); }
  void set_state_gradient(Index i, Index row, const T* from) override {
    of(i).set_state_gradient(i % per_op(), row, from);
  }
  void get_state_gradient(Index i, Index row, T* to) const override { of(i).get_state_gradient(i % per_op(), row, to); }

 private:
  // body(t, row, step of the backward op's output that belongs to step t of the sequence)
  template <class F>
  void each_step(Rows rows, const F& body) const;
  Signal<T> plan_side_by_side(const Signal<T>& in, const Plan& plan, Planner& memory);
  void merge(Rows rows);
  void split_gradient(Rows rows);

  Index per_op() const { return forward_->states(); }
  Op<T>& of(Index state) const { return state < per_op() ? *forward_ : *backward_; }

  Way forward_, backward_;
  Index units_;
  Merge merge_;
  Signal<T> in_, out_, of_forward_, of_backward_;
  bool side_by_side_ = false;  // both ops work in the place of the merged output: nothing is copied
};

}  // namespace pyrnn
