// A step of the layer-normalised cells (Ba et al. 2016), as the haste library defines them. Included by kernels.inl.
//
// A row's products x W and h R have the values of all panels, so a step goes by rows: first their moments, then
//
//   u = (product - mean) / sqrt(variance + epsilon)      z = gamma_x u_x + gamma_h u_h + bias
//
// and the equations of lstm.h or gru.h on z. Backward, with d the gradient by gamma u + bias and e = d gamma:
//
//   d product = (e - mean(e) - u mean(e u)) / sqrt(variance + epsilon)

template <class T>
constexpr int kBlockRegisters = int(kBlock) / kLanes<T>;

// Sums over a row, by places of a block, of which each of G blocks of a panel has some of its own
template <class T, int G>
struct RowSums {
  Vec<T> sums[G][kBlockRegisters<T>] = {};

  T total() const {
    T partial[kBlock];
    for (int i = 0; i < kBlockRegisters<T>; i++) {
      Vec<T> sum = sums[0][i];
      for (int g = 1; g < G; g++) sum += sums[g][i];
      store(partial + i * kLanes<T>, sum);
    }
    return sum_block(partial);
  }
};

// 1 where panel p has a unit, 0 where it has padding
template <class T>
static inline const T* units_of(const NormalizedStep<T>& s, Index p) {
  return s.has_unit + (p + 1 < s.panels ? 0 : kBlock);
}

template <class T>
struct Moments {
  T mean, scale;  // 1 / sqrt(variance + epsilon)
};

// Of a row's G blocks in each panel; their padding is zero.
template <int G, class T>
static inline Moments<T> row_moments(const NormalizedStep<T>& s, const T* row, Index panel) {
  const T share = T(1) / T(G * s.units);
  RowSums<T, G> values, squares;
  for (Index p = 0; p < s.panels; p++)
    for (int g = 0; g < G; g++)
      for (int i = 0; i < kBlockRegisters<T>; i++)
        values.sums[g][i] += load(row + p * panel + g * kBlock + i * kLanes<T>);
  const T mean = values.total() * share;
  for (Index p = 0; p < s.panels; p++)
    for (int i = 0; i < kBlockRegisters<T>; i++) {
      const Vec<T> has_unit = load(units_of(s, p) + i * kLanes<T>);
      for (int g = 0; g < G; g++) {
        const Vec<T> off = (load(row + p * panel + g * kBlock + i * kLanes<T>) - mean) * has_unit;
        squares.sums[g][i] = fma(off, off, squares.sums[g][i]);
      }
    }
  return {mean, T(1) / square_root(set1<T>(squares.total() * share + s.epsilon))[0]};
}

// mean(e), mean(e u) of a row, and its scale
template <class T>
struct Means {
  T e, e_u, scale;

  Vec<T> gradient(Vec<T> e_, Vec<T> u, Vec<T> has_unit) const { return scale * has_unit * (e_ - e - u * e_u); }
};

template <class T, int G>
static inline Means<T> means(const NormalizedStep<T>& s, const RowSums<T, G>& e, const RowSums<T, G>& e_u, T scale) {
  const T share = T(1) / T(G * s.units);
  return {e.total() * share, e_u.total() * share, scale};
}

// From d of a row's G blocks in each panel to the gradient of the product, `to`, which may be d or u. Adds d u to
// gamma_sum. Gamma's blocks are kShift ahead of the others.
template <int G, int kShift, class T>
static inline void product_backward(const NormalizedStep<T>& s, const T* d, const T* u, const T* gamma, T scale,
                                    T* gamma_sum, T* to) {
  const auto gamma_at = [&](Index p, int g) { return gamma + p * 2 * G * kBlock + (g + kShift) % G * kBlock; };
  RowSums<T, G> e, e_u;
  for (Index p = 0; p < s.panels; p++)
    for (int g = 0; g < G; g++)
      for (int i = 0; i < kBlockRegisters<T>; i++) {
        const Index at = p * s.panel + g * kBlock + i * kLanes<T>;
        const Vec<T> d_ = load(d + at), u_ = load(u + at), e_ = d_ * load(gamma_at(p, g) + i * kLanes<T>);
        e.sums[g][i] += e_;
        e_u.sums[g][i] = fma(e_, u_, e_u.sums[g][i]);
        store(gamma_sum + at, fma(d_, u_, load(gamma_sum + at)));
      }
  const Means<T> m = means(s, e, e_u, scale);
  for (Index p = 0; p < s.panels; p++)
    for (int g = 0; g < G; g++)
      for (int i = 0; i < kBlockRegisters<T>; i++) {
        const Index at = p * s.panel + g * kBlock + i * kLanes<T>;
        const Vec<T> e_ = load(d + at) * load(gamma_at(p, g) + i * kLanes<T>);
        store(to + at, m.gradient(e_, load(u + at), load(units_of(s, p) + i * kLanes<T>)));
      }
}

// The normalised values of a row of a product, or of c
template <class T>
struct Normalized {
  T* product;
  Moments<T> moments;
  T* saved;  // or null

  Vec<T> at(Index place, Vec<T> has_unit) const {
    const Vec<T> u = (load(product + place) - moments.mean) * (moments.scale * has_unit);
    if (saved) store(saved + place, u);
    return u;
  }
};

// ---- LSTM ----------------------------------------------------------------------------------------------------------

template <class T>
static void layer_norm_lstm_forward(const NormalizedStep<T>& s) {
  with_activations(s.cell, [&s](auto act, auto gate) {
    for (Index r = 0; r < s.cell.rows; r++) {
      T *const gates_r = s.cell.gates + r * kPanel, *const of_h_r = s.of_h + r * kPanel;
      const Normalized<T> x{gates_r, row_moments<4>(s, gates_r, s.panel), s.of_x ? s.of_x + r * kPanel : nullptr};
      const Normalized<T> h{of_h_r, row_moments<4>(s, of_h_r, s.panel), s.of_x ? of_h_r : nullptr};
      for (Index p = 0; p < s.panels; p++)
        for (Index u = 0; u < kBlock; u += kLanes<T>) {
          const Vec<T> has_unit = load(units_of(s, p) + u);
          const auto z = [&](Index g) {
            const Index at = p * s.panel + g * kBlock + u;
            const T* gamma = s.gamma + p * 2 * kPanel + g * kBlock + u;
            const Vec<T> of_h =
                fma(h.at(at, has_unit), load(gamma + kPanel), load_bias(s.bias, p * kPanel + g * kBlock + u));
            return fma(x.at(at, has_unit), load(gamma), of_h);
          };
          const Vec<T> i = gate.template of<T>(z(0)), f = gate.template of<T>(z(1)), g = act.template of<T>(z(2)),
                       o = gate.template of<T>(z(3));
          const Index at = p * s.cell_panel + r * kBlock + u;
          store(s.cell.c + at, fma(f, load(s.cell.c_prev + at), i * g) * has_unit);
          T* gates_p = gates_r + p * s.panel + u;
          store(gates_p, i), store(gates_p + kBlock, f), store(gates_p + 2 * kBlock, g), store(gates_p + 3 * kBlock, o);
        }
      const Normalized<T> c{s.cell.c + r * kBlock, row_moments<1>(s, s.cell.c + r * kBlock, s.cell_panel), nullptr};
      for (Index p = 0; p < s.panels; p++)
        for (Index u = 0; u < kBlock; u += kLanes<T>) {
          const Vec<T> u_c = c.at(p * s.cell_panel + u, load(units_of(s, p) + u));
          const Vec<T> y = fma(u_c, load(s.gamma_h + p * kBlock + u), load(s.beta_h + p * kBlock + u));
          const Vec<T> o = load(gates_r + p * s.panel + 3 * kBlock + u);
          store(s.cell.h + r * s.cell.h_stride + p * kBlock + u, o * act.template of<T>(y));
        }
      const T saved[] = {x.moments.scale, h.moments.scale, c.moments.mean, c.moments.scale};
      for (Index i = 0; i < 4; i++) s.moments[4 * r + i] = saved[i];
    }
  });
}

// h = o act(y), y = gamma_h u + beta_h: from dh to the gradient of o's sum, in the place of o, and e in that of dh.
template <class T, class Act, class Gate>
static inline Means<T> layer_norm_output_backward(const NormalizedStep<T>& s, Index r, Act act, Gate gate) {
  const Normalized<T> c{s.cell.c + r * kBlock, {s.moments[4 * r + 2], s.moments[4 * r + 3]}, nullptr};
  RowSums<T, 1> sum, sum_u;
  for (Index p = 0; p < s.panels; p++)
    for (int i = 0; i < kBlockRegisters<T>; i++) {
      const Index u = i * kLanes<T>, at = p * s.cell_panel + r * kBlock + u;
      const Vec<T> gamma = load(s.gamma_h + p * kBlock + u);
      const Vec<T> u_c = c.at(p * s.cell_panel + u, load(units_of(s, p) + u));
      const Vec<T> act_y = act.template of<T>(fma(u_c, gamma, load(s.beta_h + p * kBlock + u)));
      T *const o_at = s.cell.gates + r * kPanel + p * s.panel + 3 * kBlock + u,
               *const dh_at = s.dh + r * s.cell.h_stride + p * kBlock + u, *const gamma_sum = s.cell_sums + at,
               *const beta_sum = gamma_sum + s.panels * s.cell_panel;
      const Vec<T> o = load(o_at), dh = load(dh_at), dy = dh * o * act.template slope<T>(act_y), e = dy * gamma;
      store(gamma_sum, fma(dy, u_c, load(gamma_sum)));
      store(beta_sum, load(beta_sum) + dy);
      store(o_at, dh * act_y * gate.template slope<T>(o));
      store(dh_at, e);
      sum.sums[0][i] += e;
      sum_u.sums[0][i] = fma(e, u_c, sum_u.sums[0][i]);
    }
  return means(s, sum, sum_u, c.moments.scale);
}

// c = f c_prev + i g: from e to the gradients of the gates' sums, in their place, and of c_prev.
template <class T, class Act, class Gate>
static inline void layer_norm_gates_backward(const NormalizedStep<T>& s, Index r, const Means<T>& of_e, Act act,
                                             Gate gate) {
  const Normalized<T> c{s.cell.c + r * kBlock, {s.moments[4 * r + 2], of_e.scale}, nullptr};
  for (Index p = 0; p < s.panels; p++)
    for (Index u = 0; u < kBlock; u += kLanes<T>) {
      const Index at = p * s.cell_panel + r * kBlock + u, gate_at = r * kPanel + p * s.panel + u;
      T *const gates_p = s.cell.gates + gate_at, *const sums_p = s.sums + gate_at;
      const Vec<T> has_unit = load(units_of(s, p) + u), e = load(s.dh + r * s.cell.h_stride + p * kBlock + u);
      const Vec<T> dc = of_e.gradient(e, c.at(p * s.cell_panel + u, has_unit), has_unit) + load(s.cell.dc + at);
      const Vec<T> i = load(gates_p), f = load(gates_p + kBlock), g = load(gates_p + 2 * kBlock);
      const Vec<T> dz[] = {dc * g * gate.template slope<T>(i),
                           dc * load(s.cell.c_prev + at) * gate.template slope<T>(f), dc * i * act.template slope<T>(g),
                           load(gates_p + 3 * kBlock)};
      store(s.cell.dc + at, dc * f);
      for (Index k = 0; k < 4; k++) {
        store(gates_p + k * kBlock, dz[k]);
        store(sums_p + k * kBlock, load(sums_p + k * kBlock) + dz[k]);
      }
    }
}

template <class T>
static void layer_norm_lstm_backward(const NormalizedStep<T>& s) {
  const Index next = s.panels * s.panel;  // from sum to sum
  with_activations(s.cell, [&s, next](auto act, auto gate) {
    for (Index r = 0; r < s.cell.rows; r++) {
      layer_norm_gates_backward(s, r, layer_norm_output_backward(s, r, act, gate), act, gate);
      T *const dz = s.cell.gates + r * kPanel, *const of_h = s.of_h + r * kPanel, *const sums = s.sums + r * kPanel;
      product_backward<4, 0>(s, dz, of_h, s.gamma + kPanel, s.moments[4 * r + 1], sums + 2 * next, of_h);
      product_backward<4, 0>(s, dz, s.of_x + r * kPanel, s.gamma, s.moments[4 * r], sums + next, dz);
    }
  });
}

// ---- GRU -----------------------------------------------------------------------------------------------------------

// In blocks of kBlock: gates n_x z r n_h as in gru.h, products of x n z r from the first block on, those of h z r n
// from the second; weights n z r.
template <class T>
static void layer_norm_gru_forward(const NormalizedStep<T>& s) {
  constexpr Index kWidth = 3 * kBlock;
  with_activations(s.cell, [&s](auto act, auto gate) {
    for (Index r_ = 0; r_ < s.cell.rows; r_++) {
      T *const gates_r = s.cell.gates + r_ * kPanel, *const of_h_r = s.of_h + r_ * kPanel;
      const Normalized<T> x{gates_r, row_moments<3>(s, gates_r, s.panel), s.of_x ? s.of_x + r_ * kPanel : nullptr};
      const Normalized<T> h{of_h_r, row_moments<3>(s, of_h_r + kBlock, s.panel), s.of_x ? of_h_r : nullptr};
      for (Index p = 0; p < s.panels; p++)
        for (Index u = 0; u < kBlock; u += kLanes<T>) {
          const Vec<T> has_unit = load(units_of(s, p) + u);
          const auto of = [&](const Normalized<T>& product, Index column, Index row, Index weight) {
            const Index at = p * 2 * kWidth + row * kWidth + weight + u;
            return fma(product.at(p * s.panel + column + u, has_unit), load(s.gamma + at), load_bias(s.bias, at));
          };
          const Vec<T> n_x = of(x, kN, 0, kN);
          const Vec<T> z = gate.template of<T>(of(x, kZ, 0, kZ) + of(h, kZ, 1, kZ));
          const Vec<T> r = gate.template of<T>(of(x, kR, 0, kR) + of(h, kR, 1, kR));
          const Vec<T> n_h = of(h, kNh, 1, kN), n = act.template of<T>(fma(r, n_h, n_x));
          const Index at = r_ * s.cell.h_stride + p * kBlock + u;
          T* gates_p = gates_r + p * s.panel + u;
          store(gates_p + kN, n), store(gates_p + kZ, z), store(gates_p + kR, r), store(gates_p + kNh, n_h);
          store(s.cell.h + at, fma(z, load(s.cell.h_prev + at), (T(1) - z) * n));
        }
      s.moments[4 * r_] = x.moments.scale, s.moments[4 * r_ + 1] = h.moments.scale;
    }
  });
}

template <class T>
static void layer_norm_gru_backward(const NormalizedStep<T>& s) {
  const Index next = s.panels * s.panel;  // from sum to sum
  for (Index p = 0; p < s.panels; p++) {
    CellStep<T> of_panel = s.cell;
    of_panel.gates += p * s.panel;
    of_panel.h_prev += p * kBlock;
    of_panel.dh += p * kBlock;
    if (of_panel.dh_prev) of_panel.dh_prev += p * kBlock;
    gru_backward(of_panel);
    add(s.cell.rows, kPanel, of_panel.gates, kPanel, s.sums + p * s.panel, kPanel);
  }
  for (Index r = 0; r < s.cell.rows; r++) {
    T *const d = s.cell.gates + r * kPanel, *const of_h = s.of_h + r * kPanel + kBlock,
             *const sums = s.sums + r * kPanel;
    product_backward<3, 1>(s, d + kBlock, of_h, s.gamma + 3 * kBlock, s.moments[4 * r + 1], sums + 2 * next + kBlock,
                           of_h);
    product_backward<3, 0>(s, d, s.of_x + r * kPanel, s.gamma, s.moments[4 * r], sums + next, d);
  }
}
