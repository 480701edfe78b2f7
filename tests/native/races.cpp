// Threads that share models in all the ways they may, for ThreadSanitizer to watch: `races MODEL`, a file that
// Sequential.save wrote and that reads vectors. Prints what they did; .ci/tsan builds and runs it.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "network.h"
#include "parallel.h"
#include "pyrnn.h"
#include "stream.h"

namespace {

using namespace pyrnn;

constexpr Index kRows = 40, kSteps = 5, kFeatures = 6;
constexpr int kThreads = 6, kRounds = 12;

void together(std::vector<std::function<void()>> bodies) {
  std::vector<std::thread> threads;
  for (auto& body : bodies) threads.emplace_back(body);
  for (std::thread& thread : threads) thread.join();
}

template <class T>
ArrayView view(const std::vector<T>& values, std::vector<Index> shape) {
  ArrayView v;
  v.data = reinterpret_cast<const char*>(values.data());
  v.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
  v.ndim = int(shape.size());
  Index stride = sizeof(T);
  for (int i = v.ndim; i-- > 0; stride *= shape[std::size_t(i)])
    v.shape[i] = shape[std::size_t(i)], v.strides[i] = stride;
  return v;
}

template <class T>
struct Model {
  explicit Model(bool pooled) : network({kFeatures, true, false}, specs(pooled)) {
    std::vector<Index> shape;
    network.output_shape(kRows, kSteps, shape);
    x.assign(std::size_t(kRows * kSteps * kFeatures), T(0.25));
    y.assign(std::size_t(kRows * shape[1]), T(0.5));
    for (std::size_t i = 0; i < x.size(); i++) x[i] += T(i % 7) / T(8);
    for (Index i = 0; i < kRows; i++) index.push_back(i);
    network.compile({LossKind::mean_squared_error, false, false, {}}, {OptimizerKind::adam});
    x_view = view(x, {kRows, kSteps, kFeatures}), y_view = view(y, shape);
    outputs = shape[1];
  }

  static std::vector<OpSpec> specs(bool pooled) {
    OpSpec lstm{OpKind::lstm}, gru{OpKind::gru}, dense{OpKind::dense}, pool{OpKind::max_pool};
    lstm.units = 40, lstm.return_sequences = true;
    gru.units = 24, gru.return_sequences = pooled;
    dense.units = 3;
    return pooled ? std::vector<OpSpec>{lstm, gru, pool, dense} : std::vector<OpSpec>{lstm, gru, dense};
  }

  Batch batch(Index rows = kRows) const { return {x_view, index.data(), rows, nullptr, &y_view}; }
  void train(ScheduleKind schedule) {
    double loss;
    network.set_schedule(schedule);
    network.train_batch(batch(), {}, 0.01, &loss);
  }

  Network<T> network;
  std::vector<T> x, y;
  std::vector<std::int64_t> index;
  ArrayView x_view, y_view;
  Index outputs;
};

constexpr ScheduleKind kSchedules[] = {ScheduleKind::rows, ScheduleKind::panels, ScheduleKind::serial};

// One trains, and all others ask.
template <class T>
void trained_and_asked() {
  Model<T> model(false);
  std::atomic<bool> done{false};
  std::vector<std::function<void()>> bodies;
  bodies.push_back([&] {
    for (int i = 0; i < kRounds; i++) model.train(kSchedules[i % 3]);
    done = true;
  });
  for (int i = 0; i < kThreads; i++)
    bodies.push_back([&, i] {
      std::vector<T> out(model.y.size()), one(std::size_t(model.outputs));
      Stream<T> stream(model.network, 1);
      double loss;
      for (int round = 0; round < kRounds || !done; round++) {
        if (i % 3 == 0) model.network.predict_batch(model.batch(kRows - i), {}, out.data());
        if (i % 3 == 1) model.network.evaluate_batch(model.batch(kRows - i), {}, &loss);
        stream.step(view(model.x, {1, kFeatures}), one.data());
        for (const Parameter<T>& parameter : model.network.parameters(0)) {
          std::vector<T> values(std::size_t(parameter.layout.size()));
          model.network.get_weight(parameter, values.data());
          model.network.get_slot(0, parameter, values.data());
        }
      }
    });
  together(bodies);
  std::printf("%s: 1 thread trained, %d predicted, evaluated, streamed and read weights\n",
              sizeof(T) == 4 ? "float32" : "float64", kThreads);
}

// Models apart, each in its own thread with its own helpers; one stream in all threads; and batches that fail.
void apart() {
  Model<float> shared(false);
  Stream<float> stream(shared.network, 1);
  std::vector<std::function<void()>> bodies;
  std::atomic<int> failed{0};
  for (int i = 0; i < kThreads; i++)
    bodies.push_back([&, i] {
      Model<float> own(i % 2);
      std::vector<float> out(std::size_t(shared.outputs));
      std::vector<std::int64_t> wrong(own.index);
      wrong[3] = kRows;
      for (int round = 0; round < kRounds; round++) {
        own.train(kSchedules[(i + round) % 3]);
        stream.step(view(own.x, {1, kFeatures}), out.data());
        stream.reset();
        try {
          parallel_for(16, false, [&](Index task) {
            if (task == round) throw std::runtime_error("a task failed");
          });
        } catch (const std::runtime_error&) {
          failed++;
        }
      }
    });
  together(bodies);
  std::printf("%d models trained in threads of their own, one stream in all of them, %d teams failed as they should\n",
              kThreads, failed.load());
}

// Exits where a call of the C library fails.
void check(pyrnn_status status) {
  if (status == PYRNN_OK) return;
  std::fprintf(stderr, "%s\n", pyrnn_last_error());
  std::exit(2);
}

void in_c(const char* path) {
  pyrnn_model* model;
  check(pyrnn_model_load(path, &model));
  std::vector<std::function<void()>> bodies;
  for (int i = 0; i < kThreads; i++)
    bodies.push_back([&] {
      pyrnn_stream* stream;
      pyrnn_model* own;
      check(pyrnn_model_load(path, &own));
      check(pyrnn_stream_new(model, 2, &stream));
      std::vector<float> x(std::size_t(2 * pyrnn_model_inputs(model)), 0.5f);
      std::vector<float> out(std::size_t(2 * pyrnn_model_outputs(model)));
      for (int step = 0; step < 50; step++) check(pyrnn_stream_step(stream, x.data(), out.data()));
      if (pyrnn_stream_step(stream, nullptr, out.data()) == PYRNN_OK) std::exit(3);
      pyrnn_stream_free(stream);
      pyrnn_model_free(own);
    });
  together(bodies);
  pyrnn_model_free(model);
  std::printf("C: %d threads with a stream each of one model, loading it too\n", kThreads);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return std::fprintf(stderr, "usage: races MODEL\n"), 1;
  set_num_threads(3);
  trained_and_asked<float>();
  trained_and_asked<double>();
  apart();
  in_c(arguments[1]);
}
