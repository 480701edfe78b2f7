// Network to Python. Every method: check, release the GIL, call, return.
#include "../network.h"

#include <pybind11/stl.h>

#include "arrays.h"
#include "stream.h"

namespace pyrnn {

namespace {

template <class E>
using Names = std::initializer_list<std::pair<const char*, E>>;

template <class E>
E by_name(const std::string& name, const char* what, Names<E> names) {
  std::string all;
  for (const auto& [known, value] : names) {
    if (name == known) return value;
    all += (all.empty() ? "" : ", ") + std::string(known);
  }
  throw py::value_error(std::string(what) + " must be one of " + all + ", got " + name);
}

constexpr Names<ScheduleKind> kSchedules = {{"auto", ScheduleKind::automatic},
                                            {"serial", ScheduleKind::serial},
                                            {"rows", ScheduleKind::rows},
                                            {"panels", ScheduleKind::panels}};

OpSpec op_spec(const py::dict& d) {
  const auto kind = by_name<OpKind>(d["op"].cast<std::string>(), "op",
                                    {{"embedding", OpKind::embedding},
                                     {"lstm", OpKind::lstm},
                                     {"gru", OpKind::gru},
                                     {"simple_rnn", OpKind::simple_rnn},
                                     {"dense", OpKind::dense},
                                     {"activation", OpKind::activation},
                                     {"dropout", OpKind::dropout},
                                     {"repeat_vector", OpKind::repeat_vector},
                                     {"one_hot", OpKind::one_hot},
                                     {"flatten", OpKind::flatten},
                                     {"average_pool", OpKind::average_pool},
                                     {"max_pool", OpKind::max_pool},
                                     {"layer_norm", OpKind::layer_norm},
                                     {"handover", OpKind::handover}});
  OpSpec spec{kind};
  if (kind == OpKind::lstm || kind == OpKind::gru || kind == OpKind::simple_rnn) spec.activation = Activation::tanh;
  for (const auto& [key, value] : d) {
    const std::string name = key.cast<std::string>();
    if (name == "op") continue;
    if (name == "units" || name == "output_dim" || name == "n" || name == "steps" || name == "features")
      spec.units = value.cast<Index>();
    else if (name == "return_sequences")
      spec.return_sequences = value.cast<bool>();
    else if (name == "use_bias")
      spec.use_bias = value.cast<bool>();
    else if (name == "activation")
      spec.activation = activation_by_name(value.cast<std::string>());
    else if (name == "recurrent_activation")
      spec.recurrent_activation = activation_by_name(value.cast<std::string>());
    else if (name == "go_backwards")
      spec.go_backwards = value.cast<bool>();
    else if (name == "bidirectional") {
      spec.bidirectional = true;
      spec.merge =
          by_name<Merge>(value.cast<std::string>(), "bidirectional",
                         {{"concat", Merge::concat}, {"sum", Merge::sum}, {"mul", Merge::mul}, {"ave", Merge::ave}});
    } else if (name == "reset_after")
      spec.reset_after = value.cast<bool>();
    else if (name == "rate")
      spec.rate = value.cast<double>();
    else if (name == "seed")
      spec.seed = value.cast<std::uint64_t>();
    else if (name == "per_sequence")
      spec.per_sequence = value.cast<bool>();
    else if (name == "epsilon")
      spec.epsilon = value.cast<double>();
    else if (name == "center")
      spec.center = value.cast<bool>();
    else if (name == "ids_only")
      spec.ids_only = value.cast<bool>();
    else if (name == "scale")
      spec.scale = value.cast<bool>();
    else if (name == "regularizers")
      for (const auto& [weight, factors] : value.cast<std::map<std::string, std::pair<double, double>>>())
        spec.regularizers[weight] = {factors.first, factors.second};
    else
      throw py::value_error("op " + d["op"].cast<std::string>() + " has no option " + name);
  }
  return spec;
}

OptimizerSpec optimizer_spec(const py::dict& d) {
  OptimizerSpec spec{by_name<OptimizerKind>(d["name"].cast<std::string>(), "optimizer",
                                            {{"sgd", OptimizerKind::sgd},
                                             {"rmsprop", OptimizerKind::rmsprop},
                                             {"adam", OptimizerKind::adam},
                                             {"nadam", OptimizerKind::nadam},
                                             {"adagrad", OptimizerKind::adagrad},
                                             {"lion", OptimizerKind::lion}})};
  for (const auto& [key, value] : d) {
    const std::string name = key.cast<std::string>();
    if (name == "nesterov")
      spec.nesterov = value.cast<bool>();
    else if (name == "centered")
      spec.centered = value.cast<bool>();
    else if (name == "amsgrad")
      spec.amsgrad = value.cast<bool>();
    else if (name == "use_ema")
      spec.use_ema = value.cast<bool>();
    else if (name == "ema_overwrite_frequency")
      spec.ema_overwrite_frequency = value.cast<std::int64_t>();
    else if (name == "gradient_accumulation_steps")
      spec.gradient_accumulation_steps = value.cast<std::int64_t>();
    else if (name != "name")
      *by_name<double*>(name, "option of an optimizer",
                        {{"momentum", &spec.momentum},
                         {"rho", &spec.rho},
                         {"beta_1", &spec.beta_1},
                         {"beta_2", &spec.beta_2},
                         {"epsilon", &spec.epsilon},
                         {"initial_accumulator_value", &spec.initial_accumulator_value},
                         {"weight_decay", &spec.weight_decay},
                         {"clipnorm", &spec.clipnorm},
                         {"clipvalue", &spec.clipvalue},
                         {"global_clipnorm", &spec.global_clipnorm},
                         {"ema_momentum", &spec.ema_momentum}}) = value.cast<double>();
  }
  if (spec.gradient_accumulation_steps < 1)
    throw py::value_error("gradient_accumulation_steps must be at least 1, got " +
                          std::to_string(spec.gradient_accumulation_steps));
  return spec;
}

MetricSpec metric_spec(const py::dict& d) {
  MetricSpec spec{by_name<MetricKind>(d["name"].cast<std::string>(), "metric",
                                      {{"categorical_accuracy", MetricKind::categorical_accuracy},
                                       {"binary_accuracy", MetricKind::binary_accuracy},
                                       {"top_k_accuracy", MetricKind::top_k_accuracy},
                                       {"crossentropy", MetricKind::crossentropy},
                                       {"mean_squared_error", MetricKind::mean_squared_error},
                                       {"mean_absolute_error", MetricKind::mean_absolute_error},
                                       {"r2_score", MetricKind::r2_score}})};
  for (const auto& [key, value] : d) {
    const std::string name = key.cast<std::string>();
    if (name == "weighted")
      spec.weighted = value.cast<bool>();
    else if (name == "k")
      spec.k = value.cast<Index>();
    else if (name == "threshold")
      spec.threshold = value.cast<double>();
    else if (name != "name")
      throw py::value_error("metric " + d["name"].cast<std::string>() + " has no option " + name);
  }
  return spec;
}

Objective objective(const std::string& loss, bool from_logits, const std::vector<py::dict>& metrics,
                    double label_smoothing, double delta) {
  Objective o{by_name<LossKind>(loss, "loss",
                                {{"crossentropy", LossKind::crossentropy},
                                 {"binary_crossentropy", LossKind::binary_crossentropy},
                                 {"mean_squared_error", LossKind::mean_squared_error},
                                 {"mean_absolute_error", LossKind::mean_absolute_error},
                                 {"huber", LossKind::huber},
                                 {"ctc", LossKind::ctc}}),
              from_logits,
              false,
              {},
              label_smoothing,
              delta};
  if (o.loss == LossKind::ctc && !metrics.empty()) throw py::value_error("the loss ctc goes without metrics");
  for (const py::dict& metric : metrics) {
    o.metrics.push_back(metric_spec(metric));
    if (o.metrics.back().kind == MetricKind::crossentropy && o.loss != LossKind::crossentropy)
      throw py::value_error("metric crossentropy goes with the loss crossentropy, got " + loss);
  }
  return o;
}

using OptionalArray = std::optional<py::array>;

// A Batch of Python's arrays. x is an array, or a tuple that begins with it, in one argument, for pybind11 asks for
// memory in a call of more than six:
//
//   (array, spans, first, last, second)     spans: int64 [N, 2], the first step and the number of steps of each row
//                                           first, last: see States, sequences of arrays
//                                           second: what the decoder reads
//
// each of which may be None.
class BatchOf {
 public:
  BatchOf(const py::object& x, const IndexArray& index, const py::array* y = nullptr, const OptionalArray& weights = {})
      : index_(index.data()), n_(index.size()), has_y_(y) {
    const bool more = PyTuple_CheckExact(x.ptr()) && PyTuple_GET_SIZE(x.ptr()) == 5;
    const py::handle values = more ? PyTuple_GET_ITEM(x.ptr(), 0) : x.ptr();
    if (!py::isinstance<py::array>(values))
      throw py::type_error("x must be an array, or (array, spans, first, last, second)");
    x_ = view(py::reinterpret_borrow<py::array>(values), "x");
    if (y) y_ = view(*y, "y");
    if (weights) weights_ = view(*weights, "weights");
    if (!more) return;
    const py::handle spans = PyTuple_GET_ITEM(x.ptr(), 1);
    if (!spans.is_none()) spans_ = spans_of(spans, x_.shape[0]);
    first_ = PyTuple_GET_ITEM(x.ptr(), 2), last_ = PyTuple_GET_ITEM(x.ptr(), 3);
    const py::handle second = PyTuple_GET_ITEM(x.ptr(), 4);
    if (second.is_none()) return;
    if (!py::isinstance<py::array>(second)) throw py::type_error("what the decoder reads must be an array");
    second_ = view(py::reinterpret_borrow<py::array>(second), "the decoder's x");
  }
  Batch get() const {
    const auto if_given = [](const ArrayView& array) { return array.data ? &array : nullptr; };
    return {x_, index_, n_, spans_, has_y_ ? &y_ : nullptr, if_given(weights_), if_given(second_)};
  }
  // Of the output, where it has x's
  Index steps() const {
    const ArrayView& x = second_.data ? second_ : x_;
    return x.ndim > 1 ? x.shape[1] : 1;
  }

  // The pointers lie in vectors of this thread, which are kept, so that a batch asks for no memory.
  template <class T>
  States<T> states(const Network<T>& network) const {
    thread_local std::vector<const T*> first;
    thread_local std::vector<T*> last;
    first.clear(), last.clear();
    each_state(network, first_, "first", [&](const py::array& array, const std::string& name, const Shape& shape) {
      first.push_back(values<T>(array, name, shape));
    });
    each_state(network, last_, "last", [&](py::array& array, const std::string& name, const Shape& shape) {
      last.push_back(writable_values<T>(array, name, shape));
    });
    return {first_.is_none() ? nullptr : first.data(), last_.is_none() ? nullptr : last.data()};
  }

 private:
  // body(array, its name, its shape) for each state of the network
  template <class T, class F>
  void each_state(const Network<T>& network, py::handle given, const char* name, F body) const {
    if (given.is_none()) return;
    const auto arrays = given.cast<py::sequence>();
    std::size_t next = 0;
    for (const Op<T>* op : network.recurrent())
      for (Index i = 0; i < op->states(); i++, next++) {
        const std::string which = std::string(name) + "[" + std::to_string(next) + "]";
        if (next >= arrays.size()) throw py::value_error(which + " is missing");
        py::object array = arrays[next];
        if (!py::isinstance<py::array>(array)) throw py::type_error(which + " must be an array");
        auto as_array = py::reinterpret_borrow<py::array>(array);
        body(as_array, which, {n_, op->state_units()});
      }
    if (next < arrays.size())
      throw py::value_error(std::string(name) + " must have " + std::to_string(next) + " arrays, got " +
                            std::to_string(arrays.size()));
  }

  static const Span* spans_of(py::handle spans, Index rows) {
    static_assert(sizeof(Span) == 2 * sizeof(std::int64_t));
    const Shape wanted = {rows, 2};
    if (!py::isinstance<IndexArray>(spans)) throw py::type_error("spans must be " + describe("int64", wanted));
    const auto array = py::reinterpret_borrow<IndexArray>(spans);
    if (shape_of(array) != wanted) refuse("spans", describe("int64", wanted), array);
    return reinterpret_cast<const Span*>(array.data());
  }

  ArrayView x_{}, y_{}, weights_{}, second_{};
  const Span* spans_ = nullptr;
  py::handle first_ = Py_None, last_ = Py_None;
  const std::int64_t* index_;
  Index n_;
  bool has_y_;
};

// What Python sees: a network of either precision. Python chooses the precision by name, once.
class AnyNetwork {
 public:
  virtual ~AnyNetwork() = default;
  virtual py::array get_weight(std::size_t op, const std::string& name) = 0;
  virtual void set_weight(std::size_t op, const std::string& name, const py::array& value) = 0;
  virtual void compile(const Objective& objective, const OptimizerSpec& optimizer) = 0;
  virtual py::tuple train_batch(const py::object& x, const py::array& y, const IndexArray& index, double learning_rate,
                                const OptionalArray& weights) = 0;
  virtual void finish_training() = 0;
  virtual py::tuple evaluate_batch(const py::object& x, const py::array& y, const IndexArray& index,
                                   const OptionalArray& weights) = 0;
  virtual void predict_batch(const py::object& x, const IndexArray& index, py::array& out) = 0;
  virtual std::unique_ptr<AnyStream> stream(Index batch_size) = 0;
  virtual std::string schedule() = 0;
  virtual void set_schedule(const std::string& name) = 0;
  virtual std::size_t memory() = 0;
  virtual py::dict get_optimizer_state() = 0;
  virtual void set_optimizer_state(const py::dict& state) = 0;
};

template <class T>
class NetworkOf : public AnyNetwork {
 public:
  NetworkOf(const InputSpec& input, const std::vector<OpSpec>& ops) : network_(input, ops) {}

  py::array get_weight(std::size_t op, const std::string& name) override {
    const Parameter<T>& parameter = network_.parameter(op, name);
    py::array_t<T> value(parameter.shape);
    T* to = data(value);
    py::gil_scoped_release release;
    network_.get_weight(parameter, to);
    return value;
  }

  void set_weight(std::size_t op, const std::string& name, const py::array& value) override {
    const Parameter<T>& parameter = network_.parameter(op, name);
    const T* from = values<T>(value, name, parameter.shape);
    py::gil_scoped_release release;
    network_.set_weight(parameter, from);
  }

  void compile(const Objective& objective, const OptimizerSpec& optimizer) override {
    py::gil_scoped_release release;
    network_.compile(objective, optimizer);
  }

  py::tuple train_batch(const py::object& x, const py::array& y, const IndexArray& index, double learning_rate,
                        const OptionalArray& weights) override {
    const BatchOf batch(x, index, &y, weights);
    const States<T> states = batch.states(network_);
    return results([&](double* to) { network_.train_batch(batch.get(), states, learning_rate, to); });
  }

  void finish_training() override {
    require_compiled();
    py::gil_scoped_release release;
    network_.finish_training();
  }

  py::tuple evaluate_batch(const py::object& x, const py::array& y, const IndexArray& index,
                           const OptionalArray& weights) override {
    const BatchOf batch(x, index, &y, weights);
    const States<T> states = batch.states(network_);
    return results([&](double* to) { network_.evaluate_batch(batch.get(), states, to); });
  }

  void predict_batch(const py::object& x, const IndexArray& index, py::array& out) override {
    const BatchOf batch(x, index);
    thread_local Shape shape;  // kept, so that a batch asks for no memory
    network_.output_shape(index.size(), batch.steps(), shape);
    T* to = writable_values<T>(out, "out", shape);
    const States<T> states = batch.states(network_);
    py::gil_scoped_release release;
    network_.predict_batch(batch.get(), states, to);
  }

  std::unique_ptr<AnyStream> stream(Index batch_size) override { return make_stream(network_, batch_size); }

  std::string schedule() override {
    const auto has = [&](const auto& named) { return named.second == network_.schedule(); };
    return std::find_if(kSchedules.begin(), kSchedules.end(), has)->first;
  }
  void set_schedule(const std::string& name) override { network_.set_schedule(by_name(name, "schedule", kSchedules)); }
  std::size_t memory() override { return network_.memory(); }

  py::dict get_optimizer_state() override {
    require_compiled();
    py::list slots;
    for (const auto& slot : network_.optimizer().slots) slots.append(py::array_t<T>(Index(slot.size()), slot.data()));
    py::dict state;
    state["iterations"] = network_.optimizer().iterations;
    state["slots"] = slots;
    return state;
  }

  void set_optimizer_state(const py::dict& state) override {
    require_compiled();
    auto& slots = network_.optimizer().slots;
    const auto given = state["slots"].cast<std::vector<py::array>>();
    if (given.size() != slots.size())
      throw py::value_error("slots must be " + std::to_string(slots.size()) + " arrays, got " +
                            std::to_string(given.size()));
    for (const py::array& slot : given) values<T>(slot, "slots", {Index(slots[0].size())});
    for (std::size_t i = 0; i < slots.size(); i++)
      std::copy_n(static_cast<const T*>(given[i].data()), slots[i].size(), slots[i].begin());
    network_.optimizer().iterations = state["iterations"].cast<std::int64_t>();
  }

 private:
  void require_compiled() const {
    if (!network_.compiled()) throw py::value_error("Network: compile must come first");
  }

  template <class F>
  py::tuple results(F run) {
    require_compiled();
    const std::size_t n = std::size_t(network_.result_count());
    thread_local std::vector<double> means;  // kept, so that a batch asks for no memory
    means.resize(n);
    {
      py::gil_scoped_release release;
      run(means.data());
    }
    py::tuple result(n);
    for (std::size_t i = 0; i < n; i++) result[i] = means[i];
    return result;
  }

  Network<T> network_;
};

std::unique_ptr<AnyNetwork> make_network(const std::string& dtype, Index features, bool sequence, bool ids,
                                         const std::vector<py::dict>& ops) {
  std::vector<OpSpec> specs;
  for (const py::dict& op : ops) specs.push_back(op_spec(op));
  const InputSpec input{features, sequence, ids};
  if (dtype == "float32") return std::make_unique<NetworkOf<float>>(input, specs);
  if (dtype == "float64") return std::make_unique<NetworkOf<double>>(input, specs);
  throw py::value_error("dtype must be float32 or float64, got " + dtype);
}

}  // namespace

Activation activation_by_name(const std::string& name) {
  return by_name<Activation>(name, "activation",
                             {{"linear", Activation::linear},
                              {"tanh", Activation::tanh},
                              {"sigmoid", Activation::sigmoid},
                              {"relu", Activation::relu},
                              {"softmax", Activation::softmax},
                              {"hard_sigmoid", Activation::hard_sigmoid},
                              {"softplus", Activation::softplus},
                              {"elu", Activation::elu},
                              {"leaky_relu", Activation::leaky_relu},
                              {"exponential", Activation::exponential},
                              {"silu", Activation::silu}});
}

void bind_network(py::module_& m) {
  using namespace py::literals;
  py::class_<AnyNetwork>(m, "Network")
      .def(py::init(&make_network), "dtype"_a, "features"_a, "sequence"_a, "ids"_a, "ops"_a)
      .def("get_weight", &AnyNetwork::get_weight, "op"_a, "name"_a)
      .def("set_weight", &AnyNetwork::set_weight, "op"_a, "name"_a, "value"_a.noconvert())
      .def(
          "compile",
          [](AnyNetwork& network, const std::string& loss, bool from_logits, const std::vector<py::dict>& metrics,
             const py::dict& optimizer, double label_smoothing, double delta) {
            network.compile(objective(loss, from_logits, metrics, label_smoothing, delta), optimizer_spec(optimizer));
          },
          "loss"_a, "from_logits"_a, "metrics"_a, "optimizer"_a, "label_smoothing"_a = 0.0, "delta"_a = 1.0)
      .def("train_batch", &AnyNetwork::train_batch, "x"_a.noconvert(), "y"_a.noconvert(), "index"_a.noconvert(),
           "learning_rate"_a, "weights"_a.noconvert() = py::none())
      .def("finish_training", &AnyNetwork::finish_training)
      .def("evaluate_batch", &AnyNetwork::evaluate_batch, "x"_a.noconvert(), "y"_a.noconvert(), "index"_a.noconvert(),
           "weights"_a.noconvert() = py::none())
      .def("predict_batch", &AnyNetwork::predict_batch, "x"_a.noconvert(), "index"_a.noconvert(), "out"_a.noconvert())
      .def("stream", &AnyNetwork::stream, "batch_size"_a, py::keep_alive<0, 1>())
      .def("schedule", &AnyNetwork::schedule)
      .def("set_schedule", &AnyNetwork::set_schedule, "name"_a)
      .def("memory", &AnyNetwork::memory)
      .def("get_optimizer_state", &AnyNetwork::get_optimizer_state)
      .def("set_optimizer_state", &AnyNetwork::set_optimizer_state, "state"_a);
}

}  // namespace pyrnn
