// Vec<T>: as many values of T as a register of this instruction set holds, with the few operations the kernels need.
//
// The arithmetic operators, comparisons and the choice `mask ? a : b` are the compiler's own (GCC and Clang vector
// extensions); only what C++ cannot say (a fused multiply-add, an unaligned load) is spelt out here.
// Included once per instruction set, inside an anonymous namespace, by kernels.inl.

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T>
struct VecTraits;
template <>
struct VecTraits<float> {
  typedef float V __attribute__((vector_size(kVectorBytes)));
  typedef float Unaligned __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
  typedef std::int32_t Bits __attribute__((vector_size(kVectorBytes)));
  static constexpr int kMantissa = 23;
  static constexpr int kBias = 127;
};
template <>
struct VecTraits<double> {
  typedef double V __attribute__((vector_size(kVectorBytes)));
  typedef double Unaligned __attribute__((vector_size(kVectorBytes), aligned(8), may_alias));
  typedef std::int64_t Bits __attribute__((vector_size(kVectorBytes)));
  static constexpr int kMantissa = 52;
  static constexpr int kBias = 1023;
};

template <class T>
using Vec = typename VecTraits<T>::V;
template <class T>
using Bits = typename VecTraits<T>::Bits;

template <class T>
constexpr int kLanes = kVectorBytes / int(sizeof(T));

template <class T>
static inline Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VecTraits<T>::Unaligned*>(p);
}
template <class T>
static inline void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VecTraits<T>::Unaligned*>(p) = v;
}
template <class T>
static inline Vec<T> set1(T x) {
  return x - Vec<T>{};  // x - 0 keeps -0, which x + 0 would not
}

// a < b ? a : b and a > b ? a : b: where one is NaN, the second. One instruction each, which compilers do not find.
#if defined(__AVX512F__)
static inline Vec<float> lesser(Vec<float> a, Vec<float> b) { return _mm512_min_ps(a, b); }
static inline Vec<double> lesser(Vec<double> a, Vec<double> b) { return _mm512_min_pd(a, b); }
static inline Vec<float> greater(Vec<float> a, Vec<float> b) { return _mm512_max_ps(a, b); }
static inline Vec<double> greater(Vec<double> a, Vec<double> b) { return _mm512_max_pd(a, b); }
#elif defined(__AVX2__)
static inline Vec<float> lesser(Vec<float> a, Vec<float> b) { return _mm256_min_ps(a, b); }
static inline Vec<double> lesser(Vec<double> a, Vec<double> b) { return _mm256_min_pd(a, b); }
static inline Vec<float> greater(Vec<float> a, Vec<float> b) { return _mm256_max_ps(a, b); }
static inline Vec<double> greater(Vec<double> a, Vec<double> b) { return _mm256_max_pd(a, b); }
#else
template <class V>
static inline V lesser(V a, V b) {
  return a < b ? a : b;
}
template <class V>
static inline V greater(V a, V b) {
  return a > b ? a : b;
}
#endif

// Values of two vectors of T by their places in (a, b)
#if defined(__clang__)
#define PYRNN_SHUFFLE(T, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
template <class T>
struct Places;
template <>
struct Places<float> {
  typedef std::int32_t Four __attribute__((vector_size(16)));
};
template <>
struct Places<double> {
  typedef std::int64_t Four __attribute__((vector_size(32)));
};
#define PYRNN_SHUFFLE(T, a, b, ...) __builtin_shuffle(a, b, (typename Places<T>::Four){__VA_ARGS__})
#endif

// As many bytes, each in the place of a value. One instruction, which compilers do not find either.
template <class T>
static inline Bits<T> load_bytes(const std::uint8_t* p) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return (Bits<T>)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p));
  return (Bits<T>)_mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i*)p));
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) return (Bits<T>)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
  return (Bits<T>)_mm256_cvtepu8_epi64(_mm_loadu_si32(p));
#else
  Bits<T> bytes;
  for (int i = 0; i < kLanes<T>; i++) bytes[i] = p[i];
  return bytes;
#endif
}

// a * b + c, rounded once where the instruction set can
#if defined(__AVX512F__)
static inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm512_fmadd_ps(a, b, c); }
static inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm512_fmadd_pd(a, b, c); }
static inline Vec<float> square_root(Vec<float> x) { return _mm512_sqrt_ps(x); }
static inline Vec<double> square_root(Vec<double> x) { return _mm512_sqrt_pd(x); }
#elif defined(__AVX2__)
static inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm256_fmadd_ps(a, b, c); }
static inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm256_fmadd_pd(a, b, c); }
static inline Vec<float> square_root(Vec<float> x) { return _mm256_sqrt_ps(x); }
static inline Vec<double> square_root(Vec<double> x) { return _mm256_sqrt_pd(x); }
#elif defined(__aarch64__)
static inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return (Vec<float>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
static inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return (Vec<double>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
static inline Vec<float> square_root(Vec<float> x) { return (Vec<float>)vsqrtq_f32((float32x4_t)x); }
static inline Vec<double> square_root(Vec<double> x) { return (Vec<double>)vsqrtq_f64((float64x2_t)x); }
#elif defined(__SSE2__)
static inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return a * b + c; }
static inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return a * b + c; }
static inline Vec<float> square_root(Vec<float> x) { return _mm_sqrt_ps(x); }
static inline Vec<double> square_root(Vec<double> x) { return _mm_sqrt_pd(x); }
#else
template <class V>
static inline V fma(V a, V b, V c) {
  return a * b + c;
}
static inline Vec<float> square_root(Vec<float> x) {
  for (int i = 0; i < kLanes<float>; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
}
static inline Vec<double> square_root(Vec<double> x) {
  for (int i = 0; i < kLanes<double>; i++) x[i] = __builtin_sqrt(x[i]);
  return x;
}
#endif

// 64-bit lanes of 32-bit numbers, and the 64-bit products of their low halves, which compilers do not find
typedef std::uint64_t Wide __attribute__((vector_size(kVectorBytes)));
constexpr Index kWideLanes = kVectorBytes / 8;
#if defined(__AVX512F__)
static inline Wide multiply_low_halves(Wide a, Wide b) { return (Wide)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
#elif defined(__AVX2__)
static inline Wide multiply_low_halves(Wide a, Wide b) { return (Wide)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
#elif defined(__aarch64__)
static inline Wide multiply_low_halves(Wide a, Wide b) {
  return (Wide)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
}
#elif defined(__SSE2__)
static inline Wide multiply_low_halves(Wide a, Wide b) { return (Wide)_mm_mul_epu32((__m128i)a, (__m128i)b); }
#else
static inline Wide multiply_low_halves(Wide a, Wide b) { return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu); }
#endif

// The sum of kBlock partial sums as one fixed tree, the same for every register width.
template <class T>
static inline T sum_block(const T* partial) {
  T s[kBlock];
  for (Index i = 0; i < kBlock; i++) s[i] = partial[i];
  for (Index width = kBlock / 2; width > 0; width /= 2)
    for (Index i = 0; i < width; i++) s[i] += s[i + width];
  return s[0];
}
