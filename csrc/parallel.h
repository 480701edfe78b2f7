// Threads. The only place that knows of OpenMP is parallel.cpp; the rest of the engine says which tasks are
// independent.
#pragma once

#include <initializer_list>

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

// Independent tasks [0, tasks): they may run in any order on any thread and must write disjoint memory. Refers to the
// body, which must outlive it.
class Phase {
 public:
  template <class F>
  Phase(Index tasks, const F& body)
      : tasks(tasks), body_(&body), call_([](const void* b, Index task) { (*static_cast<const F*>(b))(task); }) {}

  Index tasks;
  void run(Index task) const { call_(body_, task); }

 private:
  const void* body_;
  void (*call_)(const void* body, Index task);
};

constexpr std::size_t kMaxPhases = 8;

// Runs phases one after another with one team of threads: all tasks of a phase are done before the next begins. The
// first exception ends the run and is rethrown here.
void parallel_phases(std::initializer_list<Phase> phases, bool serial);

// One phase: body(task) for every task.
template <class F>
void parallel_for(Index tasks, bool serial, const F& body) {
  parallel_phases({Phase(tasks, body)}, serial);
}

}  // namespace pyrnn
