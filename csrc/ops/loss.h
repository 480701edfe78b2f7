// The objective: loss, its gradient by the network's output, and metrics, row by row.
#pragma once

#include "../array.h"
#include "metrics.h"
#include "op.h"

namespace pyrnn {

enum class LossKind { crossentropy, binary_crossentropy, mean_squared_error, mean_absolute_error, huber, ctc };

struct Objective {
  LossKind loss;
  // The prediction is logits: the loss takes softmax (or, for binary_crossentropy, sigmoid) inside, where it is exact.
  bool from_logits;
  // The network's last activation was left to the loss, so metrics still mean its result.
  bool activation_inside;
  std::vector<MetricSpec> metrics;
  double label_smoothing = 0;  // crossentropy: share of y that is spread evenly over the symbols; binary: see kernels.h
  double delta = 1;            // huber
};

template <class T>
class Loss {
 public:
  explicit Loss(const Objective& objective);

  // Throws where y does not fit the prediction: ids [N(, T)] for crossentropy, labels [N, L] for ctc, or values of the
  // prediction's shape.
  void check_targets(const ArrayView& y, const Signal<T>& prediction) const;
  // Throws unless they are [N] or, for a sequence and any loss but ctc, [N, T].
  void check_weights(const ArrayView& weights, const Signal<T>& prediction) const;
  // To be asked before plan: whether y has more labels than there is room for, so that plan must come again.
  bool wants_plan_for(const ArrayView& y);
  void plan(const Signal<T>& prediction, const Plan& plan, Planner& memory);
  // Per-row sums, and in training prediction.grad: the gradient of the mean over all rows and steps of the batch.
  // A weight multiplies the loss of its row or step, and the gradient; the mean's divisor stays the number of steps.
  // Where it is 0 loss and gradient are 0, whatever the prediction.
  // starts: the step of y at which a row's begin, null where all do at 0
  void run(const ArrayView& y, const std::int64_t* index, Rows rows, const ArrayView* weights = nullptr,
           const Index* starts = nullptr);
  // Before run, of a batch whose rows end early: how many have steps at all, and all rows' steps together
  void set_steps(Index nonempty, Index steps);
  // Means over all rows and steps of the batch: the loss, the statistics of the metrics in order, and where a metric is
  // weighted the weights. Means of batches combine by their numbers of steps.
  void means(double* to) const;
  Index count(Index features) const;

 private:
  double weighted_loss(Example<T>& example, double weight) const;
  double loss(const Example<T>& example, double smoothing) const;
  double crossentropy(const Example<T>& example, double smoothing) const;
  double crossentropy_of_probabilities(const Example<T>& example, double smoothing) const;
  double binary_crossentropy_of_probabilities(const Example<T>& example, double smoothing) const;
  void read_target(const ArrayView& y, std::int64_t row, Index t, T* buffer, Example<T>& example) const;
  const T* activated(const T* prediction, T* buffer) const;
  void run_ctc(const ArrayView& y, const std::int64_t* index, Rows rows, const ArrayView* weights);
  Index read_labels(const ArrayView& y, std::int64_t row, std::int32_t* labels) const;
  void add_metrics(const Example<T>& example, double value, double weight, double* sums) const;

  Objective objective_;
  bool activates_ = false;           // the last activation is made up for, for a metric that reads it
  bool any_weighted_ = false;        // of the metrics
  bool wants_crossentropy_ = false;  // a metric does, without label smoothing
  Index batch_ = 0;
  Index count_ = 0;
  Signal<T> prediction_;
  Index rows_ = 0;                  // those after them have no steps, and no loss
  Index divisor_ = 1;               // of the mean: steps of all rows; ctc: rows
  T scale_ = 0;                     // of a step's gradient: 1 / divisor
  T* targets_ = nullptr;            // [B][stride] a row's targets
  T* activated_ = nullptr;          // [B][stride]
  double* sums_ = nullptr;          // [B][count], over steps
  Index max_labels_ = 0;            // ctc
  std::int32_t* labels_ = nullptr;  // [B][max_labels]
  double* ctc_room_ = nullptr;      // [B][ctc_room]
};

}  // namespace pyrnn
