// The engine's own threads. Those of an OpenMP library would do as well on an idle machine; on a busy one they spin for
// tens of milliseconds on processors that others need, they end the process where the system refuses one, and they are
// gone in children of a fork.
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

// Pauses, about as long as a short task lasts: a thread that waited as long lets others run.
constexpr int kSpins = 2000;

// The helpers of one thread, who sleep when it has had no work for them for a while.
class Helpers {
 public:
  Helpers() = default;
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

  // body(0) here and body(1) to body(count - 1) in helpers, all at the same time; body throws nothing. Throws
  // std::bad_alloc, with nothing run, where the system refuses a thread.
  void run(int count, const std::function<void(int)>& body);

 private:
  // What a helper waits for: another number. Those below count take part.
  struct Round {
    unsigned number;
    int count;
  };

  void start(int count);
  void begin(int count);
  void help(int index, unsigned seen);
  bool await(unsigned seen);

  std::atomic<Round> round_{Round{0, 0}};
  std::atomic<bool> quit_{false};
  const std::function<void(int)>* body_ = nullptr;  // of the round; written before it and read by who takes part
  std::atomic<int> running_{0};

  std::mutex mutex_;  // taken to fall asleep and to wake
  std::condition_variable wake_;
  std::atomic<int> asleep_{0};
  std::vector<std::thread> threads_;
};

}  // namespace pyrnn
