#include "memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#define PYRNN_MMAP 1
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace pyrnn {

namespace {
constexpr std::size_t kHugePage = std::size_t(2) << 20;
constexpr std::size_t kLine = 64;
}  // namespace

Memory::Memory(std::size_t bytes) : size_(bytes) {
  if (!bytes) return;
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : kLine;
  mapped_ = bytes + alignment;
#if defined(PYRNN_MMAP)
  mapping_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    throw std::bad_alloc();
  }
#else
  mapping_ = std::calloc(1, mapped_);
  if (!mapping_) throw std::bad_alloc();
#endif
  const std::uintptr_t start = reinterpret_cast<std::uintptr_t>(mapping_);
  data_ = reinterpret_cast<char*>((start + alignment - 1) / alignment * alignment);
#if defined(PYRNN_MMAP) && defined(MADV_HUGEPAGE)
  if (alignment == kHugePage) madvise(data_, bytes, MADV_HUGEPAGE);  // a hint: refused, it costs only speed
#endif
  char* const mapping = static_cast<char*>(mapping_);
  forbid(mapping, data_);
  forbid(data_ + bytes, mapping + mapped_);
}

Memory::~Memory() {
  if (!mapping_) return;
  allow(static_cast<char*>(mapping_), static_cast<char*>(mapping_) + mapped_);  // the addresses may be another's next
#if defined(PYRNN_MMAP)
  munmap(mapping_, mapped_);
#else
  std::free(mapping_);
#endif
}

Memory::Memory(Memory&& other) noexcept { *this = std::move(other); }

Memory& Memory::operator=(Memory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

#if defined(__SANITIZE_ADDRESS__)
void forbid(const char* begin, const char* end) { __asan_poison_memory_region(begin, std::size_t(end - begin)); }
void allow(const char* begin, const char* end) { __asan_unpoison_memory_region(begin, std::size_t(end - begin)); }
#endif

}  // namespace pyrnn
