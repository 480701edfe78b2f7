#include "bidirectional.h"

#include <algorithm>

namespace pyrnn {

template <class T>
Bidirectional<T>::Bidirectional(Way forward, Way backward, Index units, Merge merge)
    : forward_(std::move(forward)), backward_(std::move(backward)), units_(units), merge_(merge) {
  for (const auto& [op, prefix] : {std::pair{forward_.get(), "forward_"}, std::pair{backward_.get(), "backward_"}})
    for (Parameter<T> parameter : op->parameters) {
      parameter.name = prefix + parameter.name;
      this->parameters.push_back(parameter);
    }
}

template <class T>
Signal<T> Bidirectional<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  auto given = this->parameters.begin();  // where the network has placed them
  for (Recurrent<T>* op : {forward_.get(), backward_.get()})
    for (Parameter<T>& parameter : op->parameters) {
      parameter.value = given->value, parameter.grad = given->grad, parameter.quantized = given->quantized;
      ++given;
    }
  in_ = in;
  const bool sequences = !forward_->ends_sequence();
  side_by_side_ = sequences && !in.active && merge_ == Merge::concat && units_ % kBlock == 0;
  if (side_by_side_) return plan_side_by_side(in, plan, memory);
  forward_->place_output({}, {}, false);
  backward_->place_output({}, {}, true);
  of_forward_ = forward_->plan(in, plan, memory);
  of_backward_ = backward_->plan(in, plan, memory);
  return out_ = new_signal(of_forward_, merge_ == Merge::concat ? 2 * units_ : units_, true, plan, memory);
}

// One array has the states of both, step t of forward beside the step of backward that reads the same x, and room for
// both states before a first step.
template <class T>
Signal<T> Bidirectional<T>::plan_side_by_side(const Signal<T>& in, const Plan& plan, Planner& memory) {
  const Index steps = in.steps;
  out_ = Signal<T>{};
  out_.steps = steps;
  out_.sequence = true;
  out_.features = 2 * units_;
  out_.wants_grad = plan.training;
  const RowArray<T> h = row_array<T>(memory, plan.batch, plan.height, steps + 2, out_.stride());
  out_.data = h.from(1);
  if (plan.training) out_.grad = signal_array(out_, plan, memory);
  const auto from_last = [&](const RowArray<T>& rows, Index n) {
    RowArray<T> back = rows.from(n - 1, units_);
    back.step = -back.step;
    return back;
  };
  const RowArray<T> none;
  forward_->place_output(h, out_.grad, false);
  backward_->place_output(from_last(h, steps + 2), plan.training ? from_last(out_.grad, steps) : none, true);
  forward_->plan(in, plan, memory);
  backward_->plan(in, plan, memory);
  return out_;
}

template <class T>
template <class F>
void Bidirectional<T>::each_step(Rows rows, const F& body) const {
  for (Index r = rows.begin; r < rows.end; r++) {
    const Index steps = out_.steps_of(r);
    for (Index t = 0; t < steps; t++) body(t, r, steps - 1 - t);
  }
}

template <class T>
void Bidirectional<T>::forward(const Share& share) {
  forward_->forward(share);
  backward_->forward(share);
  if (side_by_side_) return;
  share.part.wait();
  merge(share.own_rows());
}

template <class T>
void Bidirectional<T>::merge(Rows rows) {
  each_step(rows, [&](Index t, Index r, Index back_t) {
    const T *f = of_forward_.data.at(t, r), *b = of_backward_.data.at(back_t, r);
    T* y = out_.data.at(t, r);
    Index n = units_;
    switch (merge_) {
      case Merge::concat:
        std::copy_n(f, n, y);
        std::copy_n(b, n, y + n);
        n += units_;
        break;
      case Merge::sum:
        for (Index u = 0; u < n; u++) y[u] = f[u] + b[u];
        break;
      case Merge::mul:
        for (Index u = 0; u < n; u++) y[u] = f[u] * b[u];
        break;
      case Merge::ave:
        for (Index u = 0; u < n; u++) y[u] = (f[u] + b[u]) * T(0.5);
        break;
    }
    std::fill(y + n, y + out_.width(), T(0));
  });
}

template <class T>
void Bidirectional<T>::split_gradient(Rows rows) {
  const Index width = of_forward_.width();
  each_step(rows, [&](Index t, Index r, Index back_t) {
    const T *dy = out_.grad.at(t, r), *f = of_forward_.data.at(t, r), *b = of_backward_.data.at(back_t, r);
    T *df = of_forward_.grad.at(t, r), *db = of_backward_.grad.at(back_t, r);
    switch (merge_) {
      case Merge::concat:
        std::copy_n(dy, units_, df);
        std::copy_n(dy + units_, units_, db);
        break;
      case Merge::sum:
        std::copy_n(dy, units_, df);
        std::copy_n(dy, units_, db);
        break;
      case Merge::mul:
        for (Index u = 0; u < units_; u++) df[u] = dy[u] * b[u], db[u] = dy[u] * f[u];
        break;
      case Merge::ave:
        for (Index u = 0; u < units_; u++) df[u] = db[u] = dy[u] * T(0.5);
        break;
    }
    std::fill(df + units_, df + width, T(0));
    std::fill(db + units_, db + width, T(0));
  });
}

template <class T>
void Bidirectional<T>::backward(const Share& share) {
  if (!side_by_side_) {
    split_gradient(share.own_rows());
    share.part.wait();
  }
  forward_->backward(share);
  share.part.wait();  // dx of both is one sum
  backward_->backward(share);
}

template <class T>
void Bidirectional<T>::gradient(Index task, const GradientPiece& piece) {
  const Index first = forward_->gradient_tasks();
  task < first ? forward_->gradient(task, piece) : backward_->gradient(task - first, piece);
}

template <class T>
void Bidirectional<T>::derive(Index task) {
  const Index first = forward_->derive_tasks();
  task < first ? forward_->derive(task) : backward_->derive(task - first);
}

template <class T>
void Bidirectional<T>::set_iteration(std::uint32_t iteration) {
  forward_->set_iteration(iteration);
  backward_->set_iteration(iteration);
}

template <class T>
void Bidirectional<T>::use_state(const StateUse& use) {
  forward_->use_state(use);
  backward_->use_state(use);
}

template class Bidirectional<float>;
template class Bidirectional<double>;

}  // namespace pyrnn
