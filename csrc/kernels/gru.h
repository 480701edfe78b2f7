// The elementwise part of one step of a gated recurrent unit (Cho et al. 2014), as Keras computes it. Included by
// kernels.inl.
//
//   z = gate(z_x + z_h)    r = gate(r_x + r_h)    h = z h_prev + (1 - z) n
//   n = act(n_x + r n_h), n_h = h_prev R_n + b_n      reset after the product
//   n = act(n_x + (r h_prev) R_n)                     reset before it
//
// `gates` holds n_x, z = z_x + z_h, r = r_x + r_h, n_h of kBlock units each; afterwards n, z, r, n_h.

constexpr Index kN = 0, kZ = kBlock, kR = 2 * kBlock, kNh = 3 * kBlock;

template <class T>
static inline Vec<T> load_bias(const T* bias, Index at) {
  return bias ? load(bias + at) : Vec<T>{};
}

template <class T>
static void gru_forward(const CellStep<T>& s) {
  with_activations(s, [&s](auto act, auto gate) {
    for (Index r_ = 0; r_ < s.rows; r_++) {
      T* gates_r = s.gates + r_ * kPanel;
      for (Index u = 0; u < kBlock; u += kLanes<T>) {
        const Vec<T> z = gate.template of<T>(load(gates_r + kZ + u) + load_bias(s.recurrent_bias, kZ + u));
        const Vec<T> r = gate.template of<T>(load(gates_r + kR + u) + load_bias(s.recurrent_bias, kR + u));
        const Vec<T> n_h = load(gates_r + kNh + u) + load_bias(s.recurrent_bias, kN + u);
        const Vec<T> n = act.template of<T>(fma(r, n_h, load(gates_r + kN + u)));
        const Vec<T> h = fma(z, load(s.h_prev + r_ * s.h_stride + u), (T(1) - z) * n);
        store(gates_r + kN + u, n);
        store(gates_r + kZ + u, z);
        store(gates_r + kR + u, r);
        store(gates_r + kNh + u, n_h);
        store(s.h + r_ * s.h_stride + u, h);
      }
    }
  });
}

// From dh to the gradients of n_x, z, r and n_h, and what of dh goes past the gates: z dh.
template <class T>
static void gru_backward(const CellStep<T>& s) {
  with_activations(s, [&s](auto act, auto gate) {
    for (Index r_ = 0; r_ < s.rows; r_++) {
      T* gates_r = s.gates + r_ * kPanel;
      for (Index u = 0; u < kBlock; u += kLanes<T>) {
        const Index at = r_ * s.h_stride + u;
        const Vec<T> n = load(gates_r + kN + u);
        const Vec<T> z = load(gates_r + kZ + u);
        const Vec<T> r = load(gates_r + kR + u);
        const Vec<T> n_h = load(gates_r + kNh + u);
        const Vec<T> dh = load(s.dh + at);
        // h = z h_prev + (1 - z) n
        const Vec<T> dz = dh * (load(s.h_prev + at) - n);
        const Vec<T> dn = dh * (T(1) - z) * act.template slope<T>(n);
        // n = act(n_x + r n_h)
        const Vec<T> dr = dn * n_h;
        store(gates_r + kN + u, dn);
        store(gates_r + kZ + u, dz * gate.template slope<T>(z));
        store(gates_r + kR + u, dr * gate.template slope<T>(r));
        store(gates_r + kNh + u, dn * r);
        if (s.dh_prev) store(s.dh_prev + at, s.adds_to_dh_prev ? fma(dh, z, load(s.dh_prev + at)) : dh * z);
      }
    }
  });
}

template <class T>
static void gru_gates(const CellStep<T>& s) {
  with_activations(s, [&s](auto, auto gate) {
    for (Index r_ = 0; r_ < s.rows; r_++) {
      T* gates_r = s.gates + r_ * kPanel;
      for (Index u = 0; u < kBlock; u += kLanes<T>) {
        const Vec<T> r = gate.template of<T>(load(gates_r + kR + u));
        store(gates_r + kZ + u, gate.template of<T>(load(gates_r + kZ + u)));
        store(gates_r + kR + u, r);
        store(s.reset_h + r_ * s.h_stride + u, r * load(s.h_prev + r_ * s.h_stride + u));
      }
    }
  });
}

template <class T>
static void gru_candidate(const CellStep<T>& s) {
  with_activations(s, [&s](auto act, auto) {
    for (Index r_ = 0; r_ < s.rows; r_++) {
      T* gates_r = s.gates + r_ * kPanel;
      for (Index u = 0; u < kBlock; u += kLanes<T>) {
        const Vec<T> z = load(gates_r + kZ + u), n = act.template of<T>(load(gates_r + kN + u));
        store(gates_r + kN + u, n);
        store(s.h + r_ * s.h_stride + u, fma(z, load(s.h_prev + r_ * s.h_stride + u), (T(1) - z) * n));
      }
    }
  });
}

// From dh to the gradients of the products in n and z, and z dh.
template <class T>
static void gru_candidate_backward(const CellStep<T>& s) {
  with_activations(s, [&s](auto act, auto gate) {
    for (Index r_ = 0; r_ < s.rows; r_++) {
      T* gates_r = s.gates + r_ * kPanel;
      for (Index u = 0; u < kBlock; u += kLanes<T>) {
        const Index at = r_ * s.h_stride + u;
        const Vec<T> n = load(gates_r + kN + u), z = load(gates_r + kZ + u), dh = load(s.dh + at);
        store(gates_r + kZ + u, dh * (load(s.h_prev + at) - n) * gate.template slope<T>(z));
        store(gates_r + kN + u, dh * (T(1) - z) * act.template slope<T>(n));
        if (s.dh_prev) store(s.dh_prev + at, s.adds_to_dh_prev ? fma(dh, z, load(s.dh_prev + at)) : dh * z);
      }
    }
  });
}

// From the gradient of r h_prev to that of the product in r, and its part of dh_prev.
template <class T>
static void gru_gates_backward(const CellStep<T>& s) {
  with_activations(s, [&s](auto, auto gate) {
    for (Index r_ = 0; r_ < s.rows; r_++) {
      T* gates_r = s.gates + r_ * kPanel;
      for (Index u = 0; u < kBlock; u += kLanes<T>) {
        const Index at = r_ * s.h_stride + u;
        const Vec<T> r = load(gates_r + kR + u), d_reset_h = load(s.reset_h + at);
        store(gates_r + kR + u, d_reset_h * load(s.h_prev + at) * gate.template slope<T>(r));
        if (s.dh_prev) store(s.dh_prev + at, fma(d_reset_h, r, load(s.dh_prev + at)));
      }
    }
  });
}
