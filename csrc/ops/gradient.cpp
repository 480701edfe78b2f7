#include "gradient.h"

#include <algorithm>
#include <cstring>

namespace pyrnn {

namespace {

constexpr Index kChunk = 256;     // terms summed before they are added to memory; a panel's chunk stays in the L2 cache
constexpr Index kTileHeight = 6;  // of most instruction sets; a lower tile loads more for each product
constexpr Index kTaskRows = 4 * kTileHeight;  // rows of a gradient per task, and enough tasks for many threads

// body(first step, count) for chunks of steps, once where there are none
template <class F>
void for_chunks(Index steps, Index samples, const F& body) {
  const Index most = std::max<Index>(1, kChunk / samples);
  for (Index t = 0; t == 0 || t < steps; t += most) body(t, std::min(most, steps - t));
}

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
Rows OuterSum<T>::panels_of(Index group) const {
  return {group * panels_per_group(), std::min(panels(), (group + 1) * panels_per_group())};
}

template <class T>
void OuterSum<T>::run(Index group, Index task) const {
  const Rows own = panels_of(group);
  const Index height = round_up(divide_up(inputs, tasks_per_group()), kTileHeight);
  if (ids)
    for (Index p = own.begin; p < own.end; p++) scatter(p);
  else
    product(own, {task * height, std::min(inputs, (task + 1) * height)});
  if (bias_grad && task == 0)
    for (Index p = own.begin; p < own.end; p++) bias(p);
}

// One product of a chunk of steps, added to those before; of no steps the sum is zero.
template <class T>
void OuterSum<T>::product(Rows of_panels, Rows of_inputs) const {
  for_chunks(steps, samples.count(), [&](Index first, Index n) {
    for (Index p = of_panels.begin; p < of_panels.end; p++)
      kernels<T>().outer_product({of_inputs.count(), columns_of(p), x.from(first, of_inputs.begin),
                                  dz.from(first, p * dz_panel), n, samples, active ? active + first : nullptr,
                                  grad + (p * inputs + of_inputs.begin) * grad_stride, grad_stride, first > 0});
  });
}

template <class T>
void OuterSum<T>::scatter(Index panel) const {
  T* to = grad + panel * inputs * grad_stride;
  std::memset(to, 0, std::size_t(inputs * grad_stride) * sizeof(T));
  for (Index t = 0; t < steps; t++)
    for_blocks(active ? samples.among(active[t]) : samples, dz.height, [&](Index r, Index n) {
      kernels<T>().scatter_add(n, columns_of(panel), ids.at(t, r), scales ? scales.at(t, r) : nullptr,
                               dz.at(t, r) + panel * dz_panel, dz.stride, to, grad_stride);
    });
}

// Of plain ids, the sum over the rows of the weights' gradient, among which scatter has shared out all dz.
template <class T>
void OuterSum<T>::bias(Index panel) const {
  T* to = bias_grad + panel * grad_stride;
  if (ids && !scales)
    column_sums<T>(1, {0, inputs}, nullptr, {grad + panel * inputs * grad_stride, inputs, grad_stride, 0, 0},
                   columns_of(panel), to);
  else
    column_sums(steps, samples, active, dz.from(0, panel * dz_panel), columns_of(panel), to);
}

template <class T>
void column_sums(Index steps, Rows samples, const Index* active, const RowArray<const T>& dz, Index columns, T* to) {
  static constexpr T kOne = 1;
  const RowArray<const T> ones{&kOne, dz.height, 0, 0, 0};
  for_chunks(steps, samples.count(), [&](Index first, Index n) {
    kernels<T>().outer_product(
        {1, columns, ones, dz.from(first), n, samples, active ? active + first : nullptr, to, columns, first > 0});
  });
}

template void column_sums(Index, Rows, const Index*, const RowArray<const float>&, Index, float*);
template void column_sums(Index, Rows, const Index*, const RowArray<const double>&, Index, double*);
template struct OuterSum<float>;
template struct OuterSum<double>;

}  // namespace pyrnn
