#include "helpers.h"

namespace pyrnn {

Helpers::~Helpers() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    quit_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Helpers::run(int count, const std::function<void(int)>& body) {
  threads_.reserve(std::size_t(count));
  while (int(threads_.size()) < count - 1)
    threads_.emplace_back(&Helpers::help, this, int(threads_.size()) + 1, round_.load());
  {
    std::lock_guard<std::mutex> lock(mutex_);
    body_ = &body;
    count_ = count;
    running_ = count - 1;
    round_++;
  }
  wake_.notify_all();
  body(0);
  for (int spins = 0; running_.load(std::memory_order_acquire); spins++)
    spins < kSpins ? pause() : std::this_thread::yield();
}

void Helpers::help(int index, unsigned round) {
  for (;;) {
    for (int spins = 0; spins < kSpins && round_.load(std::memory_order_relaxed) == round; spins++) pause();
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [&] { return quit_ || round_ != round; });
    if (quit_) return;
    round = round_;
    const auto* body = index < count_ ? body_ : nullptr;
    lock.unlock();
    if (!body) continue;
    (*body)(index);
    running_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

}  // namespace pyrnn
