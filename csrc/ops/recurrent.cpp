#include "recurrent.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace pyrnn {

template <class T>
Recurrent<T>::Recurrent(const RecurrentSpec& spec, const CellShape& cell)
    : spec_(spec),
      cell_(cell),
      panels_(divide_up(spec.units, cell.units_per_panel)),
      masks_(spec.rates),
      h_stride_(row_stride<T>(spec.units)) {
  const Index I = spec.inputs, H = spec.units, G = cell.gates, block = cell.units_per_panel;
  this->parameters.push_back({"kernel", {I, G * H}, {I, G, H, block, cell.x_places}});
  this->parameters.push_back({"recurrent_kernel", {H, G * H}, {H, G, H, block, cell.h_places}});
  for (Parameter<T>& weight : this->parameters) weight.quantized.type = spec.weights;
}

template <class T>
void Recurrent<T>::place_output(const RowArray<T>& h, const RowArray<T>& grad, bool adds_dx) {
  placed_h_ = h, placed_grad_ = grad;
  adds_dx_ = adds_dx;
  placed_ = h.stride;
  h_stride_ = placed_ ? h.stride : row_stride<T>(spec_.units);
}

template <class T>
Signal<T> Recurrent<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  batch_ = plan.batch;
  steps_ = in.steps;
  training_ = plan.training;
  together_ = plan.together;
  keeps_h_ = training_ || (spec_.return_sequences && !streaming_);

  x_ = in_order(in.data), dx_ = in_order(in.grad), ids_ = in_order(in.ids);
  masks_.plan(in, h_width(), h_stride(), plan, memory);
  if (copies_input() && !in.symbols) x_ = signal_array(in, plan, memory);
  if (reverses_rows() && in.symbols) ids_ = row_array<std::int32_t>(memory, batch_, plan.height, steps_, 1);
  if (copies_dx() && in.wants_grad) dx_ = signal_array(in, plan, memory);
  const auto rows = [&](Index steps, Index stride) { return row_array<T>(memory, batch_, plan.height, steps, stride); };
  gates_ = rows(training_ ? steps_ * panels_ : together_ || keeps_gates() ? panels_ : 1, kPanel);
  if (!streaming_) h_ = placed_ ? placed_h_ : rows(keeps_h_ ? steps_ + 1 : 2, h_stride());
  plan_cell(training_ ? steps_ + 1 : 1, plan, memory);
  projected_ = in.repeated ? rows(panels_, cell_.x_width) : RowArray<T>{};
  const WeightType weights = training_ ? WeightType::float32 : spec_.weights;
  const Index parts = together_ ? num_threads() : 1;
  const bool rounds_x = !in.symbols && !in.repeated;
  rounded_x_.plan(rounds_x ? weights : WeightType::float32, spec_.inputs, parts, batch_, plan.height, memory);
  rounded_h_.plan(weights, spec_.units, parts, batch_, plan.height, memory);
  dgates_sum_ = in.repeated && training_ ? rows(panels_, kPanel) : RowArray<T>{};
  dh0_ = training_ && wants_state_gradient_ ? rows(1, h_stride()) : RowArray<T>{};
  dh_last_ = training_ && has_state_gradient_ ? rows(1, h_stride()) : RowArray<T>{};

  out_ = Signal<T>{};
  out_.sequence = spec_.return_sequences;
  out_.steps = spec_.return_sequences ? steps_ : 1;
  out_.features = spec_.units;
  if (spec_.return_sequences) out_.active = in.active;
  if (in.active && !spec_.return_sequences)
    out_.data = signal_array(out_, plan, memory);
  else if (!memory.counting())
    out_.data = h_.from(spec_.return_sequences ? 1 : keeps_h_ ? steps_ : steps_ % 2);
  out_.wants_grad = training_;
  if (training_) out_.grad = placed_ ? placed_grad_ : signal_array(out_, plan, memory);

  if (training_ && !derived_.size()) {
    const Index h_panels = divide_up(h_width(), kPanel), x_panels = in.wants_grad ? divide_up(in.width(), kPanel) : 0;
    const Index of_h = h_panels * panels_ * cell_.h_width * kPanel, of_x = x_panels * panels_ * cell_.x_width * kPanel;
    derived_ = Memory(std::size_t(of_h + of_x) * sizeof(T));
    recurrent_kernel_t_ = reinterpret_cast<T*>(derived_.data());
    kernel_t_ = recurrent_kernel_t_ + of_h;
  }
  return out_;
}

// ---- forward -------------------------------------------------------------------------------------------------------

template <class T>
void Recurrent<T>::forward(const Share& share) {
  const Rows rows = share.rows;
  const Part::Range own = share.part.of(panels_);
  begin_masks(share);
  for (Index p = own.begin; p < own.end; p++) {
    start_forward(p, rows);
    if ((reads_h() || masks_.zones_out()) && !given_state_)
      for (Index r = rows.begin; r < rows.end; r++) std::fill_n(Recurrent::state_at(0, 0, r, p), columns(p), T(0));
    if (in_.repeated) project(p, rows);
  }
  for (Index t = 0; t < steps_; t++) {
    const Share of_step{in_.rows_at(t, rows), share.part};
    if (!of_step.rows.count()) break;
    round_input(t, of_step);
    if (!starts_at_zero(t)) round_state(state_input(t, rows.begin), of_step);
    step_forward(t, of_step);
    share.part.wait();  // step t + 1 reads h_t of all panels
  }
  if (in_.active && !spec_.return_sequences) finish(share.own_rows());
  if (streaming_)
    for (Index p = own.begin; p < own.end; p++)
      for (Index r = rows.begin; r < rows.end; r++)
        std::copy_n(Recurrent::state_at(0, steps_, r, p), columns(p), Recurrent::state_at(0, 0, r, p));
}

template <class T>
void Recurrent<T>::step_forward(Index t, const Share& share) {
  const Part::Range own = share.part.of(panels_);
  const bool from_back = (t + turn_) % 2;
  for (Index i = own.begin; i < own.end; i++) {
    const Index p = own.pick(i, from_back);
    products(t, p, share);
    CellStep<T> step = cell_step(t, p, share.rows);
    cell_forward(step, t, p, share.rows.begin);
    step_done(t, p, share.rows);
  }
}

// A row's output is its h after the last step that it has; that of a row without steps is zero.
template <class T>
void Recurrent<T>::finish(Rows rows) {
  for (Index r = rows.begin; r < rows.end; r++)
    if (const Index n = in_.steps_of(r))
      std::copy_n(h(n, r), h_width(), out_.data.at(0, r));
    else
      std::fill_n(out_.data.at(0, r), h_width(), T(0));
}

// The part of the products that comes from x, into its columns of panel p
template <class T>
Gemm<T> Recurrent<T>::input_part(Index t, Index p, Rows rows, Product<T>& x_w) const {
  const bool in_h = products_in_h();
  Gemm<T> g{rows.count(),
            in_h ? columns(p) : cell_.x_width,
            &x_w,
            0,
            in_h ? h(t + 1, rows.begin) + p * kPanel : gates(t, p, rows.begin) + cell_.x_column,
            in_h ? h_stride() : kPanel};
  const T* kernel_p = kernel().value + p * spec_.inputs * cell_.x_width;
  if (in_.repeated) {
    g.table = projected_.at(p, rows.begin);
    g.table_stride = cell_.x_width;
    return g;
  }
  g.bias = bias(p);
  if (in_.symbols) {
    g.ids = ids_.at(t, rows.begin);
    if (masks_.of_input()) g.table_scale = masks_.scales().at(t, rows.begin);
    g.table = kernel_p;
    g.table_stride = cell_.x_width;
  } else {
    x_w = {x_.at(t, rows.begin), in_.stride(), kernel_p, cell_.x_width, spec_.inputs};
    g.n_products = rounded_x_ ? 0 : 1;
  }
  return g;
}

template <class T>
void Recurrent<T>::products(Index t, Index p, const Share& share) {
  const T* h = state_input(t, share.rows.begin);
  if (cell_.x_column != cell_.h_column) {
    input_product(t, p, share);
    return state_product(t, p, share, h, cell_.h_column, cell_.h_width, 0);
  }
  Product<T> both[2];
  Gemm<T> g = input_part(t, p, share.rows, both[0]);
  const bool has_state = !starts_at_zero(t);
  if (has_state && !rounded_h_)
    both[g.n_products++] = {h, h_stride(), recurrent_kernel().value + p * spec_.units * cell_.h_width, cell_.h_width,
                            spec_.units};
  kernels<T>().gemm(g);
  if (rounded_x_) add_rounded(rounded_x_, kernel(), p, 0, g, share);
  if (has_state && rounded_h_) add_rounded(rounded_h_, recurrent_kernel(), p, 0, g, share);
}

template <class T>
void Recurrent<T>::input_product(Index t, Index p, const Share& share) {
  Product<T> x_w;
  const Gemm<T> g = input_part(t, p, share.rows, x_w);
  kernels<T>().gemm(g);
  if (rounded_x_) add_rounded(rounded_x_, kernel(), p, 0, g, share);
}

template <class T>
void Recurrent<T>::state_product(Index t, Index p, const Share& share, const T* h, Index column, Index width,
                                 Index of_kernel) {
  const bool has_state = !starts_at_zero(t);
  const Product<T> h_r{h, h_stride(), recurrent_kernel().value + p * spec_.units * cell_.h_width + of_kernel,
                       cell_.h_width, spec_.units};
  T* to = state_products().at(gates_slot(t, p), share.rows.begin) + column;
  Gemm<T> g{share.rows.count(), width, &h_r, has_state && !rounded_h_ ? 1 : 0, to, kPanel};
  if (state_products().base == gates_.base)  // else it stands alone
    g.kept = std::clamp<Index>(cell_.x_column + cell_.x_width - column, 0, width);
  kernels<T>().gemm(g);
  if (has_state && rounded_h_) add_rounded(rounded_h_, recurrent_kernel(), p, of_kernel, g, share);
}

// ---- the same by weights of 16 or 8 bits ---------------------------------------------------------------------------

template <class T>
void Recurrent<T>::round_input(Index t, const Share& share) {
  if constexpr (std::is_same_v<T, float>)
    if (rounded_x_) rounded_x_.round(x_.at(t, share.rows.begin), in_.stride(), share.rows, share.part.index);
}

template <class T>
void Recurrent<T>::round_state(const T* h, const Share& share) {
  if constexpr (std::is_same_v<T, float>)
    if (rounded_h_) rounded_h_.round(h, h_stride(), share.rows, share.part.index);
}

template <class T>
void Recurrent<T>::add_rounded(const RoundedRows& a, const Parameter<T>& b, Index p, Index first, const Gemm<T>& g,
                               const Share& share) const {
  if constexpr (std::is_same_v<T, float>)
    a.multiply(b.quantized, p, b.layout.width(), first, g.columns, share.rows, share.part.index, g.c, g.c_stride);
}

// The input's part where it is the same for every step
template <class T>
void Recurrent<T>::project(Index p, Rows rows) {
  const Product<T> x_w{x_.at(0, rows.begin), in_.stride(), kernel().value + p * spec_.inputs * cell_.x_width,
                       cell_.x_width, spec_.inputs};
  Gemm<T> g{rows.count(), cell_.x_width, &x_w, 1, projected_.at(p, rows.begin), cell_.x_width};
  g.bias = bias(p);
  kernels<T>().gemm(g);
}

template <class T>
CellStep<T> Recurrent<T>::cell_step(Index t, Index p, Rows rows) const {
  const Index first_unit = p * cell_.units_per_panel;
  CellStep<T> step{};
  step.rows = rows.count();
  step.columns = columns(p);
  step.activation = spec_.activation;
  step.recurrent_activation = spec_.recurrent_activation;
  step.gates = gates(t, p, rows.begin);
  step.h_prev = h(t, rows.begin) + first_unit;
  step.h = h(t + 1, rows.begin) + first_unit;
  step.h_stride = h_stride();
  return step;
}

// ---- backward, mirroring forward from the last step ----------------------------------------------------------------

template <class T>
void Recurrent<T>::backward(const Share& share) {
  const Rows rows = share.rows;
  const Part::Range own = share.part.of(panels_);
  auto upstream = [&](Index t) { return out_.grad.at(spec_.return_sequences ? t : 0, rows.begin); };
  for (Index p = own.begin; p < own.end; p++) {
    start_backward(p, rows);
    if (dh_last_) add_last_gradient(p, rows);
    if (dgates_sum_) std::memset(dgates_sum_.at(p, rows.begin), 0, std::size_t(rows.count() * kPanel) * sizeof(T));
  }
  share.part.wait();  // a step may go by rows
  for (Index t = steps_ - 1; t >= 0; t--) {
    const Share of_step{in_.rows_at(t, rows), share.part};
    if (!of_step.rows.count()) continue;
    // dh_{t-1} = upstream + what step t hands back, into the memory of upstream: nobody reads that again
    if (t > 0)
      step_backward(t, upstream(t), upstream(t - 1), spec_.return_sequences, of_step);
    else
      step_backward(0, upstream(0), dh0_ ? dh0_.at(0, rows.begin) : nullptr, false, of_step);
    if (dgates_sum_)
      for (Index p = own.begin; p < own.end; p++)
        kernels<T>().add(rows.count(), kPanel, gates(t, p, rows.begin), kPanel, dgates_sum_.at(p, rows.begin), kPanel);
    share.part.wait();  // before step t - 1 reads dh_{t-1}
  }
  if (in_.wants_grad) input_gradient(share);
  if (in_.wants_grad && copies_input()) {
    share.part.wait();
    copy_input_gradient(share.own_rows());
  }
}

template <class T>
void Recurrent<T>::step_backward(Index t, T* dh, T* dh_prev, bool adds, const Share& share) {
  const Part::Range own = share.part.of(panels_);
  for (Index p = own.begin; p < own.end; p++) {
    CellStep<T> step = cell_step(t, p, share.rows);
    step.dh = dh + p * cell_.units_per_panel;
    step.dh_prev = dh_prev ? dh_prev + p * cell_.units_per_panel : nullptr;
    step.adds_to_dh_prev = adds;
    before_cell(t, p, share.rows, dh);
    cell_backward(step, t, p, share.rows.begin);
  }
  share.part.wait();  // dh_prev sums over the gates of all panels
  if (dh_prev) hand_back(t, dh_prev, adds || reads_h(), false, cell_.h_column, cell_.h_width, 0, share);
}

template <class T>
void Recurrent<T>::state_gradient(Index t, T* dh, bool adds, Index column, Index width, Index of_kernel,
                                  const Share& share) {
  const Index height = panels_ * cell_.h_width;
  const Part::Range own = share.part.of(divide_up(h_width(), kPanel));
  for (Index i = own.begin; i < own.end; i++) {
    const Index q = own.pick(i, t % 2), columns = std::min(kPanel, h_width() - q * kPanel);
    const Product<T> dz_r{state_products().at(gates_slot(t, 0), share.rows.begin) + column,
                          kPanel,
                          recurrent_kernel_t_ + (q * height + of_kernel) * kPanel,
                          kPanel,
                          width,
                          panels_,
                          gates_.step,
                          cell_.h_width * kPanel};
    Gemm<T> g{share.rows.count(), columns, &dz_r, 1, dh + q * kPanel, h_stride()};
    if (adds) g.kept = columns;
    kernels<T>().gemm(g);
  }
}

// dx_t = dgates[t] W^T; of a repeated input, dx = (sum of dgates over t) W^T
template <class T>
void Recurrent<T>::input_gradient(const Share& share) {
  const Index width = in_.width(), height = panels_ * cell_.x_width, x_panels = divide_up(width, kPanel);
  const Part::Range own = share.part.of((in_.repeated ? 1 : steps_) * x_panels);
  for (Index i = own.begin; i < own.end; i++) {
    const Index t = i / x_panels, q = i % x_panels, first = share.rows.begin;
    const Rows rows = in_.rows_at(t, share.rows);
    const T* dz = in_.repeated ? dgates_sum_.at(0, first) : gates(t, 0, first);
    const Product<T> dz_w{
        dz + cell_.x_column,   kPanel, kernel_t_ + q * height * kPanel, kPanel, cell_.x_width, panels_, gates_.step,
        cell_.x_width * kPanel};
    Gemm<T> g{rows.count(), std::min(kPanel, width - q * kPanel), &dz_w, 1, dx_.at(t, first) + q * kPanel,
              in_.stride()};
    if (adds_dx_ && !copies_dx()) g.kept = g.columns;
    kernels<T>().gemm(g);
  }
}

// ---- states before the first step and after the last --------------------------------------------------------------

template <class T>
void Recurrent<T>::use_state(const StateUse& use) {
  given_state_ = use.given;
  wants_state_gradient_ = use.wants_gradient;
  has_state_gradient_ = use.has_gradient;
}

template <class T>
void Recurrent<T>::place_state(Index batch, Index height, Planner& memory) {
  streaming_ = given_state_ = true;
  batch_ = batch;
  h_ = row_array<T>(memory, batch, height, 2, h_stride());
}

template <class T>
T* Recurrent<T>::state_at(Index, Index t, Index row, Index p) const {
  return h(t, row) + p * cell_.units_per_panel;
}

template <class T>
T* Recurrent<T>::state_gradient_at(Index, bool after_backward, Index row, Index p) const {
  return (after_backward ? dh0_ : dh_last_).at(0, row) + p * cell_.units_per_panel;
}

template <class T>
void Recurrent<T>::set_state(Index i, Index row, const T* from) {
  each_panel([&](Index p, Index unit, Index n) { put_units(from + unit, n, state_at(i, 0, row, p)); });
}

template <class T>
void Recurrent<T>::get_state(Index i, Index row, T* to) const {
  const Index last = streaming_ ? 0 : in_.steps_of(row);
  each_panel([&](Index p, Index unit, Index n) { std::copy_n(state_at(i, last, row, p), n, to + unit); });
}

template <class T>
void Recurrent<T>::set_state_gradient(Index i, Index row, const T* from) {
  each_panel([&](Index p, Index unit, Index n) { put_units(from + unit, n, state_gradient_at(i, false, row, p)); });
}

template <class T>
void Recurrent<T>::get_state_gradient(Index i, Index row, T* to) const {
  each_panel([&](Index p, Index unit, Index n) { std::copy_n(state_gradient_at(i, true, row, p), n, to + unit); });
}

// body(p, first unit, number of units) for the panels of a state
template <class T>
template <class F>
void Recurrent<T>::each_panel(const F& body) const {
  const Index block = cell_.units_per_panel;
  for (Index p = 0; p < panels_; p++) body(p, p * block, std::min(block, spec_.units - p * block));
}

template <class T>
void Recurrent<T>::put_units(const T* from, Index n, T* to) {
  std::copy_n(from, n, to);
  std::fill(to + n, to + round_up(n, kBlock), T(0));
}

// To upstream of each row's last step
template <class T>
void Recurrent<T>::add_last_gradient(Index p, Rows rows) {
  for (Index r = rows.begin; r < rows.end; r++)
    if (const Index n = in_.steps_of(r)) {
      const Index first = p * cell_.units_per_panel;
      T* dh = out_.grad.at(spec_.return_sequences ? n - 1 : 0, r) + first;
      kernels<T>().add(1, columns(p), dh_last_.at(0, r) + first, 0, dh, 0);
    }
}

template class Recurrent<float>;
template class Recurrent<double>;

}  // namespace pyrnn
