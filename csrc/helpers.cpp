#include "helpers.h"

#include <new>
#include <system_error>

namespace pyrnn {

namespace {

// What lies between two batches of a small network takes less: its helpers are still awake when the next one comes.
constexpr int kSpinsBetween = 4 * kSpins;

struct NoThreads : std::bad_alloc {
  const char* what() const noexcept override { return "no memory, or no leave of the system, to start a thread"; }
};

}  // namespace

Helpers::~Helpers() {
  quit_ = true;
  {
    std::lock_guard<std::mutex> lock(mutex_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Helpers::run(int count, const std::function<void(int)>& body) {
  start(count);
  body_ = &body;
  begin(count);
  body(0);
  for (int spins = 0; running_.load(std::memory_order_acquire); spins++)
    spins < kSpins ? pause() : std::this_thread::yield();
}

void Helpers::start(int count) {
  threads_.reserve(std::size_t(count));
  const unsigned seen = round_.load().number;
  try {
    while (int(threads_.size()) < count - 1)
      threads_.emplace_back(&Helpers::help, this, int(threads_.size()) + 1, seen);
  } catch (const std::system_error&) {
    throw NoThreads();
  }
}

// Nobody is missed: a helper counts itself asleep before it looks for the round a last time, and the round is there
// before the sleepers are counted.
void Helpers::begin(int count) {
  running_.store(count - 1, std::memory_order_relaxed);
  round_ = Round{round_.load().number + 1, count};
  if (!asleep_) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
  }
  wake_.notify_all();
}

void Helpers::help(int index, unsigned seen) {
  while (await(seen)) {
    const Round round = round_;
    seen = round.number;
    if (index >= round.count) continue;
    (*body_)(index);
    running_.fetch_sub(1, std::memory_order_release);
  }
}

// For a round after the one seen. False once there will be none.
bool Helpers::await(unsigned seen) {
  const auto is_over = [&] { return quit_ || round_.load().number != seen; };
  for (int spins = 0; spins < kSpinsBetween && !is_over(); spins++) pause();
  if (!is_over()) {
    std::unique_lock<std::mutex> lock(mutex_);
    asleep_++;
    wake_.wait(lock, is_over);
    asleep_--;
  }
  return !quit_;
}

}  // namespace pyrnn
