// The body of every instruction set's kernels: included once per isa_<name>.cpp, which sets PYRNN_ISA_NAME.
//
// All of it is internal to that file and only the table leaves it. A function with external linkage here, even an
// inline one, could be kept by the linker for the whole library and then run instructions that the processor lacks.
#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "kernels.h"

namespace pyrnn {
namespace {

#include "vec.h"
// vec.h first, the rest use it
#include "elementwise.h"
// elementwise.h second, the cells use it
#include "cell_activation.h"
#include "gemm.h"
#include "gru.h"
// gru.h before it
#include "layer_norm_cell.h"
#include "loss.h"
#include "lstm.h"
#include "masks.h"
#include "normalization.h"
#include "pooling.h"
#include "probe.h"
#include "quantized.h"
#include "random.h"
#include "simple_rnn.h"
#include "update.h"

template <class T>
constexpr Kernels<T> table() {
  return {gemm<T>,
          outer_product<T>,
          scatter_add<T>,
          add<T>,
          lstm_forward<T>,
          lstm_backward<T>,
          gru_forward<T>,
          gru_backward<T>,
          gru_gates<T>,
          gru_candidate<T>,
          gru_candidate_backward<T>,
          gru_gates_backward<T>,
          simple_rnn_forward<T>,
          simple_rnn_backward<T>,
          masked_forward<T>,
          zoneout_backward<T>,
          masked_backward<T>,
          layer_norm_lstm_forward<T>,
          layer_norm_lstm_backward<T>,
          layer_norm_gru_forward<T>,
          layer_norm_gru_backward<T>,
          activate<T>,
          activate_backward<T>,
          log_sum_exp<T>,
          normalize<T>,
          normalize_backward<T>,
          normalize_gradient<T>,
          maximum_into<T>,
          maximum_backward<T>,
          squared_error<T>,
          absolute_error<T>,
          huber<T>,
          binary_crossentropy<T>,
          ctc_step<T>,
          dropout_mask<T>,
          flags,
          gaussian_noise<T>,
          random_words,
          sgd<T>,
          rmsprop<T>,
          adam<T>,
          nadam<T>,
          adagrad<T>,
          lion<T>,
          sum_of_squares<T>,
          penalty<T>,
          scale<T>,
          clip<T>,
          shrink<T>,
          blend<T>,
          transpose<T>,
          multiply_adds<T>};
}

}  // namespace

extern const KernelTables PYRNN_ISA_NAME;
constexpr KernelTables PYRNN_ISA_NAME = {
    table<float>(), table<double>(), {round_to_bfloat16, round_to_int8, add_bfloat16, add_int8}};

}  // namespace pyrnn
