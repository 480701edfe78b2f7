// A model, or its decoder, one step at a time: batch rows whose recurrent state stays from call to call. It reads the
// weights of the network it was made from, where they lie, so it follows their training; everything else is its own.
#pragma once

#include <algorithm>
#include <optional>

#include "network.h"
#include "ops/sampler.h"

namespace pyrnn {

// Rows of ids [B, length] that a model of as many outputs as symbols writes on, from column to column. Of row r the
// first known[r] >= 1 ids are given, the others drawn: those of columns begin + 1 to end are in one call.
struct Writing {
  Index length;
  std::int32_t* ids;
  const std::int64_t* known;   // [B]
  const double* temperatures;  // [B]
  const std::uint64_t* keys;   // [B]: of row r's random numbers, one for each id that is drawn
  Sampling sampling;           // but for the temperature
  Index window = 0;            // 0: a step reads one id more. Else as many, or those there are, from a zero state.
};

template <class T>
class Stream {
 public:
  // The network must outlive it. Throws std::invalid_argument for a model that needs its whole sequence at once.
  Stream(Network<T>& network, Index batch);

  // Makes the arena for ids or for vectors. Done by the first step, and by one that brings the other kind.
  void plan(bool symbols);

  // x: ids [B] or vectors [B, features]. out: [B, features of the last op]. Allocates nothing. try_step returns false,
  // with nothing done, where the network learns or another thread is in this stream.
  void step(const ArrayView& x, T* out);
  bool try_step(const ArrayView& x, T* out);
  // Steps over the first axis of x, ids [n, B] or [n, B, features], into out [n, B, ..]
  void run(const ArrayView& x, T* out);

  // Reads the ids of columns begin to end - 1 and draws the next of each row. Softmax, where it is the last op, is left
  // out: it would be undone. Throws std::invalid_argument where a row's largest logit is not finite.
  void generate(const Writing& writing, Index begin, Index end);

  // Whether a step is a matter of microseconds
  bool is_short() const { return schedule_.kind == ScheduleKind::serial; }
  Index batch() const { return batch_; }
  void check_rows(Index rows) const;  // throws std::invalid_argument where a step has not as many as batch()
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
  void step_locked(const ArrayView& x, T* out);
  // x through the first n_ops ops, then finish(rows) by whoever has taken these rows through
  template <class F>
  void forward(const ArrayView& x, std::size_t n_ops, F finish);
  void clear_state() { std::fill_n(state_memory_.data(), state_memory_.size(), char(0)); }  // none may be there

  const Readers::Reader reader_;
  const Index batch_;
  Input<T> input_;
  Stack<T> stack_;
  std::vector<Op<T>*> recurrent_;
  std::vector<std::int64_t> rows_;  // 0, 1, ...: the index of every step's x
  Schedule schedule_;
  bool planned_ = false;
  bool symbols_ = false;
  std::uint32_t steps_ = 0;
  Signal<T> out_, logits_;
  std::size_t logit_ops_ = 0;  // those that make the logits
  std::optional<Sampler> sampler_;
  Memory arena_, state_memory_;
};

}  // namespace pyrnn
