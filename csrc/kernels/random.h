// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
// A value depends on its place alone, never on threads or on what was drawn before. Included by kernels.inl.

// Sixteen counters at once, word by word, so that the compiler can keep each word in registers.
struct PhiloxBlock {
  std::uint32_t word[4][kBlock];
};

static inline void philox(PhiloxBlock& x, std::uint64_t key) {
  std::uint32_t key_0 = std::uint32_t(key), key_1 = std::uint32_t(key >> 32);
  for (int round = 0; round < 10; round++) {
    for (Index i = 0; i < kBlock; i++) {
      const std::uint64_t a = std::uint64_t(0xD2511F53u) * x.word[0][i];
      const std::uint64_t b = std::uint64_t(0xCD9E8D57u) * x.word[2][i];
      x.word[0][i] = std::uint32_t(b >> 32) ^ x.word[1][i] ^ key_0;
      x.word[1][i] = std::uint32_t(b);
      x.word[2][i] = std::uint32_t(a >> 32) ^ x.word[3][i] ^ key_1;
      x.word[3][i] = std::uint32_t(a);
    }
    key_0 += 0x9E3779B9u;
    key_1 += 0xBB67AE85u;
  }
}

// The value at feature f of a row and step is word f % 4 of counter {f / 4, iteration, row, step} under the layer's
// key.
template <class T>
static void dropout_mask(Index n, double rate, std::uint64_t key, std::uint32_t iteration, std::uint32_t row,
                         std::uint32_t step, T* mask) {
  const std::uint32_t threshold = std::uint32_t(rate * 4294967296.0);
  const T keep = T(1.0 / (1.0 - rate));
  for (Index first = 0; first < n; first += 4 * kBlock) {
    PhiloxBlock x;
    for (Index i = 0; i < kBlock; i++) {
      x.word[0][i] = std::uint32_t(first / 4 + i);
      x.word[1][i] = iteration;
      x.word[2][i] = row;
      x.word[3][i] = step;
    }
    philox(x, key);
    const Index count = n - first < 4 * kBlock ? n - first : 4 * kBlock;
    for (Index i = 0; i < count; i++) mask[first + i] = x.word[i % 4][i / 4] < threshold ? T(0) : keep;
  }
}
