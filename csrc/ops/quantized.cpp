#include "quantized.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace pyrnn {

namespace {

std::uint32_t bfloat16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  if (std::isnan(x)) return bits >> 16 | 0x40;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// The scale of a column, from k to k `stride` apart; NaN where a value is not finite
float int8_scale(const float* column, Index depth, Index stride) {
  float most = 0, not_finite = 0;
  for (Index k = 0; k < depth; k++) {
    most = std::max(most, std::fabs(column[k * stride]));
    not_finite += column[k * stride] - column[k * stride];
  }
  return most / 127 + not_finite;
}

std::uint32_t int8(float x, float scale) {
  const float q = scale > 0 ? std::nearbyint(x / scale) : 0;
  return std::uint32_t(std::int32_t(std::clamp(q, -127.0f, 127.0f)) + 128);
}

}  // namespace

void QuantizedCopy::place(Index panels, Index depth, Index width, Planner& memory) {
  words = memory.array<std::uint32_t>(panels * words_per_column(depth) * width);
  if (type == WeightType::int8) scales = memory.array<float>(panels * width);
}

void QuantizedCopy::fill(const float* packed, Index panels, Index depth, Index width) const {
  const Index per_word = values_per_word(type), n = words_per_column(depth);
  const int bits = int(32 / per_word);
  for (Index p = 0; p < panels; p++)
    for (Index j = 0; j < width; j++) {
      const float* column = packed + p * depth * width + j;
      const float scale = type == WeightType::int8 ? int8_scale(column, depth, width) : 1;
      if (type == WeightType::int8) scales[p * width + j] = scale;
      for (Index k = 0; k < n; k++) {
        std::uint32_t word = 0;
        for (Index i = 0; i < per_word && k * per_word + i < depth; i++) {
          const float w = column[(k * per_word + i) * width];
          word |= (type == WeightType::int8 ? int8(w, scale) : bfloat16(w)) << (i * bits);
        }
        words[(p * n + k) * width + j] = word;
      }
    }
}

void RoundedRows::plan(WeightType type, Index depth, Index parts, Index batch, Index height, Planner& memory) {
  type_ = type;
  depth_ = depth;
  if (type == WeightType::float32) return;
  const Index words = round_up(round_up(depth, kBlock) / values_per_word(type), kBlock);
  words_ = row_array<std::uint32_t>(memory, batch, height, parts, words);
  if (type == WeightType::int8) rounded_ = row_array<RoundedRow>(memory, batch, height, parts, 1);
}

void RoundedRows::round(const float* x, Index x_stride, Rows rows, int part) const {
  const Index width = round_up(depth_, kBlock);
  std::uint32_t* words = words_.at(part, rows.begin);
  if (type_ == WeightType::int8)
    quantized_kernels().round_to_int8(rows.count(), width, x, x_stride, words, words_.stride,
                                      rounded_.at(part, rows.begin));
  else
    quantized_kernels().round_to_bfloat16(rows.count(), width, x, x_stride, words, words_.stride);
}

void RoundedRows::multiply(const QuantizedCopy& b, Index panel, Index width, Index first, Index columns, Rows rows,
                           int part, float* c, Index c_stride) const {
  const Index words = b.words_per_column(depth_);
  QuantizedProduct g{rows.count(),
                     columns,
                     words_.at(part, rows.begin),
                     words_.stride,
                     b.words + panel * words * width + first,
                     width,
                     words,
                     c,
                     c_stride};
  if (type_ != WeightType::int8) return quantized_kernels().add_bfloat16(g);
  g.rounded = rounded_.at(part, rows.begin);
  g.scales = b.scales + panel * width + first;
  quantized_kernels().add_int8(g);
}

}  // namespace pyrnn
