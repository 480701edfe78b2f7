// A network: an ordered list of ops over one arena, and the whole way of a batch.
//
//   input -> forward of every op -> loss -> backward of every op in reverse     by blocks of rows
//   gradients of weights                                                       by blocks of outputs
//   optimizer, then the ops' derived copies of the weights                     by runs of weights
//
// These are phases of one team of threads, which gathers once per batch.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "ops/input.h"
#include "ops/loss.h"
#include "ops/op.h"
#include "optimizer.h"

namespace pyrnn {

enum class OpKind { embedding, lstm, dense, activation, dropout, repeat_vector, one_hot };

struct OpSpec {
  OpKind kind;
  Index units = 0;  // of lstm and dense; output_dim of embedding; n of repeat_vector
  bool return_sequences = false;
  bool use_bias = true;
  Activation activation = Activation::linear;  // of dense and activation
  double rate = 0;                             // of dropout
  std::uint64_t seed = 0;
};

template <class T>
class Network {
 public:
  Network(const InputSpec& input, const std::vector<OpSpec>& specs);

  // Weights by the position of their spec and Keras' name; throws std::invalid_argument for one that is not there.
  const Parameter<T>& parameter(std::size_t spec, const std::string& name) const;
  void get_weight(const Parameter<T>& parameter, T* to);
  void set_weight(const Parameter<T>& parameter, const T* from);

  void compile(const Objective& objective, const OptimizerSpec& optimizer);
  bool compiled() const { return loss_.has_value(); }
  Index result_count() const { return loss_->count(); }
  Optimizer<T>& optimizer() { return *optimizer_; }
  std::mutex& mutex() { return mutex_; }

  // Each takes the rows of x (and y) that index[0:n] names. results: mean loss and metrics, result_count() of them.
  void train_batch(const ArrayView& x, const ArrayView& y, const std::int64_t* index, Index n, double learning_rate,
                   double* results);
  void evaluate_batch(const ArrayView& x, const ArrayView& y, const std::int64_t* index, Index n, double* results);
  void predict_batch(const ArrayView& x, const std::int64_t* index, Index n, T* out);

  // Shape of predict_batch's out without its first axis, for x of `steps` steps
  std::vector<Index> output_shape(Index steps) const;
  std::size_t memory() const;

 private:
  enum class Mode { train, evaluate, predict };

  void append(const OpSpec& spec, const OpSpec* next);
  void place_weights();
  void plan(Mode mode, const ArrayView& x, Index batch);
  void lay_out(Planner& memory);
  void check_rows(const ArrayView& x, const char* name, const std::int64_t* index, Index n) const;
  void forward(const ArrayView& x, const std::int64_t* index, Rows rows);
  void train_rows(const ArrayView& x, const ArrayView& y, const std::int64_t* index, Rows rows);

  // The tasks of all ops in use as one list
  struct OpTasks {
    Index total;
    Index (Op<T>::*count)() const;
  };
  OpTasks op_tasks(Index (Op<T>::*count)() const) const;
  void run(const OpTasks& tasks, void (Op<T>::*body)(Index), Index task);

  Index rows_per_task() const;
  Rows rows_of(Index task, Index height) const;
  template <class F>
  void for_rows(const F& body) const;
  bool is_small() const;

  const InputSpec input_spec_;
  Input<T> input_;
  std::vector<OpPtr<T>> ops_;
  std::vector<std::size_t> op_of_spec_;  // the op that holds the weights of each spec
  Index features_;                       // of the signal after the last op so far
  bool sequence_;
  Index fixed_steps_ = 0;  // steps that a repeat_vector set, 0: those of x
  double work_ = 0;        // multiply-adds of a row and step

  Memory weight_memory_;
  T* weights_ = nullptr;
  T* grads_ = nullptr;
  Index n_weights_ = 0;

  std::optional<Loss<T>> loss_;
  std::optional<Optimizer<T>> optimizer_;
  bool loss_activates_ = false;  // the last activation is left to the loss

  // The current plan
  Mode mode_ = Mode::predict;
  Index batch_ = 0, steps_ = 0;
  bool symbols_ = false;
  bool planned_ = false;
  bool derived_stale_ = true;
  std::size_t active_ops_ = 0;
  Signal<T> prediction_;
  Memory arena_;

  std::mutex mutex_;  // one batch at a time: the arena is shared
};

}  // namespace pyrnn
