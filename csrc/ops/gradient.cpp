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
Index OuterSum<T>::panels_per_group() const {
  return std::clamp<Index>(panels() / 8, 1, 4);
}

// A scatter-add of ids visits every (t, row) in order: all rows of a panel are one task.
template <class T>
Index OuterSum<T>::tasks_per_group() const {
  return ids ? 1 : divide_up(inputs, kTaskRows);
}

template <class T>
void OuterSum<T>::run(Index group, Index task) const {
  const Index first = group * panels_per_group(), last = std::min(panels(), first + panels_per_group());
  const Index height = divide_up(inputs, tasks_per_group());
  if (ids)
    for (Index p = first; p < last; p++) scatter(p);
  else
    product(first, last, task * height, std::min(inputs, (task + 1) * height));
  if (bias_grad && task == 0)
    for (Index p = first; p < last; p++) bias(p);
}

template <class T>
Index OuterSum<T>::steps_per_chunk() const {
  return std::max<Index>(1, kChunk / samples.count());
}

// to [rows, kPanel] (+)= the sum over a chunk of a[t, r]^T dz[t, r]; of no steps the sum is zero.
template <class T>
void OuterSum<T>::add_chunk(Index first_step, RowArray<const T> a, Index rows, Index panel, T* to) const {
  const Index chunk = std::min(steps_per_chunk(), steps - first_step);
  kernels<T>().outer_product({rows, columns_of(panel), a.from(first_step), dz.from(first_step, panel * dz_panel), chunk,
                              samples, to, kPanel, first_step > 0});
}

template <class T>
void OuterSum<T>::product(Index first_panel, Index last_panel, Index first_row, Index last_row) const {
  for (Index t = 0; t == 0 || t < steps; t += steps_per_chunk())
    for (Index p = first_panel; p < last_panel; p++)
      add_chunk(t, x.from(0, first_row), last_row - first_row, p, grad + (p * inputs + first_row) * kPanel);
}

template <class T>
void OuterSum<T>::scatter(Index panel) const {
  T* to = grad + panel * inputs * kPanel;
  std::memset(to, 0, std::size_t(inputs * kPanel) * sizeof(T));
  for (Index t = 0; t < steps; t++)
    for_blocks(samples, dz.height, [&](Index r, Index n) {
      kernels<T>().scatter_add(n, columns_of(panel), ids.at(t, r), dz.at(t, r) + panel * dz_panel, dz.stride, to,
                               kPanel);
    });
}

// The same sum with x = 1. Of ids, the sum over the rows of the weights' gradient, among which scatter has shared out
// all dz.
template <class T>
void OuterSum<T>::bias(Index panel) const {
  static constexpr T kOne = 1;
  const RowArray<const T> ones{&kOne, dz.height, 0, 0, 0};
  T* to = bias_grad + panel * kPanel;
  if (ids) {
    const RowArray<const T> rows{grad + panel * inputs * kPanel, inputs, kPanel, 0, 0};
    const RowArray<const T> ones_of_rows{&kOne, inputs, 0, 0, 0};
    return kernels<T>().outer_product({1, columns_of(panel), ones_of_rows, rows, 1, {0, inputs}, to, kPanel, false});
  }
  for (Index t = 0; t == 0 || t < steps; t += steps_per_chunk()) add_chunk(t, ones, 1, panel, to);
}

template struct OuterSum<float>;
template struct OuterSum<double>;

}  // namespace pyrnn
