#include "cpu.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "kernels/kernels.h"

namespace pyrnn {

extern const KernelTables kernels_baseline;
#if defined(PYRNN_X86)
extern const KernelTables kernels_avx2;
extern const KernelTables kernels_avx512;
extern const QuantizedKernels quantized_avx512_vnni, quantized_avx512_bf16;
#endif

namespace {

struct Isa {
  const char* name;
  bool supported;
  const KernelTables* kernels;
};

std::vector<Isa> compiled_isas() {
#if defined(PYRNN_X86)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  return {{"baseline", true, &kernels_baseline}, {"avx2", avx2, &kernels_avx2}, {"avx512", avx512, &kernels_avx512}};
#else
  return {{"baseline", true, &kernels_baseline}};  // on AArch64 this is NEON, which every such processor has
#endif
}

Isa pick() {
  const char* wanted = std::getenv("PYRNN_ISA");
  Isa best{};
  for (const Isa& isa : compiled_isas()) {
    if (!isa.supported) continue;
    if (wanted && *wanted && std::string(wanted) != isa.name) continue;
    best = isa;
  }
  if (best.kernels) return best;
  std::string names;
  for (const std::string& name : available_isas()) names += (names.empty() ? "" : ", ") + name;
  throw std::invalid_argument("PYRNN_ISA must be one of " + names + " on this processor, got " + wanted);
}

const Isa& active() {
  static const Isa picked = pick();
  return picked;
}

// Those of the instruction set in use, and what the processor has beside it
QuantizedKernels pick_quantized() {
  QuantizedKernels picked = active().kernels->quantized;
#if defined(PYRNN_X86)
  if (isa() == "avx512") {
    if (__builtin_cpu_supports("avx512vnni")) picked.add_int8 = quantized_avx512_vnni.add_int8;
    if (__builtin_cpu_supports("avx512bf16")) picked.add_bfloat16 = quantized_avx512_bf16.add_bfloat16;
  }
#endif
  return picked;
}

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Isa& isa : compiled_isas())
    if (isa.supported) names.push_back(isa.name);
  return names;
}

std::string isa() { return active().name; }

double cache_bytes() {
  // Linux knows what one core shares with its neighbours; sysconf may add up the caches of a whole package.
  static const double bytes = [] {
    double kilobytes = 0;
    for (const char* level : {"3", "2"}) {
      std::ifstream file(std::string("/sys/devices/system/cpu/cpu0/cache/index") + level + "/size");
      if (file >> kilobytes) return kilobytes * 1024;
    }
    return 16e6;
  }();
  return bytes;
}

template <>
const Kernels<float>& kernels<float>() {
  return active().kernels->f32;
}
template <>
const Kernels<double>& kernels<double>() {
  return active().kernels->f64;
}
const QuantizedKernels& quantized_kernels() {
  static const QuantizedKernels picked = pick_quantized();
  return picked;
}

}  // namespace pyrnn
