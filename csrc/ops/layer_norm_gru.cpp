#include "layer_norm_gru.h"

#include <algorithm>

namespace pyrnn {

// n_x z r, or of h's product z r n_h, become n z r.
template <class T>
void LayerNormGru<T>::place(const T* sums, Index row, T* to) const {
  std::copy_n(sums + row * 3 * kBlock, kBlock, to);
  std::copy_n(sums + kBlock, 2 * kBlock, to + kBlock);
}

template class LayerNormGru<float>;
template class LayerNormGru<double>;

}  // namespace pyrnn
