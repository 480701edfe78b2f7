// What follows backward: the sums that are the weights' gradients, and the transposed copies of updated weights.
#include <algorithm>

#include "recurrent.h"

namespace pyrnn {

template <class T>
RowArray<const T> Recurrent<T>::dz(const RowArray<T>& gates, Index first_step, Index column) const {
  return {gates.base + first_step * panels_ * gates.step + column, gates.height, gates.stride, panels_ * gates.step,
          gates.block};
}

template <class T>
OuterSum<T> Recurrent<T>::input_sum(const GradientPiece& piece) const {
  const bool once = in_.repeated;
  OuterSum<T> sum;
  sum.steps = once ? 1 : steps_;
  sum.samples = piece.samples;
  sum.active = in_.active;
  sum.inputs = spec_.inputs;
  sum.x = x_;
  sum.ids = ids_;
  sum.scales = masks_.scales();
  sum.dz = dz(once ? dgates_sum_ : gates_, 0, cell_.x_column);
  sum.dz_panel = gates_.step;
  sum.columns = panels_ * cell_.x_width;
  sum.panel_columns = cell_.x_width;
  sum.grad = kernel().grad + piece.offset;
  sum.grad_stride = cell_.x_width;
  sum.bias_grad = input_bias() ? this->parameters[2].grad + piece.offset : nullptr;
  return sum;
}

template <class T>
OuterSum<T> Recurrent<T>::recurrent_sum(Index, const GradientPiece& piece) const {
  const Index first = given_state_ ? 0 : 1;  // h before step 0 is zero
  OuterSum<T> sum;
  sum.steps = steps_ - first;
  sum.samples = piece.samples;
  sum.active = in_.active ? in_.active + first : nullptr;
  sum.inputs = spec_.units;
  sum.x = (masks_.of_state() ? masks_.h() : h_).from(first);
  sum.dz = dz(state_products(), first, cell_.h_column);
  sum.dz_panel = gates_.step;
  sum.columns = panels_ * cell_.h_width;
  sum.panel_columns = cell_.h_width;
  sum.grad = recurrent_kernel().grad + piece.offset;
  sum.grad_stride = cell_.h_width;
  return sum;
}

template <class T>
Index Recurrent<T>::tasks_per_group() const {
  Index tasks = input_sum({}).tasks_per_group() + other_tasks_per_group();
  for (Index i = 0; i < recurrent_sums(); i++) tasks += recurrent_sum(i, {}).tasks_per_group();
  return tasks;
}

// By panels first: a thread's own run of tasks then reads the gates of its panels alone.
template <class T>
Index Recurrent<T>::gradient_tasks() const {
  return input_sum({}).groups() * tasks_per_group();
}

template <class T>
void Recurrent<T>::gradient(Index task, const GradientPiece& piece) {
  const Index in_group = tasks_per_group(), group = task / in_group;
  const OuterSum<T> of_input = input_sum(piece);
  task %= in_group;
  if (task < of_input.tasks_per_group()) return of_input.run(group, task);
  task -= of_input.tasks_per_group();
  for (Index i = 0; i < recurrent_sums(); i++) {
    const OuterSum<T> of_state = recurrent_sum(i, piece);
    if (task < of_state.tasks_per_group()) return of_state.run(group, task);
    task -= of_state.tasks_per_group();
  }
  other_gradient(of_input.panels_of(group), piece);
}

// ---- transposed copies ---------------------------------------------------------------------------------------------

template <class T>
Index Recurrent<T>::derive_tasks() const {
  return panels_ * (in_.wants_grad ? 2 : 1);
}

// Panel p of W or R, [k, width], becomes rows p * width... of the transposed panels, [kPanel, k].
template <class T>
void Recurrent<T>::derive(Index task) {
  const Index p = task % panels_;
  const bool of_w = task >= panels_;
  const Parameter<T>& weights = of_w ? kernel() : recurrent_kernel();
  const Index depth = weights.layout.rows, width = weights.layout.width();
  T* to = of_w ? kernel_t_ : recurrent_kernel_t_;
  transpose_panel(weights.value + p * depth * width, depth, width, width, to + p * width * kPanel, panels_ * width);
}

#define PYRNN_INSTANTIATE(T)                                                           \
  template RowArray<const T> Recurrent<T>::dz(const RowArray<T>&, Index, Index) const; \
  template OuterSum<T> Recurrent<T>::recurrent_sum(Index, const GradientPiece&) const; \
  template Index Recurrent<T>::gradient_tasks() const;                                 \
  template void Recurrent<T>::gradient(Index, const GradientPiece&);                   \
  template Index Recurrent<T>::derive_tasks() const;                                   \
  template void Recurrent<T>::derive(Index);
PYRNN_INSTANTIATE(float)
PYRNN_INSTANTIATE(double)
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
