// Network to Python. Every method: check, release the GIL, call, return.
#include "../network.h"

#include <pybind11/stl.h>

#include <functional>
#include <map>

#include "batch.h"
#include "specs.h"
#include "stream.h"

namespace pyrnn {

namespace {

constexpr Names<ScheduleKind> kSchedules = {{"auto", ScheduleKind::automatic},
                                            {"serial", ScheduleKind::serial},
                                            {"rows", ScheduleKind::rows},
                                            {"panels", ScheduleKind::panels}};

constexpr Names<NotFinite::Where> kPlaces = {{"output", NotFinite::Where::output},
                                             {"loss", NotFinite::Where::loss},
                                             {"penalty", NotFinite::Where::penalty},
                                             {"loss_gradient", NotFinite::Where::loss_gradient},
                                             {"weight_gradient", NotFinite::Where::weight_gradient},
                                             {"input_gradient", NotFinite::Where::input_gradient}};

[[noreturn]] void raise(const NotFinite& found) {
  const auto place =
      std::find_if(kPlaces.begin(), kPlaces.end(), [&](auto& named) { return named.second == found.where; });
  const py::tuple arguments =
      py::make_tuple(place->first, found.spec, found.weight, found.row, found.value, found.loss);
  PyErr_SetObject(PyExc_FloatingPointError, arguments.ptr());
  throw py::error_already_set();
}

// What Python sees: a network of either precision. Python chooses the precision by name, once.
class AnyNetwork {
 public:
  virtual ~AnyNetwork() = default;
  virtual py::array get_weight(std::size_t op, const std::string& name) = 0;
  virtual void set_weight(std::size_t op, const std::string& name, const py::array& value) = 0;
  virtual void compile(const Objective& objective, const OptimizerSpec& optimizer, bool checks_numerics) = 0;
  virtual py::tuple train_batch(const py::object& x, const py::array& y, const IndexArray& index, double learning_rate,
                                const OptionalArray& weights) = 0;
  virtual void finish_training() = 0;
  virtual std::int64_t batches_trained() = 0;
  virtual double gradient_norm() = 0;
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
    {
      py::gil_scoped_release release;
      network_.get_weight(parameter, to);
    }
    return value;  // as its base class: a new reference, which needs the GIL
  }

  void set_weight(std::size_t op, const std::string& name, const py::array& value) override {
    const Parameter<T>& parameter = network_.parameter(op, name);
    const T* from = values<T>(value, name, parameter.shape);
    py::gil_scoped_release release;
    network_.set_weight(parameter, from);
  }

  void compile(const Objective& objective, const OptimizerSpec& optimizer, bool checks_numerics) override {
    py::gil_scoped_release release;
    network_.compile(objective, optimizer, checks_numerics);
  }

  py::tuple train_batch(const py::object& x, const py::array& y, const IndexArray& index, double learning_rate,
                        const OptionalArray& weights) override {
    const BatchOf batch(x, index, &y, weights);
    const States<T> states = batch.states(network_);
    try {
      return results([&](double* to) { network_.train_batch(batch.get(), states, learning_rate, to); });
    } catch (const NotFinite& found) {
      raise(found);
    }
  }

  void finish_training() override {
    require_compiled();
    py::gil_scoped_release release;
    network_.finish_training();
  }

  std::int64_t batches_trained() override { return network_.batches_trained(); }

  double gradient_norm() override {
    require_compiled();
    py::gil_scoped_release release;
    return network_.gradient_norm();
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

  std::unique_ptr<AnyStream> stream(Index batch_size) override {
    py::gil_scoped_release release;
    return make_stream(network_, batch_size);
  }

  std::string schedule() override {
    const auto has = [&](const auto& named) { return named.second == network_.schedule(); };
    return std::find_if(kSchedules.begin(), kSchedules.end(), has)->first;
  }
  void set_schedule(const std::string& name) override {
    py::gil_scoped_release release;
    network_.set_schedule(by_name(name, "schedule", kSchedules));
  }
  std::size_t memory() override { return network_.memory(); }

  py::dict get_optimizer_state() override {
    require_compiled();
    py::dict slots;
    for (std::size_t slot = 0; slot < network_.slot_names().size(); slot++) {
      py::dict of_slot;
      each_parameter([&](const py::tuple& key, const Parameter<T>& parameter) {
        py::array_t<T> value(parameter.shape);
        T* to = data(value);
        {
          py::gil_scoped_release release;
          network_.get_slot(slot, parameter, to);
        }
        of_slot[key] = value;
      });
      slots[network_.slot_names()[slot].c_str()] = of_slot;
    }
    py::dict state;
    state["iterations"] = network_.iterations();
    state["slots"] = slots;
    return state;
  }

  void set_optimizer_state(const py::dict& state) override {
    require_compiled();
    const auto iterations = state["iterations"].cast<std::int64_t>();
    if (iterations < 0) throw py::value_error("iterations must be at least 0, got " + std::to_string(iterations));
    const auto given = state["slots"].cast<std::map<std::string, py::dict>>();
    std::vector<std::function<void()>> changes;  // all or none
    const auto& names = network_.slot_names();
    for (std::size_t slot = 0; slot < names.size(); slot++) {
      const auto of_slot = given.find(names[slot]);
      if (of_slot == given.end()) throw py::value_error("slots must have " + names[slot]);
      each_parameter([&](const py::tuple& key, const Parameter<T>& parameter) {
        const std::string name = names[slot] + " of " + parameter.name;
        if (!of_slot->second.contains(key)) throw py::value_error("slots must have " + name);
        const py::array value = py::cast<py::array>(of_slot->second[key]);
        const T* from = values<T>(value, name, parameter.shape);
        changes.push_back([this, slot, &parameter, value, from] { network_.set_slot(slot, parameter, from); });
      });
    }
    if (given.size() != names.size())
      throw py::value_error("slots must be " + std::to_string(names.size()) + ", got " + std::to_string(given.size()));
    py::gil_scoped_release release;
    for (const auto& change : changes) change();
    network_.set_iterations(iterations);
  }

 private:
  void require_compiled() const {
    if (!network_.compiled()) throw py::value_error("Network: compile must come first");
  }

  // body((op, name), parameter) for all weights
  template <class F>
  void each_parameter(F body) const {
    for (std::size_t op = 0; op < network_.specs().size(); op++)
      for (const Parameter<T>& parameter : network_.parameters(op)) body(py::make_tuple(op, parameter.name), parameter);
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

void bind_network(py::module_& m) {
  using namespace py::literals;
  py::class_<AnyNetwork>(m, "Network")
      .def(py::init(&make_network), "dtype"_a, "features"_a, "sequence"_a, "ids"_a, "ops"_a)
      .def("get_weight", &AnyNetwork::get_weight, "op"_a, "name"_a)
      .def("set_weight", &AnyNetwork::set_weight, "op"_a, "name"_a, "value"_a.noconvert())
      .def(
          "compile",
          [](AnyNetwork& network, const std::string& loss, bool from_logits, const std::vector<py::dict>& metrics,
             const py::dict& optimizer, double label_smoothing, double delta, bool check_numerics) {
            network.compile(objective(loss, from_logits, metrics, label_smoothing, delta), optimizer_spec(optimizer),
                            check_numerics);
          },
          "loss"_a, "from_logits"_a, "metrics"_a, "optimizer"_a, "label_smoothing"_a = 0.0, "delta"_a = 1.0,
          "check_numerics"_a = false)
      .def("train_batch", &AnyNetwork::train_batch, "x"_a.noconvert(), "y"_a.noconvert(), "index"_a.noconvert(),
           "learning_rate"_a, "weights"_a.noconvert() = py::none())
      .def("finish_training", &AnyNetwork::finish_training)
      .def("batches_trained", &AnyNetwork::batches_trained)
      .def("gradient_norm", &AnyNetwork::gradient_norm)
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
