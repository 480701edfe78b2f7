// Arrays of the caller, read where they lie: any strides, any real dtype. Strides count bytes.
#pragma once

#include <stdexcept>
#include <string>
#include <type_traits>

#include "rnn.h"

namespace pyrnn {

enum class DType { boolean, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64 };

struct ArrayView {
  static constexpr int kMaxDims = 3;
  const char* data = nullptr;
  DType dtype = DType::f32;
  int ndim = 0;
  Index shape[kMaxDims] = {};
  Index strides[kMaxDims] = {};

  bool is_integer() const { return dtype >= DType::i8 && dtype <= DType::u64; }
};

// f(value of the dtype's C++ type), to pick a template by a dtype known at run time
template <class F>
auto with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::boolean:
      return f(bool{});
    case DType::i8:
      return f(std::int8_t{});
    case DType::i16:
      return f(std::int16_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::u8:
      return f(std::uint8_t{});
    case DType::u16:
      return f(std::uint16_t{});
    case DType::u32:
      return f(std::uint32_t{});
    case DType::u64:
      return f(std::uint64_t{});
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
  }
  throw std::logic_error("with_type: unknown dtype");
}

template <class S>
inline S read(const char* p) {
  S value;
  __builtin_memcpy(&value, p, sizeof(S));  // the caller's memory need not be aligned
  return value;
}

// An id of `symbols` many, or an error that says where in the caller's array it stands.
template <class S>
inline std::int32_t read_id(const char* p, Index symbols, const char* argument, Index row, Index step) {
  const S id = read<S>(p);
  bool inside = std::uint64_t(id) < std::uint64_t(symbols);
  if constexpr (std::is_signed_v<S>) inside = inside && id >= 0;
  if (!inside)
    throw std::invalid_argument(std::string(argument) + ": ids must be from 0 to " + std::to_string(symbols - 1) +
                                ", got " + std::to_string(id) + " at row " + std::to_string(row) + ", step " +
                                std::to_string(step));
  return std::int32_t(id);
}

// to[f] = from[f] for n values, `stride` bytes apart
template <class T>
inline void read_values(DType dtype, const char* from, Index stride, Index n, T* to) {
  with_type(dtype, [&](auto type) {
    using S = decltype(type);
    if (std::is_same_v<S, T> && stride == Index(sizeof(S)))
      __builtin_memcpy(to, from, std::size_t(n) * sizeof(S));
    else if (stride == Index(sizeof(S)))
      for (Index f = 0; f < n; f++) to[f] = T(read<S>(from + f * Index(sizeof(S))));
    else
      for (Index f = 0; f < n; f++) to[f] = T(read<S>(from + f * stride));
  });
}

}  // namespace pyrnn
