// The gradient of a weight matrix: dW[panel] = sum over (t, row) of x[t, row]^T dz[t, row], for LSTM, Dense and their
// like.
#pragma once

#include "op.h"

namespace pyrnn {

// Where the two factors of a sum over (t, row) stand. ids instead of x: each row of x is one-hot.
template <class T>
struct OuterSum {
  Index steps;
  Index batch;
  const T* x;  // [steps][batch, x_stride], x_next from step to step
  Index x_stride;
  Index x_next;
  const std::int32_t* ids;  // [steps][batch]
  const T* dz;              // [steps][batch, dz_stride], one panel's columns
  Index dz_stride;
  Index dz_next;
  Index columns;  // of this panel
};

constexpr Index kChunk = 256;    // terms summed before they are added to memory; a panel's chunk stays in the L2 cache
constexpr Index kTaskRows = 48;  // rows of a gradient per task: eight tiles, and enough tasks for many threads

// Tasks per panel of a matrix with `inputs` rows. A scatter-add of ids is one task: it visits every (t, row) in order.
inline Index outer_sum_tasks(Index inputs, bool ids) { return ids ? 1 : divide_up(inputs, kTaskRows); }

// grad[inputs, width]: rows of one panel; this task's part of it
template <class T>
void outer_sum(const OuterSum<T>& sum, Index inputs, Index task, T* grad, Index width);

// grad[width] = sum over (t, row) of dz. Of ids, the sum over the rows of weights_grad, among which outer_sum has just
// shared out all dz.
template <class T>
void bias_sum(const OuterSum<T>& sum, Index inputs, const T* weights_grad, T* grad, Index width);

}  // namespace pyrnn
