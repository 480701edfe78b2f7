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
  Index batch;
  Index inputs;
  const T* x;  // [steps][batch, x_stride], x_next from step to step
  Index x_stride;
  Index x_next;
  const std::int32_t* ids;  // [steps][batch]
  const T* dz;  // [steps][batch, dz_stride] of a panel, dz_next from step to step, dz_panel to the next panel
  Index dz_stride;
  Index dz_next;
  Index dz_panel;
  Index columns;  // of all panels
  T* grad;        // [panels][inputs][kPanel]
  T* bias_grad;   // [panels][kPanel] or null

  // Disjoint parts of the gradients, in any order. Each element is one chain of additions whatever the parts are.
  Index tasks() const;
  void run(Index task) const;

 private:
  Index panels() const { return divide_up(columns, kPanel); }
  Index panels_per_task() const;
  Index columns_of(Index panel) const { return std::min(kPanel, columns - panel * kPanel); }
  void product(Index first_panel, Index last_panel, Index first_row) const;
  void scatter(Index panel) const;
  void bias(Index panel) const;
};

}  // namespace pyrnn
