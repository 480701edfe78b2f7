// The most multiply-adds that a core can do: what every other kernel is measured against.

// Chains enough to hide the latency of a multiply-add on all pipes, and registers left for the factor and a product.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kChains = 24;  // of 32 registers
#else
constexpr int kChains = 14;  // of 16
#endif

// n times a = a * x + x on each of kChains registers. The chains begin apart and all are summed into x, so the compiler
// can neither merge nor drop one. For x in (-1, 1) they stay finite. Returns the flops of the loop.
template <class T>
static double multiply_adds(Index n, T* x) {
  const Vec<T> factor = set1(*x);
  Vec<T> chain[kChains];
#pragma GCC unroll 24
  for (int i = 0; i < kChains; i++) chain[i] = factor * set1(T(i));
  for (Index k = 0; k < n; k++) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; i++) chain[i] = fma(chain[i], factor, factor);
  }
  Vec<T> sum = factor;
#pragma GCC unroll 24
  for (int i = 0; i < kChains; i++) sum += chain[i];
  for (int lane = 0; lane < kLanes<T>; lane++) *x += sum[lane];
  return 2.0 * double(n) * kChains * kLanes<T>;
}
