// What the machine could do at most: the rate that measured times are held against.
#pragma once

namespace pyrnn {

// Flops per second of fused multiply-adds on registers, all of num_threads() at work: the best of several short runs.
// A plain multiply and add count the same two flops where the instruction set has no fused one.
template <class T>
double fma_peak();

}  // namespace pyrnn
