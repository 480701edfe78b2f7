#define PYRNN_ISA_NAME kernels_avx512
#include "kernels.inl"
