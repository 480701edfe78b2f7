// The ops of a model in order: what its specs become. A Network trains and predicts with one, a Stream steps with one.
#pragma once

#include <map>
#include <string>

#include "ops/bidirectional.h"
#include "ops/handover.h"
#include "ops/input.h"
#include "ops/op.h"
#include "penalty.h"

namespace pyrnn {

enum class OpKind {
  embedding,
  lstm,
  gru,
  simple_rnn,
  dense,
  activation,
  dropout,
  gaussian_noise,
  repeat_vector,
  one_hot,
  flatten,
  average_pool,
  max_pool,
  layer_norm,
  handover
};

struct OpSpec {
  OpKind kind;
  Index units = 0;  // of recurrent cells and dense; output_dim of embedding; n of repeat_vector; steps of flatten;
                    // features of handover's second input
  bool return_sequences = false;
  bool use_bias = true;
  bool go_backwards = false;
  bool bidirectional = false;
  Merge merge = Merge::concat;                             // of bidirectional
  bool reset_after = true;                                 // of gru
  bool layer_norm = false;                                 // of lstm and gru
  WeightType weights = WeightType::float32;                // of cells, in inference
  Activation activation = Activation::linear;              // of cells, dense and activation
  Activation recurrent_activation = Activation::sigmoid;   // of lstm and gru
  double rate = 0;                                         // of dropout
  double deviation = 0;                                    // of gaussian_noise
  double dropout = 0, recurrent_dropout = 0, zoneout = 0;  // of cells
  std::uint64_t seed = 0;                                  // of dropout, gaussian_noise and cells
  bool per_sequence = false;                               // of dropout
  double epsilon = 0;                                      // of layer_norm
  bool center = true, scale = true;                        // of layer_norm
  bool ids_only = false;                                   // of handover's second input
  std::map<std::string, Regularizer> regularizers = {};    // of weights, by their names
};

template <class T>
struct Stack {
  // Throws std::invalid_argument for ops that do not fit each other.
  Stack(const InputSpec& input, const std::vector<OpSpec>& specs);

  std::vector<OpPtr<T>> ops;
  std::vector<std::size_t> op_of_spec;  // the op that holds the weights of each spec
  Index features;                       // of the signal after the last op
  bool sequence;
  Index fixed_steps = 0;                 // steps that a repeat_vector set, 0: those of x
  double work = 0;                       // multiply-adds of a row and step
  const char* whole_sequence = nullptr;  // the layer, if any, that needs all steps before it answers
  Handover<T>* handover = nullptr;       // between encoder and decoder,
  std::size_t decoder = 0;               // whose first op this is; 0 without

  // Throws std::invalid_argument where x holds ids and the first op, or the decoder's first, cannot take them.
  void check_input(bool symbols) const;
  void check_decoder_input(bool symbols) const;
  // The ops that have a state, in order
  std::vector<Op<T>*> with_state() const;
  // The first n ops in order, once all parts of the share have made their input; returns once all have made the output.
  void forward(std::size_t n, const Share& share);

 private:
  void append(const OpSpec& spec, const OpSpec* next);
  void append_pool(const char* layer, Op<T>* op);
  void append_handover(const OpSpec& spec);
  void connect();
};

}  // namespace pyrnn
