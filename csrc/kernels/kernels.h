// The contract between the ops and the hot loops: one table of functions per instruction set and precision.
//
// Every kernel is a single-threaded leaf. Every output element is one chain of operations in a fixed order (fma where
// the instruction set has it), so the result does not depend on tiling, threads or neighbouring rows, and AVX2, AVX-512
// and NEON agree to the bit. Strides count elements. Any alignment is right; 64 bytes is fastest. Rows may be read up
// to the end of their last block.
#pragma once

#include "../row_array.h"

namespace pyrnn {

enum class Activation : int {
  linear,
  tanh,
  sigmoid,
  relu,
  softmax,
  hard_sigmoid,
  softplus,
  elu,
  leaky_relu,
  exponential,
  silu,
  gelu
};

// Whether an activation's derivative is taken at x = its input; every other's is written by y = its output.
constexpr bool keeps_input(Activation activation) {
  return activation == Activation::silu || activation == Activation::gelu;
}

// A run of `count` products A [rows, depth] times B [depth, columns], a_next and b_next elements apart.
template <class T>
struct Product {
  const T* a;
  Index a_stride;  // from row to row of A
  const T* b;
  Index b_stride;  // from k to k
  Index depth;
  Index count = 1;
  Index a_next = 0;
  Index b_next = 0;
};

// C[r, :] = start[r, :] + sum over products A[r, :] B        C [rows, columns], columns a multiple of kBlock, <= kPanel
// start[r, :] = C[r, 0:kept] + bias[:] + table_scale[r] table[ids ? ids[r] : r, :]        each term may be absent
template <class T>
struct Gemm {
  Index rows;
  Index columns;
  const Product<T>* products;
  Index n_products;
  T* c;
  Index c_stride;
  Index kept = 0;                     // columns, from the first on and in whole blocks, that are added to C
  const T* bias = nullptr;            // [columns] or null
  const std::int32_t* ids = nullptr;  // [rows] or null
  const T* table = nullptr;           // [V or rows, table_stride] or null
  Index table_stride = 0;
  const T* table_scale = nullptr;  // [rows] or null: ones
};

// C[m, :] = (accumulate ? C[m, :] : 0) + sum over steps t and samples r of x[t, r, m] dz[t, r, :]     C [rows, columns]
// The sum is taken from zero, t and then r ascending, before it is added.
template <class T>
struct OuterProduct {
  Index rows;
  Index columns;
  RowArray<const T> x, dz;  // blocks of equal height
  Index steps;
  Rows samples;
  const Index* active;  // [steps]: of each step the samples among the first so many; null: all
  T* c;
  Index c_stride;
  bool accumulate;
};

// The elementwise part of a step of a recurrent cell, for `rows` rows of one panel. Forward it goes from the products,
// which stand in `gates`, to the new state; backward from dh of the new state to the gradients of the products, in the
// place of the gates. What a cell does not have is null.
template <class T>
struct CellStep {
  Index rows;
  Index columns;  // of h in this panel: kBlock, or up to kPanel for simple_rnn
  Activation activation, recurrent_activation;
  T* gates;  // [rows, kPanel]. lstm: i f c o; gru: n_x z r n_h, where n = act(n_x + r n_h) takes the place of n_x

  const T* h_prev;  // [rows, h_stride]
  T* h;             // [rows, h_stride]
  const T* dh;      // [rows, h_stride]
  Index h_stride;

  const T* c_prev;  // [rows, kBlock] lstm
  T* c;             // [rows, kBlock] lstm
  T* dc;            // [rows, kBlock] lstm: in the gradient of c, out the gradient of c_prev

  const T* recurrent_bias;  // [3 * kBlock] gru: n z r; null without bias
  T* dh_prev;               // [rows, h_stride] gru: what of dh goes past the gates; may be dh
  bool adds_to_dh_prev;     // or replaces it
  T* reset_h;               // [rows, h_stride] gru with reset before: r h_prev forward, its gradient backward
};

// What is dropped at a step of a recurrent cell. All arrays are [rows, stride]; what a step does not have is null.
template <class T>
struct MaskedStep {
  Index rows, columns, stride;
  const T* mask;                // of h where products read it
  const std::uint8_t* zoneout;  // ones where h takes its new value, else zeros; null:
  T keep;                       // as much of it everywhere
  const T* h_prev;              // null without zoneout
  T* h;
  T* masked_h;  // h times mask; backward its gradient
  T* dh;
  T* passed;  // the gradient that zoneout hands to the state before
  bool adds;  // to dh
};

// The elementwise part of a step of a layer-normalised cell, for the rows of `cell`, all panels: its pointers are those
// of the first panel. Forward from the products of x, which stand in the gates, and of h; backward to their gradients,
// in the same places.
template <class T>
struct NormalizedStep {
  CellStep<T> cell;
  Index units, panels;
  Index panel;        // elements from panel to panel of what is [panel][rows, kPanel],
  Index cell_panel;   // and [panel][rows, kBlock]
  const T* has_unit;  // [2][kBlock] 1 or 0 for each unit: of a full panel, of the last
  T epsilon;
  T* of_x;         // [panel][rows, kPanel] the products of x, normalised: out of forward, or null; in of backward
  T* of_h;         // [panel][rows, kPanel] the products of h; with of_x, normalised after forward
  T* moments;      // [rows, 4] scales of x and h; mean and scale of c
  const T* gamma;  // [panel][2][gates * kBlock] of x, of h
  const T* bias;   // [panel][1 of lstm, 2 of gru][gates * kBlock] or null
  const T *gamma_h, *beta_h;  // [panel][kBlock] lstm
  T* dh;                      // [rows, h_stride] lstm: as in cell, lost in backward
  // Sums over the steps of each row, to which backward adds
  T* sums;       // [3][panel][rows, kPanel] of the gradients of the gates' sums; of gamma for x; for h
  T* cell_sums;  // [2][panel][rows, kBlock] lstm: of gamma_h, beta_h
};

// Layer normalisation of `rows` rows
template <class T>
struct Normalize {
  Index rows;
  Index features;
  const T* x;  // [rows, stride]
  T* y;        // [rows, stride]
  Index stride;
  const T *gamma, *beta;  // [features]
  T epsilon;
  T* moments;  // [rows, 2] mean and 1 / sqrt(variance + epsilon): out of forward, in of backward
};

// The numbers of an optimizer's rule (Keras 3's names); each rule reads its own.
template <class T>
struct UpdateRule {
  T learning_rate;  // Adam: with the bias correction of this step multiplied in
  T momentum;
  bool nesterov;
  T rho;
  T beta_1, beta_2;
  T epsilon;
  T mean_rate = 0, gradient_rate = 0, square_scale = 0;  // Nadam: of m, g and v, with this step's bias corrections
};

template <class T>
struct Kernels {
  void (*gemm)(const Gemm<T>&);
  void (*outer_product)(const OuterProduct<T>&);
  // table[ids[r], 0:columns] += scales[r] x[r, 0:columns], rows in order; scales null: ones
  void (*scatter_add)(Index rows, Index columns, const std::int32_t* ids, const T* scales, const T* x, Index x_stride,
                      T* table, Index table_stride);
  // into[r, 0:columns] += x[r, 0:columns]
  void (*add)(Index rows, Index columns, const T* x, Index x_stride, T* into, Index into_stride);

  void (*lstm_forward)(const CellStep<T>&);
  void (*lstm_backward)(const CellStep<T>&);
  void (*gru_forward)(const CellStep<T>&);
  void (*gru_backward)(const CellStep<T>&);
  // With the reset before the product a step has two parts: z, r and r h_prev; then n and h. Backward in reverse: from
  // dh to dn, dz and what goes past the gates; then, from the gradient of r h_prev, dr and the rest of dh_prev.
  void (*gru_gates)(const CellStep<T>&);
  void (*gru_candidate)(const CellStep<T>&);
  void (*gru_candidate_backward)(const CellStep<T>&);
  void (*gru_gates_backward)(const CellStep<T>&);
  void (*simple_rnn_forward)(const CellStep<T>&);  // in place: h holds the products
  void (*simple_rnn_backward)(const CellStep<T>&);

  // After a cell's forward; before its backward; and for the gradient of the state before it
  void (*masked_forward)(const MaskedStep<T>&);
  void (*zoneout_backward)(const MaskedStep<T>&);
  void (*masked_backward)(const MaskedStep<T>&);
  void (*layer_norm_lstm_forward)(const NormalizedStep<T>&);
  void (*layer_norm_lstm_backward)(const NormalizedStep<T>&);
  void (*layer_norm_gru_forward)(const NormalizedStep<T>&);
  void (*layer_norm_gru_backward)(const NormalizedStep<T>&);

  // y = act(x), in place where x == y; padding beyond `features` stays zero. Softmax runs over a row's features.
  void (*activate)(Activation, Index rows, Index features, const T* x, T* y, Index stride);
  // dx = dy * act'(x) as a function of y = act(x), which is x instead where keeps_input; dx may be dy
  void (*activate_backward)(Activation, Index rows, Index features, const T* y, const T* dy, T* dx, Index stride);
  // maximum and sum of exp(x - maximum) over `features` values
  void (*log_sum_exp)(Index features, const T* x, T* maximum, T* sum);

  // y = gamma (x - mean) / sqrt(variance + epsilon) + beta along each row; padding of y stays as it is
  void (*normalize)(const Normalize<T>&);
  // dx of it, both [rows, stride]; reads no y
  void (*normalize_backward)(const Normalize<T>&, const T* dy, T* dx);
  // dgamma, dbeta [kBlock] += the sums over rows that are their gradients, for the features that begin at x and dy
  void (*normalize_gradient)(Index rows, const T* x, const T* dy, Index stride, const T* moments, T* dgamma, T* dbeta);

  // into = max(into, x) of n values, n a multiple of kBlock
  void (*maximum)(Index n, const T* x, T* into);
  // dx[t] = x[t] == y ? dy / (steps where x is y) : 0 of one row; n a multiple of kBlock; x_step, dx_step from t to t
  void (*maximum_backward)(Index steps, Index n, const T* x, Index x_step, const T* y, const T* dy, T* dx,
                           Index dx_step);

  // Sum over n of (x - y)^2 or |x - y|; grad (or null) = its derivative by x, times factor
  double (*squared_error)(Index n, T factor, const T* x, const T* y, T* grad);
  double (*absolute_error)(Index n, T factor, const T* x, const T* y, T* grad);
  // The same of Huber's loss, and of binary cross-entropy of logits z, y moved to y (1 - smoothing) + smoothing / 2
  double (*huber)(Index n, T delta, T factor, const T* x, const T* y, T* grad);
  double (*binary_crossentropy)(Index n, T smoothing, T factor, const T* z, const T* y, T* grad);
  // to[s] = log(exp(stay[s]) + exp(next[s]) + exp(skip[s] + may_skip[s])) + emission[s]; all finite
  void (*ctc_step)(Index n, const T* stay, const T* next, const T* skip, const T* may_skip, const T* emission, T* to);

  // mask[i] = 0 with probability `rate`, else 1 / (1 - rate); see random.h for what a counter is
  void (*dropout_mask)(Index n, double rate, std::uint64_t key, std::uint32_t iteration, std::uint32_t row,
                       std::uint32_t step, T* mask);
  // flag[i] = 0 with probability `rate`, to 16 bits, else 1; n even
  void (*flags)(Index n, double rate, std::uint64_t key, std::uint32_t iteration, std::uint32_t row, std::uint32_t step,
                std::uint8_t* flag);
  // y = x + deviation times a standard normal number
  void (*gaussian_noise)(Index n, T deviation, std::uint64_t key, std::uint32_t iteration, std::uint32_t row,
                         std::uint32_t step, const T* x, T* y);
  // The first n words that dropout_mask would look at
  void (*random_words)(Index n, std::uint64_t key, std::uint32_t iteration, std::uint32_t row, std::uint32_t step,
                       std::uint32_t* words);

  // One step on n weights. A null slot is an option that is off (no momentum, not centered, not AMSGrad).
  void (*sgd)(const UpdateRule<T>&, Index n, T* w, const T* g, T* velocity);
  void (*rmsprop)(const UpdateRule<T>&, Index n, T* w, const T* g, T* v, T* average, T* momentum);
  void (*adam)(const UpdateRule<T>&, Index n, T* w, const T* g, T* m, T* v, T* v_max);
  void (*nadam)(const UpdateRule<T>&, Index n, T* w, const T* g, T* m, T* v);
  void (*adagrad)(const UpdateRule<T>&, Index n, T* w, const T* g, T* accumulator);
  void (*lion)(const UpdateRule<T>&, Index n, T* w, const T* g, T* m);
  double (*sum_of_squares)(Index n, const T* x);
  // Sum over n of l1 |w| + l2 w^2; its gradient l1 sign(w) + 2 l2 w is added to g, unless that is null
  double (*penalty)(Index n, double l1, double l2, const T* w, T* g);
  void (*scale)(Index n, T factor, T* x);
  // x to [-limit, limit]; NaN stays NaN
  void (*clip)(Index n, T limit, T* x);
  // x -= rate x
  void (*shrink)(Index n, T rate, T* x);
  // average = keep average + (1 - keep) x
  void (*blend)(Index n, T keep, const T* x, T* average);
  // dst[c, r] = src[r, c]
  void (*transpose)(Index rows, Index columns, const T* src, Index src_stride, T* dst, Index dst_stride);

  // n multiply-adds on each of as many registers as keep the core busy, begun from x, summed into x. Returns the flops.
  double (*multiply_adds)(Index n, T* x);
};

// What a row of A was rounded to for products with int8 weights: integers, times scale; and 128 times their sum
struct RoundedRow {
  float scale;
  std::int32_t offset;
};

// C[r, :] += A[r, :] B of weights B that are rounded to 16 or 8 bits, and rows of A like them    C [rows, columns]
struct QuantizedProduct {
  Index rows;
  Index columns;           // a multiple of kBlock, <= kPanel
  const std::uint32_t* a;  // [rows, a_stride]: of a row, the values of ascending k from each word's lowest bits up,
  Index a_stride;
  const std::uint32_t* b;  // [words, b_stride]: and so of a column, one word below the other; int8 has 128 added
  Index b_stride;
  Index words;  // two or four k each
  float* c;
  Index c_stride;
  const RoundedRow* rounded = nullptr;  // [rows] of int8
  const float* scales = nullptr;        // [columns] of int8
};

// For inference with weights of few bits. Its results are the same on every instruction set.
struct QuantizedKernels {
  // words[r] = x[r, 0:n], n a multiple of kBlock
  void (*round_to_bfloat16)(Index rows, Index n, const float* x, Index x_stride, std::uint32_t* words,
                            Index words_stride);
  void (*round_to_int8)(Index rows, Index n, const float* x, Index x_stride, std::uint32_t* words, Index words_stride,
                        RoundedRow* rounded);
  void (*add_bfloat16)(const QuantizedProduct&);
  void (*add_int8)(const QuantizedProduct&);
};

struct KernelTables {
  Kernels<float> f32;
  Kernels<double> f64;
  QuantizedKernels quantized;
};

// The table of the instruction set in use (cpu.cpp picks it).
template <class T>
const Kernels<T>& kernels();
const QuantizedKernels& quantized_kernels();

}  // namespace pyrnn
