// Recognises one-hot arrays, so that they can be used as ids: one row of a weight matrix instead of a product with all.
#pragma once

#include "array.h"

namespace pyrnn {

// Whether every row x[.., :] of up to three axes has one 1 and else only 0; then ids, [..] in C order, holds its
// places.
bool one_hot_ids(const ArrayView& x, std::int32_t* ids);

}  // namespace pyrnn
