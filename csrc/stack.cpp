#include "stack.h"

#include "ops/bidirectional.h"
#include "ops/dense.h"
#include "ops/gru.h"
#include "ops/layer_norm_gru.h"
#include "ops/layer_norm_lstm.h"
#include "ops/lstm.h"
#include "ops/normalization.h"
#include "ops/pooling.h"
#include "ops/simple.h"
#include "ops/simple_rnn.h"

namespace pyrnn {

namespace {

bool is_recurrent(const OpSpec& spec) {
  return spec.kind == OpKind::lstm || spec.kind == OpKind::gru || spec.kind == OpKind::simple_rnn;
}

template <class T>
std::unique_ptr<Recurrent<T>> layer_normalized(const RecurrentSpec& cell, const OpSpec& spec) {
  if (spec.kind == OpKind::lstm) return std::make_unique<LayerNormLstm<T>>(cell);
  if (spec.kind == OpKind::gru && spec.reset_after) return std::make_unique<LayerNormGru<T>>(cell);
  throw std::invalid_argument("Network: layer_norm is of lstm, and of gru with reset_after");
}

template <class T>
std::unique_ptr<Recurrent<T>> one_direction(Index inputs, const OpSpec& spec) {
  if (spec.weights != WeightType::float32 && !std::is_same_v<T, float>)
    throw std::invalid_argument("Network: quantized weights are of a float32 network");
  if (spec.weights == WeightType::int8 && std::max(inputs, spec.units) > kMostInt8Depth)
    throw std::invalid_argument("Network: int8 is of at most " + std::to_string(kMostInt8Depth) + " inputs and units");
  const RecurrentSpec cell{inputs,
                           spec.units,
                           spec.return_sequences,
                           spec.use_bias,
                           spec.go_backwards,
                           spec.activation,
                           spec.recurrent_activation,
                           {spec.dropout, spec.recurrent_dropout, spec.zoneout, spec.seed},
                           spec.weights};
  if (spec.layer_norm) return layer_normalized<T>(cell, spec);
  if (spec.kind == OpKind::lstm) return std::make_unique<Lstm<T>>(cell);
  if (spec.kind == OpKind::simple_rnn) return std::make_unique<SimpleRnn<T>>(cell);
  if (spec.reset_after) return std::make_unique<Gru<T>>(cell);
  return std::make_unique<GruResetBefore<T>>(cell);
}

template <class T>
OpPtr<T> recurrent(Index inputs, const OpSpec& spec) {
  if (!spec.bidirectional) return one_direction<T>(inputs, spec);
  OpSpec backward = spec;
  backward.go_backwards = !spec.go_backwards;
  backward.seed = seed_of_other_direction(spec.seed);
  return std::make_unique<Bidirectional<T>>(one_direction<T>(inputs, spec), one_direction<T>(inputs, backward),
                                            spec.units, spec.merge);
}

void check_rate(double rate, const char* of) {
  if (!(rate >= 0 && rate < 1))
    throw std::invalid_argument(std::string("Network: ") + of + " must be in [0, 1), got " + std::to_string(rate));
}

Index positive(Index n, const char* what) {
  if (n < 1)
    throw std::invalid_argument(std::string("Network: ") + what + " must be at least 1, got " + std::to_string(n));
  return n;
}

}  // namespace

template <class T>
Stack<T>::Stack(const InputSpec& input, const std::vector<OpSpec>& specs)
    : features(input.features), sequence(input.sequence) {
  if (input.features < 1)
    throw std::invalid_argument("Network: features must be at least 1, got " + std::to_string(input.features));
  for (std::size_t i = 0; i < specs.size(); i++) append(specs[i], i + 1 < specs.size() ? &specs[i + 1] : nullptr);
  if (ops.empty()) throw std::invalid_argument("Network: ops must not be empty");
  if (handover) connect();
  if (input.ids_only && !ops.front()->takes_ids()) throw std::invalid_argument("Network: the first op cannot take ids");
}

template <class T>
void Stack<T>::append(const OpSpec& spec, const OpSpec* next) {
  const bool first = ops.empty() || (handover && ops.size() == decoder);
  auto add = [&](Op<T>* op) { ops.emplace_back(op); };
  op_of_spec.push_back(ops.size());
  switch (spec.kind) {
    case OpKind::embedding:
      if (!first) throw std::invalid_argument("Network: embedding must be the first op: it takes ids");
      add(new Embedding<T>(features, positive(spec.units, "output_dim of embedding")));
      features = spec.units;
      break;
    case OpKind::one_hot:
      if (!first) throw std::invalid_argument("Network: one_hot must be the first op: it takes ids");
      add(new OneHot<T>());
      break;
    case OpKind::lstm:
    case OpKind::gru:
    case OpKind::simple_rnn:
      if (!sequence) throw std::invalid_argument("Network: a recurrent op needs a sequence [B, T, F], got [B, F]");
      positive(spec.units, "units of a recurrent op");
      check_rate(spec.dropout, "dropout of a recurrent op");
      check_rate(spec.recurrent_dropout, "recurrent_dropout of a recurrent op");
      check_rate(spec.zoneout, "zoneout of a recurrent op");
      ops.push_back(recurrent<T>(features, spec));
      features = spec.bidirectional && spec.merge == Merge::concat ? 2 * spec.units : spec.units;
      sequence = spec.return_sequences;
      if (spec.bidirectional) whole_sequence = "Bidirectional";
      break;
    case OpKind::dense:
      add(new Dense<T>(features, positive(spec.units, "units of dense"), spec.use_bias));
      features = spec.units;
      if (spec.activation != Activation::linear) add(new Activate<T>(spec.activation));
      break;
    case OpKind::activation:
      add(new Activate<T>(spec.activation));
      break;
    case OpKind::dropout:
      check_rate(spec.rate, "rate of dropout");
      add(new Dropout<T>(spec.rate, spec.seed, spec.per_sequence));
      break;
    case OpKind::gaussian_noise:
      if (!(spec.deviation >= 0))
        throw std::invalid_argument("Network: stddev of gaussian_noise must be at least 0, got " +
                                    std::to_string(spec.deviation));
      add(new GaussianNoise<T>(spec.deviation, spec.seed));
      break;
    case OpKind::repeat_vector:
      if (sequence) throw std::invalid_argument("Network: repeat_vector needs [B, F], got a sequence");
      add(new RepeatVector<T>(positive(spec.units, "n of repeat_vector"), !(next && is_recurrent(*next))));
      sequence = true;
      fixed_steps = spec.units;
      whole_sequence = "RepeatVector";
      break;
    case OpKind::flatten:
      add(new Flatten<T>(positive(spec.units, "steps of flatten")));
      features *= spec.units;
      if (sequence) whole_sequence = "Flatten";
      sequence = false;
      break;
    case OpKind::average_pool:
      append_pool("GlobalAveragePooling1D", new AveragePool<T>());
      break;
    case OpKind::max_pool:
      append_pool("GlobalMaxPooling1D", new MaxPool<T>());
      break;
    case OpKind::handover:
      append_handover(spec);
      break;
    case OpKind::layer_norm:
      add(new LayerNorm<T>(features, spec.epsilon, spec.center, spec.scale));
      break;
  }
  work += ops[op_of_spec.back()]->work();
}

template <class T>
void Stack<T>::append_pool(const char* layer, Op<T>* op) {
  ops.emplace_back(op);
  if (!sequence) throw std::invalid_argument(std::string("Network: ") + layer + " needs a sequence, got [B, F]");
  sequence = false;
  whole_sequence = layer;
}

template <class T>
void Stack<T>::append_handover(const OpSpec& spec) {
  if (handover) throw std::invalid_argument("Network: there must be one handover, got a second");
  handover = new Handover<T>({positive(spec.units, "features of handover"), true, spec.ids_only, "the decoder's x"});
  ops.emplace_back(handover);
  decoder = ops.size();
  features = spec.units;
  sequence = true;
  fixed_steps = 0;
}

// The recurrent ops behind the handover to as many before it
template <class T>
void Stack<T>::connect() {
  std::vector<Op<T>*> before, behind;
  for (std::size_t i = 0; i < ops.size(); i++)
    if (ops[i]->states()) (i < decoder ? before : behind).push_back(ops[i].get());
  if (before.empty() || before.size() != behind.size())
    throw std::invalid_argument("Network: the decoder must have as many recurrent ops as the encoder, " +
                                std::to_string(before.size()) + ", got " + std::to_string(behind.size()));
  for (std::size_t i = 0; i < before.size(); i++) handover->connect(before[i], behind[i]);
}

template <class T>
std::vector<Op<T>*> Stack<T>::with_state() const {
  std::vector<Op<T>*> all;
  for (const auto& op : ops)
    if (op->states()) all.push_back(op.get());
  return all;
}

template <class T>
void Stack<T>::check_input(bool symbols) const {
  if (symbols && !ops.front()->takes_ids())
    throw std::invalid_argument("x must be vectors, got integer ids: the first layer cannot take ids");
}

template <class T>
void Stack<T>::check_decoder_input(bool symbols) const {
  if (decoder == ops.size()) throw std::invalid_argument("Network: the decoder must have ops");
  if (symbols && !ops[decoder]->takes_ids())
    throw std::invalid_argument("the decoder's x must be vectors, got integer ids: its first layer cannot take ids");
}

template <class T>
void Stack<T>::forward(std::size_t n, const Share& share) {
  for (std::size_t i = 0; i < n; i++) {
    share.part.wait();
    ops[i]->forward(share);
  }
  share.part.wait();
}

template struct Stack<float>;
template struct Stack<double>;

}  // namespace pyrnn
