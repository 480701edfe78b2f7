#include "processors.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace pyrnn {

namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

int affinity() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return int(std::max(1u, std::thread::hardware_concurrency()));
}

// Version 2 has quota and period in one file, version 1 in two; "max" or -1 is no limit.
double limit_of(const std::string& group) {
  std::ifstream both(group + "/cpu.max"), first(group + "/cpu.cfs_quota_us"), second(group + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  const bool known = (both >> quota >> period) || (first >> quota && second >> period);
  return known && quota > 0 && period > 0 ? quota / period : kNoLimit;
}

}  // namespace

double cgroup_limit(const std::string& root) {
  double least = kNoLimit;
  std::ifstream groups(root + "/proc/self/cgroup");  // lines "0::/path" of version 2, "4:cpu,cpuacct:/path" of 1
  for (std::string line; std::getline(groups, line);) {
    std::string number, controllers, path;
    std::istringstream fields(line);
    std::getline(std::getline(std::getline(fields, number, ':'), controllers, ':'), path);
    const bool has_cpu = ("," + controllers + ",").find(",cpu,") != std::string::npos;
    if (!controllers.empty() && !has_cpu) continue;
    const std::string mount = root + "/sys/fs/cgroup" + (controllers.empty() ? "" : "/cpu");
    // In a container the path may be the host's, of which only the mount's root is seen.
    for (std::size_t end = path.size(); end != std::string::npos; end = end ? path.rfind('/', end - 1) : end - 1)
      least = std::min(least, limit_of(mount + path.substr(0, end)));
  }
  return least;
}

int processors() {
  static const double limit = std::ceil(cgroup_limit(""));
  return int(std::max(1.0, std::min(double(affinity()), limit)));
}

}  // namespace pyrnn
