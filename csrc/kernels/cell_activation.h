// The activations of recurrent cells: functions of one register, and their derivatives by the result. Included by
// kernels.inl.

template <class T>
static inline Vec<T> relu(Vec<T> x) {
  return x < T(0) ? Vec<T>{} : x;
}

// A cell's usual pair, known at compile time
struct Tanh {
  template <class T>
  static inline Vec<T> of(Vec<T> x) {
    return tanh<T>(x);
  }
  template <class T>
  static inline Vec<T> slope(Vec<T> y) {
    return T(1) - y * y;
  }
};

struct Sigmoid {
  template <class T>
  static inline Vec<T> of(Vec<T> x) {
    return sigmoid<T>(x);
  }
  template <class T>
  static inline Vec<T> slope(Vec<T> y) {
    return y * (T(1) - y);
  }
};

// Any other, chosen at run time
struct ChosenActivation {
  Activation kind;

  template <class T>
  inline Vec<T> of(Vec<T> x) const {
    switch (kind) {
      case Activation::tanh:
        return tanh<T>(x);
      case Activation::sigmoid:
        return sigmoid<T>(x);
      case Activation::hard_sigmoid:
        return hard_sigmoid<T>(x);
      case Activation::relu:
        return relu<T>(x);
      default:
        return x;
    }
  }
  template <class T>
  inline Vec<T> slope(Vec<T> y) const {
    const Vec<T> one = set1<T>(1), zero{};
    switch (kind) {
      case Activation::tanh:
        return Tanh::slope<T>(y);
      case Activation::sigmoid:
        return Sigmoid::slope<T>(y);
      case Activation::hard_sigmoid:
        return hard_sigmoid_slope<T>(y);
      case Activation::relu:
        return y > zero ? one : zero;
      default:
        return one;
    }
  }
};

// body(activation, recurrent activation), the usual pair inlined
template <class T, class F>
static inline void with_activations(const CellStep<T>& s, F body) {
  if (s.activation == Activation::tanh && s.recurrent_activation == Activation::sigmoid)
    body(Tanh{}, Sigmoid{});
  else
    body(ChosenActivation{s.activation}, ChosenActivation{s.recurrent_activation});
}
