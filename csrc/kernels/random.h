// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
// A value depends on its place alone, never on threads or on what was drawn before. Included by kernels.inl.

// Counters word by word, each word in the low half of a 64-bit lane: what stands in the high halves is never read. Two
// registers of them, since a round waits for its products.
struct PhiloxBlock {
  Wide word[4][2];
};

constexpr Index kCounters = 2 * kWideLanes;

static inline void philox(PhiloxBlock& x, std::uint64_t key) {
  std::uint32_t key_0 = std::uint32_t(key), key_1 = std::uint32_t(key >> 32);
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 2; i++) {
      const Wide a = multiply_low_halves(x.word[0][i], Wide{} + 0xD2511F53u);
      const Wide b = multiply_low_halves(x.word[2][i], Wide{} + 0xCD9E8D57u);
      x.word[0][i] = (b >> 32) ^ x.word[1][i] ^ key_0;
      x.word[1][i] = b;
      x.word[2][i] = (a >> 32) ^ x.word[3][i] ^ key_1;
      x.word[3][i] = a;
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
  constexpr Index kValues = 4 * kCounters;
  Wide counter;
  for (Index i = 0; i < kWideLanes; i++) counter[i] = std::uint64_t(i);
  for (Index first = 0; first < n; first += kValues, counter += kCounters) {
    PhiloxBlock x;
    for (int i = 0; i < 2; i++) {
      x.word[0][i] = counter + i * kWideLanes;
      x.word[1][i] = Wide{} + iteration;
      x.word[2][i] = Wide{} + row;
      x.word[3][i] = Wide{} + step;
    }
    philox(x, key);
    std::uint32_t bits[kValues];
    for (Index i = 0; i < kCounters; i++)
      for (Index w = 0; w < 4; w++) bits[4 * i + w] = std::uint32_t(x.word[w][i / kWideLanes][i % kWideLanes]);
    const auto write = [&](Index count) {
      for (Index i = 0; i < count; i++) mask[first + i] = bits[i] < threshold ? T(0) : keep;
    };
    n - first >= kValues ? write(kValues) : write(n - first);
  }
}
