#include "one_hot.h"

#include <algorithm>
#include <atomic>

#include "parallel.h"

namespace pyrnn {

namespace {

constexpr Index kRowsPerTask = 4096;

// The place of the one 1 among n values, `stride` bytes apart; -1 where there is another value or another number of
// ones.
template <class S>
std::int32_t place_of_one(const char* x, Index stride, Index n) {
  Index ones = 0, zeros = 0, place = 0;
  for (Index v = 0; v < n; v++) {
    const S value = read<S>(x + v * stride);
    ones += value == S(1);
    zeros += value == S(0);
    place += value == S(1) ? v : 0;
  }
  return ones == 1 && zeros == n - 1 ? std::int32_t(place) : -1;
}

template <class S>
std::int32_t place_of_one_in(const char* x, Index stride, Index n) {
  return stride == Index(sizeof(S)) ? place_of_one<S>(x, Index(sizeof(S)), n) : place_of_one<S>(x, stride, n);
}

}  // namespace

bool one_hot_ids(const ArrayView& x, std::int32_t* ids) {
  const int last = x.ndim - 1;
  const Index symbols = x.shape[last], inner = x.ndim == 3 ? x.shape[1] : 1;
  const Index rows = x.ndim == 1 ? 1 : x.shape[0] * inner;
  std::atomic<bool> one_hot{true};
  parallel_for(divide_up(rows, kRowsPerTask), rows * symbols < 100000, [&](Index task) {
    with_type(x.dtype, [&](auto type) {
      const Index end = std::min(rows, (task + 1) * kRowsPerTask);
      for (Index r = task * kRowsPerTask; r < end && one_hot; r++) {
        const char* row = x.data;
        if (x.ndim > 1) row += r / inner * x.strides[0];
        if (x.ndim == 3) row += r % inner * x.strides[1];
        ids[r] = place_of_one_in<decltype(type)>(row, x.strides[last], symbols);
        if (ids[r] < 0) one_hot = false;
      }
    });
  });
  return one_hot;
}

}  // namespace pyrnn
