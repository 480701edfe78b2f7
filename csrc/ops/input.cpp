#include "input.h"

#include <algorithm>

namespace pyrnn {

template <class T>
bool Input<T>::is_symbols(const ArrayView& x) const {
  const int vectors = spec_.sequence ? 3 : 2;
  if (x.is_integer() && x.ndim == vectors - 1) return true;
  if (!spec_.ids_only && x.ndim == vectors && x.shape[vectors - 1] == spec_.features) return false;
  std::string got;
  for (int i = 0; i < x.ndim; i++) got += (i ? ", " : "") + std::to_string(x.shape[i]);
  const std::string leading = spec_.sequence ? "N, T" : "N", features = std::to_string(spec_.features);
  const std::string ids = "integer ids [" + leading + "] of " + features + " symbols";
  throw std::invalid_argument(std::string(spec_.name) + " must be " +
                              (spec_.ids_only ? ids : "[" + leading + ", " + features + "] or " + ids) +
                              ", got shape [" + got + "]");
}

template <class T>
Signal<T> Input<T>::plan(bool symbols, Index steps, const Plan& plan, Planner& memory) {
  out_ = Signal<T>{};
  out_.steps = steps;
  out_.sequence = spec_.sequence;
  out_.features = spec_.features;
  out_.symbols = symbols;
  if (symbols)
    out_.ids = row_array<std::int32_t>(memory, plan.batch, plan.height, steps, 1);
  else
    out_.data = signal_array(out_, plan, memory);
  return out_;
}

template <class T>
void Input<T>::forward(const ArrayView& x, const std::int64_t* index, Rows rows) {
  const Index step_stride = spec_.sequence ? x.strides[1] : 0;
  if (out_.symbols) {
    with_type(x.dtype, [&](auto type) {
      for (Index r = rows.begin; r < rows.end; r++)
        for (Index t = 0; t < out_.steps; t++)
          *out_.ids.at(t, r) = read_id<decltype(type)>(x.data + index[r] * x.strides[0] + t * step_stride,
                                                       spec_.features, spec_.name, index[r], t);
    });
    return;
  }
  const Index stride = out_.stride(), value_stride = x.strides[x.ndim - 1];
  for (Index r = rows.begin; r < rows.end; r++)
    for (Index t = 0; t < out_.steps; t++) {
      T* to = out_.data.at(t, r);
      read_values(x.dtype, x.data + index[r] * x.strides[0] + t * step_stride, value_stride, spec_.features, to);
      std::fill(to + spec_.features, to + stride, T(0));
    }
}

template class Input<float>;
template class Input<double>;

}  // namespace pyrnn
