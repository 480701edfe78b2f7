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
