// The optimizer: one rule applied to all weights of a network, which lie in one flat run of memory.
#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace pyrnn {

constexpr Index kWeightsPerTask = 2048;  // fixed, so that the norm's partial sums do not depend on threads

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

  // One step: begin, norm of every task, update of every task (w -= the rule's step for gradient g, which clipping
  // scales in place), end. A step that is not ended counts for nothing if no update has run.
  void begin(double learning_rate);
  Index norm_tasks() const { return spec_.global_clipnorm > 0 ? tasks() : 0; }
  void norm(Index task, const T* g);
  Index tasks() const;
  void update(Index task, T* w, T* g);
  void end() { iterations++; }

  std::int64_t iterations = 0;
  // Keras' state by rule: sgd velocity; rmsprop v, average, momentum; adam m, v. Options that are off have none.
  std::vector<std::vector<T>> slots;

 private:
  T clip_factor() const;

  OptimizerSpec spec_;
  Index n_;
  UpdateRule<T> rule_{};
  std::vector<double> partial_;  // sums of squares by task
};

}  // namespace pyrnn
