#include "forks.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "cpu.h"
#include "processors.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace pyrnn {

// All that live
class Forks {
 public:
  void add(AtFork* one) {
    std::lock_guard<std::mutex> lock(mutex_);
    all_.push_back(one);
  }

  void remove(AtFork* one) {
    std::lock_guard<std::mutex> lock(mutex_);
    all_.erase(std::find(all_.begin(), all_.end(), one));
  }

  void hold() {
    cache_bytes(), processors();  // nor shall a child find the first call of these unfinished
    mutex_.lock();
    for (AtFork* one : all_) one->hold_();
  }

  void release() {
    for (AtFork* one : all_) one->release_();
    mutex_.unlock();
  }

 private:
  std::mutex mutex_;
  std::vector<AtFork*> all_;
};

namespace {

Forks& forks() {
  static Forks& all = *[] {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork([] { forks().hold(); }, [] { forks().release(); }, [] { forks().release(); });
#endif
    return new Forks;  // never deleted: networks may outlive every static object
  }();
  return all;
}

}  // namespace

AtFork::AtFork(std::function<void()> hold, std::function<void()> release)
    : hold_(std::move(hold)), release_(std::move(release)) {
  forks().add(this);
}

AtFork::~AtFork() { forks().remove(this); }

}  // namespace pyrnn
