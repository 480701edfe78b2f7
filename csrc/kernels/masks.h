// What dropout and zoneout do to the state of a recurrent cell at one step; ops/cell_masks.h has the equations.
// Included by kernels.inl.

// The steps are copied: of one that lies in memory the compiler would read every pointer again after every store.

// h after the cell becomes that after zoneout, then masked_h
template <class T>
static void masked_forward(const MaskedStep<T>& step) {
  const MaskedStep<T> s = step;
  for (Index r = 0; r < s.rows; r++)
    for (Index u = 0; u < s.columns; u += kLanes<T>) {
      const Index at = r * s.stride + u;
      Vec<T> h = load(s.h + at);
      if (s.h_prev) {
        const Vec<T> h_prev = load(s.h_prev + at);
        h = s.zoneout ? load_bytes<T>(s.zoneout + at) != 0 ? h : h_prev : s.keep * h + (T(1) - s.keep) * h_prev;
        store(s.h + at, h);
      }
      if (s.mask) store(s.masked_h + at, load(s.mask + at) * h);
    }
}

// dh, by h after zoneout, becomes that by the cell's h; passed is what goes past the cell
template <class T>
static void zoneout_backward(const MaskedStep<T>& step) {
  const MaskedStep<T> s = step;
  for (Index r = 0; r < s.rows; r++)
    for (Index u = 0; u < s.columns; u += kLanes<T>) {
      const Index at = r * s.stride + u;
      const Bits<T> takes_new = load_bytes<T>(s.zoneout + at) != 0;
      const Vec<T> dh = load(s.dh + at);
      store(s.passed + at, takes_new ? Vec<T>{} : dh);
      store(s.dh + at, takes_new ? dh : Vec<T>{});
    }
}

// dh (+)= mask dmasked_h, += passed
template <class T>
static void masked_backward(const MaskedStep<T>& step) {
  const MaskedStep<T> s = step;
  for (Index r = 0; r < s.rows; r++)
    for (Index u = 0; u < s.columns; u += kLanes<T>) {
      const Index at = r * s.stride + u;
      Vec<T> dh = s.adds ? load(s.dh + at) : Vec<T>{};
      if (s.mask) dh += load(s.mask + at) * load(s.masked_h + at);
      if (s.passed) dh += load(s.passed + at);
      store(s.dh + at, dh);
    }
}
