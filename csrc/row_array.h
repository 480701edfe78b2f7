// Arrays with a value run for each row of a batch at each step, laid out by blocks of rows.
#pragma once

#include "memory.h"

namespace pyrnn {

// [block][step][row of the block][stride]: a block of rows has all its steps in one run of memory. A thread that takes
// a block through all steps then touches no cache line near another thread's, which the processor would fetch ahead of
// need and so take away from its owner.
template <class U>
struct RowArray {
  U* base = nullptr;
  Index height = 1;  // rows of a block; the last has room for as many
  Index stride = 0;  // elements from row to row,
  Index step = 0;    // from step to step,
  Index block = 0;   // and from block to block

  // The rows that follow in the same block are `stride` apart.
  U* at(Index t, Index row) const {
    if (row < height) return base + t * step + row * stride;  // mostly; a step of a stream feels the division
    return base + row / height * block + t * step + row % height * stride;
  }
  // The same rows from step t on, or from column j on
  RowArray from(Index t, Index j = 0) const { return {base + t * step + j, height, stride, step, block}; }
  explicit operator bool() const { return base; }
  operator RowArray<const U>() const { return {base, height, stride, step, block}; }
};

template <class U>
RowArray<U> row_array(Planner& memory, Index batch, Index height, Index steps, Index stride) {
  const Index step = height * stride, block = steps * step;
  return {memory.array<U>(divide_up(batch, height) * block), height, stride, step, block};
}

// body(first row, count) for the part of each block that lies in `rows`
template <class F>
void for_blocks(Rows rows, Index height, const F& body) {
  for (Index r = rows.begin, end; r < rows.end; r = end) {
    end = (r / height + 1) * height;
    if (end > rows.end) end = rows.end;
    body(r, end - r);
  }
}

}  // namespace pyrnn
