// The optimizer: one rule applied to all weights of a network, which lie in one flat run of memory.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace pyrnn {

constexpr Index kWeightsPerTask = 2048;  // fixed, so that a norm's partial sums do not depend on threads

enum class OptimizerKind { sgd, rmsprop, adam, nadam, adagrad, lion };

// Keras 3's names and meaning
struct OptimizerSpec {
  OptimizerKind kind;
  double momentum = 0;
  bool nesterov = false;
  double rho = 0.9;
  bool centered = false;
  double beta_1 = 0.9, beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  double initial_accumulator_value = 0.1;

  double weight_decay = 0;
  double clipnorm = 0, clipvalue = 0, global_clipnorm = 0;  // 0: none; at most one
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::int64_t ema_overwrite_frequency = 0;  // in updates; 0: never
  std::int64_t gradient_accumulation_steps = 1;
};

template <class T>
class Optimizer {
 public:
  // sizes: of the tensors, in order, that all weights fall into; multiples of kBlock, padding included
  Optimizer(const OptimizerSpec& spec, const std::vector<Index>& sizes);

  // One batch: begin, prepare every task, update every task, end. What prepare leaves in g is this update's gradient,
  // which clipping scales in place. A batch that is not ended counts for nothing if no task has run.
  void begin(double learning_rate);
  Index prepare_tasks() const { return accumulates() || takes_norm() ? Index(tasks_.size()) : 0; }
  void prepare(Index task, T* g);
  Index update_tasks() const { return updates_ || spec_.use_ema ? Index(tasks_.size()) : 0; }
  void update(Index task, T* w, T* g);
  bool changes_weights() const { return updates_ || overwrites_; }
  void end() { iterations++, has_gradient_ |= updates_; }

  // Of the last update's gradient as it was before clipping, over all weights; g as that update left it.
  bool has_gradient() const { return has_gradient_; }
  double gradient_norm(const T* g) const;

  // Overwrites the weights by their moving average, where there is one.
  void write_average(T* w) const;

  std::int64_t iterations = 0;  // batches
  // Keras' state, by Keras' names, each value as the weight that it belongs to: of the rule, then the moving average of
  // the weights and the sum of gradients. What is off has none.
  std::vector<std::string> slot_names;
  std::vector<std::vector<T>> slots;

 private:
  // A run of weights of one norm, which is the sum over tasks [norm_begin, norm_end)
  struct Task {
    Index first, n;
    std::size_t norm_begin, norm_end;
  };

  bool accumulates() const { return spec_.gradient_accumulation_steps > 1; }
  bool scales() const { return spec_.clipnorm > 0 || spec_.global_clipnorm > 0; }
  bool takes_norm() const { return updates_ && scales(); }
  // Whether partial_ is that of the last update; else its gradient is still in g, and may be summed when asked for.
  bool keeps_norm() const { return scales() || spec_.clipvalue > 0 || accumulates(); }
  void add_tasks(Index first, Index n);
  void begin_nadam(double learning_rate, std::int64_t step);
  void accumulate(const Task& task, T* g);
  void clip(const Task& task, T* g) const;
  T clip_factor(const Task& task) const;
  void apply_rule(const Task& task, T* w, const T* g);

  OptimizerSpec spec_;
  std::vector<Task> tasks_;
  std::vector<double> partial_;        // sums of squares by task
  std::size_t average_ = 0, sum_ = 0;  // their slots

  // This batch
  UpdateRule<T> rule_{};
  bool updates_ = false, overwrites_ = false, has_gradient_ = false;
  T decay_ = 0, ema_momentum_ = 0;
  std::int64_t momentum_steps_ = 0;  // of Nadam, in momentum_product_
  double momentum_product_ = 1;
};

}  // namespace pyrnn
