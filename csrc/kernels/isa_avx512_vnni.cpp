#define PYRNN_QUANTIZED_NAME quantized_avx512_vnni
#include "quantized.inl"
