// How the threads share a batch. Results never depend on it, only time.
//
//   serial   small problems: waking threads would cost more than they save
//   rows     a thread takes a block of rows through all ops and steps; threads never wait for each other
//   panels   all threads take all rows together, each with its panels of every product, and meet at every step:
//            for few rows, and for weights so large that each thread had better keep to a part of them
#pragma once

#include "rnn.h"

namespace pyrnn {

enum class ScheduleKind { automatic, serial, rows, panels };

// What a batch asks of the machine
struct Workload {
  Index batch;
  Index steps;
  double work;       // multiply-adds of a row and step, forward
  double bytes;      // of the weights
  Index most_parts;  // threads that can share a step's products, 0 where that is no use
};

struct Schedule {
  ScheduleKind kind = ScheduleKind::serial;
  Index height = 1;  // rows per task, where kind is not panels
  Index block = 1;   // rows that lie together in memory with all their steps: those of a task, or all
};

Schedule choose_schedule(const Workload& load, ScheduleKind wanted);

// Into how many pieces of the batch the sum over all rows that a gradient is falls, to be added at the end. In a small
// model fetching what another thread saved costs as much as summing it, so a piece is for the thread that made it. The
// pieces decide the order of additions: they depend on the problem alone, never on threads or schedule.
constexpr Index kMostPieces = 4;
Index gradient_pieces(Index batch, double weight_bytes);

}  // namespace pyrnn
