/* pyrnn in C: a trained model, one step at a time.
 *
 *   pyrnn_model *model;
 *   pyrnn_stream *stream;
 *   if (pyrnn_model_load("model.safetensors", &model) || pyrnn_stream_new(model, 1, &stream)) {
 *     fprintf(stderr, "%s\n", pyrnn_last_error());
 *     return 1;
 *   }
 *   while (next(x)) pyrnn_stream_step(stream, x, out);
 *   pyrnn_stream_free(stream);
 *   pyrnn_model_free(model);
 *
 * with pyrnn_model_inputs(model) values in x and pyrnn_model_outputs(model) in out.
 *
 * Errors. What can fail returns a pyrnn_status, PYRNN_OK where it did not; then pyrnn_last_error() has a sentence that
 * names what was expected and what came. A failed call changes nothing, where its comment does not say otherwise. No
 * exception leaves a function. Handles that are given must be alive; those of functions without a status never NULL.
 *
 * Threads. A model is never changed: any number of threads may use it, and streams of it, at once. A stream is for one
 * thread at a time. A model of millions of weights shares a step among the threads that PYRNN_NUM_THREADS or OpenMP
 * (OMP_NUM_THREADS) allow; processes that run many streams in threads of their own should set it to 1.
 *
 * Arrays are row-major, the last axis fastest, without padding, and of any alignment that their type needs. The library
 * keeps none of them after a call. Results have the same bits as Python's model.stream() on the same machine.
 */
#ifndef PYRNN_H
#define PYRNN_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PYRNN_API __attribute__((visibility("default")))
#else
#define PYRNN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pyrnn_model pyrnn_model;
typedef struct pyrnn_stream pyrnn_stream;

typedef enum pyrnn_status {
  PYRNN_OK = 0,
  PYRNN_ERROR_ARGUMENT = 1, /* a null pointer, an id out of range, vectors for a model that reads ids, a PYRNN_ISA or
                               PYRNN_NUM_THREADS in the environment that cannot be had */
  PYRNN_ERROR_FILE = 2,     /* the system cannot read the file */
  PYRNN_ERROR_MODEL = 3,   /* the bytes are damaged, not pyrnn's, of a newer version, or of a model no stream can run */
  PYRNN_ERROR_MEMORY = 4,  /* there is not enough */
  PYRNN_ERROR_INTERNAL = 5 /* anything else, which is a mistake in the library */
} pyrnn_status;

typedef enum pyrnn_dtype { PYRNN_FLOAT32 = 0, PYRNN_FLOAT64 = 1 } pyrnn_dtype;

/* Of the library: "0.1.0" */
PYRNN_API const char* pyrnn_version(void);

/* Why the last call that failed in this thread did; "" before any has. Valid until the next one fails. */
PYRNN_API const char* pyrnn_last_error(void);

/* ---- models ------------------------------------------------------------------------------------------------------ */

/* The Sequential that Python's model.save(path) wrote; *model is for pyrnn_model_free. The file is read once, nothing
 * in it is executed, and loading takes memory for it once, and for the weights. The layers are those of which a stream
 * can be made: LSTM, GRU, SimpleRNN, Dense, TimeDistributed, Embedding, OneHot, Activation, LayerNormalization,
 * Dropout, GaussianNoise, Masking (of which, as in Python's streams, no step is skipped). *model is NULL after an
 * error. */
PYRNN_API pyrnn_status pyrnn_model_load(const char* path, pyrnn_model** model);

/* The same from the file's `size` bytes, of any alignment. They are not needed afterwards. */
PYRNN_API pyrnn_status pyrnn_model_load_memory(const void* bytes, size_t size, pyrnn_model** model);

/* Streams of the model stay as they are. NULL is allowed. */
PYRNN_API void pyrnn_model_free(pyrnn_model* model);

/* The number of values of a step's vector, or of symbols: ids are from 0 to one less */
PYRNN_API int64_t pyrnn_model_inputs(const pyrnn_model* model);

/* The number of values of a step's output */
PYRNN_API int64_t pyrnn_model_outputs(const pyrnn_model* model);

/* 1 or 0: whether steps may be ids, and whether they may be vectors. An LSTM, a GRU, a SimpleRNN and a Dense as first
 * layers take both, Embedding and OneHot ids alone. */
PYRNN_API int pyrnn_model_takes_ids(const pyrnn_model* model);
PYRNN_API int pyrnn_model_takes_vectors(const pyrnn_model* model);

/* Of weights and results. A function that has a twin with _f64 is for models of float, its twin for those of double. */
PYRNN_API pyrnn_dtype pyrnn_model_dtype(const pyrnn_model* model);

/* ---- streams ----------------------------------------------------------------------------------------------------- */

/* `batch` rows that go step by step, each with a state of its own, zero at first. All memory that steps need is taken
 * here. *stream is for pyrnn_stream_free, and NULL after an error. */
PYRNN_API pyrnn_status pyrnn_stream_new(const pyrnn_model* model, int64_t batch, pyrnn_stream** stream);

/* NULL is allowed. */
PYRNN_API void pyrnn_stream_free(pyrnn_stream* stream);

/* One step: x [batch, inputs], or ids [batch], to out [batch, outputs]. Allocates nothing, but for an error's text, and
 * where a step is shared among threads, at the first of the thread that asks. A NaN in x makes its row's state NaN
 * until it is reset or set. */
PYRNN_API pyrnn_status pyrnn_stream_step(pyrnn_stream* stream, const float* x, float* out);
PYRNN_API pyrnn_status pyrnn_stream_step_ids(pyrnn_stream* stream, const int32_t* ids, float* out);
PYRNN_API pyrnn_status pyrnn_stream_step_f64(pyrnn_stream* stream, const double* x, double* out);
PYRNN_API pyrnn_status pyrnn_stream_step_ids_f64(pyrnn_stream* stream, const int32_t* ids, double* out);

/* `steps` of them: x [steps, batch, inputs], or ids [steps, batch], to out [steps, batch, outputs]. At an id out of
 * range the steps before it are done. */
PYRNN_API pyrnn_status pyrnn_stream_run(pyrnn_stream* stream, int64_t steps, const float* x, float* out);
PYRNN_API pyrnn_status pyrnn_stream_run_ids(pyrnn_stream* stream, int64_t steps, const int32_t* ids, float* out);
PYRNN_API pyrnn_status pyrnn_stream_run_f64(pyrnn_stream* stream, int64_t steps, const double* x, double* out);
PYRNN_API pyrnn_status pyrnn_stream_run_ids_f64(pyrnn_stream* stream, int64_t steps, const int32_t* ids, double* out);

/* The state of all rows is this many values: of each recurrent layer in order h [batch, units], an LSTM's followed by
 * its c [batch, units]. */
PYRNN_API int64_t pyrnn_stream_state_size(const pyrnn_stream* stream);

PYRNN_API pyrnn_status pyrnn_stream_get_state(pyrnn_stream* stream, float* state);
PYRNN_API pyrnn_status pyrnn_stream_set_state(pyrnn_stream* stream, const float* state);
PYRNN_API pyrnn_status pyrnn_stream_get_state_f64(pyrnn_stream* stream, double* state);
PYRNN_API pyrnn_status pyrnn_stream_set_state_f64(pyrnn_stream* stream, const double* state);

/* Makes all states zero. */
PYRNN_API pyrnn_status pyrnn_stream_reset(pyrnn_stream* stream);

#ifdef __cplusplus
}
#endif

#endif
