"""A model that answers."""

import copy
from collections.abc import Callable, Iterable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from . import _batches
from ._adapt import Adapting
from ._batches import fed
from ._checks import choice, refuse_unknown
from ._lengths import Steps, scattered
from ._progress import Silent, checked_verbose, prediction_progress
from ._stack import Array, Stack

Verbose = str | int


class Predicting(Adapting):
    """Layers in a row, asked for their output."""

    def predict(
        self,
        x: npt.ArrayLike | Iterable[Any],
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        lengths: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        initial_state: Any = None,
        **unsupported: object,
    ) -> Any:
        """The output [N, ...] for x, of the model's dtype. `batch_size`, 256, changes the speed, not the values.

        Where layers have `return_state`, a list: the output, then their states [N, H] after the last real step of each row.
        `initial_state`, in which the recurrent layers begin in place of zero, is a list of one tuple of arrays [N, H] for each
        of them, of an LSTM (h, c), of a Bidirectional forward's and backward's; or the one tuple, if there is one such layer.

        In place of x a dataset may be given: an iterable, not an iterator, of batches x, or tuples that begin with x.

        >>> from pyrnn import Sequential, layers
        >>> model = Sequential([layers.GRU(8, return_state=True, input_shape=(None, 2))])
        >>> x = np.ones((1, 6, 2))
        >>> half, state = model.predict(x[:, :3], verbose=0)
        >>> whole, _ = model.predict(x[:, 3:], initial_state=[state], verbose=0)
        >>> bool((whole == model.predict(x, verbose=0)[0]).all())
        True
        """
        refuse_unknown("predict", Predicting.predict, unsupported)
        progress = prediction_progress(checked_verbose("predict", verbose))
        if _batches.is_dataset(x):
            _batches.refuse_with_dataset(
                "predict", batch_size=batch_size, lengths=lengths, mask=mask, initial_state=initial_state
            )
            return _alone_or_list(self._predict_dataset(x, progress))
        size = _batches.checked_batch_size("predict", batch_size, 256)
        adapted, real_steps = self._adapt_x("predict", x, lengths, mask)
        state = self._adapt_state("predict", initial_state, len(adapted))
        return _alone_or_list(self._shown_answers(progress, adapted, real_steps, state, size))

    def _shown_answers(
        self,
        progress: Silent,
        x: Array,
        real_steps: Steps | None,
        given: list[Array] | None,
        batch_size: int,
        second: Array | None = None,
    ) -> list[Array]:
        """`_answers` of predict, seen in `progress`."""
        try:
            progress.begin("Predict", len(x))
            outputs = self._answers(
                "predict", x, real_steps, given, batch_size, lambda done: progress.update(done, None), second
            )
            progress.end({})
        finally:
            progress.close()
        return outputs

    def predict_classes(
        self,
        x: npt.ArrayLike,
        batch_size: int | None = None,
        verbose: Verbose = 0,
        lengths: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        **unsupported: object,
    ) -> Array:
        """Keras 2's: where the output for x is largest, int64 [N] or [N, T]; 0 or 1, int32 [N, ..., 1], of one probability.

        >>> from pyrnn import Sequential, layers
        >>> model = Sequential([layers.Dense(3, activation="softmax", input_shape=(2,))])
        >>> model.predict_classes(np.zeros((4, 2)))
        array([0, 0, 0, 0])
        """
        refuse_unknown("predict_classes", Predicting.predict_classes, unsupported)
        answer = self.predict(x, batch_size, verbose, lengths, mask)
        output: Array = answer[0] if isinstance(answer, list) else answer
        return output.argmax(axis=-1) if output.shape[-1] > 1 else (output > 0.5).astype(np.int32)

    def predict_on_batch(
        self,
        x: npt.ArrayLike,
        lengths: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        initial_state: Any = None,
    ) -> Any:
        """What `predict` returns, for x as one batch."""
        return _alone_or_list(self._answer("predict_on_batch", x, lengths, mask, initial_state))

    # -- in fewer bits --------------------------------------------------------

    @property
    def quantization(self) -> str | None:
        """What `quantize` made of the recurrent layers' weights; None where it did not make this model."""
        return self._quantization

    def quantize(self, dtype: str) -> Self:
        """A copy of this model that answers faster: its recurrent layers multiply with weights in "int8" or "bfloat16".

        What a step of a wide layer takes is the fetching of its weights, which are a half or a quarter of the bytes then; batches gain
        where the processor has instructions for such products. `benchmarks/README.md` has figures.

        - "bfloat16": kernel and recurrent_kernel, the layer's input and its state are rounded to 8 significant bits; sums stay float32.
        - "int8": each column of the kernels is integers from -127 to 127 times its largest value / 127 (Jacob et al. 2018, without
          zero point), and so is each row of the input and of the state, at every step; sums of integers are exact.

        All other weights, and the row of the kernel that an id looks up, stay float32. Results are the same bits on every
        processor. The copy has `predict`, `evaluate`, `stream`, `save` and all else but training and `export`; its weights can be read
        and replaced, in float32. What is lost is told by `evaluate` of both.

        Raises ValueError for another dtype, for a model without shapes or recurrent layers, of float64, or quantized already.

        >>> import numpy as np
        >>> import pyrnn
        >>> from pyrnn import layers
        >>> model = pyrnn.Sequential([pyrnn.Input((None, 57)), layers.GRU(64), layers.Dense(57, activation="softmax")])
        >>> small = model.quantize("int8")
        >>> x = np.array([[3, 1, 4, 1, 5]])
        >>> bool(np.allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-3))
        True
        """
        self._refuse_quantized("quantize", "quantize")
        dtype = checked_quantization("quantize", dtype, self)
        model = copy.deepcopy(self)
        model._quantization = dtype
        return model

    def _answer(
        self, caller: str, x: object, lengths: object = None, mask: object = None, initial_state: object = None
    ) -> list[Array]:
        adapted, real_steps = self._adapt_x(caller, x, lengths, mask)
        state = self._adapt_state(caller, initial_state, len(adapted))
        return self._answers(caller, adapted, real_steps, state, len(adapted))

    def _answers(
        self,
        caller: str,
        x: Array,
        real_steps: Steps | None,
        given: list[Array] | None,
        batch_size: int,
        done: Callable[[int], object] = lambda done: None,
        second: Array | None = None,
    ) -> list[Array]:
        """The output for adapted x and the states that layers return; `done` hears how many samples have theirs."""
        network, states = self._require_network(), self._states
        states.check_batches(caller, len(x), batch_size)
        out = np.empty(self._output_for(x if second is None else second), self.dtype)
        last: list[list[Array]] = []
        index = np.arange(len(x), dtype=np.int64)
        for first in range(0, len(x), batch_size):
            rows = index[first : first + batch_size]
            begins = states.stateful or given is not None
            state = None
            if begins or states.any_returned:
                state = states.begin(caller, len(rows), None if given is None else [array[rows] for array in given])
                last.append(states.returned(state))
            batch = fed(x, None if real_steps is None else real_steps.spans, state if begins else None, state, second)
            network.predict_batch(batch, rows, out[first : first + len(rows)])
            if last:
                last[-1] = [array.copy() for array in last[-1]]  # of a stateful layer the next batch changes them
            done(first + len(rows))
        if real_steps is not None and real_steps.gaps is not None and second is None and self._keeps_steps():
            out = scattered(out, real_steps.gaps)  # to where they were before the gaps were closed
        return [out, *(np.concatenate(arrays) for arrays in zip(*last, strict=True))]

    def _predict_dataset(self, dataset: Iterable[Any], progress: Silent) -> list[Array]:
        answers: list[list[Array]] = []
        try:
            progress.begin("Predict", None)
            done = 0
            for name, batch in _batches.numbered("predict", dataset):
                answers.append(self._answer(name, batch[0] if isinstance(batch, tuple) else batch))
                done += len(answers[-1][0])
                progress.update(done, None)
            progress.end({})
        finally:
            progress.close()
        return [np.concatenate(arrays) for arrays in zip(*answers, strict=True)]


def checked_quantization(caller: str, dtype: object, model: Stack) -> str:
    checked = choice(caller, "dtype", dtype, ("int8", "bfloat16"))
    if not any(layer.state_units() for layer in model._built_layers()):
        raise ValueError(f"{caller}: model {model.name!r} has no recurrent layer, whose weights would be in {checked}")
    if model.dtype != "float32":
        raise ValueError(f"{caller}: model must be of float32, got {model.dtype}")
    return checked


def _alone_or_list(outputs: list[Array]) -> Array | list[Array]:
    return outputs[0] if len(outputs) == 1 else outputs
