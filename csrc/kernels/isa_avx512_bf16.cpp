#define PYRNN_QUANTIZED_NAME quantized_avx512_bf16
#include "quantized.inl"
