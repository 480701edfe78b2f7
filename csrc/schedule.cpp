#include "schedule.h"

#include <algorithm>

#include "cpu.h"
#include "parallel.h"

namespace pyrnn {

namespace {

// Measured; benchmarks/sweep.py shows what they decide.
constexpr Index kRowsPerTask = 32;  // the saved state of a block of rows shall stay in cache from forward to backward
constexpr Index kLeastRowsPerTask = 6;  // one tile: fewer would leave registers idle
constexpr double kSerialWork = 2e5;     // multiply-adds below which waking threads costs more than it saves
constexpr double kMeetingWork = 2.5e4;  // multiply-adds of a step below which meeting after it does
constexpr double kNeighbourWork = 5e5;  // multiply-adds of a task's step below which neighbours in memory disturb it
constexpr double kPieceBytes = 262144;  // of weights: above, adding the pieces costs what it saves
constexpr Index kRowsPerPiece = 16;
constexpr Index kRowsPerThread = 16;  // below, weights that overflow the cache are fetched more slowly than multiplied

ScheduleKind best_kind(const Workload& load, int threads) {
  const double step_work = load.work * double(load.batch);
  if (threads == 1 || step_work * double(load.steps) < kSerialWork) return ScheduleKind::serial;
  const Index by_rows = std::min<Index>(threads, divide_up(load.batch, kLeastRowsPerTask));
  const Index by_panels = std::min<Index>(threads, load.most_parts);
  const bool weights_dominate = load.bytes > cache_bytes() / 2 && load.batch < kRowsPerThread * threads;
  if (step_work >= kMeetingWork && (by_panels > by_rows || (weights_dominate && by_panels == threads)))
    return ScheduleKind::panels;
  return ScheduleKind::rows;
}

// Tasks of equal height, one or more for each thread where there are rows enough.
Index task_height(Index batch, int threads) {
  Index tasks = divide_up(batch, kRowsPerTask);
  tasks = std::max(tasks, std::min<Index>(threads, divide_up(batch, kLeastRowsPerTask)));
  return divide_up(batch, tasks);
}

}  // namespace

Schedule choose_schedule(const Workload& load, ScheduleKind wanted) {
  const int threads = num_threads();
  const ScheduleKind kind = wanted == ScheduleKind::automatic ? best_kind(load, threads) : wanted;
  const Index height = task_height(load.batch, kind == ScheduleKind::serial ? 1 : threads);
  const bool small_steps = load.work * double(height) < kNeighbourWork;
  return {kind, height, kind == ScheduleKind::rows && small_steps ? height : load.batch};
}

Index gradient_pieces(Index batch, double weight_bytes) {
  return weight_bytes > kPieceBytes ? 1 : std::clamp<Index>(batch / kRowsPerPiece, 1, kMostPieces);
}

}  // namespace pyrnn
