// The legend. Every other file uses only these letters and sizes.
//
//   T steps   B batch (rows)   I inputs   H units   G gates per unit   V symbols   F features of any signal
//
// Arrays are row-major, the rightmost letter fastest. Gates stand in Keras' order: i f c o, or z r h.
//
//   kernel            W  [I, G*H]     recurrent_kernel  R  [H, G*H]     bias  b  [G*H]
//   hidden state      h  [.., H]      cell state        c  [.., H]      d<name>: gradient of the loss by <name>
//
// A row is one sample of the batch. Inside the engine signals are [block of rows][T][row][F] (row_array.h), and F is
// padded with zeros to a multiple of kBlock. Weights are kept as panels of kPanel columns, [panel][k][kPanel]; an LSTM
// panel holds the four gates of kBlock units, [gate][unit], so that one pass over it yields all that these units need.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrnn {

using Index = std::ptrdiff_t;

constexpr Index kBlock =
    16;  // one cache line of float32: the same on every instruction set, so results do not depend on it
constexpr Index kPanel = 64;  // four gates x kBlock; 6 rows x 64 columns fill the 32 registers of AVX-512

static constexpr Index round_up(Index n, Index multiple) { return (n + multiple - 1) / multiple * multiple; }
static constexpr Index divide_up(Index n, Index by) { return (n + by - 1) / by; }

// A run of rows of the batch: the unit of work that one thread takes through the network.
struct Rows {
  Index begin;
  Index end;
  Index count() const { return end - begin; }
  // Those of them that are among the first n rows
  Rows among(Index n) const { return {begin, n < begin ? begin : n < end ? n : end}; }
};

}  // namespace pyrnn
