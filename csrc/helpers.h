// Threads of our own: for children of a fork, where those of OpenMP are gone, and for compilers that have no OpenMP.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace pyrnn {

// Tells the processor that a loop waits.
inline void pause() {
#if defined(__SSE2__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

constexpr int kSpins =
    2000;  // pauses, about as long as a short task lasts: a thread that waited as long lets others run

// The helpers of one thread, who sleep between its runs.
class Helpers {
 public:
  Helpers() = default;
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

  // body(0) here and body(1) to body(count - 1) in helpers, all at the same time; body throws nothing. Throws
  // std::system_error, with nothing run, where the system refuses a thread.
  void run(int count, const std::function<void(int)>& body);

 private:
  void help(int index, unsigned round);

  std::mutex mutex_;  // of what follows; written under it, and read without where it is atomic
  std::condition_variable wake_;
  std::atomic<unsigned> round_{0};
  bool quit_ = false;
  int count_ = 0;
  const std::function<void(int)>* body_ = nullptr;

  std::atomic<int> running_{0};
  std::vector<std::thread> threads_;
};

}  // namespace pyrnn
