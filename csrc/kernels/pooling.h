// Maximum over the steps of a sequence. Included by kernels.inl.

// into = max(into, x); a NaN in either stays
template <class T>
static void maximum_into(Index n, const T* x, T* into) {
  using V = Vec<T>;
  map(n, [](V a, V b) { return a == a ? greater(a, b) : a; }, into, x, into);
}

// dx[t] = x[t] == y ? dy / (steps that hold y) : 0, of one row
template <class T>
static void maximum_backward(Index steps, Index n, const T* x, Index x_step, const T* y, const T* dy, T* dx,
                             Index dx_step) {
  using V = Vec<T>;
  const V one = set1<T>(T(1));
  for (Index i = 0; i < n; i += kLanes<T>) {
    const V highest = load(y + i);
    V count{};
    for (Index t = 0; t < steps; t++) count += load(x + t * x_step + i) == highest ? one : V{};
    const V share = load(dy + i) / count;
    for (Index t = 0; t < steps; t++) store(dx + t * dx_step + i, load(x + t * x_step + i) == highest ? share : V{});
  }
}
