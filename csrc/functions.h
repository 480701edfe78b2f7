// The engine as plain functions on arrays, with the signatures of pyrnn/reference.py: the door of tests and benchmarks.
// They run the same ops as a Network. Arrays are batch-first, C-contiguous, in the user's layout of weights.
#pragma once

#include <vector>

#include "array.h"
#include "optimizer.h"
#include "penalty.h"

namespace pyrnn {

enum class CellKind { lstm, gru, gru_reset_before, simple_rnn, layer_norm_lstm, layer_norm_gru };

struct RecurrentShape {
  Index B, T, I, H;
};

// x [B, T, I] or ids [B, T]; h, c [B, T, H], gates [B, T, 4H] out. c is LSTM's alone; gates hold i f c o of an LSTM, of
// a GRU z r n and the fourth of CellStep or r h; a SimpleRNN has none, nor have the layer-normalised cells, which
// backward runs forward again. gamma [2, GH] is theirs, gamma_h and beta_h [H] their LSTM's.
template <class T>
struct RecurrentArrays {
  ArrayView x;
  const T *h0, *c0;  // [B, H]
  const T *kernel, *recurrent_kernel, *bias;
  T *h, *c, *gates;  // outputs of forward, inputs of backward
  const T *gamma, *gamma_h, *beta_h;
  // Of what is dropped: [B, I], [B, H], [B, T, H] of zeros, and others that mean ones; null where nothing is
  const T *dropout_mask, *recurrent_mask, *zoneout_mask;
};

// dh [B, T, H], dc [B, H] in; dx [B, T, I] (null for ids), dh0, dc0 and the weights' gradients out
template <class T>
struct RecurrentGradients {
  const T *dh, *dc;
  T *dx, *dh0, *dc0, *dkernel, *drecurrent_kernel, *dbias;
  T *dgamma, *dgamma_h, *dbeta_h;
};

struct CellOptions {
  CellKind kind;
  Activation activation = Activation::tanh;
  Activation recurrent_activation = Activation::sigmoid;
};

template <class T>
void recurrent_forward(const CellOptions& cell, const RecurrentShape& shape, const RecurrentArrays<T>& a);
template <class T>
void recurrent_backward(const CellOptions& cell, const RecurrentShape& shape, const RecurrentArrays<T>& a,
                        const RecurrentGradients<T>& d);

// x [B, I] or ids [B], y [B, N]
template <class T>
void dense_forward(Index B, Index I, Index N, const ArrayView& x, const T* kernel, const T* bias, Activation activation,
                   T* y);
template <class T>
void dense_backward(Index B, Index I, Index N, const T* dy, const ArrayView& x, const T* kernel, const T* y,
                    Activation activation, T* dx, T* dkernel, T* dbias);

// ids [B], embeddings [V, D], y [B, D]
template <class T>
void embedding_forward(Index B, Index V, Index D, const ArrayView& ids, const T* embeddings, T* y);
template <class T>
void embedding_backward(Index B, Index V, Index D, const T* dy, const ArrayView& ids, T* dembeddings);

// logits z [B, V], y ids [B] or probabilities [B, V]; dz [B, V] out; returns the mean loss
template <class T>
double crossentropy(Index B, Index V, const T* z, const ArrayView& y, T* dz);

// One step on n values in place; slots as Optimizer's, `iterations` steps done before
template <class T>
void optimizer_step(const OptimizerSpec& spec, std::int64_t iterations, double learning_rate, Index n, T* w, const T* g,
                    const std::vector<T*>& slots);

// Penalty's value and gradient of n weights
template <class T>
double penalty(const Regularizer& regularizer, Index n, const T* w, T* gradient);

// y = act(x) of n values on their own (no softmax), by the kernels that the layers and gates run
template <class T>
void activation(Activation activation, Index n, const T* x, T* y);

// All gradients clipped as the optimizer of `spec` does, in place
template <class T>
void clip_gradients(const OptimizerSpec& spec, const std::vector<T*>& gradients, const std::vector<Index>& sizes);

}  // namespace pyrnn
