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

// body(first, count, words) for runs of values of a row and step: the value at feature f has word f % 4 of counter
// {f / 4, iteration, row, step} under the layer's key.
template <class F>
static inline void for_words(Index n, std::uint64_t key, std::uint32_t iteration, std::uint32_t row, std::uint32_t step,
                             F body) {
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
    std::uint32_t words[kValues];
    for (Index i = 0; i < kCounters; i++)
      for (Index w = 0; w < 4; w++) words[4 * i + w] = std::uint32_t(x.word[w][i / kWideLanes][i % kWideLanes]);
    n - first >= kValues ? body(first, kValues, words) : body(first, n - first, words);
  }
}

static void random_words(Index n, std::uint64_t key, std::uint32_t iteration, std::uint32_t row, std::uint32_t step,
                         std::uint32_t* words) {
  for_words(n, key, iteration, row, step, [&](Index first, Index count, const std::uint32_t* from) {
    for (Index i = 0; i < count; i++) words[first + i] = from[i];
  });
}

template <class T>
static void dropout_mask(Index n, double rate, std::uint64_t key, std::uint32_t iteration, std::uint32_t row,
                         std::uint32_t step, T* mask) {
  const std::uint32_t threshold = std::uint32_t(rate * 4294967296.0);
  const T kept = T(1 / (1 - rate));
  for_words(n, key, iteration, row, step, [&](Index first, Index count, const std::uint32_t* words) {
    for (Index i = 0; i < count; i++) mask[first + i] = words[i] < threshold ? T(0) : kept;
  });
}

// Two to a word: value f is decided by half f % 2, the lower first, of the word that value f / 2 of dropout_mask has.
static void flags(Index n, double rate, std::uint64_t key, std::uint32_t iteration, std::uint32_t row,
                  std::uint32_t step, std::uint8_t* flag) {
  const std::uint16_t threshold = std::uint16_t(rate * 65536.0);
  for_words(n / 2, key, iteration, row, step, [&](Index first, Index count, const std::uint32_t* words) {
    for (Index i = 0; i < count; i++) {
      flag[2 * (first + i)] = std::uint16_t(words[i]) >= threshold;
      flag[2 * (first + i) + 1] = std::uint16_t(words[i] >> 16) >= threshold;
    }
  });
}

// log(x) of a positive normal x = 2^n m, m from sqrt(1/2) to sqrt(2): n log 2 + 2 artanh(s), s = (m - 1) / (m + 1). The
// terms of the series in s^2 <= 0.0295 that are left out are below half an ULP.
template <class T>
static inline Vec<T> logarithm(Vec<T> x) {
  using Word = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  constexpr int kTerms = sizeof(T) == 4 ? 5 : 11;
  const Vec<T> fraction = (Vec<T>)(((Bits<T>)x & ((Word(1) << VecTraits<T>::kMantissa) - 1)) | (Bits<T>)set1<T>(T(1)));
  const auto above = fraction > T(1.4142135623730951);
  const Vec<T> m = above ? fraction * T(0.5) : fraction, s = (m - T(1)) / (m + T(1)), square = s * s;
  const Bits<T> n = ((Bits<T>)x >> VecTraits<T>::kMantissa) - VecTraits<T>::kBias - (Bits<T>)above;
  Vec<T> series = set1<T>(T(1.0 / (2 * kTerms - 1)));
#pragma GCC unroll 10
  for (int k = kTerms - 2; k >= 0; k--) series = fma(series, square, set1<T>(T(1.0 / (2 * k + 1))));
  return fma(__builtin_convertvector(n, Vec<T>), set1<T>(T(0.6931471805599453)), T(2) * s * series);
}

// a(r) / b(r), polynomials of degree 7
template <class T>
static inline Vec<T> ratio(const double (&a)[8], const double (&b)[8], Vec<T> r) {
  Vec<T> over = set1<T>(T(a[7])), under = set1<T>(T(b[7]));
#pragma GCC unroll 7
  for (int k = 6; k >= 0; k--) over = fma(over, r, set1<T>(T(a[k]))), under = fma(under, r, set1<T>(T(b[k])));
  return over / under;
}

// What a standard normal number exceeds with probability p, 1e-10 < p <= 0.5 (Wichura 1988, algorithm AS 241, PPND16)
template <class T>
static inline Vec<T> normal_above(Vec<T> p) {
  static constexpr double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                                 1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                 3.3430575583588128105e4, 2.5090809287301226727e3};
  static constexpr double b[] = {1.0,
                                 4.2313330701600911252e1,
                                 6.8718700749205790830e2,
                                 5.3941960214247511077e3,
                                 2.1213794301586595867e4,
                                 3.9307895800092710610e4,
                                 2.8729085735721942674e4,
                                 5.2264952788528545610e3};
  static constexpr double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                                 3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                                 2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double d[] = {1.0,
                                 2.05319162663775882187e0,
                                 1.67638483018380384940e0,
                                 6.89767334985100004550e-1,
                                 1.48103976427480074590e-1,
                                 1.51986665636164571966e-2,
                                 5.47593808499534494600e-4,
                                 1.05075007164441684324e-9};
  const Vec<T> q = T(0.5) - p, tail = square_root(-logarithm<T>(p)) - T(1.6);
  return q <= T(0.425) ? q * ratio<T>(a, b, T(0.180625) - q * q) : ratio<T>(c, d, tail);
}

// y = x + a normal number: the last bit of a word has its sign, the others the probability of a greater one.
template <class T>
static void gaussian_noise(Index n, T deviation, std::uint64_t key, std::uint32_t iteration, std::uint32_t row,
                           std::uint32_t step, const T* x, T* y) {
  for_words(n, key, iteration, row, step, [&](Index first, Index count, const std::uint32_t* words) {
    constexpr Index kValues = 4 * kCounters;
    T noise[kValues];
    for (Index i = 0; i < kValues; i++) noise[i] = (T(words[i] >> 1) + T(0.5)) * T(1.0 / 4294967296.0);
    for (Index i = 0; i < kValues; i += kLanes<T>) store(noise + i, normal_above<T>(load(noise + i)));
    for (Index i = 0; i < count; i++) y[first + i] = x[first + i] + (words[i] & 1 ? -deviation : deviation) * noise[i];
  });
}
