// Sums of matrix products by register tiles. Included by kernels.inl.
//
// A tile of kTileRows x (kTileVectors registers) accumulates over every product before it is stored once. The
// accumulators, one row of B and one broadcast of A must fit the register file: 6*4 + 4 + 1 <= 32, or 6*2 + 2 + 1
// <= 16.

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kTileVectors = 4;
constexpr int kTileRows = 6;
#elif defined(__AVX2__)
constexpr int kTileVectors = 2;
constexpr int kTileRows = 6;
#else
constexpr int kTileVectors = 2;  // without a fused multiply-add each product needs one more register
constexpr int kTileRows = 4;
#endif

// acc[r][j] = C of kept columns + bias + table
template <class T, int MR, int NV>
static inline void start_tile(const Gemm<T>& g, Index row, Index column, Vec<T> (&acc)[MR][NV]) {
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) acc[r][j] = Vec<T>{};
  if (g.kept > column)
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++)
      if (column + j * kLanes<T> < g.kept)
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) acc[r][j] = load(g.c + (row + r) * g.c_stride + column + j * kLanes<T>);
  if (g.bias)
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) {
      const Vec<T> bias_j = load(g.bias + column + j * kLanes<T>);
#pragma GCC unroll 8
      for (int r = 0; r < MR; r++) acc[r][j] += bias_j;
    }
  if (g.table)
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
      const T* table_r = g.table + (g.ids ? g.ids[row + r] : row + r) * g.table_stride + column;
      if (g.table_scale) {
        const Vec<T> scale = set1(g.table_scale[row + r]);
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) acc[r][j] = fma(scale, load(table_r + j * kLanes<T>), acc[r][j]);
        continue;
      }
#pragma GCC unroll 8
      for (int j = 0; j < NV; j++) acc[r][j] += load(table_r + j * kLanes<T>);
    }
}

// acc[r][j] += sum over k < depth, ascending, of a[r, k] b[k, j]
template <class T, int MR, int NV>
static inline void multiply(Index depth, const T* a, Index a_row, Index a_k, const T* b, Index b_k,
                            Vec<T> (&acc)[MR][NV]) {
  for (Index k = 0; k < depth; k++) {
    Vec<T> b_row[NV];
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) b_row[j] = load(b + j * kLanes<T>);
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
      const Vec<T> a_rk = set1(a[r * a_row]);
#pragma GCC unroll 8
      for (int j = 0; j < NV; j++) acc[r][j] = fma(a_rk, b_row[j], acc[r][j]);
    }
    a += a_k;
    b += b_k;
  }
}

template <class T, int MR, int NV>
static void tile(const Gemm<T>& g, Index row, Index column) {
  Vec<T> acc[MR][NV];
  start_tile<T, MR, NV>(g, row, column, acc);
  for (Index s = 0; s < g.n_products; s++) {
    const Product<T>& p = g.products[s];
    for (Index n = 0; n < p.count; n++)
      multiply<T, MR, NV>(p.depth, p.a + n * p.a_next + row * p.a_stride, p.a_stride, 1, p.b + n * p.b_next + column,
                          p.b_stride, acc);
  }
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) store(g.c + (row + r) * g.c_stride + column + j * kLanes<T>, acc[r][j]);
}

// A gradient sums over all (t, r); taking that long sum in chunks, each from zero, keeps its rounding error near that
// of one chunk.
template <class T, int MR, int NV>
static void tile(const OuterProduct<T>& g, Index row, Index column) {
  Vec<T> acc[MR][NV];
#pragma GCC unroll 8
  for (auto& acc_r : acc)
#pragma GCC unroll 8
    for (auto& acc_rj : acc_r) acc_rj = Vec<T>{};
  const Index first_block = g.samples.begin / g.x.height;
  for (Index t = 0; t < g.steps; t++) {
    const T* x = g.x.base + first_block * g.x.block + t * g.x.step + row;
    const T* dz = g.dz.base + first_block * g.dz.block + t * g.dz.step + column;
    Index skip = g.samples.begin % g.x.height;  // rows of the block before the first sample
    const Index end = g.active && g.active[t] < g.samples.end ? g.active[t] : g.samples.end;
    for (Index left = end - g.samples.begin, n; left > 0; left -= n, skip = 0, x += g.x.block, dz += g.dz.block) {
      n = left < g.x.height - skip ? left : g.x.height - skip;
      multiply<T, MR, NV>(n, x + skip * g.x.stride, 1, g.x.stride, dz + skip * g.dz.stride, g.dz.stride, acc);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) {
      T* c = g.c + (row + r) * g.c_stride + column + j * kLanes<T>;
      store(c, g.accumulate ? load(c) + acc[r][j] : acc[r][j]);
    }
}

// All rows of NV registers' columns, in tiles of nearly equal height: a last tile of one row would leave the units
// idle.
template <class T, int NV, class G>
static void tile_rows(const G& g, Index column) {
  const Index tiles = divide_up(g.rows, kTileRows);
  Index row = 0;
  for (Index i = 0; i < tiles; i++) {
    const Index height = (g.rows - row + (tiles - i) - 1) / (tiles - i);
    switch (height) {
      case 1:
        tile<T, 1, NV>(g, row, column);
        break;
      case 2:
        tile<T, 2, NV>(g, row, column);
        break;
      case 3:
        tile<T, 3, NV>(g, row, column);
        break;
      case 4:
        tile<T, 4, NV>(g, row, column);
        break;
#if !defined(__SSE2__) || defined(__AVX2__)
      case 5:
        tile<T, 5, NV>(g, row, column);
        break;
      case 6:
        tile<T, 6, NV>(g, row, column);
        break;
#endif
    }
    row += height;
  }
}

// The columns left over, less than NV + 1 registers' and whole blocks, in one tile.
template <class T, int NV, class G>
static void last_columns(const G& g, Index column) {
  if constexpr (NV > 0) {
    if (g.columns - column == NV * kLanes<T>) return tile_rows<T, NV>(g, column);
    last_columns<T, NV - int(kBlock / kLanes<T>)>(g, column);
  }
}

template <class T, class G>
static void all_tiles(const G& g) {
  constexpr Index kWidest = kTileVectors * kLanes<T>;
  Index column = 0;
  for (; column + kWidest <= g.columns; column += kWidest) tile_rows<T, kTileVectors>(g, column);
  last_columns<T, kTileVectors - int(kBlock / kLanes<T>)>(g, column);
}

template <class T>
static void gemm(const Gemm<T>& g) {
  all_tiles<T>(g);
}

template <class T>
static void outer_product(const OuterProduct<T>& g) {
  all_tiles<T>(g);
}

template <class T>
static void scatter_add(Index rows, Index columns, const std::int32_t* ids, const T* scales, const T* x, Index x_stride,
                        T* table, Index table_stride) {
  for (Index r = 0; r < rows; r++) {
    T* into = table + ids[r] * table_stride;
    const Vec<T> scale = set1(scales ? scales[r] : T(1));
    for (Index j = 0; j < columns; j += kLanes<T>)
      store(into + j, fma(scale, load(x + r * x_stride + j), load(into + j)));
  }
}

template <class T>
static void add(Index rows, Index columns, const T* x, Index x_stride, T* into, Index into_stride) {
  for (Index r = 0; r < rows; r++)
    for (Index j = 0; j < columns; j += kLanes<T>) {
      T* to = into + r * into_stride + j;
      store(to, load(to) + load(x + r * x_stride + j));
    }
}

// dst[c, r] = src[r, c] of a 4 x 4 square
template <class T>
static inline void transpose_square(const T* src, Index src_stride, T* dst, Index dst_stride) {
  typedef T Quad __attribute__((vector_size(4 * sizeof(T))));
  typedef T UnalignedQuad __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));
  Quad row[4], half[4];
  for (int r = 0; r < 4; r++) row[r] = *reinterpret_cast<const UnalignedQuad*>(src + r * src_stride);
  half[0] = PYRNN_SHUFFLE(T, row[0], row[1], 0, 4, 1, 5);
  half[1] = PYRNN_SHUFFLE(T, row[2], row[3], 0, 4, 1, 5);
  half[2] = PYRNN_SHUFFLE(T, row[0], row[1], 2, 6, 3, 7);
  half[3] = PYRNN_SHUFFLE(T, row[2], row[3], 2, 6, 3, 7);
  row[0] = PYRNN_SHUFFLE(T, half[0], half[1], 0, 1, 4, 5);
  row[1] = PYRNN_SHUFFLE(T, half[0], half[1], 2, 3, 6, 7);
  row[2] = PYRNN_SHUFFLE(T, half[2], half[3], 0, 1, 4, 5);
  row[3] = PYRNN_SHUFFLE(T, half[2], half[3], 2, 3, 6, 7);
  for (int c = 0; c < 4; c++) *reinterpret_cast<UnalignedQuad*>(dst + c * dst_stride) = row[c];
}

template <class T>
static void transpose(Index rows, Index columns, const T* src, Index src_stride, T* dst, Index dst_stride) {
  const Index square_rows = rows / 4 * 4, square_columns = columns / 4 * 4;
  for (Index r = 0; r < square_rows; r += 4)
    for (Index c = 0; c < square_columns; c += 4)
      transpose_square(src + r * src_stride + c, src_stride, dst + c * dst_stride + r, dst_stride);
  for (Index r = 0; r < rows; r++)
    for (Index c = r < square_rows ? square_columns : 0; c < columns; c++)
      dst[c * dst_stride + r] = src[r * src_stride + c];
}
