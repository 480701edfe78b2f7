#include "gradient.h"

#include <algorithm>
#include <cstring>

namespace pyrnn {

namespace {

constexpr Index kChunk = 256;    // terms summed before they are added to memory; a panel's chunk stays in the L2 cache
constexpr Index kTaskRows = 24;  // rows of a gradient per task: four tiles, and enough tasks for many threads

}  // namespace

// Panels of one task share its rows of x, which at large sizes come from memory each time; but tasks must be many.
template <class T>
Index OuterSum<T>::panels_per_task() const {
  return ids ? 1 : std::clamp<Index>(panels() / 8, 1, 4);
}

// A scatter-add of ids visits every (t, row) in order: all rows of a panel are one task.
template <class T>
Index OuterSum<T>::tasks() const {
  return divide_up(panels(), panels_per_task()) * (ids ? 1 : divide_up(inputs, kTaskRows));
}

template <class T>
void OuterSum<T>::run(Index task) const {
  const Index of_rows = ids ? 1 : divide_up(inputs, kTaskRows), rows_task = task % of_rows;
  const Index first = task / of_rows * panels_per_task(), last = std::min(panels(), first + panels_per_task());
  if (ids)
    scatter(first);
  else
    product(first, last, rows_task * kTaskRows);
  if (bias_grad && rows_task == 0)
    for (Index p = first; p < last; p++) bias(p);
}

template <class T>
void OuterSum<T>::product(Index first_panel, Index last_panel, Index first_row) const {
  const Index rows = std::min(kTaskRows, inputs - first_row);
  const Index steps_per_chunk = std::max<Index>(1, kChunk / batch);
  for (Index t = 0; t < std::max<Index>(steps, 1); t += steps_per_chunk)
    for (Index p = first_panel; p < last_panel; p++) {
      const Product<T> x_dz{x + t * x_next + first_row,
                            x_stride,
                            dz + t * dz_next + p * dz_panel,
                            dz_stride,
                            batch,
                            std::min(steps_per_chunk, steps - t),  // none where there are no steps: the sum is zero
                            x_next,
                            dz_next};
      T* to = grad + (p * inputs + first_row) * kPanel;
      kernels<T>().gemm_transposed({rows, columns_of(p), &x_dz, 1, to, kPanel, t > 0});
    }
}

template <class T>
void OuterSum<T>::scatter(Index panel) const {
  T* to = grad + panel * inputs * kPanel;
  std::memset(to, 0, std::size_t(inputs * kPanel) * sizeof(T));
  for (Index t = 0; t < steps; t++)
    kernels<T>().scatter_add(batch, columns_of(panel), ids + t * batch, dz + t * dz_next + panel * dz_panel, dz_stride,
                             to, kPanel);
}

// Of ids, the sum over the rows of the weights' gradient, among which scatter has shared out all dz.
template <class T>
void OuterSum<T>::bias(Index panel) const {
  T* to = bias_grad + panel * kPanel;
  std::memset(to, 0, std::size_t(kPanel) * sizeof(T));
  if (ids) return kernels<T>().column_sums(inputs, columns_of(panel), grad + panel * inputs * kPanel, kPanel, to);
  for (Index t = 0; t < steps; t++)
    kernels<T>().column_sums(batch, columns_of(panel), dz + t * dz_next + panel * dz_panel, dz_stride, to);
}

template struct OuterSum<float>;
template struct OuterSum<double>;

}  // namespace pyrnn
