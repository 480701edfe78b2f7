#include "parallel.h"

#include <atomic>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

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

// libgomp's pool does not survive a fork: a child that enters a region of two threads waits for ever. A child of a
// process therefore runs serial. The flag is set in the child by pthread_atfork, where no lock may be taken.
std::atomic<bool> forked{false};

#if defined(__unix__) || defined(__APPLE__)
const int fork_handler = pthread_atfork(nullptr, nullptr, [] { forked = true; });
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
  if (!has_openmp() || forked) return 1;
  if (const int n = chosen_threads) return n;
  static const int from_environment = threads_from_environment();
  if (from_environment) return from_environment;
#if defined(_OPENMP)
  return omp_get_max_threads();
#else
  return 1;
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

void detail::parallel_run(Index tasks, bool serial, void* body, void (*call)(void*, Index)) {
  if (tasks <= 0) return;
  const int threads = serial || tasks == 1 ? 1 : num_threads();
  if (threads == 1) {
    FlushDenormals flush;
    for (Index task = 0; task < tasks; task++) call(body, task);
    return;
  }
#if defined(_OPENMP)
  // Tasks are taken one by one: a thread that the system suspends holds up one task, not its whole share.
  std::atomic<Index> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;
#pragma omp parallel num_threads(threads)
  {
    FlushDenormals flush;
    for (Index task; !failed && (task = next++) < tasks;) {
      try {
        call(body, task);
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
    }
  }
  if (error) std::rethrow_exception(error);
#endif
}

}  // namespace pyrnn
