#include "loss.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace pyrnn {

namespace {
constexpr double kEpsilon = 1e-7;  // Keras' bound on probabilities inside a logarithm
}

template <class T>
void Loss<T>::check_targets(const ArrayView& y, const Signal<T>& prediction) const {
  const int leading = prediction.sequence ? 2 : 1;
  const bool steps_fit = !prediction.sequence || (y.ndim > 1 && y.shape[1] == prediction.steps);
  const bool ids = objective_.loss == LossKind::crossentropy && y.is_integer() && y.ndim == leading;
  const bool values = y.ndim == leading + 1 && y.shape[leading] == prediction.features;
  if (steps_fit && (ids || values)) return;
  std::string got, shape = prediction.sequence ? "N, " + std::to_string(prediction.steps) : "N";
  for (int i = 0; i < y.ndim; i++) got += (i ? ", " : "") + std::to_string(y.shape[i]);
  std::string expected = "[" + shape + ", " + std::to_string(prediction.features) + "]";
  if (objective_.loss == LossKind::crossentropy) expected += " or integer ids [" + shape + "]";
  throw std::invalid_argument("y must be " + expected + ", got shape [" + got + "]");
}

template <class T>
void Loss<T>::plan(const Signal<T>& prediction, const Plan& plan, Planner& memory) {
  prediction_ = prediction;
  batch_ = plan.batch;
  scale_ = T(1) / T(batch_ * prediction.steps);
  targets_ = memory.array<T>(batch_ * prediction.stride());
  activated_ = memory.array<T>(batch_ * prediction.stride());
  sums_ = memory.array<double>(count() * batch_);
  if (prediction.grad && !memory.counting())  // its padding stays zero
    std::memset(prediction.grad.base, 0,
                std::size_t(divide_up(batch_, prediction.grad.height) * prediction.grad.block) * sizeof(T));
}

template <class T>
void Loss<T>::run(const ArrayView& y, const std::int64_t* index, Rows rows) {
  const Index stride = prediction_.stride(), features = prediction_.features;
  const int leading = prediction_.sequence ? 2 : 1;
  const bool ids = y.ndim == leading;
  for (Index r = rows.begin; r < rows.end; r++) {
    for (Index m = 0; m < count(); m++) sums_[m * batch_ + r] = 0;
    for (Index t = 0; t < prediction_.steps; t++) {
      const char* target = y.data + index[r] * y.strides[0] + (prediction_.sequence ? t * y.strides[1] : 0);
      const T* prediction = prediction_.data.at(t, r);
      Row row{prediction, nullptr, 0, prediction_.grad ? prediction_.grad.at(t, r) : nullptr, prediction};
      if (ids) {
        row.id = with_type(y.dtype, [&](auto type) {
          if constexpr (std::is_integral_v<decltype(type)>)
            return read_id<decltype(type)>(target, features, "y", index[r], t);
          else
            return std::int32_t(0);  // check_targets admits integers only
        });
      } else {
        read_values(y.dtype, target, y.strides[leading], features, targets_ + r * stride);
        row.target = targets_ + r * stride;
      }
      if (objective_.activation_inside) {
        const Activation activation =
            objective_.loss == LossKind::crossentropy ? Activation::softmax : Activation::sigmoid;
        kernels<T>().activate(activation, 1, features, row.prediction, activated_ + r * stride, stride);
        row.activated = activated_ + r * stride;
      }
      sums_[r] += loss(row);
      for (Index m = 1; m < count(); m++) sums_[m * batch_ + r] += metric(objective_.metrics[std::size_t(m - 1)], row);
    }
  }
}

template <class T>
void Loss<T>::means(double* to) const {
  for (Index m = 0; m < count(); m++) {
    double sum = 0;
    for (Index r = 0; r < batch_; r++) sum += sums_[m * batch_ + r];
    to[m] = sum / double(batch_ * prediction_.steps);
  }
}

template <class T>
double Loss<T>::loss(const Row& row) const {
  switch (objective_.loss) {
    case LossKind::crossentropy:
      return objective_.from_logits ? crossentropy(row) : crossentropy_of_probabilities(row);
    case LossKind::binary_crossentropy:
      return binary_crossentropy(row);
    default:
      return elementwise(row);
  }
}

// -sum_j y_j log softmax(z)_j = (sum y) log sum exp(z) - sum_j y_j z_j        dz = (sum y) softmax(z) - y
template <class T>
double Loss<T>::crossentropy(const Row& row) const {
  const Index n = prediction_.features;
  const T* z = row.prediction;
  T highest, total;
  kernels<T>().log_sum_exp(n, z, &highest, &total);
  double weight = 1, dot = double(z[row.id]);
  if (row.target) {
    weight = dot = 0;
    for (Index j = 0; j < n; j++) weight += double(row.target[j]), dot += double(row.target[j]) * double(z[j]);
  }
  if (row.grad) {
    kernels<T>().activate(Activation::softmax, 1, n, z, row.grad, prediction_.stride());
    const T of_softmax = T(weight) * scale_;
    for (Index j = 0; j < n; j++) row.grad[j] = row.grad[j] * of_softmax - (row.target ? row.target[j] * scale_ : T(0));
    if (!row.target) row.grad[row.id] -= scale_;
  }
  return weight * (double(highest) + std::log(double(total))) - dot;
}

// -sum_j y_j log q_j, q = clip(p / sum p)        dp_k = (sum of y where not clipped) / sum p - y_k / p_k where not
// clipped
template <class T>
double Loss<T>::crossentropy_of_probabilities(const Row& row) const {
  const Index n = prediction_.features;
  const T* p = row.prediction;
  double total = 0, loss = 0, weight = 0;
  for (Index j = 0; j < n; j++) total += double(p[j]);
  auto target = [&](Index j) { return row.target ? double(row.target[j]) : double(j == row.id); };
  auto clipped = [&](double q) { return q < kEpsilon || q > 1 - kEpsilon; };
  for (Index j = 0; j < n; j++) {
    const double q = double(p[j]) / total;
    loss -= target(j) * std::log(std::clamp(q, kEpsilon, 1 - kEpsilon));
    if (!clipped(q)) weight += target(j);
  }
  if (row.grad)
    for (Index j = 0; j < n; j++) {
      const double d = weight / total - (clipped(double(p[j]) / total) ? 0 : target(j) / double(p[j]));
      row.grad[j] = T(d) * scale_;
    }
  return loss;
}

// The mean over features of -y log p - (1 - y) log(1 - p); of logits z: max(z, 0) - y z + log(1 + exp(-|z|)).
template <class T>
double Loss<T>::binary_crossentropy(const Row& row) const {
  const Index n = prediction_.features;
  double loss = 0;
  for (Index j = 0; j < n; j++) {
    const double x = double(row.prediction[j]), y = double(row.target[j]);
    double gradient;
    if (objective_.from_logits) {
      loss += std::max(x, 0.0) - y * x + std::log1p(std::exp(-std::abs(x)));
      gradient = 1 / (1 + std::exp(-x)) - y;
    } else {
      const double p = std::clamp(x, kEpsilon, 1 - kEpsilon);
      loss -= y * std::log(p) + (1 - y) * std::log1p(-p);
      gradient = p == x ? (1 - y) / (1 - p) - y / p : 0;
    }
    if (row.grad) row.grad[j] = T(gradient / double(n)) * scale_;
  }
  return loss / double(n);
}

// The mean over features of (x - y)^2 or |x - y|
template <class T>
double Loss<T>::elementwise(const Row& row) const {
  const Index n = prediction_.features;
  const bool squared = objective_.loss == LossKind::mean_squared_error;
  const auto sum = squared ? kernels<T>().squared_error : kernels<T>().absolute_error;
  return sum(n, scale_ / T(n), row.prediction, row.target, row.grad) / double(n);
}

template <class T>
double Loss<T>::metric(MetricKind kind, const Row& row) const {
  const Index n = prediction_.features;
  const T* x = row.prediction;
  if (kind == MetricKind::categorical_accuracy) {
    const Index wanted = row.target ? std::max_element(row.target, row.target + n) - row.target : row.id;
    return std::max_element(x, x + n) - x == wanted;
  }
  double sum = 0;
  for (Index j = 0; j < n; j++) {
    const double y = row.target ? double(row.target[j]) : double(j == row.id), d = double(row.activated[j]) - y;
    if (kind == MetricKind::binary_accuracy)
      sum += (row.activated[j] > T(0.5)) == (y > 0.5);
    else
      sum += kind == MetricKind::mean_squared_error ? d * d : std::abs(d);
  }
  return sum / double(n);
}

template class Loss<float>;
template class Loss<double>;

}  // namespace pyrnn
