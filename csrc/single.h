// One op between an input and a caller who reads and writes its arrays: what a Network is to many. For the plain
// functions.
#pragma once

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "ops/input.h"
#include "parallel.h"

namespace pyrnn {

constexpr Index kRowsPerFunctionTask = 16;

template <class F>
void for_rows(Index batch, F body) {
  parallel_for(divide_up(batch, kRowsPerFunctionTask), false, [&](Index block) {
    body(Rows{block * kRowsPerFunctionTask, std::min(batch, (block + 1) * kRowsPerFunctionTask)});
  });
}

template <class T, class O>
class Single {
 public:
  Single(std::unique_ptr<O> op, const InputSpec& spec, const ArrayView& x, bool training)
      : op_owner_(std::move(op)),
        op_(*op_owner_),
        input_(spec),
        x_(x),
        batch_(x.shape[0]),
        index_(std::size_t(batch_)) {
    std::iota(index_.begin(), index_.end(), std::int64_t(0));
    Index n = 0;
    for (auto& p : op_.parameters) n += 2 * p.layout.size();
    weights_ = Memory(std::size_t(n) * sizeof(T));
    T* at = reinterpret_cast<T*>(weights_.data());
    for (auto& p : op_.parameters) {
      p.value = at, p.grad = at + p.layout.size();
      at += 2 * p.layout.size();
    }
    const bool symbols = input_.is_symbols(x);
    auto lay_out = [&](Planner& memory) {
      const Plan plan{batch_, kRowsPerFunctionTask, training};
      in_ = input_.plan(symbols, spec.sequence ? x.shape[1] : 1, nullptr, plan, memory);
      in_.wants_grad = training && !symbols;
      if (in_.wants_grad) in_.grad = signal_array(in_, plan, memory);
      out_ = op_.plan(in_, plan, memory);
    };
    lay_out_in(arena_, lay_out);
  }

  O& op() { return op_; }
  const Signal<T>& in() const { return in_; }
  const Signal<T>& out() const { return out_; }

  void set_weights(std::initializer_list<const T*> values) {
    auto value = values.begin();
    for (auto& p : op_.parameters) p.pack(*value++);
  }
  void gather(Rows rows) { input_.forward(x_, index_.data(), rows); }
  void forward() {
    for_rows(batch_, [&](Rows rows) {
      gather(rows);
      op_.forward({rows});
    });
  }
  // From out().grad, with the op's saved state in place; the input is gathered for the weights' gradients.
  void backward(std::initializer_list<T*> weight_gradients) {
    parallel_for(op_.derive_tasks(), false, [&](Index task) { op_.derive(task); });
    for_rows(batch_, [&](Rows rows) {
      gather(rows);
      op_.backward({rows});
    });
    parallel_for(op_.gradient_tasks(), false, [&](Index task) { op_.gradient(task, {{0, batch_}, 0}); });
    auto to = weight_gradients.begin();
    for (auto& p : op_.parameters) p.unpack(p.grad, *to++);
  }

 private:
  std::unique_ptr<O> op_owner_;
  O& op_;
  Input<T> input_;
  ArrayView x_;
  Index batch_;
  std::vector<std::int64_t> index_;
  Memory weights_, arena_;
  Signal<T> in_, out_;
};

// Between [B, T, F] of the user and the rows of a signal
template <class T>
void to_user(const RowArray<T>& rows, Index batch, Index steps, Index features, T* to) {
  for (Index r = 0; r < batch; r++)
    for (Index t = 0; t < steps; t++) std::copy_n(rows.at(t, r), features, to + (r * steps + t) * features);
}

template <class T>
void from_user(const T* from, Index batch, Index steps, Index features, const RowArray<T>& rows) {
  for (Index r = 0; r < batch; r++)
    for (Index t = 0; t < steps; t++) std::copy_n(from + (r * steps + t) * features, features, rows.at(t, r));
}

}  // namespace pyrnn
