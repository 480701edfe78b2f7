// Metrics of one step of one row. A metric is made from statistics, numbers that are averaged over all rows and steps
// of an epoch; what is then made of the averages is left to the caller.
#pragma once

#include "../rnn.h"

namespace pyrnn {

enum class MetricKind {
  categorical_accuracy,
  binary_accuracy,
  top_k_accuracy,
  crossentropy,
  mean_squared_error,
  mean_absolute_error,
  r2_score
};

struct MetricSpec {
  MetricKind kind;
  bool weighted = false;   // by the weights of rows and steps
  Index k = 5;             // top_k_accuracy
  double threshold = 0.5;  // binary_accuracy
};

// What loss and metrics see of one step of one row, F features.
template <class T>
struct Example {
  Index features;
  const T* prediction;  // [F]
  const T* target;      // [F], or null where `id` is the target
  Index id;
  const T* activated;  // [F] the prediction after an activation that was left to the loss
  T* grad;             // [F] or null
  T scale;             // of grad
};

// r2_score has y, y^2 and the squared error of each feature, [3][F]; the others have one.
Index statistics_of(const MetricSpec& metric, Index features);

// Whether it reads Example::activated, which no accuracy by place needs
bool reads_activated(const MetricSpec& metric);

// statistics += weight * those of the example. `crossentropy` is the example's, for the metric of that name.
template <class T>
void add_statistics(const MetricSpec& metric, const Example<T>& example, double crossentropy, double weight,
                    double* statistics);

}  // namespace pyrnn
