// The recurrent cells as plain functions.
#include "functions.h"
#include "ops/gru.h"
#include "ops/layer_norm_gru.h"
#include "ops/layer_norm_lstm.h"
#include "ops/lstm.h"
#include "ops/simple_rnn.h"
#include "single.h"

namespace pyrnn {

namespace {

// The user's gates as columns of a panel, in blocks of kBlock
template <class T>
std::array<Index, 4> gate_columns(const Lstm<T>&) {
  return {0, 1, 2, 3};  // i f c o
}
template <class T>
std::array<Index, 4> gate_columns(const Recurrent<T>&) {
  return {1, 2, 0, 3};  // z r n n_h
}

// body(values in the op, values of the user, n) for runs of a panel's gates at every row and step
template <class T, class O, class F>
void each_gate(const O& op, const RecurrentShape& s, T* gates, F body) {
  const std::array<Index, 4> columns = gate_columns(op);
  for (Index r = 0; r < s.B; r++)
    for (Index t = 0; t < s.T; t++)
      for (Index p = 0; p < op.panels(); p++)
        for (Index g = 0; g < 4; g++)
          body(op.gates(t, p, r) + columns[std::size_t(g)] * kBlock, gates + ((r * s.T + t) * 4 + g) * s.H + p * kBlock,
               std::min(kBlock, s.H - p * kBlock));
}

// body(panel, row, a panel's units of [B, H] of the user, n)
template <class U, class F>
void each_cell(const RecurrentShape& s, U* user, Index user_stride, F body) {
  for (Index p = 0; p * kBlock < s.H; p++)
    for (Index r = 0; r < s.B; r++) body(p, r, user + r * user_stride + p * kBlock, std::min(kBlock, s.H - p * kBlock));
}

template <class U, class V>
void copy(const U* from, V* to, Index n) {
  std::copy_n(from, n, to);
}

// What a cell has beside h, between the op and the user. `out` copies to the user.

template <class T>
void saved_state(SimpleRnn<T>&, const RecurrentShape&, const RecurrentArrays<T>&, bool) {}

template <class T>
void saved_state(Gru<T>& op, const RecurrentShape& s, const RecurrentArrays<T>& a, bool out) {
  each_gate(op, s, a.gates, [out](T* of_op, T* user, Index n) { out ? copy(of_op, user, n) : copy(user, of_op, n); });
}

template <class T>
void saved_state(GruResetBefore<T>& op, const RecurrentShape& s, const RecurrentArrays<T>& a, bool out) {
  each_gate(op, s, a.gates, [out](T* of_op, T* user, Index n) { out ? copy(of_op, user, n) : copy(user, of_op, n); });
  for (Index r = 0; r < s.B; r++)
    for (Index t = 0; t < s.T; t++) {
      T *of_op = op.reset_h(t, r), *user = a.gates + ((r * s.T + t) * 4 + 3) * s.H;
      out ? copy(of_op, user, s.H) : copy(user, of_op, s.H);
    }
}

template <class T>
void saved_cells(Lstm<T>& op, const RecurrentShape& s, const RecurrentArrays<T>& a, bool out) {
  for (Index t = 0; t < s.T; t++)
    each_cell(s, a.c + t * s.H, s.T * s.H, [&](Index p, Index r, T* user, Index n) {
      out ? copy(op.c(t + 1, p, r), user, n) : copy(user, op.c(t + 1, p, r), n);
    });
}

template <class T>
void saved_state(Lstm<T>& op, const RecurrentShape& s, const RecurrentArrays<T>& a, bool out) {
  each_gate(op, s, a.gates, [out](T* of_op, T* user, Index n) { out ? copy(of_op, user, n) : copy(user, of_op, n); });
  saved_cells(op, s, a, out);
}

template <class T>
void saved_state(LayerNormGru<T>&, const RecurrentShape&, const RecurrentArrays<T>&, bool) {}

template <class T>
void saved_state(LayerNormLstm<T>& op, const RecurrentShape& s, const RecurrentArrays<T>& a, bool out) {
  saved_cells(op, s, a, out);
}

template <class T, class O>
class Function : public Single<T, O> {
 public:
  Function(const CellOptions& cell, const RecurrentShape& s, const RecurrentArrays<T>& a)
      : Single<T, O>(make(cell, s, a), {s.I, true, false}, a.x, true), s_(s), a_(a) {
    this->set_weights({a.kernel, a.recurrent_kernel, a.bias, a.gamma, a.gamma_h, a.beta_h});
    const T* states[] = {a.h0, a.c0};
    each_state([&](Index i, Index r) { this->op().set_state(i, r, states[i] + r * s.H); });
    const CellMasks<T>& masks = this->op().masks();
    if (a.dropout_mask) from_user(a.dropout_mask, s.B, 1, s.I, masks.input_mask());
    if (a.recurrent_mask) from_user(a.recurrent_mask, s.B, 1, s.H, masks.state_mask());
    if (a.zoneout_mask)
      for (Index r = 0; r < s.B; r++)
        for (Index t = 0; t < s.T; t++)
          std::transform(a.zoneout_mask + (r * s.T + t) * s.H, a.zoneout_mask + (r * s.T + t + 1) * s.H,
                         masks.zoneout_mask().at(t, r), [](T value) { return value != 0; });
  }

  void run_forward() {
    this->forward();
    saved_state(this->op(), s_, a_, true);
    to_user(this->op().h().from(1), s_.B, s_.T, s_.H, a_.h);
  }

  void run_backward(const RecurrentGradients<T>& d) {
    O& op = this->op();
    if (a_.gamma) {  // too much to hand over: forward is run again
      this->forward();
    } else {
      saved_state(op, s_, a_, false);
      from_user(a_.h, s_.B, s_.T, s_.H, op.h().from(1));
    }
    from_user(d.dh, s_.B, s_.T, s_.H, this->out().grad);
    this->gather({0, s_.B});
    op.restore_masked({0, s_.B});
    const std::vector<T> no_dh(std::size_t(s_.H), T(0));  // dh has all of it
    each_state([&](Index i, Index r) { op.set_state_gradient(i, r, i == 0 ? no_dh.data() : d.dc + r * s_.H); });
    this->backward({d.dkernel, d.drecurrent_kernel, d.dbias, d.dgamma, d.dgamma_h, d.dbeta_h});
    T* before[] = {d.dh0, d.dc0};
    each_state([&](Index i, Index r) { op.get_state_gradient(i, r, before[i] + r * s_.H); });
    if (d.dx) to_user(this->in().grad, s_.B, s_.T, s_.I, d.dx);
  }

 private:
  static std::unique_ptr<O> make(const CellOptions& cell, const RecurrentShape& s, const RecurrentArrays<T>& a) {
    const auto rate = [](const T* mask) { return mask ? 1.0 : 0.0; };
    const CellRates rates{rate(a.dropout_mask), rate(a.recurrent_mask), rate(a.zoneout_mask), 0, true};
    auto op = std::make_unique<O>(
        RecurrentSpec{s.I, s.H, true, true, false, cell.activation, cell.recurrent_activation, rates});
    op->use_state({true, true, true});
    return op;
  }

  // body(i, row)
  template <class F>
  void each_state(const F& body) {
    for (Index i = 0; i < this->op().states(); i++)
      for (Index r = 0; r < s_.B; r++) body(i, r);
  }

  const RecurrentShape& s_;
  const RecurrentArrays<T>& a_;
};

template <class T, class F>
void with_function(const CellOptions& cell, const RecurrentShape& s, const RecurrentArrays<T>& a, F body) {
  switch (cell.kind) {
    case CellKind::lstm:
      return body(Function<T, Lstm<T>>(cell, s, a));
    case CellKind::gru:
      return body(Function<T, Gru<T>>(cell, s, a));
    case CellKind::gru_reset_before:
      return body(Function<T, GruResetBefore<T>>(cell, s, a));
    case CellKind::simple_rnn:
      return body(Function<T, SimpleRnn<T>>(cell, s, a));
    case CellKind::layer_norm_lstm:
      return body(Function<T, LayerNormLstm<T>>(cell, s, a));
    case CellKind::layer_norm_gru:
      return body(Function<T, LayerNormGru<T>>(cell, s, a));
  }
}

}  // namespace

template <class T>
void recurrent_forward(const CellOptions& cell, const RecurrentShape& shape, const RecurrentArrays<T>& a) {
  with_function(cell, shape, a, [](auto&& function) { function.run_forward(); });
}

template <class T>
void recurrent_backward(const CellOptions& cell, const RecurrentShape& shape, const RecurrentArrays<T>& a,
                        const RecurrentGradients<T>& d) {
  with_function(cell, shape, a, [&](auto&& function) { function.run_backward(d); });
}

#define PYRNN_INSTANTIATE(T)                                                                             \
  template void recurrent_forward(const CellOptions&, const RecurrentShape&, const RecurrentArrays<T>&); \
  template void recurrent_backward(const CellOptions&, const RecurrentShape&, const RecurrentArrays<T>&, \
                                   const RecurrentGradients<T>&);
PYRNN_INSTANTIATE(float)
PYRNN_INSTANTIATE(double)
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
