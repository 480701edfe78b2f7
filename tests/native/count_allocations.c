// Preloaded into a process, counts every request for memory that goes through the C library, operator new's among them.
// Releases are not counted. glibc only: it has these names for its own functions.
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

static atomic_long count;

long allocations(void) { return count; }

void* malloc(size_t size) {
  count++;
  return __libc_malloc(size);
}

void* calloc(size_t n, size_t size) {
  count++;
  return __libc_calloc(n, size);
}

void* realloc(void* block, size_t size) {
  count++;
  return __libc_realloc(block, size);
}

void* memalign(size_t alignment, size_t size) {
  count++;
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void** block, size_t alignment, size_t size) {
  *block = memalign(alignment, size);
  return *block ? 0 : ENOMEM;
}

void* mmap(void* address, size_t size, int protection, int flags, int file, off_t offset) {
  count++;
  return (void*)syscall(SYS_mmap, address, size, protection, flags, file, offset);
}
