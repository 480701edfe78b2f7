// threads MODEL THREADS STEPS: as many threads, each with a stream of its own on one model, take as many steps of the
// same ids or vectors. Prints the microseconds that a step took, the steps per second of all threads, and a sum of the
// outputs, which must be the same in every thread.
#include <pyrnn.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

struct Free {
  void operator()(pyrnn_model* model) const { pyrnn_model_free(model); }
  void operator()(pyrnn_stream* stream) const { pyrnn_stream_free(stream); }
};
using Model = std::unique_ptr<pyrnn_model, Free>;
using Stream = std::unique_ptr<pyrnn_stream, Free>;

void check(pyrnn_status status) {
  if (status != PYRNN_OK) throw std::runtime_error(pyrnn_last_error());
}

Model load(const char* path) {
  pyrnn_model* model = nullptr;
  check(pyrnn_model_load(path, &model));
  return Model(model);
}

Stream stream_of(const Model& model) {
  pyrnn_stream* stream = nullptr;
  check(pyrnn_stream_new(model.get(), 1, &stream));
  return Stream(stream);
}

double take_steps(const Model& model, long steps) {
  const Stream stream = stream_of(model);
  const auto inputs = pyrnn_model_inputs(model.get());
  std::vector<float> x(static_cast<std::size_t>(inputs)),
      out(static_cast<std::size_t>(pyrnn_model_outputs(model.get())));
  double sum = 0;
  for (long t = 0; t < steps; t++) {
    const std::int32_t id = std::int32_t(t * 7 % inputs);
    if (pyrnn_model_takes_ids(model.get())) {
      check(pyrnn_stream_step_ids(stream.get(), &id, out.data()));
    } else {
      x[std::size_t(id)] = std::sin(float(t));
      check(pyrnn_stream_step(stream.get(), x.data(), out.data()));
    }
    sum += out[0];
  }
  return sum;
}

}  // namespace

int main(int n, char** arguments) try {
  if (n != 4) throw std::runtime_error("usage: threads MODEL THREADS STEPS");
  const Model model = load(arguments[1]);
  const std::size_t count = std::strtoul(arguments[2], nullptr, 10);
  const long steps = std::strtol(arguments[3], nullptr, 10);
  std::vector<double> sums(count);
  std::vector<std::thread> threads;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; i++) threads.emplace_back([&, i] { sums[i] = take_steps(model, steps); });
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const double sum : sums)
    if (sum != sums[0]) throw std::runtime_error("the threads disagree");
  std::printf("%.3f us a step, %.0f steps a second, sum %.17g\n", seconds * 1e6 / double(steps),
              double(count) * double(steps) / seconds, sums[0]);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
