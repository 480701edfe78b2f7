// The elementwise part of one LSTM step (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000), as
// Keras computes it. The products x W + h R + b stand in `gates` already. Included by kernels.inl.

template <class T>
static void lstm_forward(const LstmStep<T>& s) {
  for (Index r = 0; r < s.rows; r++) {
    T* gates_r = s.gates + r * 4 * kBlock;
    for (Index u = 0; u < kBlock; u += kLanes<T>) {
      const Vec<T> i = sigmoid<T>(load(gates_r + 0 * kBlock + u));
      const Vec<T> f = sigmoid<T>(load(gates_r + 1 * kBlock + u));
      const Vec<T> g = tanh<T>(load(gates_r + 2 * kBlock + u));  // the candidate, c~ in the paper
      const Vec<T> o = sigmoid<T>(load(gates_r + 3 * kBlock + u));
      const Vec<T> c = fma(f, load(s.c_prev + r * kBlock + u), i * g);
      const Vec<T> h = o * tanh<T>(c);
      store(gates_r + 0 * kBlock + u, i);
      store(gates_r + 1 * kBlock + u, f);
      store(gates_r + 2 * kBlock + u, g);
      store(gates_r + 3 * kBlock + u, o);
      store(s.c + r * kBlock + u, c);
      store(s.h + r * s.h_stride + u, h);
    }
  }
}

// Mirrors lstm_forward: from dh and dc of this step to the gradients of the four pre-activations and of c_prev.
template <class T>
static void lstm_backward(const LstmStep<T>& s) {
  const T one = 1;
  for (Index r = 0; r < s.rows; r++) {
    T* gates_r = s.gates + r * 4 * kBlock;
    for (Index u = 0; u < kBlock; u += kLanes<T>) {
      const Vec<T> i = load(gates_r + 0 * kBlock + u);
      const Vec<T> f = load(gates_r + 1 * kBlock + u);
      const Vec<T> g = load(gates_r + 2 * kBlock + u);
      const Vec<T> o = load(gates_r + 3 * kBlock + u);
      const Vec<T> dh = load(s.dh + r * s.h_stride + u);
      const Vec<T> tanh_c = tanh<T>(load(s.c + r * kBlock + u));
      // h = o tanh(c)
      const Vec<T> dc = fma(dh * o, one - tanh_c * tanh_c, load(s.dc + r * kBlock + u));
      const Vec<T> d_o = dh * tanh_c;
      // c = f c_prev + i g
      const Vec<T> di = dc * g;
      const Vec<T> df = dc * load(s.c_prev + r * kBlock + u);
      const Vec<T> dg = dc * i;
      store(s.dc + r * kBlock + u, dc * f);
      // sigmoid' = y (1 - y), tanh' = 1 - y^2
      store(gates_r + 0 * kBlock + u, di * i * (one - i));
      store(gates_r + 1 * kBlock + u, df * f * (one - f));
      store(gates_r + 2 * kBlock + u, dg * (one - g * g));
      store(gates_r + 3 * kBlock + u, d_o * o * (one - o));
    }
  }
}
