// What all recurrent cells share: the loop over steps forward, and backward through time; the products of x and h with
// the weights, and the sums that are the weights' gradients. A cell adds its equations.
#pragma once

#include "cell_masks.h"
#include "gradient.h"
#include "op.h"

namespace pyrnn {

struct RecurrentSpec {
  Index inputs;
  Index units;
  bool return_sequences = false;
  bool use_bias = true;
  bool go_backwards = false;  // reads x from its last step to its first
  Activation activation = Activation::tanh;
  Activation recurrent_activation = Activation::sigmoid;
  CellRates rates = {};
  WeightType weights = WeightType::float32;  // that inference reads; ids look up their row of W in float32
};

// The columns of a panel of products, [rows, kPanel], that x W and h R have; each matrix is packed in panels as wide.
struct CellShape {
  Index gates;            // of the user's matrices
  Index units_per_panel;  // kBlock, or kPanel where there is one gate
  Index x_column, x_width;
  Index h_column, h_width;
  std::array<Index, 4> x_places, h_places;  // of the user's gates, see PanelLayout
};

template <class T>
class Recurrent : public Op<T> {
 public:
  Recurrent(const RecurrentSpec& spec, const CellShape& cell);

  bool takes_repeated() const override { return true; }
  bool takes_ids() const override { return true; }
  bool takes_ragged() const override { return true; }
  bool ends_sequence() const override { return !spec_.return_sequences; }
  Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) override;
  void forward(const Share& share) override;
  void backward(const Share& share) override;
  Index gradient_tasks() const override;
  void gradient(Index task, const GradientPiece& piece) override;
  Index derive_tasks() const override;
  void derive(Index task) override;
  double work() const override { return double(cell_.gates * spec_.units * (spec_.units + spec_.inputs)); }
  void set_iteration(std::uint32_t iteration) override { turn_ = iteration; }
  Index step_parts() const override { return panels_; }

  // For one of two ops on a sequence, before plan. `h` is where all of h goes, from the state before the first step on,
  // and `grad` where the outputs' gradients come from; without a stride, into memory of its own. adds_dx: dx is added
  // to what is there.
  void place_output(const RowArray<T>& h, const RowArray<T>& grad, bool adds_dx);

  Index states() const override { return 1; }
  Index state_units() const override { return spec_.units; }
  void use_state(const StateUse& use) override;
  void set_state(Index i, Index row, const T* from) override;
  void get_state(Index i, Index row, T* to) const override;
  void set_state_gradient(Index i, Index row, const T* from) override;
  void get_state_gradient(Index i, Index row, T* to) const override;
  void place_state(Index batch, Index height, Planner& memory) override;

  Index panels() const { return panels_; }
  Index h_stride() const { return h_stride_; }
  // Saved state of panel p from a row on: [rows, kPanel] gates (gradients of the products after backward), and of all
  // panels [rows, h_stride] h. Slot t of h is the state before step t. In inference two slots of h serve all steps, and
  // one of gates, or one for each panel where threads share them.
  T* gates(Index t, Index p, Index row) const { return gates_.at(gates_slot(t, p), row); }
  T* h(Index t, Index row) const { return h_.at(keeps_h_ ? t : t % 2, row); }
  const RowArray<T>& h() const { return h_; }
  const CellMasks<T>& masks() const { return masks_; }
  // For callers who fill x, h and the masks: the copies of x and h that backward reads
  void restore_masked(Rows rows);

 protected:
  // A step of one product: from those of panel p, which stand in its gates (of SimpleRnn in h), to the state after step
  // t; and from that state's dh to the products' gradients.
  virtual void cell_forward(CellStep<T>& /*step*/, Index /*t*/, Index /*p*/, Index /*row*/) {}
  virtual void cell_backward(CellStep<T>& /*step*/, Index /*t*/, Index /*p*/, Index /*row*/) {}
  // Whether a cell reads h beside its products: then h before step 0 must be there, and a part of dh passes the gates
  // by, which cell_backward leaves in dh_prev and to which theirs is added
  virtual bool reads_h() const { return false; }
  virtual bool products_in_h() const { return false; }
  // Where h R and its gradient stand, in steps and columns as the gates'
  virtual const RowArray<T>& state_products() const { return gates_; }
  virtual bool keeps_gates() const { return false; }  // of all panels to the end of a step, in inference too

  // A cell's own arrays, and their values before the first and after the last step
  virtual void plan_cell(Index /*state_slots*/, const Plan&, Planner&) {}
  virtual void start_forward(Index /*p*/, Rows) {}
  virtual void start_backward(Index /*p*/, Rows) {}
  // State i before step t: the units of panel p
  virtual T* state_at(Index i, Index t, Index row, Index p) const;
  // Its gradient before backward, of the state after the last step, or afterwards, of that before the first
  virtual T* state_gradient_at(Index i, bool after_backward, Index row, Index p) const;

  // A cell whose step has more than one product replaces these.
  virtual void step_forward(Index t, const Share& share);
  // dh_prev: where the gradient of the state before goes, null where nobody asks; it replaces what is there, or adds
  virtual void step_backward(Index t, T* dh, T* dh_prev, bool adds, const Share& share);

  CellStep<T> cell_step(Index t, Index p, Rows rows) const;
  // x_t W + b, and h R added, to the gates of panel p
  void products(Index t, Index p, const Share& share);
  void input_product(Index t, Index p, const Share& share);
  // `width` columns of the gates from `column` on = h times those of R's panel from `of_kernel` on, added where x W
  // stands
  void state_product(Index t, Index p, const Share& share, const T* h, Index column, Index width, Index of_kernel);
  // Where weights are quantized, before such products: their rows of x or of a state
  void round_input(Index t, const Share& share);
  void round_state(const T* h, const Share& share);
  // dh (+)= such columns of the gates' gradients times those of R, transposed
  void state_gradient(Index t, T* dh, bool adds, Index column, Index width, Index of_kernel, const Share& share);

  // What a step adds to its cell's equations where anything is dropped: products read h from state_input; step_done
  // follows the cell forward, before_cell precedes it backward, and hand_back does what state_gradient does for the
  // state before. `begun`: masks_.product() holds a part of the gradient by state_input already.
  T* state_input(Index t, Index row) const { return masks_.of_state() ? masks_.h(t, row) : h(t, row); }
  void step_done(Index t, Index p, Rows rows) const {
    const Index first = p * cell_.units_per_panel, r = rows.begin;
    if (masks_.of_state() || masks_.zones_out())
      masks_.step_done(t, rows, first, columns(p), h(t, r) + first, h(t + 1, r) + first);
  }
  void before_cell(Index t, Index p, Rows rows, T* dh) const {
    const Index first = p * cell_.units_per_panel;
    if (masks_.zones_out()) masks_.split(t, rows, first, columns(p), dh + first);
  }
  void hand_back(Index t, T* dh, bool adds, bool begun, Index column, Index width, Index of_kernel, const Share& share);

  // The sums that are the recurrent kernel's gradient: as many, over columns of their own
  virtual Index recurrent_sums() const { return 1; }
  virtual OuterSum<T> recurrent_sum(Index i, const GradientPiece& piece) const;
  // What a cell sums beside, for a group of panels
  virtual Index other_tasks_per_group() const { return 0; }
  virtual void other_gradient(Rows /*panels*/, const GradientPiece&) {}
  // Columns from `column` on of panel 0's gates, from step to step
  RowArray<const T> dz(const RowArray<T>& gates, Index first_step, Index column) const;
  virtual bool input_bias() const { return spec_.use_bias; }  // whether `bias` belongs to the product of x alone

  const Parameter<T>& kernel() const { return this->parameters[0]; }
  const Parameter<T>& recurrent_kernel() const { return this->parameters[1]; }
  bool starts_at_zero(Index t) const { return t == 0 && !given_state_; }
  // Columns of h in panel p, or in panel q of kPanel
  Index columns(Index p) const { return std::min(cell_.units_per_panel, h_width() - p * cell_.units_per_panel); }
  Index h_width() const { return round_up(spec_.units, kBlock); }

  const RecurrentSpec spec_;
  const CellShape cell_;
  const Index panels_;
  CellMasks<T> masks_;
  bool given_state_ = false, wants_state_gradient_ = false, has_state_gradient_ = false;  // see StateUse

  Signal<T> in_, out_;
  RowArray<T> x_;  // in the order in which it is read, as ids_ and dx_
  RowArray<std::int32_t> ids_;
  RowArray<T> dx_;
  Index batch_ = 0, steps_ = 0;
  Index turn_ = 0;  // of the first step
  bool training_ = false, together_ = false, streaming_ = false, keeps_h_ = false;
  Index h_stride_;
  RowArray<T> placed_h_, placed_grad_;
  bool placed_ = false, adds_dx_ = false;
  RowArray<T> gates_, h_;      // the steps of gates_ are (t, panel)
  RowArray<T> dh0_, dh_last_;  // gradients of the states before the first and after the last step
  RowArray<T> projected_;      // [panel][rows, x_width]: x W + b of a repeated input, computed once
  RowArray<T> dgates_sum_;     // [panel][rows, kPanel]: gradients of its gates summed over t
  RoundedRows rounded_x_, rounded_h_;

 private:
  Gemm<T> input_part(Index t, Index p, Rows rows, Product<T>& x_w) const;
  void add_rounded(const RoundedRows& a, const Parameter<T>& b, Index p, Index first, const Gemm<T>& g,
                   const Share& share) const;
  void project(Index p, Rows rows);
  void input_gradient(const Share& share);
  // Rows of different lengths are reversed in copies, those of equal length by their strides
  bool reverses_rows() const { return spec_.go_backwards && in_.active; }
  bool copies_input() const { return reverses_rows() || masks_.of_input(); }
  bool copies_dx() const { return reverses_rows() || (adds_dx_ && masks_.of_input()); }
  void begin_masks(const Share& share);
  void copy_input(Rows rows);
  void copy_input_gradient(Rows rows);
  void finish(Rows rows);
  void add_last_gradient(Index p, Rows rows);
  template <class F>
  void each_panel(const F& body) const;
  static void put_units(const T* from, Index n, T* to);  // the last block filled up with zeros
  OuterSum<T> input_sum(const GradientPiece& piece) const;
  Index tasks_per_group() const;
  // x's rows by the step that reads them
  template <class U>
  RowArray<U> in_order(const RowArray<U>& rows) const {
    if (!spec_.go_backwards || !rows || in_.repeated || in_.active) return rows;
    return {rows.base + (steps_ - 1) * rows.step, rows.height, rows.stride, -rows.step, rows.block};
  }
  Index gates_slot(Index t, Index p) const { return training_ ? t * panels_ + p : together_ || keeps_gates() ? p : 0; }
  const T* bias(Index p) const {
    return spec_.use_bias ? this->parameters[2].value + p * this->parameters[2].layout.panel_size() : nullptr;
  }

  // Transposed weights for dh = dz R^T and dx = dz W^T, in panels of kPanel columns: [column panel][panels *
  // width][kPanel]
  Memory derived_;
  T* kernel_t_ = nullptr;
  T* recurrent_kernel_t_ = nullptr;
};

}  // namespace pyrnn
