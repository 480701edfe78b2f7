#include "ctc.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace pyrnn {

namespace {

constexpr Index kMargin = 2;      // states before the first and after the last that are never reached
constexpr double kNever = -1e30;  // a logarithm of 0 that can be subtracted from itself

// The states of a row: a blank before, between and after the labels.
Index width_of(Index labels) { return round_up(2 * labels + 1 + 2 * kMargin, kBlock) + kBlock; }

// All arrays are [states], each within a margin of kNever.
struct States {
  Index n;       // 2 labels + 1
  Index width;   // from array to array
  double* room;  // as many arrays as ctc_room has counted

  double* array(Index i) const { return room + i * width + kMargin; }
  double* may_skip() const { return array(0); }  // 0 where a path may come from two states before
  double* emission() const { return array(1); }
  double* beta(Index t) const { return array(2 + t % 2); }
  double* occupancy() const { return array(4); }
  double* alpha(Index t) const { return array(5 + t + 1); }  // from t = -1 on

  void clear(double* a) const { std::fill_n(a - kMargin, width, kNever); }
};

template <class T>
class Row {
 public:
  Row(const Signal<T>& prediction, Index row, Index steps, const std::int32_t* labels, Index n, double* room)
      : prediction_(prediction), row_(row), steps_(steps), labels_(labels), states_{2 * n + 1, width_of(n), room} {
    for (Index i = 0; i < 5 + steps + 1; i++) states_.clear(states_.array(i));
    // From one label to the next without a blank between, unless they are the same
    for (Index s = 1; s < states_.n; s += 2)
      if (s == 1 || symbol(s) != symbol(s - 2)) states_.may_skip()[s] = 0;
  }

  // alpha_t(s) = log of the sum over all ways to be in state s after step t, what step t emits included  (5 to 7)
  double forward() {
    states_.alpha(-1)[0] = 0;
    for (Index t = 0; t < steps_; t++) {
      emit(t);
      const double* from = states_.alpha(t - 1);
      step(from, from - 1, from - 2, states_.may_skip(), states_.alpha(t));
    }
    const double* last = states_.alpha(steps_ - 1) + states_.n - 1;
    const double high = std::max(last[0], last[-1]), low = std::min(last[0], last[-1]);
    if (high < kNever / 2)
      throw std::invalid_argument("y: " + std::to_string(states_.n / 2) +
                                  " labels, and a blank between equal ones, need "
                                  "more steps than the output's " +
                                  std::to_string(steps_));
    return -(high + std::log1p(std::exp(low - high)));
  }

  // beta_t(s): the same from the end. alpha + beta, without the emission that is in both, is the log of the share of
  // all paths that are in state s at step t; dz is softmax(z) less each symbol's share  (9 to 16)
  void backward(T scale) {
    states_.clear(states_.beta(steps_));
    states_.beta(steps_)[states_.n - 1] = 0;
    for (Index t = steps_; t-- > 0;) {
      emit(t);
      const double* from = states_.beta(t + 1);
      double* beta = states_.beta(t);
      step(from, from + 1, from + 2, states_.may_skip() + 2, beta);
      const double *alpha = states_.alpha(t), *emission = states_.emission();
      double* share = states_.occupancy();
      for (Index s = 0; s < states_.n; s++) share[s] = alpha[s] + beta[s] - emission[s];
      kernels<double>().activate(Activation::softmax, 1, states_.n, share, share, states_.width);
      subtract(share, prediction_.data.at(t, row_), prediction_.grad.at(t, row_), scale);
    }
  }

 private:
  std::int32_t symbol(Index s) const { return s % 2 ? labels_[s / 2] : 0; }

  // The log probability of each state's symbol at step t
  void emit(Index t) {
    const T* z = prediction_.data.at(t, row_);
    T highest, total;
    kernels<T>().log_sum_exp(prediction_.features, z, &highest, &total);
    const double log_sum = double(highest) + std::log(double(total));
    for (Index s = 0; s < states_.n; s++) states_.emission()[s] = double(z[symbol(s)]) - log_sum;
  }

  void step(const double* stay, const double* next, const double* skip, const double* may_skip, double* to) const {
    kernels<double>().ctc_step(states_.n, stay, next, skip, may_skip, states_.emission(), to);
  }

  void subtract(const double* share, const T* z, T* grad, T scale) const {
    const Index n = prediction_.features;
    kernels<T>().activate(Activation::softmax, 1, n, z, grad, prediction_.stride());
    for (Index s = 0; s < states_.n; s++) grad[symbol(s)] -= T(share[s]);
    kernels<T>().scale(n, scale, grad);
  }

  const Signal<T>& prediction_;
  Index row_, steps_;
  const std::int32_t* labels_;
  States states_;
};

}  // namespace

Index ctc_room(Index steps, Index labels) { return (5 + steps + 1) * width_of(labels); }

template <class T>
double ctc_loss(const Signal<T>& prediction, Index row, Index steps, const std::int32_t* labels, Index n, T scale,
                double* room) {
  Row<T> of_row(prediction, row, steps, labels, n, room);
  const double loss = of_row.forward();
  if (prediction.grad && scale != 0) of_row.backward(scale);
  return loss;
}

template double ctc_loss(const Signal<float>&, Index, Index, const std::int32_t*, Index, float, double*);
template double ctc_loss(const Signal<double>&, Index, Index, const std::int32_t*, Index, double, double*);

}  // namespace pyrnn
