// Which instruction set's kernels run: the best that the processor has, or the one that PYRNN_ISA names.
#pragma once

#include <string>
#include <vector>

namespace pyrnn {

// Names of the instruction sets that were compiled in and that this processor has, slowest first.
std::vector<std::string> available_isas();

// The one in use. Throws std::invalid_argument when PYRNN_ISA names none of available_isas().
std::string isa();

}  // namespace pyrnn
