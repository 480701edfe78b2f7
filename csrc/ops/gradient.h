// The gradient of a weight matrix and its bias, for LSTM, Dense and their like:
//
//   dW = sum over (t, row) of x[t, row]^T dz[t, row]        db = sum over (t, row) of dz[t, row]
#pragma once

#include "op.h"

namespace pyrnn {

// Where the two factors stand and the gradients go. With ids instead of x each row of x is one-hot.
template <class T>
struct OuterSum {
  Index steps = 1;
  Rows samples{0, 0};
  const Index* active = nullptr;  // of each step the samples among the first so many
  Index inputs = 0;
  RowArray<const T> x;
  RowArray<const std::int32_t> ids;
  RowArray<const T> scales;      // what stands in the place of the one of each id; none: ones
  RowArray<const T> dz;          // of the first panel
  Index dz_panel = kPanel;       // from panel to panel
  Index columns = 0;             // of all panels,
  Index panel_columns = kPanel;  // and of one; the last may have fewer
  T* grad = nullptr;             // [panels][inputs][grad_stride]
  Index grad_stride = kPanel;
  T* bias_grad = nullptr;  // [panels][grad_stride] or null

  // Disjoint parts of the gradients, in any order: groups of panels, and of each some tasks. Each element is one chain
  // of additions whatever the parts are.
  Index groups() const { return divide_up(panels(), panels_per_group()); }
  Rows panels_of(Index group) const;
  Index tasks_per_group() const;
  void run(Index group, Index task) const;

 private:
  Index panels() const { return divide_up(columns, panel_columns); }
  Index panels_per_group() const;
  Index columns_of(Index panel) const { return std::min(panel_columns, columns - panel * panel_columns); }
  void product(Rows of_panels, Rows of_inputs) const;
  void scatter(Index panel) const;
  void bias(Index panel) const;
};

// The sum over samples and steps of dz alone: `columns` values. The same chains as an OuterSum's with x = 1.
template <class T>
void column_sums(Index steps, Rows samples, const Index* active, const RowArray<const T>& dz, Index columns, T* to);

}  // namespace pyrnn
