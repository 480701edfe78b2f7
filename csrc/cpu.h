// The processor: which instruction set's kernels run (the best that it has, or the one that PYRNN_ISA names), and its
// caches.
#pragma once

#include <string>
#include <vector>

namespace pyrnn {

// Names of the instruction sets that were compiled in and that this processor has, slowest first.
std::vector<std::string> available_isas();

// The one in use. Throws std::invalid_argument when PYRNN_ISA names none of available_isas().
std::string isa();

// Bytes of the largest cache that a core can use; 16 MB where the system does not tell.
double cache_bytes();

}  // namespace pyrnn
