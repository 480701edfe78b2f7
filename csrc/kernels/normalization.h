// Normalisation of a row to mean 0 and variance 1 (Ba et al. 2016, "Layer normalization"). Included by kernels.inl.

// m = mean(x)    v = mean((x - m)^2)    y = gamma (x - m) / sqrt(v + epsilon) + beta
template <class T>
static void normalize(const Normalize<T>& n) {
  using V = Vec<T>;
  const T share = T(1) / T(n.features);
  for (Index r = 0; r < n.rows; r++) {
    const T* x = n.x + r * n.stride;
    const T mean = sum<T>(n.features, [](V v) { return v; }, x) * share;
    const T squares = sum<T>(n.features, [mean](V v) { return (v - mean) * (v - mean); }, x);
    const T scale = T(1) / square_root(set1<T>(squares * share + n.epsilon))[0];
    const auto f = [mean, scale](V v, V gamma, V beta) { return fma((v - mean) * scale, gamma, beta); };
    map(n.features, f, n.y + r * n.stride, x, n.gamma, n.beta);
    n.moments[2 * r] = mean, n.moments[2 * r + 1] = scale;
  }
}

// With u = (x - m) s, s = 1 / sqrt(v + epsilon), and du = dy gamma: dx = s (du - mean(du) - u mean(du u))
template <class T>
static void normalize_backward(const Normalize<T>& n, const T* dy, T* dx) {
  using V = Vec<T>;
  const T share = T(1) / T(n.features);
  for (Index r = 0; r < n.rows; r++, dy += n.stride, dx += n.stride) {
    const T* x = n.x + r * n.stride;
    const T mean = n.moments[2 * r], scale = n.moments[2 * r + 1];
    const T of_du = share * sum<T>(n.features, [](V d, V gamma) { return d * gamma; }, dy, n.gamma);
    const auto product = [mean, scale](V d, V gamma, V v) { return d * gamma * ((v - mean) * scale); };
    const T of_du_u = share * sum<T>(n.features, product, dy, n.gamma, x);
    const auto f = [=](V d, V gamma, V v) { return scale * (d * gamma - of_du - (v - mean) * scale * of_du_u); };
    map(n.features, f, dx, dy, n.gamma, x);
  }
}

// dgamma += sum over rows of dy u, dbeta += sum over rows of dy, for the kBlock features that begin at x and dy
template <class T>
static void normalize_gradient(Index rows, const T* x, const T* dy, Index stride, const T* moments, T* dgamma,
                               T* dbeta) {
  using V = Vec<T>;
  constexpr int kRegisters = int(kBlock) / kLanes<T>;
  V gamma[kRegisters], beta[kRegisters];
  for (int i = 0; i < kRegisters; i++) gamma[i] = load(dgamma + i * kLanes<T>), beta[i] = load(dbeta + i * kLanes<T>);
  for (Index r = 0; r < rows; r++, x += stride, dy += stride, moments += 2)
    for (int i = 0; i < kRegisters; i++) {
      const V d = load(dy + i * kLanes<T>), u = (load(x + i * kLanes<T>) - moments[0]) * moments[1];
      gamma[i] = fma(d, u, gamma[i]);
      beta[i] += d;
    }
  for (int i = 0; i < kRegisters; i++) store(dgamma + i * kLanes<T>, gamma[i]), store(dbeta + i * kLanes<T>, beta[i]);
}
