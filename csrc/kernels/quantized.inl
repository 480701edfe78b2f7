// The body of instruction sets that have more than others for quantized weights alone: included once per
// isa_<name>.cpp, which sets PYRNN_QUANTIZED_NAME. As closed in itself as kernels.inl, for the reason told there.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels.h"

namespace pyrnn {
namespace {

#include "vec.h"
// vec.h first, the rest use it
#include "gemm.h"
#include "quantized.h"

}  // namespace

extern const QuantizedKernels PYRNN_QUANTIZED_NAME;
constexpr QuantizedKernels PYRNN_QUANTIZED_NAME = {round_to_bfloat16, round_to_int8, add_bfloat16, add_int8};

}  // namespace pyrnn
