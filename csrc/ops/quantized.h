// Weights in 16 or 8 bits for inference (of int8: Jacob et al. 2018, "Quantization and Training of Neural Networks for
// Efficient Integer-Arithmetic-Only Inference", with no zero point), and the rows that are multiplied by them.
//
//   bfloat16   w and x to the nearest                int8   w = s_column q, x = s_row q, q integers to 127, and s so
//   that x w = sum over k of both, in float32                    the largest of the column, or the row, is 127
#pragma once

#include "../kernels/kernels.h"
#include "../memory.h"

namespace pyrnn {

enum class WeightType : int { float32, bfloat16, int8 };

constexpr Index values_per_word(WeightType type) { return type == WeightType::int8 ? 4 : 2; }

// Sums of products up to 255 * 127 stay in 32 bits.
constexpr Index kMostInt8Depth = 65536;

// Beside a packed matrix of `panels` [depth, width]: [panel][words][width], and the scales [panel][width] of int8.
struct QuantizedCopy {
  WeightType type = WeightType::float32;
  std::uint32_t* words = nullptr;
  float* scales = nullptr;

  explicit operator bool() const { return words; }
  Index words_per_column(Index depth) const { return divide_up(depth, values_per_word(type)); }
  void place(Index panels, Index depth, Index width, Planner& memory);
  void fill(const float* packed, Index panels, Index depth, Index width) const;
};

// The left side of products with such copies: its rows, rounded once for all panels
class RoundedRows {
 public:
  // In each of `parts` slots, rows [batch, depth]; none where the weights are float32.
  void plan(WeightType type, Index depth, Index parts, Index batch, Index height, Planner& memory);
  explicit operator bool() const { return type_ != WeightType::float32; }

  void round(const float* x, Index x_stride, Rows rows, int part) const;
  // c [rows, columns] += x times the panel's columns from `first` on, of `width`
  void multiply(const QuantizedCopy& b, Index panel, Index width, Index first, Index columns, Rows rows, int part,
                float* c, Index c_stride) const;

 private:
  WeightType type_ = WeightType::float32;
  Index depth_ = 0;
  RowArray<std::uint32_t> words_;  // the steps are slots
  RowArray<RoundedRow> rounded_;
};

}  // namespace pyrnn
