// The C interface: check, call the engine, turn exceptions into codes.
#include "pyrnn.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "../cpu.h"
#include "../stream.h"
#include "model_file.h"

using pyrnn::ArrayView;
using pyrnn::DType;
using pyrnn::Index;
using pyrnn::ModelError;
using pyrnn::ModelFile;
using pyrnn::Network;
using pyrnn::Op;
using pyrnn::Stack;
using pyrnn::Stream;

namespace {

thread_local char last_error[1024];

struct FileError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

pyrnn_status fail(pyrnn_status status, const char* function, const char* what) noexcept {
  std::snprintf(last_error, sizeof last_error, "%s: %s", function, what);
  return status;
}

template <class F>
pyrnn_status guarded(const char* function, const F& body) noexcept {
  try {
    body();
    return PYRNN_OK;
  } catch (const ModelError& error) {
    return fail(PYRNN_ERROR_MODEL, function, error.what());
  } catch (const FileError& error) {
    return fail(PYRNN_ERROR_FILE, function, error.what());
  } catch (const std::bad_alloc&) {
    return fail(PYRNN_ERROR_MEMORY, function, "there is not enough memory");
  } catch (const std::invalid_argument& error) {
    return fail(PYRNN_ERROR_ARGUMENT, function, error.what());
  } catch (const std::exception& error) {
    return fail(PYRNN_ERROR_INTERNAL, function, error.what());
  } catch (...) {
    return fail(PYRNN_ERROR_INTERNAL, function, "an unknown exception");
  }
}

template <class P>
P* given(P* pointer, const char* name) {
  if (!pointer) throw std::invalid_argument(std::string(name) + " must not be NULL");
  return pointer;
}

// float's before double's, as in pyrnn_dtype
template <template <class> class Of>
using Either = std::variant<std::unique_ptr<Of<float>>, std::unique_ptr<Of<double>>>;

template <class T>
constexpr const char* kTypeName = sizeof(T) == 4 ? "float" : "double";

// What a model's streams share: its handle may go before theirs.
struct Served {
  Either<Network> network;
  Index inputs, outputs;
  bool takes_ids, takes_vectors;
};

}  // namespace

struct pyrnn_model {
  std::shared_ptr<const Served> served;
};

struct pyrnn_stream {
  std::shared_ptr<const Served> served;
  Either<Stream> engine;
  Index batch;
};

namespace {

// f(the alternative that is there, by reference)
template <class E, class F>
auto with(const E& either, const F& f) {
  return std::visit([&](const auto& pointer) { return f(*pointer); }, either);
}

// ---- loading -------------------------------------------------------------------------------------------------------

template <class T>
std::shared_ptr<const Served> serve(const ModelFile& file) {
  auto network = file.network<T>();
  const Stack<T> stack(network->input_spec(), network->specs());
  auto served = std::make_shared<Served>();
  served->inputs = file.input().features;
  served->outputs = stack.features;
  served->takes_ids = stack.ops.front()->takes_ids();
  served->takes_vectors = !file.input().ids_only;
  served->network = std::move(network);
  return served;
}

void load(const char* bytes, std::size_t size, pyrnn_model** model) {
  pyrnn::isa();  // chooses the kernels, which asks for memory, here and not in the first step
  const ModelFile file(bytes, size);
  *model = new pyrnn_model{file.is_double() ? serve<double>(file) : serve<float>(file)};
}

std::vector<char> contents(const char* path) {
  const auto error = [&] { return FileError(std::string(path) + " cannot be read: " + std::strerror(errno)); };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "rb"), std::fclose);
  if (!file || std::fseek(file.get(), 0, SEEK_END)) throw error();
  const long size = std::ftell(file.get());
  if (size < 0 || std::fseek(file.get(), 0, SEEK_SET)) throw error();
  if (size == std::numeric_limits<long>::max()) throw FileError(std::string(path) + " is not a file");
  std::vector<char> bytes(static_cast<std::size_t>(size));
  if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size()) throw error();
  return bytes;
}

template <class T>
Either<Stream> new_engine(const Served& served, Network<T>& network, Index batch) {
  auto engine = std::make_unique<Stream<T>>(network, batch);
  if (served.takes_ids) engine->plan(true);
  if (served.takes_vectors) engine->plan(false);
  return engine;
}

// ---- steps ---------------------------------------------------------------------------------------------------------

template <class T>
Stream<T>& engine_of(pyrnn_stream* stream) {
  const auto* engine = std::get_if<std::unique_ptr<Stream<T>>>(&given(stream, "stream")->engine);
  if (!engine)
    throw std::invalid_argument(std::string("the model is not of ") + kTypeName<T> +
                                "; take the function of its dtype");
  return **engine;
}

// steps < 0: one, without an axis of steps
template <class T>
ArrayView vectors(const pyrnn_stream& stream, Index steps, const T* x) {
  if (!stream.served->takes_vectors) throw std::invalid_argument("the model reads ids, and must be given no vectors");
  const Index I = stream.served->inputs, B = stream.batch, item = sizeof(T);
  ArrayView view;
  view.data = reinterpret_cast<const char*>(given(x, "x"));
  view.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
  if (steps >= 0) view.shape[view.ndim] = steps, view.strides[view.ndim++] = B * I * item;
  view.shape[view.ndim] = B, view.strides[view.ndim++] = I * item;
  view.shape[view.ndim] = I, view.strides[view.ndim++] = item;
  return view;
}

ArrayView ids_of(const pyrnn_stream& stream, Index steps, const std::int32_t* ids) {
  if (!stream.served->takes_ids) throw std::invalid_argument("the model reads vectors, and must be given no ids");
  const Index B = stream.batch, item = sizeof(std::int32_t);
  ArrayView view;
  view.data = reinterpret_cast<const char*>(given(ids, "ids"));
  view.dtype = DType::i32;
  if (steps >= 0) view.shape[view.ndim] = steps, view.strides[view.ndim++] = B * item;
  view.shape[view.ndim] = B, view.strides[view.ndim++] = item;
  return view;
}

// A step, and `count` of them; the view of what they read is made once the handle is known to be good
template <class T, class View>
pyrnn_status step(const char* function, pyrnn_stream* stream, T* out, const View& view) noexcept {
  return guarded(function, [&] { engine_of<T>(stream).step(view(*stream, -1), given(out, "out")); });
}

template <class T, class View>
pyrnn_status run(const char* function, pyrnn_stream* stream, std::int64_t count, T* out, const View& view) noexcept {
  return guarded(function, [&] {
    Stream<T>& engine = engine_of<T>(stream);
    if (count < 0) throw std::invalid_argument("steps must not be negative, got " + std::to_string(count));
    if (count) engine.run(view(*stream, Index(count)), given(out, "out"));
  });
}

// body(op, its i-th state, where its values stand) for every state of a stream
template <class T, class V, class F>
void each_state(Stream<T>& engine, V* state, const F& body) {
  given(state, "state");
  for (Op<T>* op : engine.recurrent())
    for (Index i = 0; i < op->states(); i++, state += engine.batch() * op->state_units()) body(*op, i, state);
}

template <class T>
pyrnn_status get_state(const char* function, pyrnn_stream* stream, T* state) noexcept {
  return guarded(function, [&] {
    Stream<T>& engine = engine_of<T>(stream);
    each_state(engine, state, [&](Op<T>& op, Index i, T* to) { engine.get_state(op, i, to); });
  });
}

template <class T>
pyrnn_status set_state(const char* function, pyrnn_stream* stream, const T* state) noexcept {
  return guarded(function, [&] {
    Stream<T>& engine = engine_of<T>(stream);
    each_state(engine, state, [&](Op<T>& op, Index i, const T* from) { engine.set_state(op, i, from); });
  });
}

}  // namespace

extern "C" {

const char* pyrnn_version(void) { return PYRNN_VERSION; }

const char* pyrnn_last_error(void) { return last_error; }

pyrnn_status pyrnn_model_load(const char* path, pyrnn_model** model) {
  return guarded(__func__, [&] {
    *given(model, "model") = nullptr;
    const std::vector<char> bytes = contents(given(path, "path"));
    try {
      load(bytes.data(), bytes.size(), model);
    } catch (const ModelError& error) {
      throw ModelError(std::string(path) + " " + error.what());
    }
  });
}

pyrnn_status pyrnn_model_load_memory(const void* bytes, size_t size, pyrnn_model** model) {
  return guarded(__func__, [&] {
    *given(model, "model") = nullptr;
    load(static_cast<const char*>(given(bytes, "bytes")), size, model);
  });
}

void pyrnn_model_free(pyrnn_model* model) { delete model; }

int64_t pyrnn_model_inputs(const pyrnn_model* model) { return model->served->inputs; }

int64_t pyrnn_model_outputs(const pyrnn_model* model) { return model->served->outputs; }

int pyrnn_model_takes_ids(const pyrnn_model* model) { return model->served->takes_ids; }

int pyrnn_model_takes_vectors(const pyrnn_model* model) { return model->served->takes_vectors; }

pyrnn_dtype pyrnn_model_dtype(const pyrnn_model* model) { return pyrnn_dtype(model->served->network.index()); }

pyrnn_status pyrnn_stream_new(const pyrnn_model* model, int64_t batch, pyrnn_stream** stream) {
  return guarded(__func__, [&] {
    *given(stream, "stream") = nullptr;
    const auto& served = given(model, "model")->served;
    if (batch < 1 || batch > 1 << 24)
      throw std::invalid_argument("batch must be from 1 to 16777216, got " + std::to_string(batch));
    Either<Stream> engine = with(served->network, [&](auto& network) { return new_engine(*served, network, batch); });
    *stream = new pyrnn_stream{served, std::move(engine), Index(batch)};
  });
}

void pyrnn_stream_free(pyrnn_stream* stream) { delete stream; }

pyrnn_status pyrnn_stream_step(pyrnn_stream* stream, const float* x, float* out) {
  return step(__func__, stream, out, [=](const auto& s, Index steps) { return vectors(s, steps, x); });
}

pyrnn_status pyrnn_stream_step_ids(pyrnn_stream* stream, const int32_t* ids, float* out) {
  return step(__func__, stream, out, [=](const auto& s, Index steps) { return ids_of(s, steps, ids); });
}

pyrnn_status pyrnn_stream_step_f64(pyrnn_stream* stream, const double* x, double* out) {
  return step(__func__, stream, out, [=](const auto& s, Index steps) { return vectors(s, steps, x); });
}

pyrnn_status pyrnn_stream_step_ids_f64(pyrnn_stream* stream, const int32_t* ids, double* out) {
  return step(__func__, stream, out, [=](const auto& s, Index steps) { return ids_of(s, steps, ids); });
}

pyrnn_status pyrnn_stream_run(pyrnn_stream* stream, int64_t steps, const float* x, float* out) {
  return run(__func__, stream, steps, out, [=](const auto& s, Index n) { return vectors(s, n, x); });
}

pyrnn_status pyrnn_stream_run_ids(pyrnn_stream* stream, int64_t steps, const int32_t* ids, float* out) {
  return run(__func__, stream, steps, out, [=](const auto& s, Index n) { return ids_of(s, n, ids); });
}

pyrnn_status pyrnn_stream_run_f64(pyrnn_stream* stream, int64_t steps, const double* x, double* out) {
  return run(__func__, stream, steps, out, [=](const auto& s, Index n) { return vectors(s, n, x); });
}

pyrnn_status pyrnn_stream_run_ids_f64(pyrnn_stream* stream, int64_t steps, const int32_t* ids, double* out) {
  return run(__func__, stream, steps, out, [=](const auto& s, Index n) { return ids_of(s, n, ids); });
}

int64_t pyrnn_stream_state_size(const pyrnn_stream* stream) {
  return with(stream->engine, [](const auto& engine) {
    Index values = 0;
    for (const auto* op : engine.recurrent()) values += op->states() * engine.batch() * op->state_units();
    return int64_t(values);
  });
}

pyrnn_status pyrnn_stream_get_state(pyrnn_stream* stream, float* state) { return get_state(__func__, stream, state); }

pyrnn_status pyrnn_stream_set_state(pyrnn_stream* stream, const float* state) {
  return set_state(__func__, stream, state);
}

pyrnn_status pyrnn_stream_get_state_f64(pyrnn_stream* stream, double* state) {
  return get_state(__func__, stream, state);
}

pyrnn_status pyrnn_stream_set_state_f64(pyrnn_stream* stream, const double* state) {
  return set_state(__func__, stream, state);
}

pyrnn_status pyrnn_stream_reset(pyrnn_stream* stream) {
  return guarded(__func__, [&] { with(given(stream, "stream")->engine, [](auto& engine) { engine.reset(); }); });
}

}  // extern "C"
