// A model, or its decoder, one step at a time: batch rows whose recurrent state stays from call to call. It reads the
// weights of the network it was made from, where they lie, so it follows their training; everything else is its own.
#pragma once

#include "network.h"

namespace pyrnn {

template <class T>
class Stream {
 public:
  // The network must outlive it. Throws std::invalid_argument for a model that needs its whole sequence at once.
  Stream(Network<T>& network, Index batch);

  // x: ids [B] or vectors [B, features]. out: [B, features of the last op]. Allocates nothing. try_step returns false,
  // with nothing done, where the network is busy.
  void step(const ArrayView& x, T* out);
  bool try_step(const ArrayView& x, T* out);
  // Steps over the first axis of x, ids [n, B] or [n, B, features], into out [n, B, ..]
  void run(const ArrayView& x, T* out);

  // Whether a step is a matter of microseconds
  bool is_short() const { return schedule_.kind == ScheduleKind::serial; }
  Index batch() const { return batch_; }
  Index features() const { return stack_.features; }
  // The ops that have a state, in order, and each op's states [B, op.state_units()] by their position
  const std::vector<Op<T>*>& recurrent() const { return recurrent_; }
  void get_state(const Op<T>& op, Index i, T* to);
  void set_state(Op<T>& op, Index i, const T* from);
  void reset();

 private:
  // A network's decoder, or all of it
  static InputSpec input_of(const Network<T>& network);
  static std::vector<OpSpec> specs_of(const Network<T>& network);
  void plan(bool symbols);
  void step_locked(const ArrayView& x, T* out);

  Network<T>& network_;
  const Index batch_;
  Input<T> input_;
  Stack<T> stack_;
  std::vector<Op<T>*> recurrent_;
  std::vector<std::int64_t> rows_;  // 0, 1, ...: the index of every step's x
  Schedule schedule_;
  bool planned_ = false;
  bool symbols_ = false;
  std::uint32_t steps_ = 0;
  Signal<T> out_;
  Memory arena_, state_memory_;
};

}  // namespace pyrnn
