// Connectionist temporal classification: the loss of a sequence of labels that is shorter than the output's steps and
// not aligned with them. Graves, Fernandez, Gomez and Schmidhuber 2006, with the blank as symbol 0.
#pragma once

#include "op.h"

namespace pyrnn {

// Doubles that ctc_loss works in for a row with up to so many labels
Index ctc_room(Index steps, Index labels);

// -log p(labels | row) of a prediction of logits, n labels from 1 on, for the first `steps` steps; where the prediction
// has a gradient and scale is not 0 also that, times scale. Throws where no path of so many steps has these labels.
template <class T>
double ctc_loss(const Signal<T>& prediction, Index row, Index steps, const std::int32_t* labels, Index n, T scale,
                double* room);

}  // namespace pyrnn
