#define PYRNN_ISA_NAME kernels_baseline
#include "kernels.inl"
