#include "functions.h"

#include <algorithm>
#include <numeric>

#include "ops/dense.h"
#include "ops/input.h"
#include "ops/loss.h"
#include "ops/lstm.h"
#include "ops/simple.h"
#include "parallel.h"

namespace pyrnn {

namespace {

constexpr Index kRowsPerTask = 16;

template <class F>
void for_rows(Index batch, F body) {
  parallel_for(divide_up(batch, kRowsPerTask), false,
               [&](Index block) { body(Rows{block * kRowsPerTask, std::min(batch, (block + 1) * kRowsPerTask)}); });
}

template <class T>
ArrayView view_of(const T* data, Index rows, Index columns) {
  ArrayView v;
  v.data = reinterpret_cast<const char*>(data);
  v.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
  v.ndim = 2;
  v.shape[0] = rows, v.shape[1] = columns;
  v.strides[0] = columns * Index(sizeof(T)), v.strides[1] = Index(sizeof(T));
  return v;
}

// One op between an input and a caller who reads and writes its output: what a Network is to many.
template <class T, class O>
class Single {
 public:
  Single(O op, const InputSpec& spec, const ArrayView& x, bool training)
      : op_(std::move(op)), input_(spec), x_(x), batch_(x.shape[0]), index_(std::size_t(batch_)) {
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
      const Plan plan{batch_, kRowsPerTask, training};
      in_ = input_.plan(symbols, spec.sequence ? x.shape[1] : 1, plan, memory);
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
  O op_;
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

// body(gates of the op, gates of the user, n): a panel's part of one gate of (row, t) in both layouts; c is a fifth
// gate
template <class T, class F>
void each_gate(const Lstm<T>& op, const LstmShape& s, const LstmArrays<T>& a, F body) {
  for (Index r = 0; r < s.B; r++)
    for (Index t = 0; t < s.T; t++)
      for (Index p = 0; p < op.panels(); p++) {
        const Index unit = p * kBlock, n = std::min(kBlock, s.H - unit), at = r * s.T + t;
        for (Index g = 0; g < 4; g++) body(op.gates(t, p, r) + g * kBlock, a.gates + (at * 4 + g) * s.H + unit, n);
        body(op.c(t + 1, p, r), a.c + at * s.H + unit, n);
      }
}

// body(panel and row, a panel's units of [B, H] of the user, n)
template <class T, class U, class F>
void each_cell(const Lstm<T>& op, const LstmShape& s, U* user, F body) {
  for (Index p = 0; p < op.panels(); p++)
    for (Index r = 0; r < s.B; r++) body(p, r, user + r * s.H + p * kBlock, std::min(kBlock, s.H - p * kBlock));
}

template <class T>
void step(Optimizer<T>& optimizer, double learning_rate, T* w, T* g) {
  optimizer.begin(learning_rate);
  parallel_for(optimizer.norm_tasks(), false, [&](Index task) { optimizer.norm(task, g); });
  parallel_for(optimizer.tasks(), false, [&](Index task) { optimizer.update(task, w, g); });
  optimizer.end();
}

template <class T>
Single<T, Lstm<T>> lstm(const LstmShape& s, const LstmArrays<T>& a) {
  Lstm<T> op(s.I, s.H, true, true);
  op.give_initial_state();
  Single<T, Lstm<T>> run(std::move(op), {s.I, true, false}, a.x, true);
  run.set_weights({a.kernel, a.recurrent_kernel, a.bias});
  from_user(a.h0, s.B, 1, s.H, run.op().h());
  each_cell(run.op(), s, a.c0,
            [&](Index p, Index r, const T* user, Index n) { std::copy_n(user, n, run.op().c(0, p, r)); });
  return run;
}

}  // namespace

template <class T>
void lstm_forward(const LstmShape& s, const LstmArrays<T>& a) {
  auto run = lstm(s, a);
  run.forward();
  each_gate(run.op(), s, a, [](const T* op, T* user, Index n) { std::copy_n(op, n, user); });
  to_user(run.op().h().from(1), s.B, s.T, s.H, a.h);
}

template <class T>
void lstm_backward(const LstmShape& s, const LstmArrays<T>& a, const LstmGradients<T>& d) {
  auto run = lstm(s, a);
  Lstm<T>& op = run.op();
  each_gate(op, s, a, [](T* op, const T* user, Index n) { std::copy_n(user, n, op); });
  from_user(a.h, s.B, s.T, s.H, op.h().from(1));
  from_user(d.dh, s.B, s.T, s.H, run.out().grad);
  each_cell(op, s, d.dc, [&](Index p, Index r, const T* user, Index n) { std::copy_n(user, n, op.dc(p, r)); });
  run.backward({d.dkernel, d.drecurrent_kernel, d.dbias});
  to_user(op.dh0(), s.B, 1, s.H, d.dh0);
  each_cell(op, s, d.dc0, [&](Index p, Index r, T* user, Index n) { std::copy_n(op.dc(p, r), n, user); });
  if (d.dx) to_user(run.in().grad, s.B, s.T, s.I, d.dx);
}

template <class T>
void dense_forward(Index B, Index I, Index N, const ArrayView& x, const T* kernel, const T* bias, Activation activation,
                   T* y) {
  Single<T, Dense<T>> run(Dense<T>(I, N, true), {I, false, false}, x, false);
  run.set_weights({kernel, bias});
  run.forward();
  kernels<T>().activate(activation, B, N, run.out().data.base, run.out().data.base, run.out().stride());
  to_user(run.out().data, B, 1, N, y);
}

template <class T>
void dense_backward(Index B, Index I, Index N, const T* dy, const ArrayView& x, const T* kernel, const T* y,
                    Activation activation, T* dx, T* dkernel, T* dbias) {
  Single<T, Dense<T>> run(Dense<T>(I, N, true), {I, false, false}, x, true);
  const std::vector<T> no_bias(std::size_t(N), T(0));
  run.set_weights({kernel, no_bias.data()});
  from_user(y, B, 1, N, run.out().data);
  from_user(dy, B, 1, N, run.out().grad);
  kernels<T>().activate_backward(activation, B, N, run.out().data.base, run.out().grad.base, run.out().grad.base,
                                 run.out().stride());
  run.backward({dkernel, dbias});
  if (dx) to_user(run.in().grad, B, 1, I, dx);
}

template <class T>
void embedding_forward(Index B, Index V, Index D, const ArrayView& ids, const T* embeddings, T* y) {
  Single<T, Embedding<T>> run(Embedding<T>(V, D), {V, false, true, "ids"}, ids, false);
  run.set_weights({embeddings});
  run.forward();
  to_user(run.out().data, B, 1, D, y);
}

template <class T>
void embedding_backward(Index B, Index V, Index D, const T* dy, const ArrayView& ids, T* dembeddings) {
  Single<T, Embedding<T>> run(Embedding<T>(V, D), {V, false, true, "ids"}, ids, true);
  from_user(dy, B, 1, D, run.out().grad);
  run.backward({dembeddings});
}

template <class T>
double crossentropy(Index B, Index V, const T* z, const ArrayView& y, T* dz) {
  Memory arena;
  Signal<T> prediction;
  Loss<T> loss(Objective{LossKind::crossentropy, true, false, {}});
  Input<T> input({V, false, false});
  const ArrayView x = view_of(z, B, V);
  std::vector<std::int64_t> index(static_cast<std::size_t>(B));
  std::iota(index.begin(), index.end(), std::int64_t(0));
  lay_out_in(arena, [&](Planner& memory) {
    const Plan plan{B, kRowsPerTask, true};
    prediction = input.plan(false, 1, plan, memory);
    prediction.grad = signal_array(prediction, plan, memory);
    loss.plan(prediction, plan, memory);
  });
  loss.check_targets(y, prediction);
  for_rows(B, [&](Rows rows) {
    input.forward(x, index.data(), rows);
    loss.run(y, index.data(), rows);
  });
  to_user(prediction.grad, B, 1, V, dz);
  double mean;
  loss.means(&mean);
  return mean;
}

template <class T>
void optimizer_step(const OptimizerSpec& spec, std::int64_t iterations, double learning_rate, Index n, T* w, const T* g,
                    const std::vector<T*>& slots) {
  const Index padded = round_up(n, kBlock);
  Optimizer<T> optimizer(spec, padded);
  optimizer.iterations = iterations;
  std::vector<T> weights(std::size_t(padded), T(0)), gradient = weights;
  std::copy_n(w, n, weights.begin());
  std::copy_n(g, n, gradient.begin());
  for (std::size_t i = 0; i < optimizer.slots.size(); i++) std::copy_n(slots[i], n, optimizer.slots[i].begin());
  step(optimizer, learning_rate, weights.data(), gradient.data());
  std::copy_n(weights.begin(), n, w);
  for (std::size_t i = 0; i < optimizer.slots.size(); i++) std::copy_n(optimizer.slots[i].begin(), n, slots[i]);
}

template <class T>
void clip_by_global_norm(const std::vector<T*>& gradients, const std::vector<Index>& sizes, double clipnorm) {
  OptimizerSpec clip_only{OptimizerKind::sgd};
  clip_only.global_clipnorm = clipnorm;
  Index total = 0;
  for (const Index n : sizes) total += round_up(n, kBlock);
  std::vector<T> weights(std::size_t(total), T(0)), all = weights;
  Index at = 0;
  for (std::size_t i = 0; i < gradients.size(); at += round_up(sizes[i++], kBlock))
    std::copy_n(gradients[i], sizes[i], &all[std::size_t(at)]);
  Optimizer<T> optimizer(clip_only, total);
  step(optimizer, 0, weights.data(), all.data());
  at = 0;
  for (std::size_t i = 0; i < gradients.size(); at += round_up(sizes[i++], kBlock))
    std::copy_n(&all[std::size_t(at)], sizes[i], gradients[i]);
}

template <class T>
void activation(Activation activation, Index n, const T* x, T* y) {
  constexpr Index kChunk = 4096;
  const Index whole = n / kBlock * kBlock;
  parallel_for(divide_up(n, kChunk), false, [&](Index task) {
    const Index begin = task * kChunk, end = std::min(n, begin + kChunk), end_of_blocks = std::min(whole, end);
    kernels<T>().activate(activation, 1, end_of_blocks - begin, x + begin, y + begin, 0);
    if (end == end_of_blocks) return;
    T rest[kBlock] = {};  // kernels read whole blocks
    std::copy(x + whole, x + n, rest);
    kernels<T>().activate(activation, 1, n - whole, rest, rest, 0);
    std::copy_n(rest, n - whole, y + whole);
  });
}

#define PYRNN_INSTANTIATE(T)                                                                                        \
  template void lstm_forward(const LstmShape&, const LstmArrays<T>&);                                               \
  template void lstm_backward(const LstmShape&, const LstmArrays<T>&, const LstmGradients<T>&);                     \
  template void dense_forward(Index, Index, Index, const ArrayView&, const T*, const T*, Activation, T*);           \
  template void dense_backward(Index, Index, Index, const T*, const ArrayView&, const T*, const T*, Activation, T*, \
                               T*, T*);                                                                             \
  template void embedding_forward(Index, Index, Index, const ArrayView&, const T*, T*);                             \
  template void embedding_backward(Index, Index, Index, const T*, const ArrayView&, T*);                            \
  template double crossentropy(Index, Index, const T*, const ArrayView&, T*);                                       \
  template void optimizer_step(const OptimizerSpec&, std::int64_t, double, Index, T*, const T*,                     \
                               const std::vector<T*>&);                                                             \
  template void activation(Activation, Index, const T*, T*);                                                        \
  template void clip_by_global_norm(const std::vector<T*>&, const std::vector<Index>&, double);
PYRNN_INSTANTIATE(float)
PYRNN_INSTANTIATE(double)
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
