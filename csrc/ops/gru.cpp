#include "gru.h"

#include <algorithm>

namespace pyrnn {

namespace {

// Columns of a panel of gates, and of a panel of the recurrent kernel
constexpr Index kCandidate = 0, kZAndR = kBlock;
constexpr Index kOfZAndR = 0, kOfCandidate = 2 * kBlock;

}  // namespace

// ---- reset after ---------------------------------------------------------------------------------------------------

template <class T>
Gru<T>::Gru(const RecurrentSpec& spec) : Recurrent<T>(spec, kGruShape) {
  if (spec.use_bias)
    this->parameters.push_back({"bias", {2, 3 * spec.units}, {2, 3, spec.units, kBlock, kGruShape.x_places}});
}

template <class T>
void Gru<T>::cell_forward(CellStep<T>& step, Index, Index p, Index) {
  if (this->spec_.use_bias) {
    const Parameter<T>& bias = this->parameters[2];
    step.recurrent_bias = bias.value + p * bias.layout.panel_size() + bias.layout.width();
  }
  kernels<T>().gru_forward(step);
}

// Both rows of the bias: z and r share their sums, n_x and n_h have their own.
template <class T>
void Gru<T>::other_gradient(Rows panels, const GradientPiece& piece) {
  const RowArray<T>& gates = this->in_.repeated ? this->dgates_sum_ : this->gates_;
  const Index steps = this->in_.repeated ? 1 : this->steps_;
  for (Index p = panels.begin; p < panels.end; p++) {
    T sums[kPanel];  // n_x z r n_h
    column_sums(steps, piece.samples, this->in_.active, this->dz(gates, 0, p * gates.step), kPanel, sums);
    T* to = this->parameters[2].grad + piece.offset + p * 2 * 3 * kBlock;
    std::copy_n(sums, 3 * kBlock, to);
    std::copy_n(sums + 3 * kBlock, kBlock, to + 3 * kBlock);
    std::copy_n(sums + kBlock, 2 * kBlock, to + 4 * kBlock);
  }
}

// ---- reset before --------------------------------------------------------------------------------------------------

template <class T>
GruResetBefore<T>::GruResetBefore(const RecurrentSpec& spec) : Recurrent<T>(spec, kGruShape) {
  if (spec.use_bias)
    this->parameters.push_back({"bias", {3 * spec.units}, {1, 3, spec.units, kBlock, kGruShape.x_places}});
}

template <class T>
void GruResetBefore<T>::plan_cell(Index, const Plan& plan, Planner& memory) {
  reset_h_ = row_array<T>(memory, plan.batch, plan.height, plan.training ? this->steps_ : 1, this->h_stride());
  dreset_h_ = plan.training ? row_array<T>(memory, plan.batch, plan.height, 1, this->h_stride()) : RowArray<T>{};
}

template <class T>
void GruResetBefore<T>::step_forward(Index t, const Share& share) {
  const Rows rows = share.rows;
  const Part::Range own = share.part.of(this->panels_);
  for (Index p = own.begin; p < own.end; p++) {
    this->input_product(t, p, share);
    this->state_product(t, p, share, this->state_input(t, rows.begin), kZAndR, 2 * kBlock, kOfZAndR);
    CellStep<T> step = this->cell_step(t, p, rows);
    step.h_prev = this->state_input(t, rows.begin) + p * kBlock;
    step.reset_h = reset_h(t, rows.begin) + p * kBlock;
    kernels<T>().gru_gates(step);
  }
  share.part.wait();  // the candidate's product reads r h of all panels
  if (!this->starts_at_zero(t)) this->round_state(reset_h(t, rows.begin), share);
  for (Index p = own.begin; p < own.end; p++) {
    this->state_product(t, p, share, reset_h(t, rows.begin), kCandidate, kBlock, kOfCandidate);
    CellStep<T> step = this->cell_step(t, p, rows);
    kernels<T>().gru_candidate(step);
    this->step_done(t, p, rows);
  }
}

template <class T>
void GruResetBefore<T>::step_backward(Index t, T* dh, T* dh_prev, bool adds, const Share& share) {
  const Rows rows = share.rows;
  const Part::Range own = share.part.of(this->panels_);
  const auto of_panel = [&](Index p) {
    CellStep<T> step = this->cell_step(t, p, rows);
    step.dh = dh + p * kBlock;
    step.dh_prev = dh_prev ? dh_prev + p * kBlock : nullptr;
    step.adds_to_dh_prev = adds;
    step.reset_h = dreset_h_.at(0, rows.begin) + p * kBlock;
    return step;
  };
  for (Index p = own.begin; p < own.end; p++) {
    this->before_cell(t, p, rows, dh);
    kernels<T>().gru_candidate_backward(of_panel(p));
  }
  share.part.wait();  // the gradient of r h sums over n of all panels
  this->state_gradient(t, dreset_h_.at(0, rows.begin), false, kCandidate, kBlock, kOfCandidate, share);
  share.part.wait();
  const bool masked = dh_prev && this->masks_.of_state();  // the state that r multiplies, like that of the products
  for (Index p = own.begin; p < own.end; p++) {
    CellStep<T> step = of_panel(p);
    step.h_prev = this->state_input(t, rows.begin) + p * kBlock;
    if (masked) step.dh_prev = this->masks_.clear_product(rows, p * kBlock, kBlock);
    kernels<T>().gru_gates_backward(step);
  }
  share.part.wait();
  if (dh_prev) this->hand_back(t, dh_prev, true, masked, kZAndR, 2 * kBlock, kOfZAndR, share);
}

// h for z and r, r h for n
template <class T>
OuterSum<T> GruResetBefore<T>::recurrent_sum(Index i, const GradientPiece& piece) const {
  OuterSum<T> sum = Recurrent<T>::recurrent_sum(0, piece);
  const Index first = this->steps_ - sum.steps;
  sum.panel_columns = i == 0 ? 2 * kBlock : kBlock;
  sum.columns = this->panels_ * sum.panel_columns;
  sum.dz = this->dz(this->gates_, first, i == 0 ? kZAndR : kCandidate);
  if (i == 1) sum.x = reset_h_.from(first), sum.grad += kOfCandidate;
  return sum;
}

template class Gru<float>;
template class Gru<double>;
template class GruResetBefore<float>;
template class GruResetBefore<double>;

}  // namespace pyrnn
