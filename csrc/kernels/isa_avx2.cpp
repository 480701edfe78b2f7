#define PYRNN_ISA_NAME kernels_avx2
#include "kernels.inl"
