// Threads. The rest of the engine says which tasks are independent. parallel.cpp is the only place that knows of
// OpenMP, which is asked how many threads it would have, so that its settings and threadpoolctl hold here too.
#pragma once

#include <initializer_list>

#include "rnn.h"

namespace pyrnn {

// How many threads a parallel_for uses: set_num_threads, else PYRNN_NUM_THREADS, else as many as there are processors
// for this process, or fewer, if OpenMP (OMP_NUM_THREADS, threadpoolctl) wants fewer.
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

class Team;

// One thread's part of a body that the threads of a team run together. By default the whole of it, alone.
struct Part {
  int index = 0;
  int count = 1;
  Team* team = nullptr;

  struct Range {
    Index begin;
    Index end;
    // The one at place i, counted from the back if so asked: going over large operands by turns forth and back finds
    // in the cache what was used last.
    Index pick(Index i, bool from_back) const { return from_back ? begin + end - 1 - i : i; }
  };
  // This part of n outputs: runs of equal length, none shared
  Range of(Index n) const { return {n * index / count, n * (index + 1) / count}; }

  // Returns once every part has come this far. Leaves the body by an exception where another part has failed.
  void wait() const {
    if (team) wait_for_team();
  }

 private:
  void wait_for_team() const;
};

// What a team does between two meetings. Refers to the body, which must outlive it. Either independent tasks
// [0, tasks), body(task): they may run in any order on any thread and must write disjoint memory; or all threads at
// once in one body(part), where parts wait for each other as they go.
class Phase {
 public:
  template <class F>
  Phase(Index tasks, const F& body)
      : tasks(tasks), body_(&body), task_([](const void* b, Index task) { (*static_cast<const F*>(b))(task); }) {}

  template <class F>
  static Phase together(const F& body) {
    Phase phase;
    phase.body_ = &body;
    phase.part_ = [](const void* b, const Part& part) { (*static_cast<const F*>(b))(part); };
    return phase;
  }

  Index tasks = 0;
  bool uneven = false;  // the first tasks take the longest: each thread takes the next of all, and has no own run
  bool is_together() const { return part_; }
  void run(Index task) const { task_(body_, task); }
  void run(const Part& part) const { part_(body_, part); }

 private:
  Phase() = default;
  const void* body_ = nullptr;
  void (*task_)(const void* body, Index task) = nullptr;
  void (*part_)(const void* body, const Part& part) = nullptr;
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
