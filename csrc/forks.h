// What a fork must find at rest. Its child has one thread, and every lock as it stood: of one that another thread held
// nobody would ever let go, and what that thread was changing would stay half changed.
#pragma once

#include <functional>

namespace pyrnn {

// While it lives, a fork begins with hold(), which waits for the threads at work and takes their locks, and ends with
// release(), in parent and child. To be made when all that hold() needs is there.
class AtFork {
 public:
  AtFork(std::function<void()> hold, std::function<void()> release);
  ~AtFork();
  AtFork(const AtFork&) = delete;
  AtFork& operator=(const AtFork&) = delete;

 private:
  friend class Forks;
  const std::function<void()> hold_, release_;
};

}  // namespace pyrnn
