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
Signal<T> Input<T>::plan(bool symbols, Index steps, const Index* active, const Plan& plan, Planner& memory) {
  out_ = Signal<T>{};
  out_.steps = steps;
  out_.active = active;
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
void Input<T>::forward(const ArrayView& x, const std::int64_t* index, Rows rows, const Index* starts) {
  const Index step_stride = spec_.sequence ? x.strides[1] : 0, stride = out_.stride();
  const auto each = [&](auto body) {
    for (Index r = rows.begin; r < rows.end; r++) {
      const char* row = x.data + index[r] * x.strides[0] + (starts ? starts[r] : 0) * step_stride;
      for (Index t = 0; t < out_.steps && (!out_.active || r < out_.active[t]); t++) body(r, t, row + t * step_stride);
    }
  };
  if (out_.symbols) {
    with_type(x.dtype, [&](auto type) {
      each([&](Index r, Index t, const char* from) {
        *out_.ids.at(t, r) =
            read_id<decltype(type)>(from, spec_.features, spec_.name, index[r], t + (starts ? starts[r] : 0));
      });
    });
    return;
  }
  each([&](Index r, Index t, const char* from) {
    T* to = out_.data.at(t, r);
    read_values(x.dtype, from, x.strides[x.ndim - 1], spec_.features, to);
    std::fill(to + spec_.features, to + stride, T(0));
  });
}

template class Input<float>;
template class Input<double>;

}  // namespace pyrnn
