// The gradient of a weight matrix and its bias, for LSTM, Dense and their like:
//
//   dW = sum over (t, row) of x[t, row]^T dz[t, row]        db = sum over (t, row) of dz[t, row]
#pragma once

#include "op.h"

namespace pyrnn {

// Where the two factors stand and the gradients go. With ids instead of x each row of x is one-hot.
template <class T>
struct OuterSum {
  Index steps;
  Rows samples;
  Index inputs;
  RowArray<const T> x;
  RowArray<const std::int32_t> ids;
  RowArray<const T> dz;  // of the first panel, dz_panel to the next
  Index dz_panel;
  Index columns;  // of all panels
  T* grad;        // [panels][inputs][kPanel]
  T* bias_grad;   // [panels][kPanel] or null

  // Disjoint parts of the gradients, in any order: groups of panels, and of each some tasks. Each element is one chain
  // of additions whatever the parts are.
  Index groups() const { return divide_up(panels(), panels_per_group()); }
  Index tasks_per_group() const;
  void run(Index group, Index task) const;

 private:
  Index panels() const { return divide_up(columns, kPanel); }
  Index panels_per_group() const;
  Index columns_of(Index panel) const { return std::min(kPanel, columns - panel * kPanel); }
  void product(Index first_panel, Index last_panel, Index first_row, Index last_row) const;
  Index steps_per_chunk() const;
  void add_chunk(Index first_step, RowArray<const T> a, Index rows, Index panel, T* to) const;
  void scatter(Index panel) const;
  void bias(Index panel) const;
};

}  // namespace pyrnn
