// The elementwise part of one LSTM step (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000), as
// Keras computes it. The products x W + h R + b stand in `gates` already. Included by kernels.inl.

template <class T>
static void lstm_forward(const CellStep<T>& s) {
  with_activations(s, [&s](auto act, auto gate) {
    for (Index r = 0; r < s.rows; r++) {
      T* gates_r = s.gates + r * kPanel;
      for (Index u = 0; u < kBlock; u += kLanes<T>) {
        const Vec<T> i = gate.template of<T>(load(gates_r + 0 * kBlock + u));
        const Vec<T> f = gate.template of<T>(load(gates_r + 1 * kBlock + u));
        const Vec<T> g = act.template of<T>(load(gates_r + 2 * kBlock + u));  // the candidate, c~ in the paper
        const Vec<T> o = gate.template of<T>(load(gates_r + 3 * kBlock + u));
        const Vec<T> c = fma(f, load(s.c_prev + r * kBlock + u), i * g);
        const Vec<T> h = o * act.template of<T>(c);
        store(gates_r + 0 * kBlock + u, i);
        store(gates_r + 1 * kBlock + u, f);
        store(gates_r + 2 * kBlock + u, g);
        store(gates_r + 3 * kBlock + u, o);
        store(s.c + r * kBlock + u, c);
        store(s.h + r * s.h_stride + u, h);
      }
    }
  });
}

// Mirrors lstm_forward: from dh and dc of this step to the gradients of the four pre-activations and of c_prev.
template <class T>
static void lstm_backward(const CellStep<T>& s) {
  with_activations(s, [&s](auto act, auto gate) {
    for (Index r = 0; r < s.rows; r++) {
      T* gates_r = s.gates + r * kPanel;
      for (Index u = 0; u < kBlock; u += kLanes<T>) {
        const Vec<T> i = load(gates_r + 0 * kBlock + u);
        const Vec<T> f = load(gates_r + 1 * kBlock + u);
        const Vec<T> g = load(gates_r + 2 * kBlock + u);
        const Vec<T> o = load(gates_r + 3 * kBlock + u);
        const Vec<T> dh = load(s.dh + r * s.h_stride + u);
        const Vec<T> act_c = act.template of<T>(load(s.c + r * kBlock + u));
        // h = o act(c)
        const Vec<T> dc = fma(dh * o, act.template slope<T>(act_c), load(s.dc + r * kBlock + u));
        const Vec<T> d_o = dh * act_c;
        // c = f c_prev + i g
        const Vec<T> di = dc * g;
        const Vec<T> df = dc * load(s.c_prev + r * kBlock + u);
        const Vec<T> dg = dc * i;
        store(s.dc + r * kBlock + u, dc * f);
        store(gates_r + 0 * kBlock + u, di * gate.template slope<T>(i));
        store(gates_r + 1 * kBlock + u, df * gate.template slope<T>(f));
        store(gates_r + 2 * kBlock + u, dg * act.template slope<T>(g));
        store(gates_r + 3 * kBlock + u, d_o * gate.template slope<T>(o));
      }
    }
  });
}
