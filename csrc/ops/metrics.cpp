#include "metrics.h"

#include <algorithm>
#include <cmath>

namespace pyrnn {

namespace {

// The first of the largest
template <class T>
Index place_of_highest(Index n, const T* x) {
  return std::max_element(x, x + n) - x;
}

template <class T>
Index wanted(const Example<T>& e) {
  return e.target ? place_of_highest(e.features, e.target) : e.id;
}

template <class T>
double target(const Example<T>& e, Index j) {
  return e.target ? double(e.target[j]) : double(j == e.id);
}

// Fewer than k predictions are greater than the wanted symbol's: a tie counts as found.
template <class T>
bool is_among_top(const Example<T>& e, Index k) {
  const T at_target = e.prediction[wanted(e)];
  return at_target == at_target &&
         std::count_if(e.prediction, e.prediction + e.features, [&](T p) { return p > at_target; }) < k;
}

// The mean over features of f(prediction, target)
template <class T, class F>
double mean(const Example<T>& e, F f) {
  double sum = 0;
  for (Index j = 0; j < e.features; j++) sum += f(e.activated[j], target(e, j));
  return sum / double(e.features);
}

template <class T>
double value(const MetricSpec& metric, const Example<T>& e, double crossentropy) {
  switch (metric.kind) {
    case MetricKind::categorical_accuracy:
      return place_of_highest(e.features, e.prediction) == wanted(e);
    case MetricKind::top_k_accuracy:
      return is_among_top(e, metric.k);
    case MetricKind::binary_accuracy:
      return mean(e, [&](T p, double y) { return double(double(p > T(metric.threshold)) == y); });
    case MetricKind::mean_squared_error:
      return mean(e, [](T p, double y) { return (double(p) - y) * (double(p) - y); });
    case MetricKind::mean_absolute_error:
      return mean(e, [](T p, double y) { return std::abs(double(p) - y); });
    default:
      return crossentropy;
  }
}

}  // namespace

Index statistics_of(const MetricSpec& metric, Index features) {
  return metric.kind == MetricKind::r2_score ? 3 * features : 1;
}

bool reads_activated(const MetricSpec& metric) {
  return metric.kind != MetricKind::categorical_accuracy && metric.kind != MetricKind::top_k_accuracy &&
         metric.kind != MetricKind::crossentropy;
}

template <class T>
void add_statistics(const MetricSpec& metric, const Example<T>& e, double crossentropy, double weight,
                    double* statistics) {
  if (weight == 0) return;
  if (metric.kind != MetricKind::r2_score) {
    *statistics += weight * value(metric, e, crossentropy);
    return;
  }
  const Index n = e.features;
  for (Index j = 0; j < n; j++) {
    const double y = target(e, j), d = double(e.activated[j]) - y;
    statistics[j] += weight * y;
    statistics[n + j] += weight * y * y;
    statistics[2 * n + j] += weight * d * d;
  }
}

template void add_statistics(const MetricSpec&, const Example<float>&, double, double, double*);
template void add_statistics(const MetricSpec&, const Example<double>&, double, double, double*);

}  // namespace pyrnn
