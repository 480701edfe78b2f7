// The elementwise part of one step of a fully connected recurrent layer (Elman 1990): h = act(x W + h_prev R + b).
// Included by kernels.inl.

template <class T>
static void simple_rnn_forward(const CellStep<T>& s) {
  const auto run = [&s](auto act) {
    for (Index r = 0; r < s.rows; r++)
      for (Index u = 0; u < s.columns; u += kLanes<T>) {
        T* h = s.h + r * s.h_stride + u;
        store(h, act.template of<T>(load(h)));
      }
  };
  s.activation == Activation::tanh ? run(Tanh{}) : run(ChosenActivation{s.activation});
}

// The gradient of the product, and zeros where the panel has more columns than h.
template <class T>
static void simple_rnn_backward(const CellStep<T>& s) {
  const auto run = [&s](auto act) {
    for (Index r = 0; r < s.rows; r++) {
      T* dz = s.gates + r * kPanel;
      for (Index u = 0; u < s.columns; u += kLanes<T>) {
        const Index at = r * s.h_stride + u;
        store(dz + u, load(s.dh + at) * act.template slope<T>(load(s.h + at)));
      }
      for (Index u = s.columns; u < kPanel; u += kLanes<T>) store(dz + u, Vec<T>{});
    }
  };
  s.activation == Activation::tanh ? run(Tanh{}) : run(ChosenActivation{s.activation});
}
