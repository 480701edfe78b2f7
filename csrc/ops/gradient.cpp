#include "gradient.h"

#include <algorithm>
#include <cstring>

namespace pyrnn {

template <class T>
void outer_sum(const OuterSum<T>& s, Index inputs, Index task, T* grad, Index width) {
  const Kernels<T>& k = kernels<T>();
  const Index first = s.ids ? 0 : task * kTaskRows;
  const Index rows = s.ids ? inputs : std::min(kTaskRows, inputs - first);
  if (s.ids || !s.steps) std::memset(grad + first * width, 0, std::size_t(rows * width) * sizeof(T));
  if (s.ids) {
    for (Index t = 0; t < s.steps; t++)
      k.scatter_add(s.batch, s.columns, s.ids + t * s.batch, s.dz + t * s.dz_next, s.dz_stride, grad, width);
    return;
  }
  const Index steps_per_chunk = std::max<Index>(1, kChunk / s.batch);
  for (Index t = 0; t < s.steps; t += steps_per_chunk) {
    const Product<T> product{s.x + t * s.x_next + first,
                             s.x_stride,
                             s.dz + t * s.dz_next,
                             s.dz_stride,
                             s.batch,
                             std::min(steps_per_chunk, s.steps - t),
                             s.x_next,
                             s.dz_next};
    k.gemm_transposed({rows, s.columns, &product, 1, grad + first * width, width, t > 0});
  }
}

template <class T>
void bias_sum(const OuterSum<T>& s, Index inputs, const T* weights_grad, T* grad, Index width) {
  std::memset(grad, 0, std::size_t(width) * sizeof(T));
  if (s.ids) return kernels<T>().column_sums(inputs, s.columns, weights_grad, width, grad);
  for (Index t = 0; t < s.steps; t++)
    kernels<T>().column_sums(s.batch, s.columns, s.dz + t * s.dz_next, s.dz_stride, grad);
}

template void outer_sum(const OuterSum<float>&, Index, Index, float*, Index);
template void outer_sum(const OuterSum<double>&, Index, Index, double*, Index);
template void bias_sum(const OuterSum<float>&, Index, const float*, float*, Index);
template void bias_sum(const OuterSum<double>&, Index, const double*, double*, Index);

}  // namespace pyrnn
