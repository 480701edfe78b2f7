#include "op.h"

#include <cstring>
#include <type_traits>

namespace pyrnn {

template <class T>
void Parameter<T>::pack_into(T* packed, const T* from) const {
  const PanelLayout& l = layout;
  std::memset(packed, 0, std::size_t(l.size()) * sizeof(T));
  for (Index row = 0; row < l.rows; row++)
    for (Index gate = 0; gate < l.gates; gate++)
      for (Index unit = 0; unit < l.units; unit++) packed[l.at(row, gate, unit)] = *from++;
}

template <class T>
void Parameter<T>::pack(const T* from) const {
  pack_into(value, from);
  if constexpr (std::is_same_v<T, float>)
    if (quantized) quantized.fill(value, layout.panels(), layout.rows, layout.width());
}

template <class T>
void Parameter<T>::unpack(const T* packed, T* to) const {
  const PanelLayout& l = layout;
  for (Index row = 0; row < l.rows; row++)
    for (Index gate = 0; gate < l.gates; gate++)
      for (Index unit = 0; unit < l.units; unit++) *to++ = packed[l.at(row, gate, unit)];
}

template struct Parameter<float>;
template struct Parameter<double>;

}  // namespace pyrnn
