/* header: the steps of a model that `model.export("model.h")` wrote, on the standard input and output as those of
 * stream.c. Input and output are this example's; the model needs neither. */
#include <stdio.h>

#include "model.h"

static model_state state;

int main(void) {
  float y[MODEL_OUTPUTS];
  int i;
  model_reset(&state);
  for (;;) {
#ifdef MODEL_READS_IDS
    int id;
    if (scanf("%d", &id) != 1) return 0;
    if (!model_step_id(&state, id, y)) return 1;
#else
    float x[MODEL_INPUTS];
    for (i = 0; i < MODEL_INPUTS; i++)
      if (scanf("%f", &x[i]) != 1) return 0;
    model_step(&state, x, y);
#endif
    for (i = 0; i < MODEL_OUTPUTS; i++) printf("%.9g%c", y[i], i + 1 < MODEL_OUTPUTS ? ' ' : '\n');
  }
}
