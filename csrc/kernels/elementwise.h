// exp, sigmoid and tanh on registers, and the layers' activations. Included by kernels.inl.
//
// Over all 2^32 float32 numbers sigmoid is at most 2.48 ULP off, at -16.635704, and tanh 2.57, at 0.062023256 (`pytest
// -m slow`).

// q of exp(r) - 1 = r + r^2 q(r) for |r| <= ln(2)/2, from fit_expm1.py: relative error 2^-26 (float), 2^-55 (double).
template <class T>
struct Expm1;
template <>
struct Expm1<float> {
  static constexpr int kDegree = 4;
  static constexpr float q[] = {0.499999982f, 0.166665436f, 0.0416672001f, 0.00836652152f, 0.00138825044f};
  static constexpr float kLog2e = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  static constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, left in the low bits
  static constexpr float kLowest = -87.0f, kHighest = 88.0f;
  static constexpr float kTanhSaturates = 9.1f;
};
template <>
struct Expm1<double> {
  static constexpr int kDegree = 9;
  static constexpr double q[] = {0.50000000000000052,   0.16666666666666589,   0.041666666666576748,
                                 0.0083333333333896533, 0.0013888888931565912, 0.00019841269718779284,
                                 2.4801505273377038e-5, 2.755740774366173e-6,  2.7626037829004846e-7,
                                 2.5053713717104433e-8};
  static constexpr double kLog2e = 1.4426950408889634, kLn2High = 0.69314718036912382, kLn2Low = 1.9082149292705877e-10;
  static constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double kLowest = -708.0, kHighest = 709.0;
  static constexpr double kTanhSaturates = 19.1;
};

// exp(x) = 2^n (1 + p): n the nearest integer to x / ln 2, p = exp(x - n ln 2) - 1. x within [kLowest, kHighest].
template <class T>
static inline void split_exp(Vec<T> x, Vec<T>& two_to_n, Vec<T>& p) {
  using E = Expm1<T>;
  const Vec<T> shifted = fma(x, set1<T>(E::kLog2e), set1<T>(E::kRound));
  const Vec<T> n = shifted - E::kRound;
  const Vec<T> r = fma(n, set1<T>(-E::kLn2Low), fma(n, set1<T>(-E::kLn2High), x));
  Vec<T> q = set1<T>(E::q[E::kDegree]);
#pragma GCC unroll 9
  for (int k = E::kDegree - 1; k >= 0; k--) q = fma(q, r, set1<T>(E::q[k]));
  p = fma(r * r, q, r);
  two_to_n = (Vec<T>)(((Bits<T>)shifted + VecTraits<T>::kBias) << VecTraits<T>::kMantissa);
}

// NaN stays NaN: of it and a bound, the second operand is taken.
template <class T>
static inline Vec<T> clamp(Vec<T> x, T lowest, T highest) {
  return lesser(set1<T>(highest), greater(set1<T>(lowest), x));
}

template <class T>
static inline Vec<T> exponential(Vec<T> x) {
  Vec<T> two_to_n, p;
  split_exp<T>(clamp<T>(x, Expm1<T>::kLowest, Expm1<T>::kHighest), two_to_n, p);
  return fma(two_to_n, p, two_to_n);
}

// sigmoid(x) = 1 / (1 + exp(-x))
template <class T>
static inline Vec<T> sigmoid(Vec<T> x) {
  return T(1) / (T(1) + exponential<T>(-x));
}

// tanh(x) = e / (e + 2), e = exp(2|x|) - 1, with the sign of x. e is exact to its last bits near zero too.
template <class T>
static inline Vec<T> tanh(Vec<T> x) {
  const Bits<T> sign = (Bits<T>)set1<T>(T(-0.0));
  const Vec<T> magnitude = (Vec<T>)((Bits<T>)x & ~sign);
  Vec<T> two_to_n, p;
  split_exp<T>(T(2) * lesser(set1<T>(Expm1<T>::kTanhSaturates), magnitude), two_to_n, p);
  const Vec<T> e = fma(two_to_n, p, two_to_n - T(1));
  return (Vec<T>)((Bits<T>)(e / (e + T(2))) | ((Bits<T>)x & sign));
}

// exp(x) - 1, exact to its last bits near zero too
template <class T>
static inline Vec<T> exponential_minus_1(Vec<T> x) {
  Vec<T> two_to_n, p;
  split_exp<T>(clamp<T>(x, Expm1<T>::kLowest, Expm1<T>::kHighest), two_to_n, p);
  return fma(two_to_n, p, two_to_n - T(1));
}

// hard_sigmoid(x) = min(max(x + 3, 0), 6) / 6, Keras 3's: slope 1/6
template <class T>
static inline Vec<T> hard_sigmoid(Vec<T> x) {
  return clamp<T>(x + T(3), T(0), T(6)) * T(1.0 / 6);
}
// Its derivative, by y = hard_sigmoid(x)
template <class T>
static inline Vec<T> hard_sigmoid_slope(Vec<T> y) {
  const Vec<T> rising = y > T(0) ? set1<T>(T(1.0 / 6)) : Vec<T>{};
  return y < T(1) ? rising : Vec<T>{};
}

// softplus(x) = log(1 + exp(x)) = max(x, 0) + log(1 + u), u = exp(-|x|)
// log(1 + u) = 2 artanh(s) = 2 s (1 + s^2/3 + s^4/5 + ...), s = u / (2 + u) <= 1/3: the terms left out are below half
// an ULP of the first.
template <class T>
static inline Vec<T> softplus(Vec<T> x) {
  constexpr int kTerms = sizeof(T) == 4 ? 8 : 17;
  const Vec<T> above = x < T(0) ? Vec<T>{} : x;
  const Vec<T> u = exponential<T>(x < T(0) ? x : -x), s = u / (T(2) + u), square = s * s;
  Vec<T> series = set1<T>(T(1.0 / (2 * kTerms - 1)));
#pragma GCC unroll 16
  for (int k = kTerms - 2; k >= 0; k--) series = fma(series, square, set1<T>(T(1.0 / (2 * k + 1))));
  return fma(T(2) * s, series, above);
}

// elu(x) = x where x > 0, else exp(x) - 1: alpha = 1, Clevert et al. 2016
template <class T>
static inline Vec<T> elu(Vec<T> x) {
  return x > T(0) ? x : exponential_minus_1<T>(x);
}

// P of F(-w) = exp(-w^2 / 2) t P(u), t = 4 / (4 + w), for 0 <= w <= kHighest, from fit_normal.py: relative error 2^-26
// (float), 2^-55 (double). F is the standard normal distribution function; below -kHighest it is soon subnormal.
template <class T>
struct Normal;
template <>
struct Normal<float> {
  static constexpr int kDegree = 9;
  static constexpr float p[] = {0.230593126f,   0.157587538f,     0.0788951629f,   0.0275538845f, 0.00561451492f,
                                5.96976846e-5f, -0.000283671854f, -3.61698381e-5f, 1.3375983e-5f, 2.54443921e-6f};
  static constexpr float kHighest = 13.0f;
};
template <>
struct Normal<double> {
  static constexpr int kDegree = 22;
  static constexpr double p[] = {
      0.20461392215414898,    0.15544269232109342,     0.090651119123962795,    0.038720324754619118,
      0.010533266307999315,   0.00077613194079879406,  -0.00061306513966709346, -0.00017655348327300749,
      3.6307555492221532e-5,  2.0975038707835805e-5,   -3.3750272937130709e-6,  -2.4439813790103535e-6,
      5.3245007257330403e-7,  2.7711653810440392e-7,   -1.0340139179255793e-7,  -2.5163141142532471e-8,
      1.9378912231323124e-8,  4.6586664877488374e-10,  -3.0870360955516369e-9,  3.9755882303450589e-10,
      3.6363404180142763e-10, -6.2922713246599508e-11, -2.3300333979703233e-11};
  static constexpr double kHighest = 37.0;
};

// F(x), and bell = exp(-x^2 / 2)
template <class T>
static inline Vec<T> normal_distribution(Vec<T> x, Vec<T>& bell) {
  using N = Normal<T>;
  constexpr T h = N::kHighest;
  const Vec<T> magnitude = (Vec<T>)((Bits<T>)x & ~(Bits<T>)set1<T>(T(-0.0)));
  const Vec<T> w = lesser(set1<T>(h), magnitude), t = T(4) / (T(4) + w);
  const Vec<T> u = fma(t, set1<T>(2 * (h + 4) / h), set1<T>(-(h + 8) / h));  // -1 at w = h, 1 at 0
  Vec<T> p = set1<T>(N::p[N::kDegree]);
#pragma GCC unroll 22
  for (int k = N::kDegree - 1; k >= 0; k--) p = fma(p, u, set1<T>(N::p[k]));
  bell = exponential<T>(w * w * T(-0.5));
  const Vec<T> tail = bell * t * p;
  return x < T(0) ? tail : T(1) - tail;
}

// Keras' negative_slope
template <class T>
constexpr T kLeakySlope = T(0.2);

// y[0:n] = f(x[0:n]...) by whole registers; a last part of a block goes through a buffer, so that padding keeps its
// zeros.
template <class T, class F, class... X>
static inline void map(Index n, F f, T* y, const X*... x) {
  Index i = 0;
  for (; i + kBlock <= n; i += kBlock)
    for (Index j = i; j < i + kBlock; j += kLanes<T>) store(y + j, f(load(x + j)...));
  if (i == n) return;
  T buffer[kBlock];
  for (Index j = 0; j < kBlock; j += kLanes<T>) store(buffer + j, f(load(x + i + j)...));
  for (Index j = i; j < n; j++) y[j] = buffer[j - i];
}

// The sum of f(x...) over n values as kBlock partial sums in a fixed tree.
template <class T, class F, class... X>
static inline T sum(Index n, F f, const X*... x) {
  T partial[kBlock] = {};
  Index i = 0;
  for (; i + kBlock <= n; i += kBlock)
    for (Index j = 0; j < kBlock; j += kLanes<T>) store(partial + j, load(partial + j) + f(load(x + i + j)...));
  if (i < n) {
    T buffer[kBlock];
    for (Index j = 0; j < kBlock; j += kLanes<T>) store(buffer + j, f(load(x + i + j)...));
    for (Index j = 0; j < n - i; j++) partial[j] += buffer[j];
  }
  return sum_block(partial);
}

template <class T>
static inline T maximum(Index n, const T* x) {
  T highest = x[0];
  for (Index i = 1; i < n; i++) highest = x[i] > highest ? x[i] : highest;
  return highest;
}

template <class T>
static void log_sum_exp(Index features, const T* x, T* highest, T* total) {
  const T m = maximum(features, x);
  *highest = m;
  *total = sum<T>(features, [m](Vec<T> v) { return exponential<T>(v - m); }, x);
}

// softmax(x) = exp(x - max x) / sum exp(x - max x)
template <class T>
static inline void softmax_row(Index n, const T* x, T* y) {
  const T m = maximum(n, x);
  map(n, [m](Vec<T> v) { return exponential<T>(v - m); }, y, x);
  const T scale = T(1) / sum<T>(n, [](Vec<T> v) { return v; }, y);
  map(n, [scale](Vec<T> v) { return v * scale; }, y, y);
}

template <class T>
static void activate(Activation activation, Index rows, Index features, const T* x, T* y, Index stride) {
  using V = Vec<T>;
  const auto all = [&](auto f) {
    for (Index r = 0; r < rows; r++) map(features, f, y + r * stride, x + r * stride);
  };
  switch (activation) {
    case Activation::linear:
      return all([](V v) { return v; });
    case Activation::tanh:
      return all([](V v) { return tanh<T>(v); });
    case Activation::sigmoid:
      return all([](V v) { return sigmoid<T>(v); });
    case Activation::relu:
      return all([](V v) { return v < T(0) ? V{} : v; });
    case Activation::softmax:
      for (Index r = 0; r < rows; r++) softmax_row(features, x + r * stride, y + r * stride);
      return;
    case Activation::hard_sigmoid:
      return all([](V v) { return hard_sigmoid<T>(v); });
    case Activation::softplus:
      return all([](V v) { return softplus<T>(v); });
    case Activation::elu:
      return all([](V v) { return elu<T>(v); });
    case Activation::leaky_relu:
      return all([](V v) { return v < T(0) ? kLeakySlope<T> * v : v; });
    case Activation::exponential:  // the square of exp(x / 2), which reaches infinity and 0; exponential is clamped
      return all([](V v) {
        const V root = exponential<T>(v * T(0.5));
        return root * root;
      });
    case Activation::silu:  // x sigmoid(x), Ramachandran et al. 2017; of minus infinity no infinity times 0
      return all([](V v) { return greater(set1<T>(Expm1<T>::kLowest), v) * sigmoid<T>(v); });
    case Activation::gelu:  // x F(x), Hendrycks and Gimpel 2016
      return all([](V v) {
        V bell;
        return greater(set1<T>(-Normal<T>::kHighest), v) * normal_distribution<T>(v, bell);
      });
  }
}

// dx = y * (dy - sum(y * dy))
template <class T>
static inline void softmax_row_backward(Index n, const T* y, const T* dy, T* dx) {
  using V = Vec<T>;
  const T dot = sum<T>(n, [](V v, V d) { return v * d; }, y, dy);
  map(n, [dot](V v, V d) { return v * (d - dot); }, dx, y, dy);
}

// dx = dy * act'(x), the derivative written by y = act(x); where keeps_input, y stands for x
template <class T>
static void activate_backward(Activation activation, Index rows, Index features, const T* y, const T* dy, T* dx,
                              Index stride) {
  using V = Vec<T>;
  const auto all = [&](auto f) {
    for (Index r = 0; r < rows; r++) map(features, f, dx + r * stride, y + r * stride, dy + r * stride);
  };
  switch (activation) {
    case Activation::linear:
      return all([](V, V d) { return d; });
    case Activation::tanh:
      return all([](V v, V d) { return d * (T(1) - v * v); });
    case Activation::sigmoid:
      return all([](V v, V d) { return d * v * (T(1) - v); });
    case Activation::relu:
      return all([](V v, V d) { return v > T(0) ? d : V{}; });
    case Activation::softmax:
      for (Index r = 0; r < rows; r++) softmax_row_backward(features, y + r * stride, dy + r * stride, dx + r * stride);
      return;
    case Activation::hard_sigmoid:
      return all([](V v, V d) { return d * hard_sigmoid_slope<T>(v); });
    case Activation::softplus:  // sigmoid(x) = 1 - exp(-y)
      return all([](V v, V d) { return -d * exponential_minus_1<T>(-v); });
    case Activation::elu:
      return all([](V v, V d) { return v > T(0) ? d : fma(d, v, d); });
    case Activation::leaky_relu:
      return all([](V v, V d) { return v > T(0) ? d : kLeakySlope<T> * d; });
    case Activation::exponential:
      return all([](V v, V d) { return d * v; });
    case Activation::silu:  // s (1 + x (1 - s)), s = sigmoid(x)
      return all([](V v, V d) {
        const V x = clamp<T>(v, Expm1<T>::kLowest, Expm1<T>::kHighest), s = sigmoid<T>(x);
        return d * s * fma(x, T(1) - s, set1<T>(T(1)));
      });
    case Activation::gelu:  // F(x) + x exp(-x^2 / 2) / sqrt(2 pi)
      return all([](V v, V d) {
        V bell;
        const V below = normal_distribution<T>(v, bell);
        return d * fma(clamp<T>(v, -Normal<T>::kHighest, Normal<T>::kHighest) * T(0.3989422804014327), bell, below);
      });
  }
}
