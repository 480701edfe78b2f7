// Who reads a network's weights, and who changes them.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

namespace pyrnn {

// Every reader has a lock of its own, so that readers on several threads touch nothing in common; a writer takes all.
class Readers {
 public:
  class alignas(64) Lock : public std::mutex {};  // a line of cache for each
  using Reader = std::shared_ptr<Lock>;

  // Waits for a writer that is there.
  Reader add() {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto gone = [](const std::weak_ptr<Lock>& reader) { return reader.expired(); };
    readers_.erase(std::remove_if(readers_.begin(), readers_.end(), gone), readers_.end());
    auto reader = std::make_shared<Lock>();
    readers_.push_back(reader);
    held_.reserve(readers_.size());
    return reader;
  }

  // While it lives nobody reads.
  class Writing {
   public:
    explicit Writing(Readers& readers) : readers_(readers), lock_(readers.mutex_) {
      for (const std::weak_ptr<Lock>& known : readers.readers_)
        if (Reader reader = known.lock()) {
          reader->lock();
          readers.held_.push_back(std::move(reader));
        }
    }
    ~Writing() {
      for (const Reader& reader : readers_.held_) reader->unlock();
      readers_.held_.clear();
    }
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;

   private:
    Readers& readers_;
    std::lock_guard<std::mutex> lock_;
  };

 private:
  std::mutex mutex_;  // of what follows
  std::vector<std::weak_ptr<Lock>> readers_;
  std::vector<Reader> held_;
};

}  // namespace pyrnn
