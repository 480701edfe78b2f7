#include "model_file.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "../op_spec.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model files hold little-endian numbers, which are read where they lie"
#endif

namespace pyrnn {

namespace {

using Json = nlohmann::json;

constexpr Index kFormatVersion = 2, kEngineVersion = 1;
constexpr Index kLargest =
    Index(1) << 24;  // of units and features: products of four of them and of bytes stay in Index
constexpr std::size_t kMostOps = 256;
// Of one JSON text. A value of a byte or two may take a hundred of memory: these bound it to some megabytes.
constexpr int kMostValues = 50000, kMostDepth = 6;
constexpr Index kAllowance = Index(24) << 20;  // bytes for padding: weights lie in panels of whole blocks of units
constexpr Index kWidthAllowance = 65536;

std::string quoted(const std::string& text) {
  return "'" + (text.size() > 60 ? text.substr(0, 60) + "..." : text) + "'";
}

Json parsed(const char* begin, const char* end, const char* what) {
  int values = 0;
  const auto count = [&](int depth, Json::parse_event_t event, Json&) {
    values += event != Json::parse_event_t::key;
    if (depth > kMostDepth || values > kMostValues)
      throw ModelError(std::string("is damaged: its ") + what + " is no description of a model");
    return true;
  };
  try {
    return Json::parse(begin, end, count);
  } catch (const Json::exception& error) {
    throw ModelError(std::string("is damaged: its ") + what + " is no JSON (" + error.what() + ")");
  }
}

// A value of JSON that must be of the type that is asked for
class Value {
 public:
  Value(const Json& json, const std::string& name) : json(json), name(name) {}
  const Json& json;
  std::string name;

  const std::string& text() const {
    if (!json.is_string()) refuse();
    return json.get_ref<const std::string&>();
  }
  template <class V>
  V as() const {
    if constexpr (std::is_same_v<V, bool>) {
      if (json.is_boolean()) return json.get<bool>();
    } else if constexpr (std::is_same_v<V, Index>) {
      if (json.is_number_unsigned() && json.get<std::uint64_t>() <= std::uint64_t(std::numeric_limits<Index>::max()))
        return Index(json.get<std::uint64_t>());
    } else if constexpr (std::is_same_v<V, std::uint64_t>) {
      if (json.is_number_unsigned()) return json.get<std::uint64_t>();
    } else if constexpr (std::is_same_v<V, double>) {
      if (json.is_number()) return json.get<double>();
    } else {
      static_assert(std::is_same_v<V, std::string>);
      return text();
    }
    refuse();
  }

 private:
  [[noreturn]] void refuse() const {
    throw ModelError("is damaged: " + quoted(name) + " cannot be a " + json.type_name());
  }
};

Value member(const Json& object, const std::string& name) {
  const auto at = object.is_object() ? object.find(name) : object.end();
  if (!object.is_object() || at == object.end()) throw ModelError("is damaged: " + quoted(name) + " is missing");
  return {*at, name};
}

// Of a file format or a description: a number from 1 to the newest that is known here
void check_version(Index version, Index newest, const char* what) {
  if (version < 1) throw ModelError(std::string("is damaged: ") + what + " must be at least 1");
  if (version > newest)
    throw ModelError(std::string("was written by a newer pyrnn: ") + what + " " + std::to_string(version) +
                     ", and this one reads up to " + std::to_string(newest));
}

void check_format(const Json& metadata) {
  const std::string format = member(metadata, "format").text();
  if (format == "pyrnn weights")
    throw ModelError("has weights without their model: write it with save, not with save_weights");
  if (format != "pyrnn") throw ModelError("is not a pyrnn model: its metadata have the format " + quoted(format));
  const std::string version = member(metadata, "format_version").text();
  const bool number = !version.empty() && version.find_first_not_of("0123456789") == std::string::npos;
  if (!number) throw ModelError("is damaged: format_version " + quoted(version) + " is no number");
  check_version(version.size() > 9 ? kLargest : std::stol(version), kFormatVersion, "format_version");
}

// A product of sizes, at most `most`
Index volume(const std::vector<Index>& shape, Index most, const std::string& name) {
  Index n = 1;
  for (const Index size : shape) {
    if (size < 1 || n > most / size)
      throw ModelError("is damaged: tensor " + quoted(name) + " is larger than the file");
    n *= size;
  }
  return n;
}

Tensor tensor(const std::string& name, const Json& json, const char* data, Index size) {
  Tensor tensor{};
  const std::string dtype = member(json, "dtype").text();
  if (dtype != "F32" && dtype != "F64")
    throw ModelError("is damaged: tensor " + quoted(name) + " must be F32 or F64, got " + quoted(dtype));
  tensor.dtype = dtype == "F32" ? DType::f32 : DType::f64;
  const Index item = dtype == "F32" ? 4 : 8;
  const Json &shape = member(json, "shape").json, &place = member(json, "data_offsets").json;
  if (!shape.is_array() || !place.is_array() || place.size() != 2)
    throw ModelError("is damaged: tensor " + quoted(name) + " has no shape or no place");
  for (const Json& axis : shape) tensor.shape.push_back(Value{axis, name}.as<Index>());
  const Index begin = Value{place[0], name}.as<Index>(), end = Value{place[1], name}.as<Index>();
  if (begin > end || end > size)
    throw ModelError("is damaged: tensor " + quoted(name) + " lies beyond the end of the file");
  if (end - begin != volume(tensor.shape, size / item, name) * item)
    throw ModelError("is damaged: the bytes of tensor " + quoted(name) + " are not as many as its shape needs");
  tensor.data = data + begin;
  tensor.bytes = std::size_t(end - begin);
  return tensor;
}

// Every byte of the data belongs to one tensor.
void check_places(const std::map<std::string, Tensor>& tensors, const char* data, const char* end) {
  std::vector<std::pair<const char*, const char*>> places;
  for (const auto& [name, tensor] : tensors) places.emplace_back(tensor.data, tensor.data + tensor.bytes);
  std::sort(places.begin(), places.end());
  for (const auto& [from, to] : places) {
    if (from != data) throw ModelError("is damaged: its tensors overlap or leave gaps");
    data = to;
  }
  if (data != end) throw ModelError("is damaged: it has bytes that belong to no tensor");
}

// CRC-32 as zlib has it: of the polynomial 0x04c11db7, the lowest bit first
class Checksum {
 public:
  Checksum() {
    for (std::uint32_t byte = 0; byte < 256; byte++) {
      std::uint32_t c = byte;
      for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
      table_[byte] = c;
    }
  }
  void add(const char* bytes, std::size_t n) {
    for (std::size_t i = 0; i < n; i++) state_ = state_ >> 8 ^ table_[(state_ ^ std::uint8_t(bytes[i])) & 255];
  }
  void add(const std::string& text) { add(text.data(), text.size()); }
  std::string text() const { return std::to_string(state_ ^ 0xffffffffu); }

 private:
  std::uint32_t table_[256];
  std::uint32_t state_ = 0xffffffffu;
};

// As pyrnn/_files.py has it: of the descriptions in the metadata, then of the tensors in the order of their names
void check_sum(const Json& metadata, const std::map<std::string, Tensor>& tensors) {
  Checksum sum;
  for (const char* name : {"model", "engine", "weights", "checkpoint"})
    if (metadata.contains(name)) sum.add(member(metadata, name).text());
  for (const auto& [name, tensor] : tensors) {
    std::string shape;
    for (const Index size : tensor.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(size);
    const char *dtype = tensor.dtype == DType::f32 ? " float32 (" : " float64 (",
               *end = tensor.shape.size() == 1 ? ",)" : ")";
    sum.add(name + dtype + shape + end);
    sum.add(tensor.data, tensor.bytes);
  }
#if !defined(FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)  // which hides what lies behind it from a fuzzer
  if (sum.text() != member(metadata, "crc32").text()) throw ModelError("is damaged: its checksum is another");
#endif
}

bool has_units(OpKind kind) {
  return kind == OpKind::embedding || kind == OpKind::lstm || kind == OpKind::gru || kind == OpKind::simple_rnn ||
         kind == OpKind::dense;
}

// What can run step by step. Flatten can where there are no steps, which is where it counts one.
void check_streamable(const OpSpec& spec) {
  const char* layer = spec.bidirectional                                ? "Bidirectional"
                      : spec.kind == OpKind::repeat_vector              ? "RepeatVector"
                      : spec.kind == OpKind::flatten && spec.units != 1 ? "Flatten"
                      : spec.kind == OpKind::average_pool               ? "GlobalAveragePooling1D"
                      : spec.kind == OpKind::max_pool                   ? "GlobalMaxPooling1D"
                      : spec.kind == OpKind::handover                   ? "Seq2Seq's decoder"
                      : spec.go_backwards                               ? "go_backwards=True"
                                                                        : nullptr;
  if (layer)
    throw ModelError(std::string("cannot be streamed: a model with ") + layer +
                     " needs its whole sequence before it answers");
  const bool cell = spec.kind == OpKind::lstm || spec.kind == OpKind::gru || spec.kind == OpKind::simple_rnn;
  const auto of_cell = [](Activation a) {
    return a == Activation::tanh || a == Activation::sigmoid || a == Activation::hard_sigmoid ||
           a == Activation::relu || a == Activation::linear;
  };
  if (cell && !(of_cell(spec.activation) && of_cell(spec.recurrent_activation)))
    throw ModelError("is damaged: a recurrent layer has an activation that no cell has");
  if (spec.units < 0 || spec.units > kLargest)
    throw ModelError("is damaged: a layer must have at most " + std::to_string(kLargest) + " units, got " +
                     std::to_string(spec.units));
}

std::string text_of(const std::vector<Index>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); i++) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

ModelFile::ModelFile(const char* bytes, std::size_t size) : size_(size) {
  try {
    read_header(bytes, size);
    check_widths();
  } catch (const std::invalid_argument& error) {  // an op or option that this engine has not
    throw ModelError(std::string("was written by a newer pyrnn, or is damaged: ") + error.what());
  }
}

void ModelFile::read_header(const char* bytes, std::size_t size) {
  std::uint64_t length = 0;
  if (size < sizeof(length)) throw ModelError("is damaged or no safetensors file: it has less than 8 bytes");
  std::memcpy(&length, bytes, sizeof(length));
  if (length > size - sizeof(length))
    throw ModelError("is damaged or no safetensors file: its header is longer than the file");
  const char *begin = bytes + sizeof(length), *data = begin + length, *end = bytes + size;
  const Json header = parsed(begin, data, "header");
  if (!header.is_object() || !header.contains("__metadata__")) throw ModelError("is not a pyrnn model: no metadata");
  const Json& metadata = member(header, "__metadata__").json;
  check_format(metadata);
  if (!metadata.contains("engine") || !metadata.contains("crc32"))
    throw ModelError("was saved by an older pyrnn, for Python alone; save it again");
  read_engine(member(metadata, "engine").text());
  for (const auto& [name, json] : header.items())
    if (name != "__metadata__") tensors_.emplace(name, tensor(name, json, data, Index(end - data)));
  check_places(tensors_, data, end);
  check_sum(metadata, tensors_);
}

void ModelFile::read_engine(const std::string& text) {
  const Json engine = parsed(text.data(), text.data() + text.size(), "description of the engine");
  check_version(member(engine, "version").as<Index>(), kEngineVersion, "the engine's description");
  const std::string model = member(engine, "class_name").text();
  if (model != "Sequential") throw ModelError("cannot be streamed: it is a " + model + ", and must be a Sequential");
  const std::string dtype = member(engine, "dtype").text();
  dtype_ = by_name<DType>(dtype, "dtype", {{"float32", DType::f32}, {"float64", DType::f64}});
  input_ = {member(engine, "features").as<Index>(), member(engine, "sequence").as<bool>(),
            member(engine, "ids_only").as<bool>()};
  if (!input_.sequence) throw ModelError("cannot be streamed: it must read sequences [N, T, F], but it reads [N, F]");
  const Json& ops = member(engine, "ops").json;
  if (!ops.is_array() || ops.empty() || ops.size() > kMostOps)
    throw ModelError("is damaged: it must have from 1 to " + std::to_string(kMostOps) + " layers");
  for (const Json& json : ops) {
    const std::string op = member(json, "op").text();
    OpSpec spec = op_by_name(op);
    std::map<std::string, std::string> weights;
    for (const auto& [name, value] : json.items()) {
      if (name == "op") continue;
      if (name != "weights") {
        set_option(spec, op, name, Value{value, name});
        continue;
      }
      if (!value.is_object()) throw ModelError("is damaged: the weights of a layer have no names");
      for (const auto& [weight, tensor] : value.items()) weights[weight] = Value{tensor, weight}.text();
    }
    check_streamable(spec);
    ops_.push_back(spec);
    weights_.push_back(std::move(weights));
  }
}

// A layer without weights takes memory too: as much as what flows through it is wide.
void ModelFile::check_widths() const {
  Index width = input_.features, sum = width;
  if (width < 1 || width > kLargest)
    throw ModelError("is damaged: features must be from 1 to " + std::to_string(kLargest));
  for (const OpSpec& spec : ops_) sum += width = has_units(spec.kind) ? spec.units : width;
  if (sum > Index(size_ / 8) + kWidthAllowance)
    throw ModelError("is damaged: its layers are wider than its weights can be");
}

template <class T>
const Tensor& ModelFile::tensor_of(std::size_t op, const Parameter<T>& weight) const {
  const auto name = weights_[op].find(weight.name);
  const auto found = name == weights_[op].end() ? tensors_.end() : tensors_.find(name->second);
  if (found == tensors_.end())
    throw ModelError("is damaged: layer " + std::to_string(op) + " has no tensor for its weight " + weight.name);
  const Tensor& tensor = found->second;
  if (tensor.dtype != dtype_ || tensor.shape != weight.shape)
    throw ModelError("is damaged: tensor " + quoted(name->second) + " must be " + text_of(weight.shape) +
                     " of the model's dtype, got " + text_of(tensor.shape));
  return tensor;
}

template <class T>
void ModelFile::check_weights(const Stack<T>& stack) const {
  if (stack.whole_sequence) throw ModelError(std::string("cannot be streamed: it has ") + stack.whole_sequence);
  std::set<const char*> used;
  std::size_t named = 0;
  Index packed = 0;
  for (std::size_t i = 0; i < ops_.size(); i++) {
    for (const Parameter<T>& weight : stack.ops[stack.op_of_spec[i]]->parameters) {
      used.insert(tensor_of(i, weight).data);
      packed += weight.layout.size() * Index(sizeof(T));
    }
    named += weights_[i].size();
  }
  if (used.size() != tensors_.size() || named != tensors_.size())
    throw ModelError("is damaged: its tensors are not the weights of its layers, each once");
  if (packed > 2 * Index(size_) + kAllowance)
    throw ModelError("has layers of so few units that the padding of their weights would take " +
                     std::to_string(packed >> 20) + " MB");
}

template <class T>
std::unique_ptr<Network<T>> ModelFile::network() const {
  try {
    check_weights(Stack<T>(input_, ops_));
    auto network = std::make_unique<Network<T>>(input_, ops_, NetworkUse::streams);
    std::vector<T> values;  // a copy: a tensor's place in the file need not be aligned
    for (std::size_t i = 0; i < ops_.size(); i++)
      for (const Parameter<T>& weight : network->parameters(i)) {
        const Tensor& tensor = tensor_of(i, weight);
        values.resize(tensor.bytes / sizeof(T));
        std::memcpy(values.data(), tensor.data, tensor.bytes);
        network->set_weight(weight, values.data());
      }
    return network;
  } catch (const std::invalid_argument& error) {
    throw ModelError(std::string("is damaged: ") + error.what());
  }
}

template std::unique_ptr<Network<float>> ModelFile::network() const;
template std::unique_ptr<Network<double>> ModelFile::network() const;

}  // namespace pyrnn
