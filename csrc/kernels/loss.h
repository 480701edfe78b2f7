// Elementwise losses: their sums, in double and by kBlock partial sums, and their gradients. Included by kernels.inl.

template <class T, class L, class D>
static inline double sum_losses(Index n, const T* x, const T* y, L loss, D derivative, T* grad) {
  double partial[kBlock] = {};
  for (Index i = 0; i < n; i += kBlock)
    for (Index j = 0; j < (n - i < kBlock ? n - i : kBlock); j++) {
      const double d = double(x[i + j]) - double(y[i + j]);
      partial[j] += loss(d);
      if (grad) grad[i + j] = derivative(d);
    }
  return sum_block(partial);
}

template <class T>
static double squared_error(Index n, T factor, const T* x, const T* y, T* grad) {
  return sum_losses(n, x, y, [](double d) { return d * d; }, [=](double d) { return T(2 * d) * factor; }, grad);
}

template <class T>
static double absolute_error(Index n, T factor, const T* x, const T* y, T* grad) {
  return sum_losses(
      n, x, y, [](double d) { return d < 0 ? -d : d; }, [=](double d) { return T((d > 0) - (d < 0)) * factor; }, grad);
}

// The same by registers: f(x, y, derivative) is the loss of a register's values.
template <class T, class F>
static inline double sum_by_registers(Index n, const T* x, const T* y, F f, T* grad) {
  double partial[kBlock] = {};
  for (Index i = 0; i < n; i += kBlock) {
    T loss[kBlock], derivative[kBlock];
    for (Index j = 0; j < kBlock; j += kLanes<T>) {
      Vec<T> d;
      store(loss + j, f(load(x + i + j), load(y + i + j), d));
      store(derivative + j, d);
    }
    for (Index j = 0; j < (n - i < kBlock ? n - i : kBlock); j++) {
      partial[j] += double(loss[j]);
      if (grad) grad[i + j] = derivative[j];
    }
  }
  return sum_block(partial);
}

// Huber 1964: d^2 / 2 where |d| <= delta, else delta |d| - delta^2 / 2. With c = d cut at +-delta both are c (d - c /
// 2).
template <class T>
static double huber(Index n, T delta, T factor, const T* x, const T* y, T* grad) {
  using V = Vec<T>;
  const auto loss = [=](V v, V target, V& derivative) {
    const V d = v - target, cut = clamp<T>(d, -delta, delta);
    derivative = cut * factor;
    return cut * (d - cut / T(2));
  };
  return sum_by_registers(n, x, y, loss, grad);
}

// log(1 + u) for u from 0 to 1: 2 artanh(s) = 2 s (1 + s^2/3 + s^4/5 + ...), s = u / (2 + u) <= 1/3. The first term
// left out is at most 1.4e-9 (float) and 1.6e-17 (double) of the first.
template <class T>
static inline Vec<T> log_of_one_plus(Vec<T> u) {
  constexpr int kTerms = sizeof(T) == 4 ? 8 : 16;
  const Vec<T> s = u / (T(2) + u), s2 = s * s;
  Vec<T> sum = set1<T>(T(1) / T(2 * kTerms - 1));
#pragma GCC unroll 16
  for (int k = kTerms - 2; k >= 0; k--) sum = fma(sum, s2, set1<T>(T(1) / T(2 * k + 1)));
  return T(2) * s * sum;
}

// -y log p - (1 - y) log(1 - p), p = sigmoid(z), is max(z, 0) - y z + log(1 + exp(-|z|)); its derivative is p - y.
template <class T>
static double binary_crossentropy(Index n, T smoothing, T factor, const T* z, const T* y, T* grad) {
  using V = Vec<T>;
  const Bits<T> sign = (Bits<T>)set1<T>(T(-0.0));
  const V kept = set1<T>(T(1) - smoothing), half = set1<T>(smoothing / T(2)), zero = {}, one = set1<T>(T(1));
  const auto loss = [=](V v, V given, V& derivative) {
    const V target = fma(given, kept, half), e = exponential<T>((V)((Bits<T>)v | sign));
    derivative = ((v < zero ? e : one) / (one + e) - target) * factor;
    return greater(v, zero) - target * v + log_of_one_plus<T>(e);
  };
  return sum_by_registers(n, z, y, loss, grad);
}

// log(exp(a) + exp(b))
template <class T>
static inline Vec<T> log_add(Vec<T> a, Vec<T> b) {
  const Vec<T> difference = (Vec<T>)((Bits<T>)(a - b) | (Bits<T>)set1<T>(T(-0.0)));
  return greater(a, b) + log_of_one_plus<T>(exponential<T>(difference));
}

template <class T>
static void ctc_step(Index n, const T* stay, const T* next, const T* skip, const T* may_skip, const T* emission,
                     T* to) {
  map(
      n, [](Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d, Vec<T> e) { return log_add<T>(log_add<T>(a, b), c + d) + e; }, to,
      stay, next, skip, may_skip, emission);
}
