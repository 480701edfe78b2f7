#include "specs.h"

#include <pybind11/stl.h>

namespace pyrnn {

namespace {

struct PyValue {
  py::handle value;
  template <class V>
  V as() const {
    return value.cast<V>();
  }
};

}  // namespace

OpSpec op_spec(const py::dict& d) {
  const std::string op = d["op"].cast<std::string>();
  OpSpec spec = op_by_name(op);
  for (const auto& [key, value] : d) {
    const std::string name = key.cast<std::string>();
    if (name == "op") continue;
    if (name == "regularizers")
      for (const auto& [weight, factors] : value.cast<std::map<std::string, std::pair<double, double>>>())
        spec.regularizers[weight] = {factors.first, factors.second};
    else
      set_option(spec, op, name, PyValue{value});
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

static MetricSpec metric_spec(const py::dict& d) {
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

}  // namespace pyrnn
