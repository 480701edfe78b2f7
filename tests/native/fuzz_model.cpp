// fuzz_model FILE CASES SEED: loads and steps a model file again and again, damaged each time in another way. Built
// with sanitizers, which end the process at the first wrong access. Prints what came of it, and the most memory that
// loading took at once beside the file's bytes: in bytes, and over the size of the file where at least half of it is
// left.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "pyrnn.h"

// ---- memory: what operator new has given out, and the engine's blocks, which come from mmap
// ---------------------------

namespace {

std::size_t in_use = 0, most_in_use = 0;

void took(std::size_t bytes) {
  in_use += bytes;
  most_in_use = std::max(most_in_use, in_use);
}

constexpr std::size_t kBefore = 16;  // room for a block's size, which keeps the alignment of malloc

}  // namespace

void* operator new(std::size_t size) {
  char* block = size > SIZE_MAX - kBefore ? nullptr : static_cast<char*>(std::malloc(size + kBefore));
  if (!block) throw std::bad_alloc();
  std::memcpy(block, &size, sizeof size);
  took(size);
  return block + kBefore;
}
void operator delete(void* pointer) noexcept {
  if (!pointer) return;
  char* block = static_cast<char*>(pointer) - kBefore;
  std::size_t size;
  std::memcpy(&size, block, sizeof size);
  in_use -= size;
  std::free(block);
}
void operator delete(void* pointer, std::size_t) noexcept { operator delete(pointer); }

extern "C" {
void* __real_mmap(void*, size_t, int, int, int, off_t);
int __real_munmap(void*, size_t);
void* __wrap_mmap(void* address, size_t size, int protection, int flags, int file, off_t offset) {
  void* block = __real_mmap(address, size, protection, flags, file, offset);
  if (block != MAP_FAILED) took(size);
  return block;
}
int __wrap_munmap(void* block, size_t size) {
  in_use -= size;
  return __real_munmap(block, size);
}
}

// ---- damage
// ----------------------------------------------------------------------------------------------------------

namespace {

class Numbers {  // Knuth's linear congruential generator
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed * 2 + 1) { below(1), below(1); }
  std::size_t below(std::size_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return std::size_t(state_ >> 33) % n;
  }

 private:
  std::uint64_t state_;
};

// What JSON, sizes and options are made of
const std::vector<std::string>& words() {
  static const std::vector<std::string> all = [] {
    std::istringstream text(
        "0 -1 1 2 64 65537 16777216 16777217 4294967296 9223372036854775807 18446744073709551615 1e308 -1e999 0.5 NaN "
        "null true false [] {} [[[[[[[[ {\"a\": \" \\ , : ] } lstm gru simple_rnn dense embedding one_hot dropout "
        "activation layer_norm flatten repeat_vector handover max_pool bidirectional softmax gelu F64 F16 float64 "
        "kernel bias units zoneout reset_after return_sequences go_backwards weights \xff");
    return std::vector<std::string>(std::istream_iterator<std::string>(text), {});
  }();
  return all;
}

std::size_t header_of(const std::string& file) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), std::min(file.size(), sizeof length));
  return std::min<std::uint64_t>(file.size(), 8 + std::min<std::uint64_t>(length, file.size()));
}

// Replaces a run of digits, which is a size, a place or an option
void change_number(std::string& file, std::size_t header, Numbers& random) {
  std::size_t at = 8 + random.below(std::max<std::size_t>(header, 9) - 8);
  while (at < header && !std::isdigit(static_cast<unsigned char>(file[at]))) at++;
  std::size_t end = at;
  while (end < header && std::isdigit(static_cast<unsigned char>(file[end]))) end++;
  if (at == end) return;
  const long old = std::strtol(file.substr(at, end - at).c_str(), nullptr, 10);
  const std::string other =
      random.below(2) ? std::to_string(old + long(random.below(5)) - 2) : words()[random.below(words().size())];
  file.replace(at, end - at, other);
}

// The length of the header in front of it, as it is now: else most damage would be found there
void mend_length(std::string& file, std::size_t old_size, std::size_t header) {
  const std::uint64_t length = header - 8 + file.size() - old_size;
  if (file.size() >= 8) std::memcpy(&file[0], &length, sizeof length);
}

void damage(std::string& file, Numbers& random) {
  const std::size_t header = header_of(file), size = file.size();
  const std::size_t at = random.below(4) ? random.below(std::max<std::size_t>(header, 1)) : random.below(size);
  switch (random.below(8)) {
    case 0:
      file[at] = char(file[at] ^ (1 << random.below(8)));
      break;
    case 1:
      file[at] = char(random.below(256));
      break;
    case 2:
      file.resize(random.below(size) + 1);
      break;
    case 3:
      file.append(random.below(64), char(random.below(256)));
      break;
    case 4: {  // a piece a second time
      const std::string piece = file.substr(at, random.below(200));
      file.insert(random.below(header + 1), piece);
      if (random.below(2)) mend_length(file, size, header);
      break;
    }
    case 5:
      file.erase(at, random.below(100));
      if (random.below(2)) mend_length(file, size, header);
      break;
    case 6: {
      const std::string& word = words()[random.below(words().size())];
      file.replace(at, random.below(word.size() + 2), word);
      mend_length(file, size, header);
      break;
    }
    default:
      change_number(file, header, random);
      mend_length(file, size, header);
  }
  if (file.empty()) file = "x";
}

// ---- use
// -------------------------------------------------------------------------------------------------------------

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s: %s\n", what, pyrnn_last_error());
  std::abort();
}

// V: float or double
template <class V, class Step, class StepIds, class Get, class Set>
void use(const pyrnn_model* model, pyrnn_stream* stream, std::size_t batch, Step step, StepIds ids, Get get, Set set) {
  const std::size_t inputs = std::size_t(pyrnn_model_inputs(model));
  std::vector<V> x(batch * inputs, V(0.25)), out(batch * std::size_t(pyrnn_model_outputs(model)));
  std::vector<V> state(std::size_t(pyrnn_stream_state_size(stream)), V(0.5));
  std::vector<std::int32_t> last(batch, std::int32_t(inputs - 1)), beyond(batch, std::int32_t(inputs));
  for (int i = 0; i < 2; i++) {
    require((step(stream, x.data(), out.data()) == PYRNN_OK) == pyrnn_model_takes_vectors(model), "step");
    require((ids(stream, last.data(), out.data()) == PYRNN_OK) == pyrnn_model_takes_ids(model), "step_ids");
    require(ids(stream, beyond.data(), out.data()) == PYRNN_ERROR_ARGUMENT, "step_ids out of range");
    require(get(stream, state.data()) == PYRNN_OK && set(stream, state.data()) == PYRNN_OK, "state");
  }
}

bool load_and_step(const std::string& file, std::size_t batch, std::size_t& memory) {
  pyrnn_model* model = nullptr;
  const std::size_t before = most_in_use = in_use;
  const pyrnn_status status = pyrnn_model_load_memory(file.data(), file.size(), &model);
  memory = most_in_use - before;
  if (status != PYRNN_OK) {
    require(status == PYRNN_ERROR_MODEL && !model && *pyrnn_last_error(), "load");
    require(in_use == before, "load has lost memory");
    return false;
  }
  pyrnn_stream* stream = nullptr;
  require(pyrnn_stream_new(model, std::int64_t(batch), &stream) == PYRNN_OK, "stream");
  if (pyrnn_model_dtype(model) == PYRNN_FLOAT32)
    use<float>(model, stream, batch, pyrnn_stream_step, pyrnn_stream_step_ids, pyrnn_stream_get_state,
               pyrnn_stream_set_state);
  else
    use<double>(model, stream, batch, pyrnn_stream_step_f64, pyrnn_stream_step_ids_f64, pyrnn_stream_get_state_f64,
                pyrnn_stream_set_state_f64);
  pyrnn_model_free(model);
  pyrnn_stream_free(stream);
  return true;
}

}  // namespace

int main(int n, char** arguments) {
  if (n != 4) return 2;
  std::ifstream from(arguments[1], std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(from)), std::istreambuf_iterator<char>());
  const std::size_t cases = std::strtoull(arguments[2], nullptr, 10);
  Numbers random(std::strtoull(arguments[3], nullptr, 10));
  std::size_t most = 0, loaded = 0;
  double most_over_size = 0;
  for (std::size_t i = 0; i < cases; i++) {
    std::string file = whole;
    for (std::size_t times = i ? 1 + random.below(3) : 0; times > 0; times--) damage(file, random);
    alarm(20);  // a case that hangs ends the process
    std::size_t memory = 0;
    const bool good = load_and_step(file, 1 + i % 3, memory);
    if (!i) require(good, "the whole file");
    loaded += good;
    most = std::max(most, memory);
    if (file.size() >= whole.size() / 2)  // of a few bytes an error's sentence is many times as long
      most_over_size = std::max(most_over_size, double(memory) / double(file.size()));
  }
  std::printf("%zu cases, %zu loaded, at most %zu bytes, %.2f of the file's\n", cases, loaded, most, most_over_size);
}
