// What a network keeps: its weights in one flat block, and their gradients and optimizer's state beside.
#include <limits>

#include "network.h"

namespace pyrnn {

// All values, then all gradients, in one flat block, so that the optimizer needs to know of no op.
template <class T>
void Network<T>::place_weights(NetworkUse use) {
  for (auto& op : stack_.ops)
    for (auto& parameter : op->parameters) n_weights_ += parameter.layout.size();
  place_quantized();
  const Index most_pieces = use == NetworkUse::streams || quantized_memory_.size()
                                ? 0
                                : gradient_pieces(std::numeric_limits<Index>::max(), double(n_weights_) * sizeof(T));
  weight_memory_ = Memory(std::size_t((1 + most_pieces) * n_weights_) * sizeof(T));
  weights_ = reinterpret_cast<T*>(weight_memory_.data());
  grads_ = weights_ + n_weights_;
  Index at = 0;
  for (auto& op : stack_.ops)
    for (auto& parameter : op->parameters) {
      parameter.value = weights_ + at;
      parameter.grad = grads_ + at;
      at += parameter.layout.size();
    }
}

template <class T>
void Network<T>::place_quantized() {
  lay_out_in(quantized_memory_, [&](Planner& memory) {
    for (auto& op : stack_.ops)
      for (auto& parameter : op->parameters) {
        const PanelLayout& layout = parameter.layout;
        if (parameter.quantized.type != WeightType::float32)
          parameter.quantized.place(layout.panels(), layout.rows, layout.width(), memory);
      }
  });
}

template <class T>
void Network<T>::place_penalties() {
  for (std::size_t spec = 0; spec < specs_.size(); spec++)
    for (const auto& [name, regularizer] : specs_[spec].regularizers) {
      const Parameter<T>& weight = parameter(spec, name);
      penalty_.add(regularizer, weight.value - weights_, weight.layout.size());
    }
}

template <class T>
void Network<T>::share_weights(Stack<T>& stack) const {
  const std::size_t first = stack_.ops.size() - stack.ops.size();  // a decoder's ops are the last
  for (std::size_t i = 0; i < stack.ops.size(); i++)
    for (std::size_t j = 0; j < stack.ops[i]->parameters.size(); j++) {
      const Parameter<T>& ours = stack_.ops[first + i]->parameters[j];
      stack.ops[i]->parameters[j].value = ours.value;
      stack.ops[i]->parameters[j].quantized = ours.quantized;
    }
}

template <class T>
const Parameter<T>& Network<T>::parameter(std::size_t spec, const std::string& name) const {
  if (spec < specs_.size())
    for (const auto& parameter : parameters(spec))
      if (parameter.name == name) return parameter;
  throw std::invalid_argument("Network: op " + std::to_string(spec) + " has no weight " + name);
}

template <class T>
const std::vector<Parameter<T>>& Network<T>::parameters(std::size_t spec) const {
  return stack_.ops[stack_.op_of_spec[spec]]->parameters;
}

template <class T>
void Network<T>::get_weight(const Parameter<T>& parameter, T* to) {
  std::lock_guard<std::mutex> lock(mutex_);
  parameter.unpack(parameter.value, to);
}

template <class T>
void Network<T>::set_weight(const Parameter<T>& parameter, const T* from) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Readers::Writing writing(readers_);
  parameter.pack(from);
  derived_stale_ = true;
}

template <class T>
void Network<T>::get_slot(std::size_t slot, const Parameter<T>& parameter, T* to) {
  std::lock_guard<std::mutex> lock(mutex_);
  parameter.unpack(optimizer_->slots[slot].data() + (parameter.value - weights_), to);
}

template <class T>
void Network<T>::set_slot(std::size_t slot, const Parameter<T>& parameter, const T* from) {
  std::lock_guard<std::mutex> lock(mutex_);
  parameter.pack_into(optimizer_->slots[slot].data() + (parameter.value - weights_), from);
}

template <class T>
void Network<T>::set_iterations(std::int64_t iterations) {
  std::lock_guard<std::mutex> lock(mutex_);
  optimizer_->iterations = iterations;
}

#define PYRNN_INSTANTIATE(T)                                                                 \
  template void Network<T>::place_weights(NetworkUse);                                       \
  template void Network<T>::place_quantized();                                               \
  template void Network<T>::place_penalties();                                               \
  template void Network<T>::share_weights(Stack<T>&) const;                                  \
  template const Parameter<T>& Network<T>::parameter(std::size_t, const std::string&) const; \
  template const std::vector<Parameter<T>>& Network<T>::parameters(std::size_t) const;       \
  template void Network<T>::get_weight(const Parameter<T>&, T*);                             \
  template void Network<T>::set_weight(const Parameter<T>&, const T*);                       \
  template void Network<T>::get_slot(std::size_t, const Parameter<T>&, T*);                  \
  template void Network<T>::set_slot(std::size_t, const Parameter<T>&, const T*);            \
  template void Network<T>::set_iterations(std::int64_t);
PYRNN_INSTANTIATE(float)
PYRNN_INSTANTIATE(double)
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
