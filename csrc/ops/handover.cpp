#include "handover.h"

namespace pyrnn {

template <class T>
void Handover<T>::connect(Op<T>* encoder, Op<T>* decoder) {
  const Pair pair{encoder, decoder};
  const Index ways = pair.ways();
  if (ways < 1 || ways > 2 || encoder->states() != ways * decoder->states() ||
      decoder->state_units() != ways * encoder->state_units())
    throw std::invalid_argument("Network: a recurrent op of the decoder must have the states of the encoder's, " +
                                std::to_string(encoder->states()) + " of " + std::to_string(encoder->state_units()) +
                                " units, got " + std::to_string(decoder->states()) + " of " +
                                std::to_string(decoder->state_units()));
  pairs_.push_back(pair);
}

template <class T>
void Handover<T>::give(const ArrayView& x, const std::int64_t* index) {
  x_ = &x;
  index_ = index;
}

template <class T>
void Handover<T>::use_states(bool encoder_begins, bool training) {
  for (const Pair& pair : pairs_) {
    pair.encoder->use_state({encoder_begins, false, training});
    pair.decoder->use_state({true, training, false});
  }
}

template <class T>
Signal<T> Handover<T>::plan(const Signal<T>& in, const Plan& plan, Planner& memory) {
  in_ = in;
  Index units = 0;
  for (const Pair& pair : pairs_) units = std::max(units, pair.decoder->state_units());
  state_ = row_array<T>(memory, plan.batch, plan.height, 1, round_up(units, kBlock));
  return input_.plan(symbols(), steps(), nullptr, plan, memory);
}

template <class T>
void Handover<T>::forward(const Share& share) {
  const Rows rows = share.own_rows();
  for (Index r = rows.begin; r < rows.end; r++)
    for (const Pair& pair : pairs_) {
      const Index units = pair.encoder->state_units(), per_way = pair.decoder->states();
      T* state = state_.at(0, r);
      for (Index i = 0; i < per_way; i++) {
        for (Index way = 0; way < pair.ways(); way++)
          pair.encoder->get_state(way * per_way + i, r, state + way * units);
        pair.decoder->set_state(i, r, state);
      }
    }
  input_.forward(*x_, index_, rows);
}

// Nobody else reads the encoder's output.
template <class T>
void Handover<T>::backward(const Share& share) {
  const Rows rows = share.own_rows();
  for (Index r = rows.begin; r < rows.end; r++) {
    for (const Pair& pair : pairs_) {
      const Index units = pair.encoder->state_units(), per_way = pair.decoder->states();
      T* gradient = state_.at(0, r);
      for (Index i = 0; i < per_way; i++) {
        pair.decoder->get_state_gradient(i, r, gradient);
        for (Index way = 0; way < pair.ways(); way++)
          pair.encoder->set_state_gradient(way * per_way + i, r, gradient + way * units);
      }
    }
    for (Index t = 0; in_.wants_grad && t < in_.stored_steps(); t++) std::fill_n(in_.grad.at(t, r), in_.stride(), T(0));
  }
}

template class Handover<float>;
template class Handover<double>;

}  // namespace pyrnn
