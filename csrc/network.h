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

#include "forks.h"
#include "ops/loss.h"
#include "optimizer.h"
#include "parallel.h"
#include "penalty.h"
#include "ragged.h"
#include "readers.h"
#include "schedule.h"
#include "stack.h"

namespace pyrnn {

// Where the recurrent ops of a batch begin and what becomes of their last states: arrays [batch, units], those of each
// op after those of the one before, rows as in the batch's index. Either may be null: begin at zero, forget.
template <class T>
struct States {
  const T* const* first = nullptr;
  T* const* last = nullptr;
};

// Thrown by a batch that came to a value which is not finite: where the first was, on the way forward and back.
struct NotFinite {
  enum class Where { output, loss, penalty, loss_gradient, weight_gradient, input_gradient };
  Where where;
  std::size_t spec;    // of the op, where it was in one
  std::string weight;  // of weight_gradient
  std::int64_t row;    // in the caller's x, -1 where it was in none
  double value;
  double loss = 0;  // of the batch
};

enum class NetworkUse {
  any,
  streams  // and never to be trained: no memory for gradients
};

template <class T>
class Network {
 public:
  Network(const InputSpec& input, const std::vector<OpSpec>& specs, NetworkUse use = NetworkUse::any);

  // Weights by the position of their spec and Keras' name; throws std::invalid_argument for one that is not there.
  const Parameter<T>& parameter(std::size_t spec, const std::string& name) const;
  const std::vector<Parameter<T>>& parameters(std::size_t spec) const;
  void get_weight(const Parameter<T>& parameter, T* to);
  void set_weight(const Parameter<T>& parameter, const T* from);

  // With checks_numerics train_batch throws NotFinite instead of updating anything.
  void compile(const Objective& objective, const OptimizerSpec& optimizer, bool checks_numerics = false);
  bool compiled() const { return loss_.has_value(); }
  Index result_count() const { return loss_->count(stack_.features); }
  // The optimizer's state: how often it has stepped, and of each of its slots the values that belong to a weight
  std::int64_t iterations() const { return optimizer_->iterations; }
  void set_iterations(std::int64_t iterations);
  const std::vector<std::string>& slot_names() const { return optimizer_->slot_names; }
  void get_slot(std::size_t slot, const Parameter<T>& parameter, T* to);
  void set_slot(std::size_t slot, const Parameter<T>& parameter, const T* from);

  // results: Loss::means, result_count() of them, and to the loss added the penalty of the weights before the update.
  void train_batch(Batch batch, const States<T>& states, double learning_rate, double* results);
  // What an optimizer does after the last batch: the moving average of the weights, where it keeps one, becomes them.
  void finish_training();
  // How many batches have been through train_batch, whatever has become of the optimizer since: one that threw is none.
  std::int64_t batches_trained() const { return batches_trained_; }
  // Of the last update, before clipping; throws std::invalid_argument where there was none since compile.
  double gradient_norm();
  void evaluate_batch(Batch batch, const States<T>& states, double* results);
  // out: output_shape. Steps that a row does not have are zero, in the rows of x where they are padded. Several threads
  // may call it at once: one that finds the arena taken works in another, over the same weights.
  void predict_batch(Batch batch, const States<T>& states, T* out);

  // For a Stream: what it is made from, and its way to the weights
  const InputSpec& input_spec() const { return input_spec_; }
  const std::vector<OpSpec>& specs() const { return specs_; }
  void share_weights(Stack<T>& stack) const;  // all, or the decoder's where it is one
  Readers& readers() { return readers_; }     // whose locks are to be held while weights are read outside a Network
  Workload workload(Index batch, Index steps) const;

  // The ops that have a state, in order
  const std::vector<Op<T>*>& recurrent() const { return recurrent_; }

  // How the last batch was shared among threads, and the wish for those to come: for tests and measurements.
  ScheduleKind schedule() const { return schedule_.kind; }
  void set_schedule(ScheduleKind wanted);

  // Shape of predict_batch's out for a batch of x of `steps` steps
  void output_shape(Index batch, Index steps, std::vector<Index>& shape) const;
  std::size_t memory() const;

 private:
  enum class Mode { train, evaluate, predict };

  // An arena more to predict in, over the weights of the original
  explicit Network(const Network& original);
  struct Twin {
    std::unique_ptr<Network> network;
    Readers::Reader reader;
  };
  Twin take_twin();
  void predict_locked(Batch batch, const States<T>& states, T* out);

  void place_weights(NetworkUse use);
  void place_quantized();
  void place_penalties();
  // Checks a batch, puts its rows in order, and plans for it.
  void begin(Mode mode, Batch& batch, const States<T>& states);
  void plan(Mode mode, const Batch& batch);
  void lay_out(Planner& memory);
  void check_rows(const ArrayView& x, const char* name, const std::int64_t* index, Index n) const;
  void check_targets(const Batch& batch) const;
  void check_ragged() const;
  void give_second(const Batch& batch);
  void forward(const Batch& batch, const Share& share);
  void set_states(Rows rows);
  void get_states(Rows rows);
  void train_rows(const Batch& batch, const Share& share);
  void write_prediction(Rows rows, T* out) const;
  void read_results(double* results) const;

  void check_batch(const Batch& batch, const States<T>& states, const double* results);
  NotFinite find_not_finite(const Batch& batch);
  std::size_t spec_of(std::size_t op) const;
  States<T> kept_states(const States<T>& states, Index rows);
  void restore_states(const States<T>& states) const;

  // The tasks of all ops in use as one list
  struct OpTasks {
    Index total;
    Index (Op<T>::*count)() const;
  };
  OpTasks op_tasks(Index (Op<T>::*count)() const) const;
  // body(op, task of the op) for a task of the list
  template <class F>
  void run(const OpTasks& tasks, Index task, F body);
  void sum_gradient(const OpTasks& tasks, Index task);
  void add_pieces(Index task);

  Index place(Index row) const { return is_ragged_ ? ragged_.place(row) : row; }  // in the caller's index
  bool is_serial() const { return schedule_.kind == ScheduleKind::serial; }

  const InputSpec input_spec_;
  const std::vector<OpSpec> specs_;
  Input<T> input_;
  Stack<T> stack_;
  std::vector<Op<T>*> recurrent_;

  Memory weight_memory_;
  Memory
      quantized_memory_;  // copies of weights in 16 or 8 bits, where a spec asks for them: such a network only answers
  T* weights_ = nullptr;
  T* grads_ = nullptr;  // [pieces][n_weights_]; added up, the first is the batch's
  Index n_weights_ = 0;
  Penalty<T> penalty_;

  std::optional<Loss<T>> loss_;
  std::optional<Optimizer<T>> optimizer_;
  bool loss_activates_ = false;  // the last activation is left to the loss
  std::int64_t batches_trained_ = 0;
  bool checks_numerics_ = false;
  std::vector<std::vector<T>> kept_;  // the states in which the batch began, where its numbers are checked
  std::vector<const T*> kept_at_;

  // The current plan
  Mode mode_ = Mode::predict;
  Index batch_ = 0, steps_ = 0;
  int threads_ = 0;
  bool symbols_ = false, is_ragged_ = false, given_states_ = false;
  Index decoder_steps_ = 0;
  bool decoder_symbols_ = false;
  States<T> states_;
  RaggedRows ragged_;  // of the batch, where is_ragged_
  Schedule schedule_;
  Index pieces_ = 1;
  ScheduleKind wanted_schedule_ = ScheduleKind::automatic;
  bool planned_ = false;
  bool derived_stale_ = true;
  std::size_t active_ops_ = 0;
  Signal<T> prediction_;
  std::vector<Signal<T>> outputs_;  // of the ops, where their numbers are checked
  Memory arena_;

  std::mutex mutex_;  // one batch at a time in this arena
  Readers readers_;   // others that read the weights
  std::mutex twins_mutex_;
  std::vector<Twin> twins_;  // that nobody uses now

  void hold();
  void release();
  std::optional<Readers::Writing> held_;
  const AtFork at_fork_{[this] { hold(); }, [this] { release(); }};  // the last, as it needs all others
};

}  // namespace pyrnn
