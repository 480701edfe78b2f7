// What dropout and zoneout do to the state of a recurrent cell at one step; ops/cell_masks.h has the equations.
// Included by kernels.inl.

// h after the cell becomes that after zoneout, then masked_h
template <class T>
static void masked_forward(const MaskedStep<T>& s) {
  for (Index r = 0; r < s.rows; r++)
    for (Index u = 0; u < s.columns; u += kLanes<T>) {
      const Index at = r * s.stride + u;
      Vec<T> h = load(s.h + at);
      if (s.h_prev) {
        const Vec<T> mask = s.zoneout ? load(s.zoneout + at) : set1(s.keep);
        h = mask * h + (T(1) - mask) * load(s.h_prev + at);
        store(s.h + at, h);
      }
      if (s.mask) store(s.masked_h + at, load(s.mask + at) * h);
    }
}

// dh, by h after zoneout, becomes that by the cell's h; passed is what goes past the cell
template <class T>
static void zoneout_backward(const MaskedStep<T>& s) {
  for (Index r = 0; r < s.rows; r++)
    for (Index u = 0; u < s.columns; u += kLanes<T>) {
      const Index at = r * s.stride + u;
      const Vec<T> mask = load(s.zoneout + at), dh = load(s.dh + at);
      store(s.passed + at, (T(1) - mask) * dh);
      store(s.dh + at, mask * dh);
    }
}

// dh (+)= mask dmasked_h, += passed
template <class T>
static void masked_backward(const MaskedStep<T>& s) {
  for (Index r = 0; r < s.rows; r++)
    for (Index u = 0; u < s.columns; u += kLanes<T>) {
      const Index at = r * s.stride + u;
      Vec<T> dh = s.adds ? load(s.dh + at) : Vec<T>{};
      if (s.mask) dh += load(s.mask + at) * load(s.masked_h + at);
      if (s.passed) dh += load(s.passed + at);
      store(s.dh + at, dh);
    }
}
