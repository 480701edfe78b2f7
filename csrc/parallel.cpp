#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "helpers.h"
#include "processors.h"

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace pyrnn {

namespace {

std::atomic<int> chosen_threads{0};

thread_local std::unique_ptr<Helpers> helpers;  // whoever trains or predicts has its own

// A child of a fork has none of its parent's threads. Helpers that the forking thread had are forgotten there, as they
// are not there to be joined; in the handler no lock may be taken.
#if defined(__unix__) || defined(__APPLE__)
const int fork_handler = pthread_atfork(nullptr, nullptr, [] { helpers.release(); });
#endif

int threads_from_environment() {
  const char* text = std::getenv("PYRNN_NUM_THREADS");
  if (!text || !*text) return 0;
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  if (*end || n < 1 || n > 4096)
    throw std::invalid_argument("PYRNN_NUM_THREADS must be a whole number from 1 to 4096, got " + std::string(text));
  return int(n);
}

}  // namespace

bool has_openmp() {
#if defined(_OPENMP)
  return true;
#else
  return false;
#endif
}

int num_threads() {
  if (const int n = chosen_threads) return n;
  static const int from_environment = threads_from_environment();
  if (from_environment) return from_environment;
#if defined(_OPENMP)
  return std::min(omp_get_max_threads(), processors());
#else
  return processors();
#endif
}

void set_num_threads(int n) {
  if (n < 0 || n > 4096)
    throw std::invalid_argument("set_num_threads: n must be from 0 (the default) to 4096, got " + std::to_string(n));
  chosen_threads = n;
}

#if defined(__SSE2__)
FlushDenormals::FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(unsigned(saved_) | 0x8040u); }  // FTZ and DAZ
FlushDenormals::~FlushDenormals() { _mm_setcsr(unsigned(saved_)); }
#elif defined(__aarch64__)
FlushDenormals::FlushDenormals() {
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(saved_));
  __asm__ __volatile__("msr fpcr, %0" : : "r"(saved_ | (1ull << 24)));  // FZ
}
FlushDenormals::~FlushDenormals() { __asm__ __volatile__("msr fpcr, %0" : : "r"(saved_)); }
#else
FlushDenormals::FlushDenormals() : saved_(0) {}
FlushDenormals::~FlushDenormals() {}
#endif

struct alignas(64) Counter {
  std::atomic<Index> value{0};
};

// The progress of a team through its phases. Each thread has its own run of a phase's tasks, the same one batch after
// batch, so that it finds in its caches what it left there; done with it, it helps the others. Threads wait for tasks,
// never for each other: one that the system suspends between tasks holds up nobody.
class Team {
 public:
  // `next`: a counter for each phase and thread, at zero
  Team(std::initializer_list<Phase> phases, Counter* next) : phases_(phases), next_(next) {}

  void work(const Part& part) {
    FlushDenormals flush;
    std::size_t i = 0;
    for (const Phase& phase : phases_) {
      const Index pieces = phase.is_together() ? part.count : phase.tasks;
      Index done_here = 0;
      if (phase.is_together())
        run(phase, part), done_here = 1;
      else
        done_here = run_tasks(phase, part, next_ + Index(i) * part.count);
      if (done_here) done_[i].fetch_add(done_here, std::memory_order_acq_rel);
      if (!wait_until([&] { return done_[i].load(std::memory_order_acquire) >= pieces; })) return;
      i++;
    }
  }

  // Rounds of a body run together: a part may leave a round once all parts have come to it.
  void meet(int parts) {
    const Index round = arrived_.fetch_add(1, std::memory_order_acq_rel) / parts;
    if (!wait_until([&] { return arrived_.load(std::memory_order_acquire) >= (round + 1) * parts; })) throw Stopped();
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  struct Stopped {};

  // The tasks of this part's own run, then what is left of the others'
  Index run_tasks(const Phase& phase, const Part& part, Counter* next) {
    const int runs = phase.uneven ? 1 : part.count;
    Index done_here = 0;
    for (int i = 0; i < runs; i++) {
      const int of = (part.index + i) % runs;
      const Part::Range tasks = Part{of, runs}.of(phase.tasks);
      for (Index n; !failed_ && (n = next[of].value++) < tasks.end - tasks.begin; done_here++)
        run(phase, tasks.begin + n);
    }
    return done_here;
  }

  template <class Piece>
  void run(const Phase& phase, const Piece& piece) {
    try {
      phase.run(piece);
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }

  // Spins, then lets others use the processor. False once a task has failed.
  template <class Done>
  bool wait_until(Done done) const {
    for (int spins = 0; !done(); spins++) {
      if (failed_) return false;
      if (spins < kSpins)
        pause();
      else
        std::this_thread::yield();
    }
    return !failed_;
  }

  std::initializer_list<Phase> phases_;
  Counter* next_;
  alignas(64) std::atomic<Index> done_[kMaxPhases] = {};
  alignas(64) std::atomic<Index> arrived_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
};

// The work of a team of so many threads, one of them this
void gather(int threads, Team& team) {
  if (!helpers) helpers = std::make_unique<Helpers>();
  helpers->run(threads, [&](int index) { team.work({index, threads, &team}); });
}

void Part::wait_for_team() const { team->meet(count); }

void parallel_phases(std::initializer_list<Phase> phases, bool serial) {
  if (phases.size() > kMaxPhases) throw std::logic_error("parallel_phases: too many phases");
  const auto is_shared = [](const Phase& phase) { return phase.is_together() || phase.tasks > 1; };
  const int threads = serial || std::none_of(phases.begin(), phases.end(), is_shared) ? 1 : num_threads();
  if (threads == 1) {
    FlushDenormals flush;
    for (const Phase& phase : phases) {
      if (phase.is_together()) phase.run(Part());
      for (Index task = 0; task < phase.tasks; task++) phase.run(task);
    }
    return;
  }
  // One team for all phases: each team that is gathered and dismissed waits for its slowest thread.
  static thread_local std::vector<Counter> counters;  // kept: a batch shall allocate nothing
  const std::size_t needed = phases.size() * std::size_t(threads);
  if (counters.size() < needed) counters = std::vector<Counter>(needed);
  for (Counter& counter : counters) counter.value = 0;
  Team team(phases, counters.data());
  gather(threads, team);
  team.rethrow();
}

}  // namespace pyrnn
