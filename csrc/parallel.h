// Threads. The only place that knows of OpenMP is parallel.cpp; the rest of the engine says which tasks are
// independent.
#pragma once

#include <type_traits>

#include "rnn.h"

namespace pyrnn {

// How many threads a parallel_for uses: set_num_threads, else PYRNN_NUM_THREADS, else what OpenMP would use (which
// respects OMP_NUM_THREADS, affinity and threadpoolctl). Always 1 in a child forked from a process that ran threads.
int num_threads();
void set_num_threads(int n);  // 0: back to the default
bool has_openmp();

// Makes denormal results and inputs zero while it lives: gates that saturate would otherwise slow the FPU 20-fold.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned long long saved_;
};

namespace detail {
void parallel_run(Index tasks, bool serial, void* body, void (*call)(void* body, Index task));
}

// body(task) for every task in [0, tasks), in any order on any thread; tasks must write disjoint memory. The first
// exception is rethrown here after all threads have stopped.
template <class F>
void parallel_for(Index tasks, bool serial, F&& body) {
  using Body = std::remove_reference_t<F>;
  detail::parallel_run(tasks, serial, const_cast<void*>(static_cast<const void*>(&body)),
                       [](void* b, Index task) { (*static_cast<Body*>(b))(task); });
}

}  // namespace pyrnn
