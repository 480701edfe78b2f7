// Dropout and zoneout inside a recurrent cell: the masks of a batch, and where they are applied.
//
//   dropout            x_t mask, of each row one mask for all steps and gates
//   recurrent dropout  h_{t-1} mask where it enters a product, or a reset gate before one; likewise
//   zoneout            h_t = h~_t or h_{t-1}, drawn for each row, step and unit (Krueger et al. 2017), where h~ is the
//                      cell's; outside training what that is on average, rate h_{t-1} + (1 - rate) h~_t
//
// A mask's values depend on the seed, the iteration and their places alone, see kernels/random.h.
#pragma once

#include "op.h"

namespace pyrnn {

struct CellRates {
  double dropout = 0, recurrent_dropout = 0, zoneout = 0;
  std::uint64_t seed = 0;
  bool given = false;  // the caller fills the masks; a rate only says whether there is one
};

// A layer's masks differ by their keys: its three, and the three of the op that reads backwards beside it.
constexpr std::uint64_t key_of_mask(std::uint64_t seed, int mask) {
  return seed + std::uint64_t(mask + 1) * 0x9E3779B97F4A7C15u;
}
constexpr std::uint64_t seed_of_other_direction(std::uint64_t seed) { return key_of_mask(seed, 2); }

template <class T>
class CellMasks {
 public:
  explicit CellMasks(const CellRates& rates) : rates_(rates) {}

  // in: what the cell reads; units: of h, padded
  void plan(const Signal<T>& in, Index units, Index h_stride, const Plan& plan, Planner& memory);
  bool of_input() const { return training_ && rates_.dropout > 0; }
  bool of_state() const { return training_ && rates_.recurrent_dropout > 0; }
  bool zones_out() const { return rates_.zoneout > 0; }  // outside training too

  void draw(Rows rows, std::uint32_t iteration);

  // x [width] of a row times its mask, into `to`, which may be x; and what a row's symbol is multiplied by, at step t
  void mask_input(Index row, const T* x, T* to) const;
  void scale_symbol(Index t, Index row, std::int32_t id) const { *scales_.at(t, row) = input_.at(0, row)[id]; }
  const RowArray<T>& scales() const { return scales_; }

  // The state before step t as products read it, made by step_done of the step before, or by begin
  T* h(Index t, Index row) const { return h_.at(t, row); }
  const RowArray<T>& h() const { return h_; }
  void begin(Rows rows, T* h0) const;  // h0 [rows, h_stride], null: zeros
  void mask_state(Index t, Rows rows, T* of) const;
  // Units from `first` on of the state after step t, [rows, h_stride]: from what the cell made
  void step_done(Index t, Rows rows, Index first, Index n, const T* h_prev, T* of) const;

  // Backward: of dh, by that state, leaves what goes into the cell. The rest waits for step_undone, which puts it into
  // dh_prev beside the gradient of the products, where the cell has left that in product() since they were masked.
  void split(Index t, Rows rows, Index first, Index n, T* dh) const;
  void step_undone(Rows rows, Index first, Index n, T* dh_prev, bool adds) const;
  T* product(Index row) const { return product_.at(0, row); }
  T* clear_product(Rows rows, Index first, Index n) const;  // those units of it, and where they begin

  // For callers who fill them: [B, I], [B, H] and [B, T, H] of zeros and ones
  const RowArray<T>& input_mask() const { return input_; }
  const RowArray<T>& state_mask() const { return state_; }
  const RowArray<std::uint8_t>& zoneout_mask() const { return zoneout_; }

 private:
  MaskedStep<T> step(Rows rows, Index first, Index n) const;

  const CellRates rates_;
  Signal<T> in_;
  Index units_ = 0, stride_ = 0;
  bool training_ = false;
  RowArray<T> input_, state_;
  RowArray<std::uint8_t> zoneout_;  // [T][rows, h_stride], read twice at every step: bytes, to stay in cache
  RowArray<T> scales_;              // [T][rows, 1] of ids
  RowArray<T> h_;                   // [T + 1][rows, h_stride] h times its mask
  RowArray<T> product_, passed_;    // [rows, h_stride] gradients: of h_, and of what zoneout hands on
};

}  // namespace pyrnn
