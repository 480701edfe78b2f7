// Between the encoder and the decoder of a sequence-to-sequence network (Sutskever et al. 2014): the recurrent ops
// behind it begin in the states in which those before it end, and read a second input. Backward, the gradients of these
// states go the other way.
#pragma once

#include "input.h"

namespace pyrnn {

template <class T>
class Handover : public Op<T> {
 public:
  explicit Handover(const InputSpec& input) : input_(input) {}

  // One of the decoder begins in the states of one of the encoder, of as many units; or, where the encoder's reads both
  // ways, of half as many: then forward's stand before backward's. Throws std::invalid_argument for others.
  void connect(Op<T>* encoder, Op<T>* decoder);
  // The second input of a batch, before plan; rows by `index` as x's.
  void give(const ArrayView& x, const std::int64_t* index);
  bool symbols() const { return input_.is_symbols(*x_); }
  Index steps() const { return x_->shape[1]; }
  // `encoder_begins`: StateUse::given of the encoder's
  void use_states(bool encoder_begins, bool training);

  bool takes_ragged() const override { return true; }
  bool ends_sequence() const override { return true; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;

 private:
  struct Pair {
    Op<T>*encoder, *decoder;
    Index ways() const { return encoder->states() / decoder->states(); }
  };

  Input<T> input_;
  std::vector<Pair> pairs_;
  const ArrayView* x_ = nullptr;
  const std::int64_t* index_ = nullptr;
  Signal<T> in_;
  RowArray<T> state_;  // of one row, where it passes through
};

}  // namespace pyrnn
