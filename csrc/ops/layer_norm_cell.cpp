#include "layer_norm_cell.h"

#include <algorithm>
#include <cstring>

namespace pyrnn {

namespace {

constexpr double kEpsilon = 1e-5;  // haste's

RecurrentSpec without_bias(RecurrentSpec spec) {
  spec.use_bias = false;  // Recurrent would add it to the products, before they are normalised
  return spec;
}

}  // namespace

template <class T, class Cell>
LayerNormCell<T, Cell>::LayerNormCell(const RecurrentSpec& spec) : Cell(without_bias(spec)), has_bias_(spec.use_bias) {
  const Index H = spec.units, G = this->cell_.gates, rows = this->reads_h() ? 2 : 1;
  if (has_bias_)
    this->parameters.push_back({"bias",
                                rows == 2 ? std::vector<Index>{2, G * H} : std::vector<Index>{G * H},
                                {rows, G, H, kBlock, this->cell_.x_places}});
  this->parameters.push_back({"gamma", {2, G * H}, {2, G, H, kBlock, this->cell_.x_places}});
  has_unit_.fill(T(0));
  std::fill_n(has_unit_.begin(), kBlock + H - (this->panels_ - 1) * kBlock, T(1));
}

template <class T, class Cell>
void LayerNormCell<T, Cell>::plan_cell(Index state_slots, const Plan& plan, Planner& memory) {
  Cell::plan_cell(state_slots, plan, memory);
  const auto rows = [&](Index steps, Index stride) {
    return row_array<T>(memory, plan.batch, plan.height, steps, stride);
  };
  const Index steps = plan.training ? this->steps_ : 1;
  of_h_ = rows(steps * this->panels_, kPanel);
  of_x_ = plan.training ? rows(steps * this->panels_, kPanel) : RowArray<T>{};
  moments_ = rows(steps, 4);
  sums_ = plan.training ? rows(3 * this->panels_, kPanel) : RowArray<T>{};
}

template <class T, class Cell>
NormalizedStep<T> LayerNormCell<T, Cell>::norm_step(Index t, Rows rows) const {
  const Index row = rows.begin, slot = this->training_ ? t : 0;
  NormalizedStep<T> step{};
  step.cell = this->cell_step(t, 0, rows);
  step.units = this->spec_.units;
  step.panels = this->panels_;
  step.panel = of_h_.step;
  step.has_unit = has_unit_.data();
  step.epsilon = T(kEpsilon);
  step.of_x = of_x_ ? of_x_.at(slot * this->panels_, row) : nullptr;
  step.of_h = of_h_.at(slot * this->panels_, row);
  step.moments = moments_.at(slot, row);
  step.gamma = gamma().value;
  step.bias = bias() ? bias()->value : nullptr;
  step.sums = sums_ ? sums_.at(0, row) : nullptr;
  return step;
}

template <class T, class Cell>
void LayerNormCell<T, Cell>::step_forward(Index t, const Share& share) {
  const Part::Range own = share.part.of(this->panels_);
  const bool from_back = (t + this->turn_) % 2;
  for (Index i = own.begin; i < own.end; i++) {
    const Index p = own.pick(i, from_back);
    this->input_product(t, p, share);
    this->state_product(t, p, share, this->state_input(t, share.rows.begin), this->cell_.h_column, this->cell_.h_width,
                        0);
  }
  share.part.wait();  // the moments of a row are those of all panels
  const Rows rows = share.own_rows();
  if (!rows.count()) return;
  NormalizedStep<T> step = norm_step(t, rows);
  norm_forward(step, t, rows.begin);
  for (Index p = 0; p < this->panels_; p++) this->step_done(t, p, rows);
}

template <class T, class Cell>
void LayerNormCell<T, Cell>::start_backward(Index p, Rows rows) {
  Cell::start_backward(p, rows);
  for (Index i = 0; i < 3; i++)
    std::memset(sums_.at(i * this->panels_ + p, rows.begin), 0, std::size_t(rows.count() * kPanel) * sizeof(T));
}

template <class T, class Cell>
void LayerNormCell<T, Cell>::step_backward(Index t, T* dh, T* dh_prev, bool adds, const Share& share) {
  const Rows rows = share.own_rows();
  if (rows.count()) {
    const Index behind = (rows.begin - share.rows.begin) * this->h_stride();
    NormalizedStep<T> step = norm_step(t, rows);
    step.cell.dh = step.dh = dh + behind;
    step.cell.dh_prev = dh_prev ? dh_prev + behind : nullptr;
    step.cell.adds_to_dh_prev = adds;
    for (Index p = 0; p < this->panels_; p++) this->before_cell(t, p, rows, dh + behind);
    norm_backward(step, t, rows.begin);
  }
  share.part.wait();  // dh_prev sums over the gates of all panels
  if (dh_prev)
    this->hand_back(t, dh_prev, adds || this->reads_h(), false, this->cell_.h_column, this->cell_.h_width, 0, share);
}

template <class T, class Cell>
void LayerNormCell<T, Cell>::total(const RowArray<T>& sums, Index i, Index p, const GradientPiece& piece, Index columns,
                                   T* to) const {
  column_sums<T>(1, piece.samples, nullptr, sums.from(i * this->panels_ + p), columns, to);
}

template <class T, class Cell>
void LayerNormCell<T, Cell>::other_gradient(Rows panels, const GradientPiece& piece) {
  const Index width = gamma().layout.width();
  T by_column[kPanel];
  for (Index p = panels.begin; p < panels.end; p++) {
    total(sums_, 0, p, piece, kPanel, by_column);
    for (Index row = 0; bias() && row < bias()->layout.rows; row++)
      place(by_column, row, gradient_of(*bias(), p, piece) + row * width);
    for (Index row = 0; row < 2; row++) {
      total(sums_, 1 + row, p, piece, kPanel, by_column);
      place(by_column, row, gradient_of(gamma(), p, piece) + row * width);
    }
  }
}

template class LayerNormCell<float, Lstm<float>>;
template class LayerNormCell<double, Lstm<double>>;
template class LayerNormCell<float, Gru<float>>;
template class LayerNormCell<double, Gru<double>>;

}  // namespace pyrnn
