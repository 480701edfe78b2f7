// The objective: loss, its gradient by the network's output, and metrics, row by row.
#pragma once

#include "../array.h"
#include "op.h"

namespace pyrnn {

enum class LossKind { crossentropy, binary_crossentropy, mean_squared_error, mean_absolute_error };
enum class MetricKind { categorical_accuracy, binary_accuracy, mean_squared_error, mean_absolute_error };

struct Objective {
  LossKind loss;
  // The prediction is logits: the loss takes softmax (or, for binary_crossentropy, sigmoid) inside, where it is exact.
  bool from_logits;
  // The network's last activation was left to the loss, so metrics still mean its result.
  bool activation_inside;
  std::vector<MetricKind> metrics;
};

template <class T>
class Loss {
 public:
  explicit Loss(const Objective& objective) : objective_(objective) {}

  // Throws where y does not fit the prediction: ids [N(, T)] for crossentropy, or values of the prediction's shape.
  void check_targets(const ArrayView& y, const Signal<T>& prediction) const;
  void plan(const Signal<T>& prediction, const Plan& plan, Planner& memory);
  // Per-row sums, and in training prediction.grad: the gradient of the mean over all rows and steps of the batch.
  void run(const ArrayView& y, const std::int64_t* index, Rows rows);
  // Mean loss, then mean metrics, over all rows and steps of the batch.
  void means(double* to) const;
  Index count() const { return 1 + Index(objective_.metrics.size()); }

 private:
  struct Row {
    const T* prediction;  // [F]
    const T* target;      // [F], or null where `id` is the target
    Index id;
    T* grad;             // [F] or null
    const T* activated;  // [F] the prediction after an activation that was left to the loss
  };
  double loss(const Row& row) const;
  double crossentropy(const Row& row) const;
  double crossentropy_of_probabilities(const Row& row) const;
  double binary_crossentropy(const Row& row) const;
  double elementwise(const Row& row) const;
  double metric(MetricKind kind, const Row& row) const;

  Objective objective_;
  Index batch_ = 0;
  bool symbols_ = false;
  Signal<T> prediction_;
  T scale_ = 0;             // of a row's gradient: 1 / (B T)
  T* targets_ = nullptr;    // [B][stride] a row's targets
  T* activated_ = nullptr;  // [B][stride]
  double* sums_ = nullptr;  // [loss and metrics][B], summed over steps
};

}  // namespace pyrnn
