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

// acc[r][j] = (accumulate ? C : 0) + bias + table
template <class T, int MR, int NV>
static inline void start_tile(const Gemm<T>& g, Index row, Index column, Vec<T> (&acc)[MR][NV]) {
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) acc[r][j] = Vec<T>{};
  if (g.accumulate)
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
      for (int j = 0; j < NV; j++) acc[r][j] = load(g.c + (row + r) * g.c_stride + column + j * kLanes<T>);
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
#pragma GCC unroll 8
      for (int j = 0; j < NV; j++) acc[r][j] += load(table_r + j * kLanes<T>);
    }
}

// acc[r][j] += A[row + r, :] B[:, column + j], k ascending. Transposed reads A[k, row + r].
template <class T, int MR, int NV, bool kTransposed>
static inline void multiply_tile(const Product<T>& p, Index row, Index column, Vec<T> (&acc)[MR][NV]) {
  const Index from_row_to_row = kTransposed ? 1 : p.a_stride;
  const Index from_k_to_k = kTransposed ? p.a_stride : 1;
  for (Index n = 0; n < p.count; n++) {
    const T* a = p.a + n * p.a_next + row * from_row_to_row;
    const T* b = p.b + n * p.b_next + column;
    for (Index k = 0; k < p.depth; k++) {
      Vec<T> b_k[NV];
#pragma GCC unroll 8
      for (int j = 0; j < NV; j++) b_k[j] = load(b + j * kLanes<T>);
#pragma GCC unroll 8
      for (int r = 0; r < MR; r++) {
        const Vec<T> a_rk = set1(a[r * from_row_to_row]);
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) acc[r][j] = fma(a_rk, b_k[j], acc[r][j]);
      }
      a += from_k_to_k;
      b += p.b_stride;
    }
  }
}

// Plain: C = start + sum A B. Transposed: C (+)= (sum A^T B from zero). A gradient sums over all (t, row); taking that
// long sum in chunks keeps its rounding error near that of one chunk.
template <class T, int MR, int NV, bool kTransposed>
static void tile(const Gemm<T>& g, Index row, Index column) {
  Vec<T> acc[MR][NV];
  if constexpr (kTransposed) {
#pragma GCC unroll 8
    for (auto& acc_r : acc)
#pragma GCC unroll 8
      for (auto& acc_rj : acc_r) acc_rj = Vec<T>{};
  } else {
    start_tile<T, MR, NV>(g, row, column, acc);
  }
  for (Index s = 0; s < g.n_products; s++) multiply_tile<T, MR, NV, kTransposed>(g.products[s], row, column, acc);
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) {
      T* c = g.c + (row + r) * g.c_stride + column + j * kLanes<T>;
      store(c, kTransposed && g.accumulate ? load(c) + acc[r][j] : acc[r][j]);
    }
}

// All rows of NV registers' columns, in tiles of nearly equal height: a last tile of one row would leave the units
// idle.
template <class T, int NV, bool kTransposed>
static void tile_rows(const Gemm<T>& g, Index column) {
  const Index tiles = divide_up(g.rows, kTileRows);
  Index row = 0;
  for (Index i = 0; i < tiles; i++) {
    const Index height = (g.rows - row + (tiles - i) - 1) / (tiles - i);
    switch (height) {
      case 1:
        tile<T, 1, NV, kTransposed>(g, row, column);
        break;
      case 2:
        tile<T, 2, NV, kTransposed>(g, row, column);
        break;
      case 3:
        tile<T, 3, NV, kTransposed>(g, row, column);
        break;
      case 4:
        tile<T, 4, NV, kTransposed>(g, row, column);
        break;
#if !defined(__SSE2__) || defined(__AVX2__)
      case 5:
        tile<T, 5, NV, kTransposed>(g, row, column);
        break;
      case 6:
        tile<T, 6, NV, kTransposed>(g, row, column);
        break;
#endif
    }
    row += height;
  }
}

template <class T, bool kTransposed>
static void gemm_columns(const Gemm<T>& g) {
  constexpr Index kWidest = kTileVectors * kLanes<T>;
  Index column = 0;
  for (; column + kWidest <= g.columns; column += kWidest) tile_rows<T, kTileVectors, kTransposed>(g, column);
  if constexpr (kWidest > kBlock) {  // columns are whole blocks, so narrower tiles need not go below one
    constexpr int kBlockVectors = int(kBlock / kLanes<T>);
    for (; column < g.columns; column += kBlock) tile_rows<T, kBlockVectors, kTransposed>(g, column);
  }
}

template <class T>
static void gemm(const Gemm<T>& g) {
  gemm_columns<T, false>(g);
}

template <class T>
static void gemm_transposed(const Gemm<T>& g) {
  gemm_columns<T, true>(g);
}

template <class T>
static void column_sums(Index rows, Index columns, const T* x, Index x_stride, T* sums) {
  for (Index j = 0; j < columns; j += kLanes<T>) {
    Vec<T> sum{};
    for (Index r = 0; r < rows; r++) sum += load(x + r * x_stride + j);
    store(sums + j, load(sums + j) + sum);
  }
}

template <class T>
static void scatter_add(Index rows, Index columns, const std::int32_t* ids, const T* x, Index x_stride, T* table,
                        Index table_stride) {
  for (Index r = 0; r < rows; r++) {
    T* into = table + ids[r] * table_stride;
    for (Index j = 0; j < columns; j += kLanes<T>) store(into + j, load(into + j) + load(x + r * x_stride + j));
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
