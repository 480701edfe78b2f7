#include "layer_norm_lstm.h"

#include <algorithm>
#include <cstring>

namespace pyrnn {

template <class T>
LayerNormLstm<T>::LayerNormLstm(const RecurrentSpec& spec) : Base(spec) {
  for (const char* name : {"gamma_h", "beta_h"})
    this->parameters.push_back({name, {spec.units}, {1, 1, spec.units, kBlock}});
}

template <class T>
void LayerNormLstm<T>::plan_cell(Index state_slots, const Plan& plan, Planner& memory) {
  Base::plan_cell(state_slots, plan, memory);
  cell_sums_ = plan.training ? row_array<T>(memory, plan.batch, plan.height, 2 * this->panels_, kBlock) : RowArray<T>{};
}

template <class T>
void LayerNormLstm<T>::start_backward(Index p, Rows rows) {
  Base::start_backward(p, rows);
  for (Index i = 0; i < 2; i++)
    std::memset(cell_sums_.at(i * this->panels_ + p, rows.begin), 0, std::size_t(rows.count() * kBlock) * sizeof(T));
}

template <class T>
void LayerNormLstm<T>::set_cell(NormalizedStep<T>& step, Index t, Index row) const {
  step.cell_panel = this->c_.step;
  step.cell.c_prev = this->c(t, 0, row);
  step.cell.c = this->c(t + 1, 0, row);
  step.gamma_h = of_cell(0).value;
  step.beta_h = of_cell(1).value;
}

template <class T>
void LayerNormLstm<T>::norm_forward(NormalizedStep<T>& step, Index t, Index row) {
  set_cell(step, t, row);
  kernels<T>().layer_norm_lstm_forward(step);
}

template <class T>
void LayerNormLstm<T>::norm_backward(NormalizedStep<T>& step, Index t, Index row) {
  set_cell(step, t, row);
  step.cell.dc = this->dc_.at(0, row);
  step.cell_sums = cell_sums_.at(0, row);
  kernels<T>().layer_norm_lstm_backward(step);
}

template <class T>
void LayerNormLstm<T>::place(const T* sums, Index, T* to) const {
  std::copy_n(sums, kPanel, to);
}

template <class T>
void LayerNormLstm<T>::other_gradient(Rows panels, const GradientPiece& piece) {
  Base::other_gradient(panels, piece);
  for (Index p = panels.begin; p < panels.end; p++)
    for (Index i = 0; i < 2; i++) this->total(cell_sums_, i, p, piece, kBlock, this->gradient_of(of_cell(i), p, piece));
}

template class LayerNormLstm<float>;
template class LayerNormLstm<double>;

}  // namespace pyrnn
