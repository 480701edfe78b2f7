// Where a recurrent op meets its masks: what it reads in copies of its own, forward and back.
#include <algorithm>

#include "recurrent.h"

namespace pyrnn {

template <class T>
void Recurrent<T>::begin_masks(const Share& share) {
  const bool copies = copies_input(), masks_h = masks_.of_state();
  if (!copies && !masks_h && !(training_ && masks_.zones_out())) return;
  const Rows rows = share.own_rows();
  masks_.draw(rows, std::uint32_t(turn_));
  if (copies) copy_input(rows);
  if (masks_h && (given_state_ || reads_h())) masks_.begin(rows, given_state_ ? h(0, rows.begin) : nullptr);
  share.part.wait();
}

// Before the first step: rows in their own order, each from its last step to its first, and what is dropped
template <class T>
void Recurrent<T>::copy_input(Rows rows) {
  for (Index r = rows.begin; r < rows.end; r++)
    for (Index t = 0, n = in_.repeated ? 1 : in_.steps_of(r); t < n; t++) {
      const Index from = spec_.go_backwards ? n - 1 - t : t;
      if (in_.symbols) {
        if (reverses_rows()) *ids_.at(t, r) = *in_.ids.at(from, r);
        if (masks_.of_input()) masks_.scale_symbol(t, r, *ids_.at(t, r));
      } else if (masks_.of_input()) {
        masks_.mask_input(r, in_.data.at(from, r), x_.at(t, r));
      } else {
        std::copy_n(in_.data.at(from, r), in_.width(), x_.at(t, r));
      }
    }
}

template <class T>
void Recurrent<T>::copy_input_gradient(Rows rows) {
  for (Index r = rows.begin; r < rows.end; r++)
    for (Index t = 0, n = in_.repeated ? 1 : in_.steps_of(r); t < n; t++) {
      T* dx = dx_.at(t, r);
      if (masks_.of_input()) masks_.mask_input(r, dx, dx);
      if (!copies_dx()) continue;
      T* to = in_.grad.at(spec_.go_backwards ? n - 1 - t : t, r);
      if (adds_dx_)
        kernels<T>().add(1, in_.width(), dx, 0, to, 0);
      else
        std::copy_n(dx, in_.width(), to);
    }
}

template <class T>
void Recurrent<T>::restore_masked(Rows rows) {
  if (copies_input()) copy_input(rows);
  if (!masks_.of_state()) return;
  for (Index t = 0; t <= steps_; t++)
    for_blocks(rows, h_.height, [&](Index r, Index n) { masks_.mask_state(t, {r, r + n}, h(t, r)); });
}

template <class T>
void Recurrent<T>::hand_back(Index t, T* dh, bool adds, bool begun, Index column, Index width, Index of_kernel,
                             const Share& share) {
  const bool masked = masks_.of_state();
  state_gradient(t, masked ? masks_.product(share.rows.begin) : dh, masked ? begun : adds, column, width, of_kernel,
                 share);
  if (!masked && !masks_.zones_out()) return;
  const Part::Range own = share.part.of(divide_up(h_width(), kPanel));
  const Index first = own.begin * kPanel, end = std::min(own.end * kPanel, h_width());
  masks_.step_undone(share.rows, first, end - first, dh + first, adds);
}

#define PYRNN_INSTANTIATE(T)                             \
  template void Recurrent<T>::begin_masks(const Share&); \
  template void Recurrent<T>::copy_input(Rows);          \
  template void Recurrent<T>::copy_input_gradient(Rows); \
  template void Recurrent<T>::restore_masked(Rows);      \
  template void Recurrent<T>::hand_back(Index, T*, bool, bool, Index, Index, Index, const Share&);
PYRNN_INSTANTIATE(float)
PYRNN_INSTANTIATE(double)
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
