#include "functions.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "ops/dense.h"
#include "ops/loss.h"
#include "ops/simple.h"
#include "single.h"

namespace pyrnn {

namespace {

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

template <class T>
void step(Optimizer<T>& optimizer, double learning_rate, T* w, T* g) {
  optimizer.begin(learning_rate);
  parallel_for(optimizer.prepare_tasks(), false, [&](Index task) { optimizer.prepare(task, g); });
  parallel_for(optimizer.update_tasks(), false, [&](Index task) { optimizer.update(task, w, g); });
  optimizer.end();
}

}  // namespace

template <class T>
void dense_forward(Index B, Index I, Index N, const ArrayView& x, const T* kernel, const T* bias, Activation activation,
                   T* y) {
  Single<T, Dense<T>> run(std::make_unique<Dense<T>>(I, N, true), {I, false, false}, x, false);
  run.set_weights({kernel, bias});
  run.forward();
  kernels<T>().activate(activation, B, N, run.out().data.base, run.out().data.base, run.out().stride());
  to_user(run.out().data, B, 1, N, y);
}

template <class T>
void dense_backward(Index B, Index I, Index N, const T* dy, const ArrayView& x, const T* kernel, const T* y,
                    Activation activation, T* dx, T* dkernel, T* dbias) {
  Single<T, Dense<T>> run(std::make_unique<Dense<T>>(I, N, true), {I, false, false}, x, true);
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
  Single<T, Embedding<T>> run(std::make_unique<Embedding<T>>(V, D), {V, false, true, "ids"}, ids, false);
  run.set_weights({embeddings});
  run.forward();
  to_user(run.out().data, B, 1, D, y);
}

template <class T>
void embedding_backward(Index B, Index V, Index D, const T* dy, const ArrayView& ids, T* dembeddings) {
  Single<T, Embedding<T>> run(std::make_unique<Embedding<T>>(V, D), {V, false, true, "ids"}, ids, true);
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
    const Plan plan{B, kRowsPerFunctionTask, true};
    prediction = input.plan(false, 1, nullptr, plan, memory);
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
  Optimizer<T> optimizer(spec, {padded});
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
void clip_gradients(const OptimizerSpec& spec, const std::vector<T*>& gradients, const std::vector<Index>& sizes) {
  std::vector<Index> padded;
  for (const Index n : sizes) padded.push_back(round_up(n, kBlock));
  const Index total = std::accumulate(padded.begin(), padded.end(), Index(0));
  std::vector<T> weights(std::size_t(total), T(0)), all = weights;
  Index at = 0;
  for (std::size_t i = 0; i < gradients.size(); at += padded[i++])
    std::copy_n(gradients[i], sizes[i], &all[std::size_t(at)]);
  Optimizer<T> optimizer(spec, padded);
  step(optimizer, 0, weights.data(), all.data());
  at = 0;
  for (std::size_t i = 0; i < gradients.size(); at += padded[i++])
    std::copy_n(&all[std::size_t(at)], sizes[i], gradients[i]);
}

template <class T>
double penalty(const Regularizer& regularizer, Index n, const T* w, T* gradient) {
  const Index padded = round_up(n, kBlock);
  std::vector<T> weights(std::size_t(padded), T(0)), g = weights;
  std::copy_n(w, n, weights.begin());
  Penalty<T> penalty;
  penalty.add(regularizer, 0, padded);
  parallel_for(penalty.tasks(), false, [&](Index task) { penalty.run(task, weights.data(), g.data()); });
  std::copy_n(g.begin(), n, gradient);
  return penalty.value();
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
  template void dense_forward(Index, Index, Index, const ArrayView&, const T*, const T*, Activation, T*);           \
  template void dense_backward(Index, Index, Index, const T*, const ArrayView&, const T*, const T*, Activation, T*, \
                               T*, T*);                                                                             \
  template void embedding_forward(Index, Index, Index, const ArrayView&, const T*, T*);                             \
  template void embedding_backward(Index, Index, Index, const T*, const ArrayView&, T*);                            \
  template double crossentropy(Index, Index, const T*, const ArrayView&, T*);                                       \
  template void optimizer_step(const OptimizerSpec&, std::int64_t, double, Index, T*, const T*,                     \
                               const std::vector<T*>&);                                                             \
  template double penalty(const Regularizer&, Index, const T*, T*);                                                 \
  template void activation(Activation, Index, const T*, T*);                                                        \
  template void clip_gradients(const OptimizerSpec&, const std::vector<T*>&, const std::vector<Index>&);
PYRNN_INSTANTIATE(float)
PYRNN_INSTANTIATE(double)
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
