// What every op offers: it plans its memory, takes a run of rows forward and backward, and sums its weights' gradients.
//
// forward and backward touch the rows of their share alone, so the network may take each block of rows through all ops
// on one thread; or all rows on all threads together, each with its part of every op's outputs. Gradients of weights
// sum over all rows; they are split by outputs into tasks, never by rows.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "../memory.h"
#include "../parallel.h"
#include "../schedule.h"
#include "quantized.h"

namespace pyrnn {

// From row to row of a signal. Rows a multiple of four cache lines apart would share a quarter of the L1 cache's sets,
// or fewer, and a gradient's walk down a column would evict itself; one line more spreads them over all sets.
template <class T>
constexpr Index row_stride(Index features) {
  constexpr Index kLine = 64 / Index(sizeof(T));
  const Index lines = round_up(features, kBlock) / kLine;
  return (lines % 4 == 0 ? lines + 1 : lines) * kLine;
}

// What flows between two ops for a batch of B rows. Features are padded to `width` with zeros.
template <class T>
struct Signal {
  Index steps = 1;
  Index features = 0;
  bool sequence = false;          // false: [B, features], and steps is 1
  bool repeated = false;          // one step of data (and of grad, summed over steps) stands for all steps
  bool symbols = false;           // ids instead of data
  bool wants_grad = false;        // in training, where weights lie below
  const Index* active = nullptr;  // [steps]: rows that have a step, always the first ones; null where all have all
  RowArray<std::int32_t> ids;     // each less than `features`
  RowArray<T> data, grad;

  Index width() const { return round_up(features, kBlock); }
  Index stride() const { return row_stride<T>(features); }
  Index stored_steps() const { return repeated ? 1 : steps; }
  Index steps_of(Index row) const {
    Index n = active ? 0 : steps;
    while (n < steps && row < active[n]) n++;
    return n;
  }
  Rows rows_at(Index t, Rows rows) const { return active ? rows.among(active[t]) : rows; }
};

// How a matrix [rows, gates * units] of the user is stored: panels of `block` units, [panel][row][gate][block], the
// gates in an order of their own.
struct PanelLayout {
  Index rows;
  Index gates;
  Index units;
  Index block;
  std::array<Index, 4> places = {0, 1, 2, 3};  // of the user's gates

  Index panels() const { return divide_up(units, block); }
  Index width() const { return gates * block; }
  Index panel_size() const { return rows * width(); }
  Index size() const { return panels() * panel_size(); }
  Index at(Index row, Index gate, Index unit) const {
    return (unit / block * rows + row) * width() + places[std::size_t(gate)] * block + unit % block;
  }
};

// A weight of an op. Its packed value and gradient lie in the network's flat buffers.
template <class T>
struct Parameter {
  std::string name;
  std::vector<Index> shape;  // the user's
  PanelLayout layout;
  T* value = nullptr;
  T* grad = nullptr;
  QuantizedCopy quantized = {};  // of float32, which inference reads in place of the value

  // The value, and its copy
  void pack(const T* from) const;
  void pack_into(T* packed, const T* from) const;
  void unpack(const T* packed, T* to) const;
};

// A panel [depth, width] of a packed matrix, of which `columns` are in use, becomes rows of the transposed matrix,
// which is packed in panels of kPanel rows of the first: [depth / kPanel][height][kPanel]. `to`: the first such row.
template <class T>
void transpose_panel(const T* panel, Index depth, Index width, Index columns, T* to, Index height) {
  for (Index q = 0; q * kPanel < depth; q++)
    kernels<T>().transpose(std::min(kPanel, depth - q * kPanel), columns, panel + q * kPanel * width, width,
                           to + q * height * kPanel, kPanel);
}

// How the state of a recurrent op begins and ends in a batch. Gradients are those of the loss.
struct StateUse {
  bool given = false;           // set_state tells the state before the first step; else it is zero
  bool wants_gradient = false;  // get_state_gradient is asked for that state's gradient
  bool has_gradient = false;    // set_state_gradient tells that of the state after the last step; else it is zero
};

struct Plan {
  Index batch;
  Index height;  // rows of a block in memory; a share's rows never reach from one block into the next
  bool training;
  bool together = false;  // threads will share the rows
};

// Room for a signal's data or its gradient
template <class T>
RowArray<T> signal_array(const Signal<T>& signal, const Plan& plan, Planner& memory) {
  return row_array<T>(memory, plan.batch, plan.height, signal.stored_steps(), signal.stride());
}

// All of a row array, for ops that leave its padding at zero
template <class T>
void clear(const RowArray<T>& rows, Index batch, const Planner& memory) {
  if (!memory.counting())
    std::memset(rows.base, 0, std::size_t(divide_up(batch, rows.height) * rows.block) * sizeof(T));
}

// What a thread takes through an op: a run of rows, and of what the op computes for them this thread's part.
struct Share {
  Rows rows;
  Part part = {};

  // For an op that splits its work by rows
  Rows own_rows() const {
    const Part::Range own = part.of(rows.count());
    return {rows.begin + own.begin, rows.begin + own.end};
  }
};

// The samples over which gradients are summed, and how far behind parameters[..].grad the sums go.
struct GradientPiece {
  Rows samples;
  Index offset;
};

template <class T>
class Op {
 public:
  virtual ~Op() = default;

  std::vector<Parameter<T>> parameters;

  // Whether a repeated input is used as it is; else RepeatVector copies it out.
  virtual bool takes_repeated() const { return false; }
  virtual bool takes_ids() const { return false; }
  // Whether rows of its input may end before others, see Signal::active.
  virtual bool takes_ragged() const { return false; }
  virtual bool ends_sequence() const { return false; }  // makes one output of all steps

  // Lays out this op's arrays for a batch and returns its output. Called twice, first to count.
  virtual Signal<T> plan(const Signal<T>& in, const Plan& plan, Planner& memory) = 0;
  // All parts of a share must have done an op before one begins the next.
  virtual void forward(const Share& share) = 0;
  // From the output's grad to the input's, where it is wanted. May overwrite the output's grad.
  virtual void backward(const Share& share) = 0;

  // parameters[..].grad, one disjoint part per task, after backward of all rows
  virtual Index gradient_tasks() const { return 0; }
  virtual void gradient(Index /*task*/, const GradientPiece& /*piece*/) {}

  // Copies of the weights that backward reads in another layout, remade after every update.
  virtual Index derive_tasks() const { return 0; }
  virtual void derive(Index /*task*/) {}

  // Multiply-adds of one row and step, forward: decides whether threads pay.
  virtual double work() const { return 0; }
  // Threads that can share one step of an op whose steps depend on each other; 0: its steps do not.
  virtual Index step_parts() const { return 0; }

  // Batches trained, or steps streamed, so far
  virtual void set_iteration(std::uint32_t /*iteration*/) {}

  // The state of a recurrent op: arrays [B, state_units()] in the order of Keras, h first. What follows is about row
  // `row` of array i: set_state, before forward, and get_state, after it; then the same of gradients and backward.
  virtual Index states() const { return 0; }
  virtual Index state_units() const { return 0; }
  virtual void use_state(const StateUse&) {}  // before plan
  virtual void set_state(Index /*i*/, Index /*row*/, const T* /*from*/) {}
  virtual void get_state(Index /*i*/, Index /*row*/, T* /*to*/) const {}
  virtual void set_state_gradient(Index /*i*/, Index /*row*/, const T* /*from*/) {}
  virtual void get_state_gradient(Index /*i*/, Index /*row*/, T* /*to*/) const {}
  // For a stream, before plan: the state lies in memory of its own, and every forward begins where the last one ended.
  virtual void place_state(Index /*batch*/, Index /*height*/, Planner& /*memory*/) {}
};

// All rows of a batch through a body(share), as the schedule has it: by blocks of rows, or by all threads together.
// Refers to both, which must outlive it.
template <class F>
class SharedPass {
 public:
  SharedPass(const Schedule& schedule, Index batch, const F& body) : schedule_(schedule), batch_(batch), body_(body) {}

  // uneven: the first rows have the most steps
  Phase phase(bool uneven = false) const {
    if (schedule_.kind == ScheduleKind::panels) return Phase::together(*this);
    Phase phase(divide_up(batch_, schedule_.height), *this);
    phase.uneven = uneven;
    return phase;
  }
  void operator()(Index task) const {
    const Index begin = task * schedule_.height;
    body_(Share{{begin, std::min(batch_, begin + schedule_.height)}});
  }
  void operator()(const Part& part) const { body_(Share{{0, batch_}, part}); }

 private:
  const Schedule& schedule_;
  Index batch_;
  const F& body_;
};

// A new signal shaped like `in` but for its features.
template <class T>
Signal<T> new_signal(const Signal<T>& in, Index features, bool has_weights, const Plan& plan, Planner& memory) {
  Signal<T> out;
  out.steps = in.steps;
  out.sequence = in.sequence;
  out.active = in.active;
  out.features = features;
  out.wants_grad = plan.training && (has_weights || in.wants_grad);
  out.data = signal_array(out, plan, memory);
  if (out.wants_grad) out.grad = signal_array(out, plan, memory);
  return out;
}

template <class T>
using OpPtr = std::unique_ptr<Op<T>>;

}  // namespace pyrnn
