// The optimizers' rules as Keras 3 defines them, on a flat run of weights. Included by kernels.inl.
// n is a multiple of kBlock: weights are stored in whole panels, and the padding has zero gradients.

template <class T>
static void sgd(const UpdateRule<T>& rule, Index n, T* w, const T* g, T* velocity) {
  for (Index i = 0; i < n; i += kLanes<T>) {
    const Vec<T> step = load(g + i) * rule.learning_rate;
    if (!velocity) {
      store(w + i, load(w + i) - step);
      continue;
    }
    const Vec<T> v = load(velocity + i) * rule.momentum - step;
    store(velocity + i, v);
    store(w + i, load(w + i) + (rule.nesterov ? v * rule.momentum - step : v));
  }
}

// epsilon stands inside the root
template <class T>
static void rmsprop(const UpdateRule<T>& rule, Index n, T* w, const T* g, T* v, T* average, T* momentum) {
  const T keep = rule.rho, take = T(1) - rule.rho;
  for (Index i = 0; i < n; i += kLanes<T>) {
    const Vec<T> gradient = load(g + i);
    const Vec<T> square = load(v + i) * keep + gradient * gradient * take;
    store(v + i, square);
    Vec<T> denominator = square + rule.epsilon;
    if (average) {
      const Vec<T> mean = load(average + i) * keep + gradient * take;
      store(average + i, mean);
      denominator -= mean * mean;
    }
    Vec<T> step = gradient * rule.learning_rate / square_root(denominator);
    if (momentum) {
      step += load(momentum + i) * rule.momentum;
      store(momentum + i, step);
    }
    store(w + i, load(w + i) - step);
  }
}

// epsilon stands outside the root (Kingma & Ba 2015, section 2, the reordered form). With v_max, that is v in its place
// (AMSGrad: Reddi et al. 2018, algorithm 2).
template <class T>
static void adam(const UpdateRule<T>& rule, Index n, T* w, const T* g, T* m, T* v, T* v_max) {
  const T take_1 = T(1) - rule.beta_1, take_2 = T(1) - rule.beta_2;
  for (Index i = 0; i < n; i += kLanes<T>) {
    const Vec<T> gradient = load(g + i);
    const Vec<T> mean = load(m + i) + (gradient - load(m + i)) * take_1;
    const Vec<T> square = load(v + i) + (gradient * gradient - load(v + i)) * take_2;
    store(m + i, mean);
    store(v + i, square);
    Vec<T> size = square;
    if (v_max) {
      size = greater(load(v_max + i), square);
      store(v_max + i, size);
    }
    store(w + i, load(w + i) - mean * rule.learning_rate / (square_root(size) + rule.epsilon));
  }
}

// Adam with Nesterov's momentum (Dozat 2015, algorithm 2); the rule has the corrections of this step
template <class T>
static void nadam(const UpdateRule<T>& rule, Index n, T* w, const T* g, T* m, T* v) {
  const T take_1 = T(1) - rule.beta_1, take_2 = T(1) - rule.beta_2;
  for (Index i = 0; i < n; i += kLanes<T>) {
    const Vec<T> gradient = load(g + i);
    const Vec<T> mean = load(m + i) + (gradient - load(m + i)) * take_1;
    const Vec<T> square = load(v + i) + (gradient * gradient - load(v + i)) * take_2;
    store(m + i, mean);
    store(v + i, square);
    const Vec<T> step = mean * rule.mean_rate + gradient * rule.gradient_rate;
    store(w + i, load(w + i) - step / (square_root(square * rule.square_scale) + rule.epsilon));
  }
}

// epsilon stands inside the root
template <class T>
static void adagrad(const UpdateRule<T>& rule, Index n, T* w, const T* g, T* accumulator) {
  for (Index i = 0; i < n; i += kLanes<T>) {
    const Vec<T> gradient = load(g + i);
    const Vec<T> sum = load(accumulator + i) + gradient * gradient;
    store(accumulator + i, sum);
    store(w + i, load(w + i) - gradient * rule.learning_rate / square_root(sum + rule.epsilon));
  }
}

// Chen et al. 2023, algorithm 2. The sign of 0 is 0, of NaN NaN.
template <class T>
static void lion(const UpdateRule<T>& rule, Index n, T* w, const T* g, T* m) {
  const T take_1 = T(1) - rule.beta_1, take_2 = T(1) - rule.beta_2;
  const Vec<T> step = set1(rule.learning_rate), zero = {};
  for (Index i = 0; i < n; i += kLanes<T>) {
    const Vec<T> gradient = load(g + i), mean = load(m + i);
    const Vec<T> toward = mean * rule.beta_1 + gradient * take_1;
    store(m + i, mean * rule.beta_2 + gradient * take_2);
    store(w + i, load(w + i) - (toward > zero ? step : toward < zero ? -step : toward));
  }
}

// In double, by kBlock partial sums: a float sum over millions of weights would lose its small terms.
template <class T>
static double sum_of_squares(Index n, const T* x) {
  double partial[kBlock] = {};
  for (Index i = 0; i < n; i += kBlock)
    for (Index j = 0; j < kBlock; j++) partial[j] += double(x[i + j]) * double(x[i + j]);
  return sum_block(partial);
}

// The sum as that of squares. The sign of 0 is 0, so that padding stays zero; of NaN it is NaN.
template <class T>
static double penalty(Index n, double l1, double l2, const T* w, T* g) {
  double partial[kBlock] = {};
  for (Index i = 0; i < n; i += kBlock)
    for (Index j = 0; j < kBlock; j++) {
      const double size = w[i + j] < 0 ? -double(w[i + j]) : double(w[i + j]);
      partial[j] += size * (l1 + l2 * size);
    }
  const Vec<T> step = set1(T(l1)), zero = {};
  const T slope = T(2 * l2);
  for (Index i = 0; g && i < n; i += kLanes<T>) {
    const Vec<T> weight = load(w + i);
    const Vec<T> sign_step = weight > zero ? step : weight < zero ? -step : weight;
    store(g + i, load(g + i) + sign_step + weight * slope);
  }
  return sum_block(partial);
}

template <class T>
static void scale(Index n, T factor, T* x) {
  for (Index i = 0; i < n; i += kLanes<T>) store(x + i, load(x + i) * factor);
}

template <class T>
static void clip(Index n, T limit, T* x) {
  const Vec<T> high = set1(limit), low = -high;
  for (Index i = 0; i < n; i += kLanes<T>) store(x + i, lesser(high, greater(low, load(x + i))));
}

// Not a scaling by 1 - rate: in float32 that factor would round to a rate some per cent away from a small one.
template <class T>
static void shrink(Index n, T rate, T* x) {
  for (Index i = 0; i < n; i += kLanes<T>) store(x + i, load(x + i) - load(x + i) * rate);
}

template <class T>
static void blend(Index n, T keep, const T* x, T* average) {
  const T take = T(1) - keep;
  for (Index i = 0; i < n; i += kLanes<T>) store(average + i, load(average + i) * keep + load(x + i) * take);
}
