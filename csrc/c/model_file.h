// The file that `Sequential.save` writes: a safetensors file whose metadata say, beside the description that Python
// reads, which ops the model becomes.
//
//   8 bytes       n, little-endian          n bytes       JSON, the header
//   the rest      the tensors' values; the header has of each dtype, shape and place
//
// header.__metadata__ has a checksum, crc32, and engine, JSON in a string:
//
//   {"version": 1, "class_name": "Sequential", "dtype": "float32", "features": 57, "sequence": true, "ids_only": false,
//    "ops": [{"op": "lstm", "units": 128, ..., "weights": {"kernel": "lstm/kernel", ...}}, ...]}
#pragma once

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../network.h"

namespace pyrnn {

// Why bytes are no model that can be streamed; the sentence begins with a verb.
struct ModelError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Tensor {
  DType dtype;
  std::vector<Index> shape;
  const char* data;
  std::size_t bytes;
};

// Everything is checked against the length of the file before memory is taken for it. What is taken, the file's bytes
// not counted, is at most three times their number and 32 MB.
class ModelFile {
 public:
  // The bytes must outlive it. Throws ModelError.
  ModelFile(const char* bytes, std::size_t size);

  bool is_double() const { return dtype_ == DType::f64; }
  const InputSpec& input() const { return input_; }
  // Float or double, as is_double() says. Throws ModelError where the weights are not those of the ops.
  template <class T>
  std::unique_ptr<Network<T>> network() const;

 private:
  void read_header(const char* bytes, std::size_t size);
  void read_engine(const std::string& text);
  void check_widths() const;
  template <class T>
  const Tensor& tensor_of(std::size_t op, const Parameter<T>& weight) const;
  template <class T>
  void check_weights(const Stack<T>& stack) const;

  std::size_t size_;
  std::map<std::string, Tensor> tensors_;
  DType dtype_ = DType::f32;
  InputSpec input_{};
  std::vector<OpSpec> ops_;
  std::vector<std::map<std::string, std::string>> weights_;  // of each op the tensors' names, by the weights'
};

}  // namespace pyrnn
