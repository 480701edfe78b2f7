// How many processors there are for this process.
#pragma once

#include <string>

namespace pyrnn {

// Those that its thread may run on (its affinity, as it is now), and no more than its control groups let it use (as
// they were when this was first asked), rounded up.
int processors();

// The processors' time per time that the control groups of this process allow: the least of its own group and those
// above. Infinity without a limit. Files are read under `root`, "" for the system's.
double cgroup_limit(const std::string& root);

}  // namespace pyrnn
