"""Sequential, the model."""

import os
from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

from . import _batches, _numerics, _random
from ._batches import ArrayBatches, Batches
from ._checks import flag, real, refuse_unknown, renamed, whole
from ._compile import Compiled
from ._compiling import Compiling
from ._predicting import Verbose
from ._progress import Means, checked_verbose, training_progress
from ._training import Evaluation, Training, checked_callbacks, counting
from .callbacks import Callback, History
from .streaming import Stream

__all__ = ["Sequential"]


class Sequential(Compiling):
    """A model of layers, each fed by the one before.

    The shape of its input is told by `Input` or by `input_shape=` of the first layer; else the first data that it sees decide.
    `dtype` is "float32" or "float64", of weights and results alike.

    >>> import numpy as np
    >>> import pyrnn
    >>> from pyrnn import layers
    >>> model = Sequential([pyrnn.Input((40, 57)), layers.LSTM(128), layers.Dense(57, activation="softmax")])
    >>> model.output_shape, model.count_params()
    ((None, 57), 102585)
    >>> model.predict(np.zeros((2, 40), int), verbose=0).shape
    (2, 57)

    Where a method takes x, it is an array [N, T, features] or [N, features] of booleans, integers or floats, or of integer
    ids [N, T] or [N] where the first layer reads ids (LSTM, Dense, OneHot, Embedding). Exactly one-hot vectors are recognised and
    read as ids. y fits the loss: see `pyrnn.losses`. Both are checked once per call. TypeError or ValueError names what is wrong with
    them: rank, shape, dtype, no samples, NaN, an id out of range.

    Rows may differ in length: then x is a list of arrays [T_i, features] or ids [T_i], and y, where every step has one, a list
    too; or x is padded, and beside it stands `lengths` [N] of the steps at each row's beginning that are real, or `mask`
    [N, T], True at the real ones; a state passes over the others, wherever they are. A row's result is what it would be of its
    real steps alone, at their cost; what stands in other steps is never read, and the output there is 0. Losses and metrics are
    means over the real steps, or over the rows that have any. Global pooling is over them too. ValueError for Flatten, which
    needs all steps.
    """

    stop_training = False
    history: History | None = None
    _means: Means | None = None
    _training: Training | None = None  # while fit runs

    # -- what to learn --------------------------------------------------------

    def compile(
        self,
        optimizer: object = "rmsprop",
        loss: object = None,
        metrics: object = None,
        weighted_metrics: object = None,
        check_numerics: bool = False,
        **unsupported: object,
    ) -> None:
        """Choose loss, optimizer and metrics, by name or as objects. An optimizer's state starts anew.

        `weighted_metrics` are weighted by `sample_weight` and `class_weight`, `metrics` are not; one that is in both is logged
        a second time as "weighted_<name>".

        With `check_numerics` a batch of `fit` or `train_on_batch` whose loss or gradient is NaN or infinite raises a
        FloatingPointError, which says in which epoch and batch, and which layer was the first whose output, or on the way back
        whose gradient, was not finite. Model and optimizer are then as the batch before left them. Looking at the gradients
        costs some per cent of the time.

        Raises ValueError or TypeError for unknown ones, and where the loss does not go with the last layer's activation.

        >>> from pyrnn import layers
        >>> model = Sequential([layers.LSTM(8, input_shape=(5, 2)), layers.Dense(1)])
        >>> model.compile(optimizer="adam", loss="mse", metrics=["mae"])
        >>> model.metrics_names
        ['loss', 'mae']
        >>> model.compile("sgd", "mse", check_numerics=True)
        >>> model.layers[0].set_weights([weight * float("nan") for weight in model.layers[0].get_weights()])
        >>> model.fit([[[1, 2]] * 5], [1], verbose=0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        FloatingPointError: fit: epoch 1, batch 1: the loss is nan: the output of LSTM 'lstm...' is the first that is ...
        """
        refuse_unknown("compile", Sequential.compile, unsupported)
        self._compile(Compiled(optimizer, loss, metrics, weighted_metrics, check_numerics))

    # -- learning -------------------------------------------------------------

    def fit(
        self,
        x: npt.ArrayLike | Iterable[Any],
        y: npt.ArrayLike | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Verbose = "auto",
        callbacks: Callback | list[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[npt.ArrayLike, ...] | Iterable[Any] | None = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: npt.ArrayLike | None = None,
        initial_epoch: int = 0,
        lengths: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        initial_state: Any = None,
        tbptt: int | None = None,
        **unsupported: object,
    ) -> History:
        """Train for `epochs` passes over x and y, in batches of `batch_size`, 32; the last batch has what is left.

        `validation_data`, or the share `validation_split` at the end of the data, is evaluated after each epoch. `shuffle` draws
        a new order for each epoch. `epochs` is the number of the last epoch where `initial_epoch` is not 0. `verbose`: 0 nothing,
        2 a line per epoch, 1 and "auto" also a bar, where stderr is a terminal. The logged loss and metrics are means over
        the epoch, while the weights move. After Ctrl-C the model stands as its last whole batch left it.

        `sample_weight` [N], or [N, T] for each step of the output, multiplies losses and so gradients; see `pyrnn.losses` for what
        the mean is then. `class_weight`, instead, is a dictionary of class to weight, in training alone. `validation_data` may
        have weights as a third item; where its rows differ in length, its x is a list. `validation_split` splits lengths too.

        `initial_state` as for `predict`. With stateful layers the rows of a batch continue those of the one before, so `shuffle`
        must be False; validation begins at zero. `tbptt` k, truncated backpropagation through time, trains each batch of long
        sequences in chunks of k steps: an update after each, and the state goes on to the next chunk, the gradient does not.
        Every step of x must have an output then. A row that ended takes no part in further chunks. Speed is told in steps then.

        In place of x and y, and of `validation_data`, a dataset may be given: an iterable, not an iterator, of batches (x, y) or
        (x, y, sample_weight), read once per epoch. It has its own batches and order; the first batch that does not fit ends
        training with an error.

        Returns the History, which is `model.history` too. Raises RuntimeError before `compile`, and while another call of fit,
        of any thread, trains this model; ValueError or TypeError for bad arguments, before anything is trained.
        """
        epochs = renamed("fit", "nb_epoch", "epochs", epochs, 1, unsupported)
        refuse_unknown("fit", Sequential.fit, unsupported)
        self._refuse_quantized("fit", "train")
        compiled = self._require_compiled("fit")
        first = whole("fit", "initial_epoch", initial_epoch, low=0)
        last = whole("fit", "epochs", epochs)
        shuffle = flag("fit", "shuffle", shuffle)
        hooks = checked_callbacks(callbacks)
        progress = training_progress(checked_verbose("fit", verbose))
        split = real("fit", "validation_split", validation_split, 0, 1)
        if split and validation_data is not None:
            raise ValueError("fit: one of validation_data and validation_split must be given, not both")
        batches: Batches
        validation: Batches | None = None
        if _batches.is_dataset(x, y):
            _batches.refuse_with_dataset("fit", batch_size=batch_size, validation_split=split or None)
            _batches.refuse_with_dataset(
                "fit", sample_weight=sample_weight, lengths=lengths, mask=mask, initial_state=initial_state
            )
            batches = self._dataset_batches("fit", x, compiled, class_weight)
            batches = self._continued("fit", batches, self._checked_tbptt("fit", tbptt, compiled))
        else:
            data, held_out = self._adapt("fit", x, y, compiled, sample_weight, lengths, mask, initial_state), None
            if shuffle and self._states.stateful:
                raise ValueError("fit: shuffle must be False for stateful layers, as rows continue from batch to batch")
            if split:
                data, held_out = data.split(split)
            data = self._weigh_classes("fit", data, class_weight, compiled)
            size = _batches.checked_batch_size("fit", batch_size, 32)
            steps = self._checked_tbptt("fit", tbptt, compiled)
            batches = self._array_batches("fit", data, size, _random.spawn() if shuffle else None, steps)
            validation = None if held_out is None else ArrayBatches(held_out, size)
        if validation_data is not None:
            validation = self._validation_batches(validation_data, batch_size, compiled)
        training = Training(self, compiled, batches, validation, hooks)
        return training.run(first, last, verbose, progress)

    def reset_metrics(self) -> None:
        """For callbacks: the means that `fit` logs begin anew with the next batch, as they do with each epoch."""
        if self._means is not None:
            self._means.restart()

    def evaluate(
        self,
        x: npt.ArrayLike | Iterable[Any],
        y: npt.ArrayLike | None = None,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        sample_weight: npt.ArrayLike | None = None,
        return_dict: bool = False,
        lengths: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        initial_state: Any = None,
        **unsupported: object,
    ) -> Any:
        """Loss, or [loss, metrics ...] where there are metrics, or a dictionary of them; means over all samples and steps.

        `batch_size`, 32, changes the speed; `sample_weight`, `initial_state`, and a dataset in place of x and y, as for `fit`.
        """
        refuse_unknown("evaluate", Sequential.evaluate, unsupported)
        compiled = self._require_compiled("evaluate")
        progress = training_progress(checked_verbose("evaluate", verbose))
        if _batches.is_dataset(x, y):
            _batches.refuse_with_dataset("evaluate", batch_size=batch_size, sample_weight=sample_weight)
            _batches.refuse_with_dataset("evaluate", lengths=lengths, mask=mask, initial_state=initial_state)
            batches = self._continued("evaluate", self._dataset_batches("evaluate", x, compiled))
        else:
            data = self._adapt("evaluate", x, y, compiled, sample_weight, lengths, mask, initial_state)
            size = _batches.checked_batch_size("evaluate", batch_size, 32)
            batches = self._array_batches("evaluate", data, size)
        evaluation = Evaluation(self._require_network(), compiled)
        try:
            progress.begin("Evaluate", batches.samples, batches.unit)
            logs = evaluation.run(batches, progress).logs()
            progress.end(logs)
        finally:
            progress.close()
        return logs if flag("evaluate", "return_dict", return_dict) else _scalar_or_list(list(logs.values()))

    def train_on_batch(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: dict[int, float] | None = None,
        lengths: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        initial_state: Any = None,
        **unsupported: object,
    ) -> Any:
        """One update from all of x and y: its loss, or [loss, metrics ...], of this batch alone and before the update.

        Weights and `initial_state` as for `fit`.
        """
        refuse_unknown("train_on_batch", Sequential.train_on_batch, unsupported)
        self._refuse_quantized("train_on_batch", "train")
        compiled = self._require_compiled("train_on_batch")
        data = self._adapt("train_on_batch", x, y, compiled, sample_weight, lengths, mask, initial_state)
        data = self._weigh_classes("train_on_batch", data, class_weight, compiled)
        batch, network = self._as_batch("train_on_batch", data), self._require_network()
        with counting(network, compiled.optimizer):
            rate = compiled.optimizer.next_rate()
            try:
                means = network.train_batch(batch.x, batch.y, batch.rows, rate, batch.weights)
            except FloatingPointError as error:
                raise _numerics.described("train_on_batch", error, self._layers) from None
        return _scalar_or_list(compiled.results(means))

    def gradient_norm(self) -> float:
        """The norm of the last update's gradient g over all weights together, sqrt(sum of g^2), before it is clipped.

        It is what `global_clipnorm` is held against (Pascanu et al. 2013, algorithm 1): of the loss with its penalties, with
        `gradient_accumulation_steps` of the mean over the batches of the update. It is computed when it is asked for, after
        `train_on_batch` or in a callback's `on_train_batch_end`. Raises RuntimeError before `compile`, ValueError before the
        first update after it.

        >>> import numpy as np
        >>> from pyrnn import layers
        >>> model = Sequential([layers.Dense(1, use_bias=False, kernel_initializer="zeros", input_shape=(2,))])
        >>> model.compile("sgd", "mse")
        >>> loss = model.train_on_batch(np.array([[3.0, 4.0]]), np.array([[1.0]]))  # whose gradient is -2 (3, 4)
        >>> model.gradient_norm()
        10.0
        """
        self._require_compiled("gradient_norm")
        return self._require_network().gradient_norm()

    def test_on_batch(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        lengths: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        initial_state: Any = None,
        **unsupported: object,
    ) -> Any:
        """The loss of x and y as one batch, or [loss, metrics ...]."""
        refuse_unknown("test_on_batch", Sequential.test_on_batch, unsupported)
        compiled = self._require_compiled("test_on_batch")
        data = self._adapt("test_on_batch", x, y, compiled, sample_weight, lengths, mask, initial_state)
        batch = self._as_batch("test_on_batch", data)
        means = self._require_network().evaluate_batch(batch.x, batch.y, batch.rows, batch.weights)
        return _scalar_or_list(compiled.results(means))

    def stream(self, batch_size: int = 1) -> Stream:
        """The model one step at a time: `step` takes the next ids or vectors and returns the output after them.

        Every recurrent layer keeps its state from step to step; one without `return_sequences` gives its output at each. Raises
        ValueError for a model that reads no sequences, or needs a whole one before it answers (RepeatVector).

        >>> import numpy as np
        >>> from pyrnn import layers
        >>> model = Sequential([layers.Input((None, 57)), layers.LSTM(128), layers.Dense(57, activation="softmax")])
        >>> stream = model.stream()
        >>> for id in [3, 1, 4]:
        ...     probabilities = stream.step(id)
        >>> bool((probabilities == model.predict(np.array([[3, 1, 4]]), verbose=0)).all())
        True
        """
        size = whole("stream", "batch_size", batch_size)
        return Stream(self._require_network().stream(size), size, self.dtype)

    # -- files ----------------------------------------------------------------

    def save(self, filepath: str | os.PathLike[str], **unsupported: object) -> None:
        """Write layers, weights and compile()'s arguments to one safetensors file, replaced in one step.

        `pyrnn.load_model` reads it. An optimizer's count of iterations, where its schedule goes on, is in it; its moments
        are kept in checkpoints, by `pyrnn.saving.save_checkpoint` and the callback `BackupAndRestore`. Raises OSError where the
        file cannot be written.
        """
        from .saving import save_model

        refuse_unknown("save", Sequential.save, unsupported)
        save_model(self, filepath)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as `save` has it. Raises ValueError for a model without shapes."""
        from .saving import from_bytes, to_bytes

        return from_bytes, (to_bytes(self),)

    def save_weights(self, filepath: str | os.PathLike[str], **unsupported: object) -> None:
        """Write the weights alone to one safetensors file, replaced in one step. Raises OSError where it cannot be written."""
        from .saving import save_weights

        refuse_unknown("save_weights", Sequential.save_weights, unsupported)
        save_weights(self, filepath)

    def load_weights(self, filepath: str | os.PathLike[str], **unsupported: object) -> None:
        """Take the weights from a file that `save_weights` or `save` wrote; the layers' names may differ, their shapes may not.

        Raises OSError where the file cannot be read, ValueError where it is damaged, not pyrnn's, or of another model.

        >>> import os, tempfile
        >>> from pyrnn import layers
        >>> path = os.path.join(tempfile.mkdtemp(), "weights.safetensors")
        >>> one, other = (Sequential([layers.Dense(2, input_shape=(3,))]) for _ in range(2))
        >>> one.save_weights(path)
        >>> other.load_weights(path)
        >>> bool((one.get_weights()[0] == other.get_weights()[0]).all())
        True
        """
        from .saving import load_weights

        refuse_unknown("load_weights", Sequential.load_weights, unsupported)
        load_weights(self, filepath)

    def export(self, filepath: str | os.PathLike[str], **options: bool) -> None:
        """Write the model for other programs: an ONNX graph where the name ends in ".onnx", a C99 header where it ends in ".h".

            model.export("m.onnx", states=True)
            model.export("m.h")

        `pyrnn.interop.onnx.save` and `pyrnn.interop.c_header.save` say what is written, which options there are, and what is
        raised; another name raises ValueError.
        """
        from .interop import c_header, onnx

        writers = {".onnx": onnx.save, ".h": c_header.save}
        save = writers.get(os.path.splitext(filepath)[1])
        if save is None:
            raise ValueError(f"export: filepath must end in '.onnx' or '.h', got {os.fspath(filepath)!r}")
        save(self, filepath, **options)


def _scalar_or_list(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values
