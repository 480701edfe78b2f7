// The optimizer: one rule applied to all weights of a network, which lie in one flat run of memory.
#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace pyrnn {

enum class OptimizerKind { sgd, rmsprop, adam };

struct OptimizerSpec {
  OptimizerKind kind;
  double momentum = 0;
  bool nesterov = false;
  double rho = 0.9;
  bool centered = false;
  double beta_1 = 0.9, beta_2 = 0.999;
  double epsilon = 1e-7;
  double global_clipnorm = 0;  // 0: none
};

template <class T>
class Optimizer {
 public:
  // n: a multiple of kBlock, padding included
  Optimizer(const OptimizerSpec& spec, Index n);

  // w -= the rule's step for gradient g, which clipping may scale in place. `serial`: too few weights for threads.
  void step(T* w, T* g, double learning_rate, bool serial);

  std::int64_t iterations = 0;
  // Keras' state by rule: sgd velocity; rmsprop v, average, momentum; adam m, v. Options that are off have none.
  std::vector<std::vector<T>> slots;

 private:
  void clip(T* g, bool serial);

  OptimizerSpec spec_;
  Index n_;
  std::vector<double> partial_;  // sums of squares of chunks
};

// The factor that brings gradients of this norm to at most clipnorm: min(1, clipnorm / norm)
double clip_factor(double sum_of_squares, double clipnorm);

}  // namespace pyrnn
