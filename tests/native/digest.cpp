// Prints a hash of the bits of what every kernel and every op computes, one line for each case, so that runs of
// different processors, instruction sets and numbers of threads can be compared. Losses are not in it: their logarithms
// are the C library's. Knows nothing of Python.
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "cpu.h"
#include "network.h"
#include "op_spec.h"
#include "ops/sampler.h"
#include "parallel.h"

namespace pyrnn {

namespace {

// FNV-1a, 64 bits
class Hash {
 public:
  template <class T>
  void add(const T* values, Index n) {
    const unsigned char* bytes = reinterpret_cast<const unsigned char*>(values);
    for (std::size_t i = 0; i < std::size_t(n) * sizeof(T); i++) state_ = (state_ ^ bytes[i]) * 0x100000001b3u;
  }
  template <class T>
  void add(const std::vector<T>& values) {
    add(values.data(), Index(values.size()));
  }
  template <class T>
  void print(const std::string& what) const {
    std::printf("%s %s %016llx\n", what.c_str(), sizeof(T) == 4 ? "float32" : "float64", (unsigned long long)state_);
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325u;
};

// Numbers in [-1, 1) that need no library: the high bits of Knuth's linear congruential generator
class Numbers {
 public:
  double next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return double(std::int64_t(state_) >> 11) / 4503599627370496.0;
  }
  Index below(Index n) { return Index((next() + 1) / 2 * double(n)); }
  template <class T>
  std::vector<T> values(Index n, double scale = 1) {
    std::vector<T> v(static_cast<std::size_t>(n));
    for (T& x : v) x = T(scale * next());
    return v;
  }

 private:
  std::uint64_t state_ = 20150806;
};

// ---- kernels, each on its own --------------------------------------------------------------------------------------

constexpr Index kValues = 4096, kRows = 64;

// Every power of two from 2^-60 to 2^60, both signs, then the limits
template <class T>
std::vector<T> wide_values(Numbers& numbers) {
  std::vector<T> x;
  for (Index i = 0; i < kValues; i++) {
    const Index power = i % 121 - 60;
    const double scale = double(std::uint64_t(1) << (power < 0 ? -power : power));
    x.push_back(T(numbers.next() * (power < 0 ? 1 / scale : scale)));
  }
  const T infinity = std::numeric_limits<T>::infinity(), largest = std::numeric_limits<T>::max();
  const std::vector<T> limits = {0, T(-0.0), infinity, -infinity, largest, -largest, 1, -1};
  std::copy(limits.begin(), limits.end(), x.begin());
  return x;
}

template <class T>
void digest_activations(Numbers& numbers) {
  const std::vector<T> wide = wide_values<T>(numbers), x = numbers.values<T>(kValues, 4),
                       dy = numbers.values<T>(kValues);
  for (const auto& [name, activation] : kActivations) {
    Hash forward, backward;
    std::vector<T> y(wide.size()), dx(wide.size());
    if (activation != Activation::softmax) {  // an infinite logit makes NaN, whose bits are the processor's own
      kernels<T>().activate(activation, 1, kValues, wide.data(), y.data(), kValues);
      forward.add(y);
    }
    for (const Index features : {1, 5, 16, 63}) {
      kernels<T>().activate(activation, kRows, features, x.data(), y.data(), 64);
      const T* saved = keeps_input(activation) ? x.data() : y.data();
      kernels<T>().activate_backward(activation, kRows, features, saved, dy.data(), dx.data(), 64);
      forward.add(y), backward.add(dx);
    }
    forward.print<T>(std::string("kernel ") + name);
    backward.print<T>(std::string("kernel ") + name + " backward");
  }
}

template <class T>
void digest_reductions(Numbers& numbers) {
  const std::vector<T> x = numbers.values<T>(kValues, 10);
  Hash hash;
  for (const Index n : {1, 15, 16, 17, 1000}) {
    T highest, total;
    kernels<T>().log_sum_exp(n, x.data(), &highest, &total);
    hash.add(&highest, 1), hash.add(&total, 1);
  }
  const double squares = kernels<T>().sum_of_squares(kValues, x.data());
  hash.add(&squares, 1);
  std::vector<T> sums(kRows, T(0));
  const RowArray<const T> samples{x.data(), kValues / kRows, kRows, 0, 0};
  kernels<T>().outer_product({1, kRows, samples, samples, 1, {0, kValues / kRows}, nullptr, sums.data(), kRows, false});
  hash.add(sums);
  hash.print<T>("kernel reductions");

  Hash of_mask;
  std::vector<T> mask(kValues);
  kernels<T>().dropout_mask(kValues, 0.3, 0x123456789abcdefu, 3, 5, 7, mask.data());
  of_mask.add(mask);
  of_mask.print<T>("kernel dropout_mask");

  Sampler sampler(63);
  Hash of_ids;
  for (const Sampling& sampling : {Sampling{1, 0, 1}, Sampling{0.3, 0, 1}, Sampling{2, 20, 1}, Sampling{2, 30, 0.8}})
    for (std::uint64_t position = 0; position < 1000; position++) {
      const Index id = sampler.draw(x.data() + position, sampling, 0x123456789abcdefu, position);
      of_ids.add(&id, 1);
    }
  of_ids.print<T>("sampler");

  Hash of_noise;
  std::vector<T> noisy(kValues);
  kernels<T>().gaussian_noise(kValues, T(0.3), 0x123456789abcdefu, 3, 5, 7, x.data(), noisy.data());
  of_noise.add(noisy);
  of_noise.print<T>("kernel gaussian_noise");
}

// A step forward and backward by the functions of a cell, in the order in which they run
template <class T>
void digest_cell(Numbers& numbers, const char* name, Activation activation, Activation recurrent_activation,
                 std::initializer_list<void (*)(const CellStep<T>&)> functions) {
  const Index n = kRows * kBlock;
  std::vector<T> gates = numbers.values<T>(kRows * kPanel, 6), c(static_cast<std::size_t>(n)),
                 h = numbers.values<T>(n, 4), dc = numbers.values<T>(n), dh_prev = numbers.values<T>(n),
                 reset_h = numbers.values<T>(n);
  const std::vector<T> c_prev = numbers.values<T>(n, 2), h_prev = numbers.values<T>(n), dh = numbers.values<T>(n),
                       bias = numbers.values<T>(3 * kBlock);
  CellStep<T> step{};
  step.rows = kRows, step.columns = kBlock;
  step.activation = activation, step.recurrent_activation = recurrent_activation;
  step.gates = gates.data(), step.h_prev = h_prev.data(), step.h = h.data(), step.dh = dh.data();
  step.h_stride = kBlock;
  step.c_prev = c_prev.data(), step.c = c.data(), step.dc = dc.data();
  step.recurrent_bias = bias.data(), step.dh_prev = dh_prev.data(), step.adds_to_dh_prev = true;
  step.reset_h = reset_h.data();
  Hash hash;
  for (const auto function : functions) {
    function(step);
    hash.add(gates), hash.add(h), hash.add(dh_prev), hash.add(reset_h);
  }
  hash.add(c), hash.add(dc);
  hash.print<T>(std::string("kernel ") + name + " step");
}

template <class T>
void digest_cells(Numbers& numbers) {
  const Kernels<T>& k = kernels<T>();
  const Activation tanh = Activation::tanh, sigmoid = Activation::sigmoid;
  digest_cell<T>(numbers, "lstm", tanh, sigmoid, {k.lstm_forward, k.lstm_backward});
  digest_cell<T>(numbers, "gru", tanh, Activation::hard_sigmoid, {k.gru_forward, k.gru_backward});
  digest_cell<T>(numbers, "gru with reset before", Activation::relu, sigmoid,
                 {k.gru_gates, k.gru_candidate, k.gru_candidate_backward, k.gru_gates_backward});
  digest_cell<T>(numbers, "simple_rnn", tanh, sigmoid, {k.simple_rnn_forward, k.simple_rnn_backward});
}

template <class T>
void digest_masks(Numbers& numbers) {
  const std::vector<T> h_prev = numbers.values<T>(kValues), mask = numbers.values<T>(kValues);
  std::vector<std::uint8_t> zoneout(kValues);
  kernels<T>().flags(kValues, 0.3, 0x123456789abcdefu, 3, 5, 7, zoneout.data());
  std::vector<T> h = numbers.values<T>(kValues), masked_h(kValues), dh = numbers.values<T>(kValues), passed(kValues);
  MaskedStep<T> step{kRows, 48, kValues / kRows, mask.data(), zoneout.data(), T(0.7), h_prev.data(), h.data()};
  step.masked_h = masked_h.data(), step.dh = dh.data(), step.passed = passed.data();
  Hash hash;
  for (const bool adds : {false, true}) {
    step.adds = adds;
    kernels<T>().masked_forward(step);
    kernels<T>().zoneout_backward(step);
    kernels<T>().masked_backward(step);
    hash.add(h), hash.add(masked_h), hash.add(dh), hash.add(passed);
    step.zoneout = nullptr;
    kernels<T>().masked_forward(step);
    hash.add(h);
    step.zoneout = zoneout.data();
  }
  hash.print<T>("kernel masks");
}

template <class T>
void digest_normalization_and_maximum(Numbers& numbers) {
  const std::vector<T> x = numbers.values<T>(kValues, 3), dy = numbers.values<T>(kValues),
                       gamma = numbers.values<T>(64);
  std::vector<T> y(kValues), dx(kValues), moments(2 * kRows), sums(2 * kBlock);
  Hash hash;
  for (const Index features : {1, 5, 16, 63}) {
    const Normalize<T> rows{kRows, features, x.data(), y.data(), 64, gamma.data(), dy.data(), T(1e-3), moments.data()};
    kernels<T>().normalize(rows);
    kernels<T>().normalize_backward(rows, dy.data(), dx.data());
    kernels<T>().normalize_gradient(kRows, x.data(), dy.data(), 64, moments.data(), &sums[0], &sums[kBlock]);
    hash.add(y), hash.add(dx), hash.add(sums);
  }
  for (Index row = 0; row < kRows; row++) kernels<T>().maximum(64, x.data() + row * 64, y.data());
  kernels<T>().maximum_backward(kRows, 64, x.data(), 64, y.data(), dy.data(), dx.data(), 64);
  hash.add(y), hash.add(dx);
  hash.print<T>("kernel normalization and maximum");
}

template <class T>
void digest_updates(Numbers& numbers) {
  const UpdateRule<T> rule{T(0.01), T(0.9), true, T(0.9), T(0.9), T(0.999), T(1e-7), T(0.02), T(0.03), T(1.5)};
  const std::vector<T> g = numbers.values<T>(kValues), zeros(kValues, T(0));
  std::vector<T> w = numbers.values<T>(kValues), a = zeros, b = zeros, c = zeros;
  Hash hash;
  kernels<T>().sgd(rule, kValues, w.data(), g.data(), a.data());
  hash.add(w), hash.add(a);
  a = zeros;
  kernels<T>().rmsprop(rule, kValues, w.data(), g.data(), a.data(), b.data(), c.data());
  hash.add(w), hash.add(a), hash.add(b), hash.add(c);
  a = b = zeros;
  kernels<T>().adam(rule, kValues, w.data(), g.data(), a.data(), b.data(), c.data());
  kernels<T>().scale(kValues, T(0.7), w.data());
  hash.add(w), hash.add(a), hash.add(b), hash.add(c);
  a = b = c = zeros;
  kernels<T>().nadam(rule, kValues, w.data(), g.data(), a.data(), b.data());
  kernels<T>().adagrad(rule, kValues, w.data(), g.data(), c.data());
  hash.add(w), hash.add(a), hash.add(b), hash.add(c);
  a = zeros;
  kernels<T>().lion(rule, kValues, w.data(), g.data(), a.data());
  kernels<T>().clip(kValues, T(0.5), w.data());
  kernels<T>().shrink(kValues, T(0.01), w.data());
  kernels<T>().blend(kValues, T(0.9), w.data(), b.data());
  hash.add(w), hash.add(a), hash.add(b);
  hash.print<T>("kernel updates");
}

template <class T>
void digest_losses(Numbers& numbers) {
  const std::vector<T> x = numbers.values<T>(kValues, 10), y = numbers.values<T>(kValues),
                       z = numbers.values<T>(kValues, 100);
  std::vector<T> grad(kValues, T(0));
  Hash hash;
  const auto add = [&](Index n, double loss) { hash.add(&loss, 1), hash.add(grad.data(), n); };
  for (const Index n : {1, 15, 16, 17, 1000}) {
    add(n, kernels<T>().squared_error(n, T(0.3), x.data(), y.data(), grad.data()));
    add(n, kernels<T>().absolute_error(n, T(0.3), x.data(), y.data(), grad.data()));
    add(n, kernels<T>().huber(n, T(0.7), T(0.3), x.data(), y.data(), grad.data()));
    add(n, kernels<T>().binary_crossentropy(n, T(0.1), T(0.3), x.data(), y.data(), grad.data()));
    kernels<T>().ctc_step(n, x.data(), y.data(), z.data(), x.data(), y.data(), grad.data());
    hash.add(grad.data(), n);
  }
  hash.print<T>("kernel losses");
}

// ---- networks ------------------------------------------------------------------------------------------------------

struct Weight {
  std::size_t spec;
  const char* name;
};

struct Case {
  const char* name;
  InputSpec input;
  Index steps;  // of x, 0: none
  bool ids;     // x holds ids
  std::vector<OpSpec> ops;
  std::vector<Weight> weights;
  LossKind loss;
  bool id_targets;
  OptimizerSpec optimizer;
};

OpSpec op(OpKind kind, Index units = 0) {
  OpSpec spec{kind};
  spec.units = units;
  return spec;
}
OpSpec cell(OpKind kind, Index units, bool return_sequences) {
  OpSpec spec = op(kind, units);
  spec.return_sequences = return_sequences;
  spec.activation = Activation::tanh;
  return spec;
}
OpSpec lstm(Index units, bool return_sequences) { return cell(OpKind::lstm, units, return_sequences); }
OpSpec reset_before(OpSpec spec) {
  spec.reset_after = false;
  return spec;
}
OpSpec normalized(OpSpec spec) {
  spec.layer_norm = true;
  return spec;
}
OpSpec with(OpSpec spec, Activation activation) {
  spec.activation = activation;
  return spec;
}
OpSpec dropout(double rate, bool per_sequence = false) {
  OpSpec spec = op(OpKind::dropout);
  spec.rate = rate, spec.seed = 42, spec.per_sequence = per_sequence;
  return spec;
}

OpSpec dropping(OpSpec spec, Index seed) {
  spec.dropout = 0.3, spec.recurrent_dropout = 0.4, spec.zoneout = 0.2, spec.seed = std::uint64_t(seed);
  return spec;
}

OpSpec layer_norm() {
  OpSpec spec = op(OpKind::layer_norm);
  spec.epsilon = 1e-3;
  return spec;
}

OpSpec regularized(OpSpec spec, const char* weight) {
  spec.regularizers[weight] = {0.01, 0.02};
  return spec;
}

std::vector<Case> cases() {
  OptimizerSpec adam{OptimizerKind::adam}, rmsprop{OptimizerKind::rmsprop}, sgd{OptimizerKind::sgd};
  adam.global_clipnorm = 0.5;
  rmsprop.centered = true, rmsprop.momentum = 0.5, rmsprop.global_clipnorm = 1;
  sgd.momentum = 0.9, sgd.nesterov = true, sgd.global_clipnorm = 2;
  OptimizerSpec plain_adam{OptimizerKind::adam};
  return {
      {"embedding, lstm, dropout, lstm, softmax; adam",
       {19, true, true},
       7,
       true,
       {regularized(op(OpKind::embedding, 21), "embeddings"), regularized(lstm(33, true), "kernel"), dropout(0.3),
        lstm(17, false), with(op(OpKind::dense, 19), Activation::softmax)},
       {{0, "embeddings"},
        {1, "kernel"},
        {1, "recurrent_kernel"},
        {1, "bias"},
        {3, "kernel"},
        {3, "recurrent_kernel"},
        {3, "bias"},
        {4, "kernel"},
        {4, "bias"}},
       LossKind::crossentropy,
       true,
       adam},
      {"lstm of ids, repeat_vector, lstm, dense by step; rmsprop",
       {13, true, false},
       5,
       true,
       {lstm(37, false), op(OpKind::repeat_vector, 4), lstm(20, true), op(OpKind::dense, 6)},
       {{0, "kernel"},
        {0, "recurrent_kernel"},
        {0, "bias"},
        {2, "kernel"},
        {2, "recurrent_kernel"},
        {2, "bias"},
        {3, "kernel"},
        {3, "bias"}},
       LossKind::mean_squared_error,
       false,
       rmsprop},
      {"lstm of values, tanh, repeat_vector, relu, dense; adam",
       {70, true, false},
       6,
       false,
       {lstm(64, false), with(op(OpKind::activation), Activation::tanh), op(OpKind::repeat_vector, 3),
        with(op(OpKind::dense, 18), Activation::relu), op(OpKind::dense, 5)},
       {{0, "kernel"}, {0, "recurrent_kernel"}, {0, "bias"}, {3, "kernel"}, {3, "bias"}, {4, "kernel"}, {4, "bias"}},
       LossKind::mean_absolute_error,
       false,
       plain_adam},
      {"gru, gru with reset before, simple_rnn, dense; adam",
       {23, true, false},
       6,
       false,
       {cell(OpKind::gru, 35, true), reset_before(cell(OpKind::gru, 18, true)), cell(OpKind::simple_rnn, 70, false),
        op(OpKind::dense, 5)},
       {{0, "kernel"},
        {0, "recurrent_kernel"},
        {0, "bias"},
        {1, "kernel"},
        {1, "recurrent_kernel"},
        {1, "bias"},
        {2, "kernel"},
        {2, "recurrent_kernel"},
        {2, "bias"},
        {3, "kernel"}},
       LossKind::mean_squared_error,
       false,
       plain_adam},
      {"lstm of ids, gru, gru with reset before, simple_rnn, all dropping; adam",
       {23, true, false},
       6,
       true,
       {dropping(lstm(35, true), 1), dropping(cell(OpKind::gru, 18, true), 2),
        dropping(reset_before(cell(OpKind::gru, 17, true)), 3), dropping(cell(OpKind::simple_rnn, 70, false), 4)},
       {{0, "kernel"},
        {0, "recurrent_kernel"},
        {0, "bias"},
        {1, "kernel"},
        {1, "recurrent_kernel"},
        {1, "bias"},
        {2, "kernel"},
        {2, "recurrent_kernel"},
        {2, "bias"},
        {3, "kernel"},
        {3, "recurrent_kernel"},
        {3, "bias"}},
       LossKind::mean_squared_error,
       false,
       plain_adam},
      {"layer_norm, spatial dropout, lstm, layer_norm, max_pool, flatten; adam",
       {21, true, false},
       6,
       false,
       {layer_norm(), dropout(0.3, true), lstm(33, true), layer_norm(), op(OpKind::max_pool), op(OpKind::flatten, 1)},
       {{0, "gamma"}, {0, "beta"}, {2, "kernel"}, {2, "recurrent_kernel"}, {2, "bias"}, {3, "gamma"}, {3, "beta"}},
       LossKind::mean_squared_error,
       false,
       adam},
      {"layer-normalised lstm and gru; adam",
       {23, true, false},
       6,
       false,
       {normalized(lstm(35, true)), normalized(cell(OpKind::gru, 18, false))},
       {{0, "kernel"},
        {0, "recurrent_kernel"},
        {0, "bias"},
        {0, "gamma"},
        {0, "gamma_h"},
        {0, "beta_h"},
        {1, "kernel"},
        {1, "recurrent_kernel"},
        {1, "bias"},
        {1, "gamma"}},
       LossKind::mean_squared_error,
       false,
       adam},
      {"one_hot, softmax within, sigmoid; sgd",
       {30, false, true},
       0,
       true,
       {op(OpKind::one_hot), with(op(OpKind::dense, 100), Activation::softmax),
        with(op(OpKind::dense, 80), Activation::tanh), with(op(OpKind::dense, 3), Activation::sigmoid)},
       {{1, "kernel"}, {1, "bias"}, {2, "kernel"}, {2, "bias"}, {3, "kernel"}, {3, "bias"}},
       LossKind::binary_crossentropy,
       false,
       sgd},
  };
}

template <class T>
ArrayView view(const T* data, DType dtype, std::vector<Index> shape) {
  ArrayView v;
  v.data = reinterpret_cast<const char*>(data);
  v.dtype = dtype;
  v.ndim = int(shape.size());
  Index stride = sizeof(T);
  for (int i = v.ndim; i-- > 0; stride *= shape[std::size_t(i)]) {
    v.shape[i] = shape[std::size_t(i)];
    v.strides[i] = stride;
  }
  return v;
}

template <class T>
constexpr DType kDtype = sizeof(T) == 4 ? DType::f32 : DType::f64;

// What a network of the same weights predicts with copies of few bits
template <class T>
void add_quantized(const Case& c, const Network<T>& trained, const Batch& batch, std::vector<T> predictions,
                   Hash& hash) {
  for (const WeightType type : {WeightType::bfloat16, WeightType::int8}) {
    std::vector<OpSpec> ops = c.ops;
    for (OpSpec& op : ops) op.weights = type;
    Network<T> network(c.input, ops);
    for (const Weight& weight : c.weights) {
      const Parameter<T>& from = trained.parameter(weight.spec, weight.name);
      std::vector<T> values(static_cast<std::size_t>(from.layout.size()));
      from.unpack(from.value, values.data());
      network.set_weight(network.parameter(weight.spec, weight.name), values.data());
    }
    network.predict_batch(batch, {}, predictions.data());
    hash.add(predictions);
  }
}

// Three batches of training, the last one short, then predictions.
template <class T>
void digest(const Case& c, Numbers& numbers) {
  constexpr Index kSamples = 45, kBatch = 38;
  Network<T> network(c.input, c.ops);
  for (const Weight& weight : c.weights) {
    const Parameter<T>& parameter = network.parameter(weight.spec, weight.name);
    Index n = 1;
    for (const Index axis : parameter.shape) n *= axis;
    network.set_weight(parameter, numbers.values<T>(n, 0.3).data());
  }
  network.compile({c.loss, false, false, {}}, c.optimizer);

  std::vector<Index> x_shape = {kSamples}, y_shape;
  if (c.steps) x_shape.push_back(c.steps);
  network.output_shape(kSamples, c.steps, y_shape);
  const Index per_prediction = y_shape.size() > 2 ? y_shape[1] * y_shape[2] : y_shape[1];
  std::vector<std::int32_t> x_ids(static_cast<std::size_t>(kSamples * std::max<Index>(c.steps, 1))), y_ids(kSamples);
  for (auto& id : x_ids) id = std::int32_t(numbers.below(c.input.features));
  for (auto& id : y_ids) id = std::int32_t(numbers.below(y_shape.back()));
  const std::vector<T> x_values = numbers.values<T>(Index(x_ids.size()) * c.input.features);
  std::vector<T> y_values = numbers.values<T>(kSamples * per_prediction);
  if (c.loss == LossKind::binary_crossentropy)
    for (T& y : y_values) y = T(y > 0);
  std::vector<Index> x_values_shape = x_shape;
  x_values_shape.push_back(c.input.features);
  const ArrayView x =
      c.ids ? view(x_ids.data(), DType::i32, x_shape) : view(x_values.data(), kDtype<T>, x_values_shape);
  const ArrayView y =
      c.id_targets ? view(y_ids.data(), DType::i32, {kSamples}) : view(y_values.data(), kDtype<T>, y_shape);

  std::vector<std::int64_t> index;
  for (Index i = 0; i < kSamples; i++) index.push_back((i * 7) % kSamples);
  double loss;
  for (int epoch = 0; epoch < 3; epoch++)
    for (Index first = 0; first < kSamples; first += kBatch)
      network.train_batch({x, index.data() + first, std::min(kBatch, kSamples - first), nullptr, &y}, {}, 0.01, &loss);

  Hash hash;
  for (const Weight& weight : c.weights) {
    const Parameter<T>& parameter = network.parameter(weight.spec, weight.name);
    std::vector<T> values(static_cast<std::size_t>(parameter.layout.size()));
    network.get_weight(parameter, values.data());
    hash.add(values);
  }
  std::vector<T> predictions(static_cast<std::size_t>(kSamples * per_prediction));
  network.predict_batch({x, index.data(), kSamples}, {}, predictions.data());
  hash.add(predictions);
  if constexpr (sizeof(T) == 4) add_quantized(c, network, {x, index.data(), kSamples}, predictions, hash);
  hash.print<T>(c.name);
}

template <class T>
void digest_all() {
  Numbers numbers;
  {
    FlushDenormals flush;
    digest_activations<T>(numbers);
    digest_reductions<T>(numbers);
    digest_cells<T>(numbers);
    digest_masks<T>(numbers);
    digest_normalization_and_maximum<T>(numbers);
    digest_updates<T>(numbers);
    digest_losses<T>(numbers);
  }
  for (const Case& c : cases()) digest<T>(c, numbers);
}

}  // namespace

}  // namespace pyrnn

int main() {
  std::fprintf(stderr, "%s, %d threads\n", pyrnn::isa().c_str(), pyrnn::num_threads());
  pyrnn::digest_all<float>();
  pyrnn::digest_all<double>();
}
