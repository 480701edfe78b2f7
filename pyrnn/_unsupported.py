"""Arguments of Keras 2 and 3 that pyrnn has not, and what to do instead. One that a signature gains is never looked up here.

`harmless` are the values that mean what pyrnn does anyway; they, Keras' default mostly, are taken, and no others.
"""

from typing import NamedTuple


class Unsupported(NamedTuple):
    advice: str
    harmless: tuple[object, ...] = ()


_NONE, _OFF, _ON = (None,), (False,), (True,)
_THREADS = "the engine shares out each batch by itself, see pyrnn.set_num_threads"
_COMPILED = "the engine is compiled already"
_IN_MEMORY = "cut x and y to the samples that are meant"
_CONSTRAINT = "change the weights in a callback, with layer.set_weights"
_REGULARIZER = "give it to a layer that has this weight"
_NO_ADAPTER = "all of the weights are trained"
_TABLE = "print what you want to see of model.layers"

# By the argument's name, wherever it is given.
BY_NAME = {
    # layers
    "activity_regularizer": Unsupported("regularise the weights, not the output", _NONE),
    "autocast": Unsupported("the model computes in its own dtype alone: Sequential(dtype=...)", _ON),
    "backward_layer": Unsupported("both directions have the same configuration", _NONE),
    "batch_input_shape": Unsupported("use input_shape=, without the batch axis"),
    "batch_shape": Unsupported("use shape=, without the batch axis", _NONE),
    "bias_constraint": Unsupported(_CONSTRAINT, _NONE),
    "bias_regularizer": Unsupported(_REGULARIZER, _NONE),
    "beta_constraint": Unsupported(_CONSTRAINT, _NONE),
    "beta_regularizer": Unsupported(_REGULARIZER, _NONE),
    "consume_less": Unsupported("there is one implementation, the fastest"),
    "data_format": Unsupported("x is [N, T, features]; move its axes with np.moveaxis", (None, "channels_last")),
    "dropout": Unsupported("put a Dropout layer before this one", (0,)),
    "dtype": Unsupported("give it to the model: Sequential(dtype=...)", _NONE),
    "embeddings_constraint": Unsupported(_CONSTRAINT, _NONE),
    "embeddings_regularizer": Unsupported(_REGULARIZER, _NONE),
    "gamma_constraint": Unsupported(_CONSTRAINT, _NONE),
    "gamma_regularizer": Unsupported(_REGULARIZER, _NONE),
    "implementation": Unsupported("there is one implementation, and it computes what 1 and 2 of Keras do", (1, 2)),
    "init": Unsupported("use kernel_initializer="),
    "inner_activation": Unsupported("use recurrent_activation="),
    "inner_init": Unsupported("use recurrent_initializer="),
    "input_axes": Unsupported("set weights of your own with layer.set_weights", _NONE),
    "input_dim": Unsupported("use input_shape="),
    "input_length": Unsupported("use input_shape="),
    "keepdims": Unsupported("follow it with RepeatVector(1)", _OFF),
    "kernel_constraint": Unsupported(_CONSTRAINT, _NONE),
    "kernel_regularizer": Unsupported(_REGULARIZER, _NONE),
    "lora_alpha": Unsupported(_NO_ADAPTER, _NONE),
    "lora_rank": Unsupported(_NO_ADAPTER, _NONE),
    "noise_shape": Unsupported("each value is dropped or kept by itself", _NONE),
    "optional": Unsupported("give x", _OFF),
    "output_axes": Unsupported("set weights of your own with layer.set_weights", _NONE),
    "output_dim": Unsupported("use units="),
    "quantization_config": Unsupported("weights are float32 or float64: Sequential(dtype=...)", _NONE),
    "ragged": Unsupported("fill sequences up with pyrnn.utils.pad_sequences", (None, False)),
    "recurrent_constraint": Unsupported(_CONSTRAINT, _NONE),
    "recurrent_regularizer": Unsupported(_REGULARIZER, _NONE),
    "sparse": Unsupported("give integer ids in place of sparse vectors", (None, False)),
    "tensor": Unsupported("give the values to fit or predict", _NONE),
    "time_major": Unsupported("put the batch axis first: np.swapaxes(x, 0, 1)", _OFF),
    "trainable": Unsupported("all weights are trained; train a model that has only those that should be", _ON),
    "unroll": Unsupported("the engine loops over the steps, at no cost", _OFF),
    "use_cudnn": Unsupported("there is no GPU to choose", ("auto", False)),
    "weights": Unsupported("call layer.set_weights when the layer is built", _NONE),
    "zero_output_for_mask": Unsupported("the output of padding is zero, as with True", _ON),
    # optimizers
    "decay": Unsupported("give learning_rate= one of pyrnn.optimizers.schedules", (0,)),
    "loss_scale_factor": Unsupported("float32 and float64 need none", _NONE),
    "schedule_decay": Unsupported("it is 0.96 per step, as in Keras 3"),
    # losses and metrics
    "axis": Unsupported("it is always the last", (-1,)),
    "from_sorted_ids": Unsupported("the output holds values, which the metric sorts", _OFF),
    "ignore_class": Unsupported("give its steps a sample_weight of 0", _NONE),
    "num_regressors": Unsupported("compute it from predict()", (0,)),
    "reduction": Unsupported("losses are means over samples and steps", ("sum_over_batch_size",)),
    # callbacks
    "on_batch_begin": Unsupported("use on_train_batch_begin=", _NONE),
    "on_batch_end": Unsupported("use on_train_batch_end=", _NONE),
    "embeddings_freq": Unsupported("save the Embedding's weights in a callback", (0,)),
    "embeddings_metadata": Unsupported("save the Embedding's weights in a callback", _NONE),
    "options": Unsupported("files are written to the local disk", _NONE),
    "period": Unsupported("use save_freq=, in batches", (1,)),
    "profile_batch": Unsupported("use a profiler of the system, such as perf", (0,)),
    "write_graph": Unsupported("print model.summary(); there is no other graph", _OFF),
    "write_images": Unsupported("use histogram_freq=", _OFF),
    "write_steps_per_second": Unsupported("fit prints samples per second", _OFF),
    # compile
    "auto_scale_loss": Unsupported("float32 and float64 need no scale", _ON),
    "jit_compile": Unsupported(_COMPILED, ("auto",)),
    "loss_weights": Unsupported("a model has one output; give fit a sample_weight", _NONE),
    "run_eagerly": Unsupported("look into a batch with train_on_batch and model.layers", _OFF),
    "sample_weight_mode": Unsupported("the shape of sample_weight tells: [N], or [N, T] for steps", _NONE),
    "steps_per_execution": Unsupported("a batch is one call already", (1, None)),
    "target_tensors": Unsupported("give y to fit", _NONE),
    # fit, evaluate, predict
    "callbacks": Unsupported("give them to fit", _NONE),
    "max_queue_size": Unsupported(_THREADS, (10,)),
    "reset_metrics": Unsupported("the values are always of this batch alone", _ON),
    "steps": Unsupported(_IN_MEMORY, _NONE),
    "steps_per_epoch": Unsupported(_IN_MEMORY, _NONE),
    "use_multiprocessing": Unsupported(_THREADS, _OFF),
    "validation_batch_size": Unsupported("batch_size counts for both", _NONE),
    "validation_freq": Unsupported("call evaluate in a callback's on_epoch_end", (1,)),
    "validation_steps": Unsupported("cut validation_data to the samples that are meant", _NONE),
    "workers": Unsupported(_THREADS, (0, 1)),
    # files and the rest of a model
    "compile": Unsupported("call model.compile again, which replaces what was loaded", _ON),
    "custom_objects": Unsupported("files name pyrnn's own classes only", _NONE),
    "expand_nested": Unsupported("there are no models in models", _OFF),
    "include_optimizer": Unsupported("an optimizer's moments are never in the file", _OFF),
    "layer_range": Unsupported(_TABLE, _NONE),
    "line_length": Unsupported(_TABLE, _NONE),
    "max_shard_size": Unsupported("a file holds all", _NONE),
    "overwrite": Unsupported("look with os.path.exists first", _ON),
    "positions": Unsupported(_TABLE, _NONE),
    "rebuild": Unsupported("shapes are known as layers are added", _ON),
    "safe_mode": Unsupported("files hold no code, so that loading is always safe", _ON),
    "save_format": Unsupported("files are safetensors"),
    "show_trainable": Unsupported("all weights are trained", _OFF),
    "skip_mismatch": Unsupported("set what fits with layer.set_weights", _OFF),
    "zipped": Unsupported("a file holds all", _NONE),
    # utilities
    "archive_format": Unsupported("unpack it with shutil.unpack_archive", ("auto",)),
    "extract": Unsupported("unpack it with shutil.unpack_archive", _OFF),
    "force_download": Unsupported("remove the file first", _OFF),
    "format": Unsupported("the batches are NumPy arrays"),
    "untar": Unsupported("unpack it with shutil.unpack_archive", _OFF),
}

# Where the same name means something else.
BY_OWNER = {
    ("BackupAndRestore", "double_checkpoint"): Unsupported(
        "the file is replaced in one step, so that the last one is always whole", _OFF
    ),
    ("BackupAndRestore", "save_before_preemption"): Unsupported("save every few batches: save_freq=", _OFF),
    ("Input", "batch_size"): Unsupported("no layer needs a fixed one; leave it out", _NONE),
    ("ReduceLROnPlateau", "epsilon"): Unsupported("use min_delta="),
    ("train_on_batch", "return_dict"): Unsupported("put model.metrics_names beside the values", _OFF),
    ("test_on_batch", "return_dict"): Unsupported("put model.metrics_names beside the values", _OFF),
    **{
        (optimizer, "name"): Unsupported("an optimizer needs no name; leave it out", _NONE)
        for optimizer in ("Adagrad", "Adam", "AdamW", "Lion", "Nadam", "RMSprop", "SGD")
    },
}
