// Memory of the engine: whole blocks from the system, and a planner that lays arrays out in one of them.
#pragma once

#include "rnn.h"

namespace pyrnn {

// One zeroed block, aligned to 2 MB when it is that large, for which huge pages are asked: with 4 KB pages address
// translation costs the kernels up to a sixth of their speed.
class Memory {
 public:
  Memory() = default;
  explicit Memory(std::size_t bytes);
  ~Memory();
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&& other) noexcept;

  char* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
};

// To AddressSanitizer a block is one piece, as the system gave it: it has to be told what lies between the arrays.
#if defined(__SANITIZE_ADDRESS__)
void forbid(const char* begin, const char* end);
void allow(const char* begin, const char* end);
#else
inline void forbid(const char*, const char*) {}
inline void allow(const char*, const char*) {}
#endif

// Hands out 64-byte aligned arrays of a block one after another. With no block (the first of two passes) it only
// counts.
class Planner {
 public:
  explicit Planner(char* base) : base_(base) {}

  template <class U>
  U* array(Index count) {
    const std::size_t at = used_, end = at + std::size_t(count) * sizeof(U);
    // One more cache line between arrays: equal offsets within a page would make loads wait for unrelated stores.
    used_ = (end + 63) / 64 * 64 + 64;
    if (base_) forbid(base_ + end, base_ + used_);
    return base_ ? reinterpret_cast<U*>(base_ + at) : nullptr;
  }
  std::size_t used() const { return used_; }
  bool counting() const { return !base_; }

 private:
  char* base_;
  std::size_t used_ = 0;
};

// lay_out(planner), which takes all its arrays from the planner, in two passes: counted, then placed in `memory`, which
// grows where it is too small.
template <class F>
void lay_out_in(Memory& memory, const F& lay_out) {
  Planner counting(nullptr);
  lay_out(counting);
  if (counting.used() > memory.size()) {
    memory = Memory();
    memory = Memory(counting.used());
  }
  allow(memory.data(), memory.data() + memory.size());
  Planner placing(memory.data());
  lay_out(placing);
  forbid(memory.data() + placing.used(), memory.data() + memory.size());
}

}  // namespace pyrnn
