#include "loss.h"

#include <algorithm>
#include <cmath>

#include "ctc.h"

namespace pyrnn {

namespace {

constexpr double kEpsilon = 1e-7;  // Keras' bound on probabilities inside a logarithm

std::string shape_of(const ArrayView& a) {
  std::string text;
  for (int i = 0; i < a.ndim; i++) text += (i ? ", " : "") + std::to_string(a.shape[i]);
  return "[" + text + "]";
}

double read_weight(const ArrayView& weights, std::int64_t row, Index t) {
  const char* p = weights.data + row * weights.strides[0] + (weights.ndim > 1 ? t * weights.strides[1] : 0);
  return with_type(weights.dtype, [&](auto type) { return double(read<decltype(type)>(p)); });
}

}  // namespace

template <class T>
Loss<T>::Loss(const Objective& objective) : objective_(objective) {
  for (const MetricSpec& metric : objective.metrics) {
    activates_ |= objective.activation_inside && reads_activated(metric);
    any_weighted_ |= metric.weighted;
    wants_crossentropy_ |= metric.kind == MetricKind::crossentropy;
  }
}

template <class T>
void Loss<T>::check_targets(const ArrayView& y, const Signal<T>& prediction) const {
  if (objective_.loss == LossKind::ctc) {
    if (prediction.sequence && y.is_integer() && y.ndim == 2) return;
    throw std::invalid_argument("y must be integer labels [N, L] of a sequence, got shape " + shape_of(y));
  }
  const int leading = prediction.sequence ? 2 : 1;
  const bool steps_fit = !prediction.sequence || (y.ndim > 1 && y.shape[1] == prediction.steps);
  const bool ids = objective_.loss == LossKind::crossentropy && y.is_integer() && y.ndim == leading;
  const bool values = y.ndim == leading + 1 && y.shape[leading] == prediction.features;
  if (steps_fit && (ids || values)) return;
  const std::string shape = prediction.sequence ? "N, " + std::to_string(prediction.steps) : "N";
  std::string expected = "[" + shape + ", " + std::to_string(prediction.features) + "]";
  if (objective_.loss == LossKind::crossentropy) expected += " or integer ids [" + shape + "]";
  throw std::invalid_argument("y must be " + expected + ", got shape " + shape_of(y));
}

template <class T>
void Loss<T>::check_weights(const ArrayView& weights, const Signal<T>& prediction) const {
  const bool by_step = prediction.sequence && objective_.loss != LossKind::ctc;
  if (weights.ndim == 1 || (weights.ndim == 2 && by_step && weights.shape[1] == prediction.steps)) return;
  const std::string steps = by_step ? " or [N, " + std::to_string(prediction.steps) + "]" : "";
  throw std::invalid_argument("weights must be [N]" + steps + ", got shape " + shape_of(weights));
}

template <class T>
Index Loss<T>::count(Index features) const {
  Index count = 1 + any_weighted_;
  for (const MetricSpec& metric : objective_.metrics) count += statistics_of(metric, features);
  return count;
}

template <class T>
bool Loss<T>::wants_plan_for(const ArrayView& y) {
  if (objective_.loss != LossKind::ctc || y.ndim < 2 || y.shape[1] <= max_labels_) return false;
  max_labels_ = y.shape[1];
  return true;
}

template <class T>
void Loss<T>::plan(const Signal<T>& prediction, const Plan& plan, Planner& memory) {
  prediction_ = prediction;
  batch_ = plan.batch;
  count_ = count(prediction.features);
  rows_ = batch_;
  divisor_ = objective_.loss == LossKind::ctc ? batch_ : batch_ * prediction.steps;
  scale_ = T(1) / T(divisor_);
  targets_ = memory.array<T>(batch_ * prediction.stride());
  activated_ = memory.array<T>(batch_ * prediction.stride());
  sums_ = memory.array<double>(batch_ * count_);
  if (objective_.loss == LossKind::ctc) {
    labels_ = memory.array<std::int32_t>(batch_ * max_labels_);
    ctc_room_ = memory.array<double>(batch_ * ctc_room(prediction.steps, max_labels_));
  }
  if (prediction.grad) clear(prediction.grad, batch_, memory);  // its padding stays zero
}

template <class T>
void Loss<T>::set_steps(Index nonempty, Index steps) {
  rows_ = nonempty;
  if (objective_.loss == LossKind::ctc) steps = nonempty;
  divisor_ = std::max<Index>(1, prediction_.active ? steps : nonempty * prediction_.steps);
  scale_ = T(1) / T(divisor_);
}

template <class T>
void Loss<T>::run(const ArrayView& y, const std::int64_t* index, Rows rows, const ArrayView* weights,
                  const Index* starts) {
  if (objective_.loss == LossKind::ctc) return run_ctc(y, index, rows, weights);
  const Index stride = prediction_.stride();
  for (Index r = rows.begin; r < rows.end; r++) {
    double* sums = sums_ + r * count_;
    std::fill_n(sums, count_, 0.0);
    for (Index t = 0; t < prediction_.steps; t++) {
      if (r >= (prediction_.active ? prediction_.active[t] : rows_)) {
        if (prediction_.grad) std::fill_n(prediction_.grad.at(t, r), stride, T(0));
        continue;
      }
      const Index in_y = starts && prediction_.active ? starts[r] + t : t;
      const T* prediction = prediction_.data.at(t, r);
      Example<T> example{prediction_.features, prediction, nullptr, 0, prediction, nullptr, scale_};
      if (prediction_.grad) example.grad = prediction_.grad.at(t, r);
      read_target(y, index[r], in_y, targets_ + r * stride, example);
      if (activates_) example.activated = activated(prediction, activated_ + r * stride);
      const double weight = weights ? read_weight(*weights, index[r], in_y) : 1;
      const double value = weighted_loss(example, weight);
      if (weight != 0) sums[0] += weight * value;
      if (!objective_.metrics.empty()) add_metrics(example, value, weight, sums);
    }
  }
}

template <class T>
void Loss<T>::run_ctc(const ArrayView& y, const std::int64_t* index, Rows rows, const ArrayView* weights) {
  const Index steps = prediction_.steps;
  for (Index r = rows.begin; r < rows.end; r++) {
    const Index own_steps = prediction_.steps_of(r);
    std::int32_t* labels = labels_ + r * max_labels_;
    const Index n = read_labels(y, index[r], labels);
    const double weight = weights ? read_weight(*weights, index[r], 0) : 1;
    sums_[r] = 0;
    if (weight != 0 && own_steps > 0)
      sums_[r] = weight * ctc_loss(prediction_, r, own_steps, labels, n, scale_ * T(weight),
                                   ctc_room_ + r * ctc_room(steps, max_labels_));
    else if (prediction_.grad)
      for (Index t = 0; t < steps; t++) std::fill_n(prediction_.grad.at(t, r), prediction_.features, T(0));
  }
}

// Up to the first 0, which pads
template <class T>
Index Loss<T>::read_labels(const ArrayView& y, std::int64_t row, std::int32_t* labels) const {
  for (Index i = 0; i < y.shape[1]; i++) {
    const char* p = y.data + row * y.strides[0] + i * y.strides[1];
    labels[i] = with_type(y.dtype, [&](auto type) {
      if constexpr (std::is_integral_v<decltype(type)>)
        return read_id<decltype(type)>(p, prediction_.features, "y", row, i);
      else
        return std::int32_t(0);  // check_targets admits integers only
    });
    if (labels[i] == 0) return i;
  }
  return y.shape[1];
}

template <class T>
void Loss<T>::read_target(const ArrayView& y, std::int64_t row, Index t, T* buffer, Example<T>& example) const {
  const int leading = prediction_.sequence ? 2 : 1;
  const char* target = y.data + row * y.strides[0] + (prediction_.sequence ? t * y.strides[1] : 0);
  if (y.ndim == leading) {
    example.id = with_type(y.dtype, [&](auto type) {
      if constexpr (std::is_integral_v<decltype(type)>)
        return read_id<decltype(type)>(target, example.features, "y", row, t);
      else
        return std::int32_t(0);  // check_targets admits integers only
    });
  } else {
    read_values(y.dtype, target, y.strides[leading], example.features, buffer);
    example.target = buffer;
  }
}

template <class T>
const T* Loss<T>::activated(const T* prediction, T* buffer) const {
  const Activation inside = objective_.loss == LossKind::crossentropy ? Activation::softmax : Activation::sigmoid;
  kernels<T>().activate(inside, 1, prediction_.features, prediction, buffer, prediction_.stride());
  return buffer;
}

template <class T>
void Loss<T>::add_metrics(const Example<T>& example, double value, double weight, double* sums) const {
  double crossentropy = value;
  if (wants_crossentropy_ && objective_.label_smoothing > 0) {
    Example<T> without_gradient = example;
    without_gradient.grad = nullptr;
    crossentropy = loss(without_gradient, 0);
  }
  double* statistics = sums + 1;
  for (const MetricSpec& metric : objective_.metrics) {
    add_statistics(metric, example, crossentropy, metric.weighted ? weight : 1, statistics);
    statistics += statistics_of(metric, example.features);
  }
  if (any_weighted_) *statistics += weight;
}

template <class T>
void Loss<T>::means(double* to) const {
  for (Index m = 0; m < count_; m++) {
    double sum = 0;
    for (Index r = 0; r < batch_; r++) sum += sums_[r * count_ + m];
    to[m] = sum / double(divisor_);
  }
}

// The loss without its weight, which is in the gradient.
template <class T>
double Loss<T>::weighted_loss(Example<T>& example, double weight) const {
  if (weight != 1) example.scale *= T(weight);
  if (weight == 0 && example.grad) {
    std::fill_n(example.grad, example.features, T(0));
    example.grad = nullptr;
  }
  return loss(example, objective_.label_smoothing);
}

template <class T>
double Loss<T>::loss(const Example<T>& e, double smoothing) const {
  const Index n = e.features;
  const T factor = e.scale / T(n);
  switch (objective_.loss) {
    case LossKind::crossentropy:
      return objective_.from_logits ? crossentropy(e, smoothing) : crossentropy_of_probabilities(e, smoothing);
    case LossKind::binary_crossentropy:
      if (!objective_.from_logits) return binary_crossentropy_of_probabilities(e, smoothing);
      return kernels<T>().binary_crossentropy(n, T(smoothing), factor, e.prediction, e.target, e.grad) / double(n);
    case LossKind::mean_squared_error:
      return kernels<T>().squared_error(n, factor, e.prediction, e.target, e.grad) / double(n);
    case LossKind::mean_absolute_error:
      return kernels<T>().absolute_error(n, factor, e.prediction, e.target, e.grad) / double(n);
    case LossKind::huber:
      return kernels<T>().huber(n, T(objective_.delta), factor, e.prediction, e.target, e.grad) / double(n);
    case LossKind::ctc:
      break;  // run_ctc
  }
  throw std::logic_error("Loss: no loss of single steps");
}

// -sum_j y_j log softmax(z)_j = (sum y) log sum exp(z) - sum_j y_j z_j        dz = (sum y) softmax(z) - y
// with y moved to (1 - smoothing) y + smoothing / n.
template <class T>
double Loss<T>::crossentropy(const Example<T>& e, double smoothing) const {
  const Index n = e.features;
  const T* z = e.prediction;
  T highest, total;
  kernels<T>().log_sum_exp(n, z, &highest, &total);
  double weight = 1, dot = double(z[e.id]);
  if (e.target) {
    weight = dot = 0;
    for (Index j = 0; j < n; j++) weight += double(e.target[j]), dot += double(e.target[j]) * double(z[j]);
  }
  if (smoothing > 0) {
    double sum = 0;
    for (Index j = 0; j < n; j++) sum += double(z[j]);
    weight = (1 - smoothing) * weight + smoothing;
    dot = (1 - smoothing) * dot + smoothing / double(n) * sum;
  }
  if (e.grad) {
    kernels<T>().activate(Activation::softmax, 1, n, z, e.grad, prediction_.stride());
    const T of_softmax = T(weight) * e.scale, of_target = T(1 - smoothing) * e.scale;
    const T of_all = T(smoothing / double(n)) * e.scale;
    for (Index j = 0; j < n; j++) e.grad[j] = e.grad[j] * of_softmax - (e.target ? e.target[j] * of_target : T(0));
    if (!e.target) e.grad[e.id] -= of_target;
    if (smoothing > 0)
      for (Index j = 0; j < n; j++) e.grad[j] -= of_all;
  }
  return weight * (double(highest) + std::log(double(total))) - dot;
}

// -sum_j y_j log q_j, q = clip(p / sum p)        dp_k = (sum of y where not clipped) / sum p - y_k / p_k where not
// clipped
template <class T>
double Loss<T>::crossentropy_of_probabilities(const Example<T>& e, double smoothing) const {
  const Index n = e.features;
  const T* p = e.prediction;
  double total = 0, loss = 0, weight = 0;
  for (Index j = 0; j < n; j++) total += double(p[j]);
  auto target = [&](Index j) {
    const double y = e.target ? double(e.target[j]) : double(j == e.id);
    return (1 - smoothing) * y + smoothing / double(n);
  };
  auto clipped = [&](double q) { return q < kEpsilon || q > 1 - kEpsilon; };
  for (Index j = 0; j < n; j++) {
    const double q = double(p[j]) / total;
    loss -= target(j) * std::log(std::clamp(q, kEpsilon, 1 - kEpsilon));
    if (!clipped(q)) weight += target(j);
  }
  if (e.grad)
    for (Index j = 0; j < n; j++) {
      const double d = weight / total - (clipped(double(p[j]) / total) ? 0 : target(j) / double(p[j]));
      e.grad[j] = T(d) * e.scale;
    }
  return loss;
}

// The mean over features of -y log p - (1 - y) log(1 - p), p clipped
template <class T>
double Loss<T>::binary_crossentropy_of_probabilities(const Example<T>& e, double smoothing) const {
  const Index n = e.features;
  double loss = 0;
  for (Index j = 0; j < n; j++) {
    const double x = double(e.prediction[j]), y = double(e.target[j]) * (1 - smoothing) + smoothing / 2;
    const double p = std::clamp(x, kEpsilon, 1 - kEpsilon);
    loss -= y * std::log(p) + (1 - y) * std::log1p(-p);
    if (e.grad) e.grad[j] = p == x ? T(((1 - y) / (1 - p) - y / p) / double(n)) * e.scale : T(0);
  }
  return loss / double(n);
}

template class Loss<float>;
template class Loss<double>;

}  // namespace pyrnn
