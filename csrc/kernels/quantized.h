// Products with weights of 16 or 8 bits, for inference. Included by kernels.inl, and by the files of instruction sets
// that have nothing but these.
//
// Sums of bfloat16 are chains of fused multiply-adds of exact products, k odd before even, which is what VDPBF16PS
// does; those of int8 are exact. So every instruction set has the same bits, the baseline included.

typedef std::uint32_t Words __attribute__((vector_size(kVectorBytes)));  // in every lane a word of weights

static inline Words load_words(const std::uint32_t* p) {
  typedef std::uint32_t Unaligned __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
  return *reinterpret_cast<const Unaligned*>(p);
}

// ---- rows of A ------------------------------------------------------------------------------------------------------

// The nearest bfloat16, of two the even one
static void round_to_bfloat16(Index rows, Index n, const float* x, Index x_stride, std::uint32_t* words,
                              Index words_stride) {
  typedef std::uint16_t Halves __attribute__((vector_size(kVectorBytes / 2), aligned(2), may_alias));
  for (Index r = 0; r < rows; r++) {
    std::uint16_t* to = reinterpret_cast<std::uint16_t*>(words + r * words_stride);
    for (Index k = 0; k < n; k += kLanes<float>) {
      const Vec<float> value = load(x + r * x_stride + k);
      const Words bits = (Words)value;
      const Words nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet_nan = bits >> 16 | 0x40;
      *reinterpret_cast<Halves*>(to + k) = __builtin_convertvector(value == value ? nearest : quiet_nan, Halves);
    }
  }
}

// x = scale q, q integers to 127. A row with a number that is not finite gets a scale that is NaN.
static void round_to_int8(Index rows, Index n, const float* x, Index x_stride, std::uint32_t* words, Index words_stride,
                          RoundedRow* rounded) {
  typedef std::int8_t Bytes __attribute__((vector_size(kVectorBytes / 4), aligned(1), may_alias));
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, left in the low bits
  for (Index r = 0; r < rows; r++, x += x_stride, words += words_stride) {
    Vec<float> most{}, not_finite{};
    for (Index k = 0; k < n; k += kLanes<float>) {
      const Vec<float> value = load(x + k);
      most = greater(most, greater(value, -value));
      not_finite += value - value;
    }
    float limit = 0, check = 0;
    for (int i = 0; i < kLanes<float>; i++) {
      limit = limit < most[i] ? most[i] : limit;
      check += not_finite[i];
    }
    const Vec<float> inverse = set1(limit > 0 ? 127.0f / limit : 0.0f);
    Bits<float> sum{};
    for (Index k = 0; k < n; k += kLanes<float>) {
      const Bits<float> q = (Bits<float>)(load(x + k) * inverse + kRound) - (Bits<float>)set1(kRound);
      *reinterpret_cast<Bytes*>(reinterpret_cast<std::int8_t*>(words) + k) = __builtin_convertvector(q, Bytes);
      sum += q;
    }
    std::uint32_t total = 0;  // of a row that is not finite anything
    for (int i = 0; i < kLanes<float>; i++) total += std::uint32_t(sum[i]);
    rounded[r] = {limit / 127.0f + check, std::int32_t(128 * total)};
  }
}

// ---- a word's products ----------------------------------------------------------------------------------------------

// A word of a row of A, in every lane, as `accumulate` wants it
struct Bfloat16Pair {
#if defined(__AVX512BF16__)
  explicit Bfloat16Pair(std::uint32_t word) : both((__m512bh)_mm512_set1_epi32(int(word))) {}
  void accumulate(Words b, Vec<float>& sum) const { sum = _mm512_dpbf16_ps(sum, both, (__m512bh)b); }
  __m512bh both;
#else
  explicit Bfloat16Pair(std::uint32_t word)
      : even((Vec<float>)(Words{} + (word << 16))), odd((Vec<float>)(Words{} + (word & 0xffff0000u))) {}
  void accumulate(Words b, Vec<float>& sum) const {
    sum = fma(odd, (Vec<float>)(b & 0xffff0000u), sum);
    sum = fma(even, (Vec<float>)(b << 16), sum);
  }
  Vec<float> even, odd;
#endif
};

// Of four signed bytes; b is unsigned
struct Int8Quad {
#if defined(__AVX512VNNI__)
  explicit Int8Quad(std::uint32_t word) : all(_mm512_set1_epi32(int(word))) {}
  void accumulate(Words b, Bits<float>& sum) const {
    sum = (Bits<float>)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)b, all);
  }
  __m512i all;
#elif defined(__SSE2__)
  typedef std::int16_t Halves __attribute__((vector_size(kVectorBytes)));
  explicit Int8Quad(std::uint32_t word)
      : even((Halves)(Words{} + word) << 8 >> 8), odd((Halves)(Words{} + word) >> 8) {}
  void accumulate(Words b, Bits<float>& sum) const {
    sum += multiply_pairs((Halves)(b & 0x00ff00ffu), even) + multiply_pairs((Halves)(b >> 8 & 0x00ff00ffu), odd);
  }
  // Two products of neighbours, added: one instruction
  static Bits<float> multiply_pairs(Halves a, Halves b) {
#if defined(__AVX512BW__)
    return (Bits<float>)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (Bits<float>)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    return (Bits<float>)_mm_madd_epi16((__m128i)a, (__m128i)b);
#endif
  }
  Halves even, odd;
#else
  explicit Int8Quad(std::uint32_t word) : word(word) {}
  void accumulate(Words b, Bits<float>& sum) const {
    for (int i = 0; i < 4; i++) sum += (Bits<float>)(b >> 8 * i & 255) * std::int32_t(std::int8_t(word >> 8 * i));
  }
  std::uint32_t word;
#endif
};

template <class Word, int MR, int NV, class Sum>
static inline void multiply_words(const QuantizedProduct& g, Index row, Index column, Sum (&acc)[MR][NV]) {
  const std::uint32_t *a = g.a + row * g.a_stride, *b = g.b + column;
  for (Index k = 0; k < g.words; k++, b += g.b_stride) {
    Words b_k[NV];
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) b_k[j] = load_words(b + j * kLanes<float>);
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
      const Word a_rk(a[r * g.a_stride + k]);
#pragma GCC unroll 8
      for (int j = 0; j < NV; j++) a_rk.accumulate(b_k[j], acc[r][j]);
    }
  }
}

// ---- tiles, see gemm.h ----------------------------------------------------------------------------------------------

struct Bfloat16Product : QuantizedProduct {};
struct Int8Product : QuantizedProduct {};

template <class T, int MR, int NV>
static void tile(const Bfloat16Product& g, Index row, Index column) {
  Vec<float> acc[MR][NV];
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) acc[r][j] = load(g.c + (row + r) * g.c_stride + column + j * kLanes<float>);
  multiply_words<Bfloat16Pair, MR, NV>(g, row, column, acc);
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) store(g.c + (row + r) * g.c_stride + column + j * kLanes<float>, acc[r][j]);
}

// sum over k of scale_a q_a scale_b (q_b + 128 - 128)
template <class T, int MR, int NV>
static void tile(const Int8Product& g, Index row, Index column) {
  Bits<float> acc[MR][NV];
#pragma GCC unroll 8
  for (auto& acc_r : acc)
#pragma GCC unroll 8
    for (auto& acc_rj : acc_r) acc_rj = Bits<float>{};
  multiply_words<Int8Quad, MR, NV>(g, row, column, acc);
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++) {
    const RoundedRow& a = g.rounded[row + r];
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) {
      float* c = g.c + (row + r) * g.c_stride + column + j * kLanes<float>;
      const Vec<float> sum = __builtin_convertvector(acc[r][j] - a.offset, Vec<float>);
      store(c, fma(sum, set1(a.scale) * load(g.scales + column + j * kLanes<float>), load(c)));
    }
  }
}

static void add_bfloat16(const QuantizedProduct& g) { all_tiles<float>(Bfloat16Product{g}); }
static void add_int8(const QuantizedProduct& g) { all_tiles<float>(Int8Product{g}); }
