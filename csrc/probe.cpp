#include "probe.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "kernels/kernels.h"
#include "parallel.h"

namespace pyrnn {

template <class T>
double fma_peak() {
  // A task lasts 20 to 70 us: short beside the time that a suspended thread is away, long beside the taking of a task.
  // A run lasts 1 to 5 ms; the first ones warm up clock and threads.
  constexpr Index kRounds = 10'000, kTasksPerThread = 64;
  constexpr int kRuns = 20;
  const Index tasks = kTasksPerThread * num_threads();
  std::vector<double> flops(static_cast<std::size_t>(tasks));
  double best = 0;
  for (int run = 0; run < kRuns; run++) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(tasks, false, [&](Index task) {
      T x = T(0.5);
      flops[std::size_t(task)] = kernels<T>().multiply_adds(kRounds, &x);
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    double total = 0;
    for (const double f : flops) total += f;
    best = std::max(best, total / seconds.count());
  }
  return best;
}

template double fma_peak<float>();
template double fma_peak<double>();

}  // namespace pyrnn
