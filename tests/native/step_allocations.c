/* Linked with count_allocations.c: tells whether a model file's loading and opening, and the steps of its stream, ask
 * for memory. The model reads vectors or ids. */
#include <pyrnn.h>
#include <stdio.h>

long allocations(void);

int main(int n, char** arguments) {
  static float x[4096], out[4096], state[4096];
  static const int32_t ids[2] = {1, 0};
  pyrnn_model* model;
  pyrnn_stream* stream;
  long before = allocations(), opened;
  int i, failed = 0;
  if (n != 2 || pyrnn_model_load(arguments[1], &model) || pyrnn_stream_new(model, 2, &stream)) return 1;
  opened = allocations();
  for (i = 0; i < 10; i++) {
    failed |= pyrnn_stream_step(stream, x, out) || pyrnn_stream_step_ids(stream, ids, out);
    failed |= pyrnn_stream_run(stream, 2, x, out) || pyrnn_stream_reset(stream);
    failed |= pyrnn_stream_get_state(stream, state) || pyrnn_stream_set_state(stream, state);
  }
  before = opened - before, opened = allocations() - opened; /* printing asks for memory too */
  printf("%s to load and open, %ld to step\n", before ? "some" : "none", opened);
  return failed;
}
