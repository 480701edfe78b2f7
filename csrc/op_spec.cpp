#include "op_spec.h"

namespace pyrnn {

Activation activation_by_name(const std::string& name) { return by_name(name, "activation", kActivations); }

Merge merge_by_name(const std::string& name) {
  return by_name<Merge>(name, "bidirectional",
                        {{"concat", Merge::concat}, {"sum", Merge::sum}, {"mul", Merge::mul}, {"ave", Merge::ave}});
}

WeightType weight_type_by_name(const std::string& name) {
  return by_name<WeightType>(name, "quantization", {{"bfloat16", WeightType::bfloat16}, {"int8", WeightType::int8}});
}

OpSpec op_by_name(const std::string& op) {
  const auto kind = by_name<OpKind>(op, "op",
                                    {{"embedding", OpKind::embedding},
                                     {"lstm", OpKind::lstm},
                                     {"gru", OpKind::gru},
                                     {"simple_rnn", OpKind::simple_rnn},
                                     {"dense", OpKind::dense},
                                     {"activation", OpKind::activation},
                                     {"dropout", OpKind::dropout},
                                     {"gaussian_noise", OpKind::gaussian_noise},
                                     {"repeat_vector", OpKind::repeat_vector},
                                     {"one_hot", OpKind::one_hot},
                                     {"flatten", OpKind::flatten},
                                     {"average_pool", OpKind::average_pool},
                                     {"max_pool", OpKind::max_pool},
                                     {"layer_norm", OpKind::layer_norm},
                                     {"handover", OpKind::handover}});
  OpSpec spec{kind};
  if (kind == OpKind::lstm || kind == OpKind::gru || kind == OpKind::simple_rnn) spec.activation = Activation::tanh;
  return spec;
}

OptionMember option_member(const std::string& op, const std::string& name) {
  static const std::pair<const char*, OptionMember> members[] = {
      {"units", &OpSpec::units},
      {"output_dim", &OpSpec::units},
      {"n", &OpSpec::units},
      {"steps", &OpSpec::units},
      {"features", &OpSpec::units},
      {"return_sequences", &OpSpec::return_sequences},
      {"use_bias", &OpSpec::use_bias},
      {"activation", &OpSpec::activation},
      {"recurrent_activation", &OpSpec::recurrent_activation},
      {"go_backwards", &OpSpec::go_backwards},
      {"bidirectional", &OpSpec::merge},
      {"reset_after", &OpSpec::reset_after},
      {"layer_norm", &OpSpec::layer_norm},
      {"quantization", &OpSpec::weights},
      {"rate", &OpSpec::rate},
      {"stddev", &OpSpec::deviation},
      {"dropout", &OpSpec::dropout},
      {"recurrent_dropout", &OpSpec::recurrent_dropout},
      {"zoneout", &OpSpec::zoneout},
      {"seed", &OpSpec::seed},
      {"per_sequence", &OpSpec::per_sequence},
      {"epsilon", &OpSpec::epsilon},
      {"center", &OpSpec::center},
      {"scale", &OpSpec::scale},
      {"ids_only", &OpSpec::ids_only},
  };
  for (const auto& [known, member] : members)
    if (name == known) return member;
  throw std::invalid_argument("op " + op + " has no option " + name);
}

}  // namespace pyrnn
