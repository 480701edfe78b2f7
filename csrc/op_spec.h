// The names of ops and of their options, as Python and model files have them. What is unknown throws
// std::invalid_argument.
#pragma once

#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "stack.h"

namespace pyrnn {

template <class E>
using Names = std::initializer_list<std::pair<const char*, E>>;

template <class E>
E by_name(const std::string& name, const char* what, Names<E> names) {
  std::string all;
  for (const auto& [known, value] : names) {
    if (name == known) return value;
    all += (all.empty() ? "" : ", ") + std::string(known);
  }
  throw std::invalid_argument(std::string(what) + " must be one of " + all + ", got " + name);
}

inline constexpr Names<Activation> kActivations = {{"linear", Activation::linear},
                                                   {"tanh", Activation::tanh},
                                                   {"sigmoid", Activation::sigmoid},
                                                   {"relu", Activation::relu},
                                                   {"softmax", Activation::softmax},
                                                   {"hard_sigmoid", Activation::hard_sigmoid},
                                                   {"softplus", Activation::softplus},
                                                   {"elu", Activation::elu},
                                                   {"leaky_relu", Activation::leaky_relu},
                                                   {"exponential", Activation::exponential},
                                                   {"silu", Activation::silu},
                                                   {"gelu", Activation::gelu}};

Activation activation_by_name(const std::string& name);
Merge merge_by_name(const std::string& name);
WeightType weight_type_by_name(const std::string& name);

// With the defaults of its kind
OpSpec op_by_name(const std::string& op);

// Where an option of an op goes
using OptionMember = std::variant<Index OpSpec::*, bool OpSpec::*, double OpSpec::*, std::uint64_t OpSpec::*,
                                  Activation OpSpec::*, Merge OpSpec::*, WeightType OpSpec::*>;
OptionMember option_member(const std::string& op, const std::string& name);

// `value.as<V>()` is the option's value, of type Index, bool, double, std::uint64_t or std::string, or throws.
template <class Value>
void set_option(OpSpec& spec, const std::string& op, const std::string& name, const Value& value) {
  std::visit(
      [&](auto member) {
        using V = std::decay_t<decltype(spec.*member)>;
        if constexpr (std::is_same_v<V, Activation>)
          spec.*member = activation_by_name(value.template as<std::string>());
        else if constexpr (std::is_same_v<V, WeightType>)
          spec.*member = weight_type_by_name(value.template as<std::string>());
        else if constexpr (std::is_same_v<V, Merge>)
          spec.*member = merge_by_name(value.template as<std::string>()), spec.bidirectional = true;
        else
          spec.*member = value.template as<V>();
      },
      option_member(op, name));
}

}  // namespace pyrnn
