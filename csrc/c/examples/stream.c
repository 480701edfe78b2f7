/* stream MODEL [BATCH]: reads steps from the standard input, ids or the values of vectors, and writes a line of outputs
 * for each row of each step, with digits enough to tell every float from the next. */
#include <pyrnn.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char* what) {
  fprintf(stderr, "%s\n", what);
  return 1;
}

int main(int n, char** arguments) {
  pyrnn_model* model;
  pyrnn_stream* stream;
  const long batch = n > 2 ? strtol(arguments[2], NULL, 10) : 1;
  if (n < 2) return fail("usage: stream MODEL [BATCH]");
  if (pyrnn_model_load(arguments[1], &model) || pyrnn_stream_new(model, batch, &stream))
    return fail(pyrnn_last_error());

  const int ids = pyrnn_model_takes_ids(model);
  const size_t rows = (size_t)batch, inputs = (size_t)pyrnn_model_inputs(model);
  const size_t outputs = (size_t)pyrnn_model_outputs(model), wanted = ids ? rows : rows * inputs;
  float *x = malloc(rows * inputs * sizeof *x), *out = malloc(rows * outputs * sizeof *out);
  int32_t* id = malloc(rows * sizeof *id);
  if (!x || !out || !id) return fail("out of memory");

  for (;;) {
    size_t got = 0, i;
    while (got < wanted && (ids ? scanf("%d", &id[got]) : scanf("%f", &x[got])) == 1) got++;
    if (got < wanted) break;
    if (ids ? pyrnn_stream_step_ids(stream, id, out) : pyrnn_stream_step(stream, x, out))
      return fail(pyrnn_last_error());
    for (i = 0; i < rows * outputs; i++) printf("%.9g%c", out[i], (i + 1) % outputs ? ' ' : '\n');
  }
  free(x), free(out), free(id);
  pyrnn_stream_free(stream);
  pyrnn_model_free(model);
  return 0;
}
