"""Sequence to sequence: an encoder reads, a decoder writes."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from . import _batches, _data
from ._arrays import as_array, describe
from ._batches import Data, fed
from ._beams import Beams, log_probabilities
from ._checks import refuse_unknown, whole
from ._compile import Compiled
from ._core import Stream
from ._lengths import Spans, padded, real_steps
from ._network import input_spec, last_activation
from ._predicting import Verbose
from ._progress import checked_verbose, prediction_progress
from ._registry import serialize
from ._stack import Array
from .layers import Bidirectional, Input, Layer
from .layers._handover import Handover
from .models import Sequential

__all__ = ["Seq2Seq"]


class Seq2Seq(Sequential):
    """An encoder that reads x, and a decoder that writes y from the states in which it ended (Sutskever et al. 2014).

    Both are `Sequential` models with shapes, whose layers, with their weights, become this model's. Each recurrent layer of the
    decoder begins in the last state of the encoder's at the same place: of the same class and units, or of a Bidirectional one
    of half as many units, whose forward and backward states stand side by side. The encoder ends with a recurrent layer, whose
    output nobody reads; the decoder reads from first to last step and makes an output at each.

    It is trained with teacher forcing (Williams and Zipser 1989): at step t the decoder reads y of step t - 1, and at the first
    the id `start`. Without `start` it reads and writes vectors, and begins with zeros. So `fit(x, y)` wants y once: ids [N, T] or
    exactly one-hot vectors, or vectors [N, T, features]. y may be a list of rows of different lengths; the steps that a row does
    not have weigh nothing. x may be ragged as for `Sequential`; a row of x without steps has no loss. `evaluate` and
    `predict(x, y)` answer with y known, `decode` without it. `stop` is the id that ends what is decoded.

    Raises TypeError or ValueError for models that do not fit each other.

    >>> import pyrnn
    >>> from pyrnn import layers
    >>> encoder = pyrnn.Sequential([layers.Input((None, 12)), layers.LSTM(32)])
    >>> decoder = pyrnn.Sequential(
    ...     [layers.Input((None, 12)), layers.LSTM(32, return_sequences=True), layers.Dense(12, activation="softmax")]
    ... )
    >>> model = Seq2Seq(encoder, decoder, start=11)
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> x, y = np.random.default_rng(1).integers(0, 10, (2, 64, 4))
    >>> history = model.fit(x, y, verbose=0)
    >>> model.decode(x[:2], steps=4).shape
    (2, 4)
    """

    def __init__(
        self,
        encoder: Sequential,
        decoder: Sequential,
        start: int | None = None,
        stop: int | None = None,
        name: str | None = None,
    ) -> None:
        for argument, model in (("encoder", encoder), ("decoder", decoder)):
            if not isinstance(model, Sequential) or isinstance(model, Seq2Seq):
                raise TypeError(f"Seq2Seq: {argument} must be a Sequential model, got {model!r}")
            model._built_layers()
        if encoder.dtype != decoder.dtype:
            raise ValueError(f"Seq2Seq: the dtypes must be equal, got {encoder.dtype} and {decoder.dtype}")
        super().__init__(name=name, dtype=encoder.dtype)
        self._reads = input_spec(decoder._layers)
        self._check(encoder._layers, decoder._layers)
        self.start, self.stop = self._checked_id("start", start), self._checked_id("stop", stop)
        if self._reads.only_ids and start is None:
            raise ValueError("Seq2Seq: start must be given, the id that the decoder reads first")
        handover = Handover(self._reads.shape, self._reads.features, self._reads.only_ids)
        handover.fix_shapes(encoder.output_shape)
        self._handover = len(encoder._layers)
        for model in (encoder, decoder):
            model._release_network()
        self._layers = [*encoder._layers, handover, *decoder._layers]
        encoder._layers, decoder._layers = [], []
        for layer in self._layers:
            layer.owner = self

    def _check(self, encoder: list[Layer], decoder: list[Layer]) -> None:
        names = [layer.name for layer in [*encoder, *decoder]]
        if len(set(names)) < len(names):
            raise ValueError(f"Seq2Seq: layers must have distinct names, got {', '.join(names)}")
        if not encoder[-1].state_units():
            raise ValueError(f"Seq2Seq: the encoder must end with a recurrent layer, got {encoder[-1].title}")
        for layer in [*encoder, *decoder]:
            if layer.stateful:
                raise ValueError(f"Seq2Seq: {layer.title} must not be stateful, as its state is told")
        for layer in decoder:
            if layer.reads_ahead or len(layer.output_shape) != 3:
                raise ValueError(
                    f"Seq2Seq: the decoder must write step by step, but {layer.title} needs all steps or makes one output of them"
                )
        if self._reads.padding is not None:
            raise ValueError("Seq2Seq: the decoder must not mask what it reads; give y as a list of rows instead")
        states = [[layer for layer in layers if layer.state_units()] for layers in (encoder, decoder)]
        if len(states[0]) != len(states[1]):
            counts = " and ".join(str(len(layers)) for layers in states)
            raise ValueError(f"Seq2Seq: encoder and decoder must have as many recurrent layers, got {counts}")
        for one, other in zip(*states, strict=True):
            _check_pair(one, other)
        features = decoder[-1].output_shape[-1] or 0
        if features != self._reads.features and not (self._reads.only_ids and features < self._reads.features):
            raise ValueError(
                f"Seq2Seq: the decoder must write what it reads, {self._reads.features} features or symbols, got {features}"
            )

    def _checked_id(self, name: str, value: int | None) -> int | None:
        if value is None:
            return None
        if not self._reads.takes_ids:
            raise ValueError(f"Seq2Seq: {name} is an id, but the decoder's first layer reads vectors")
        number = whole("Seq2Seq", name, value, low=0)
        if number >= self._reads.features:
            raise ValueError(
                f"Seq2Seq: {name} must be one of the decoder's {self._reads.features} symbols, got {number}"
            )
        return number

    # -- structure ------------------------------------------------------------------

    def add(self, layer: Input | Layer, **unsupported: object) -> None:
        """A Seq2Seq is made of whole models: this raises TypeError."""
        raise TypeError("add: a Seq2Seq takes no further layers; add them to encoder or decoder before")

    def stream(self, batch_size: int = 1) -> Any:
        """It cannot be read one step at a time, for the decoder waits for the encoder: this raises TypeError."""
        raise TypeError("stream: a Seq2Seq reads all of x before it writes; use decode")

    def get_config(self) -> dict[str, Any]:
        """The models' configurations and the ids, as JSON has them."""
        encoder, decoder = (
            {
                "name": f"{self.name}_{part}",
                "dtype": self.dtype,
                "input_shape": list(layers[0].input_shape[1:]),
                "layers": [serialize(layer) for layer in layers],
            }
            for part, layers in (("encoder", self._encoder_layers), ("decoder", self._decoder_layers))
        )
        ids = {"start": self.start, "stop": self.stop}
        return {"name": self.name, "encoder": encoder, "decoder": decoder, **ids}

    @classmethod
    def _from_config(cls, config: dict[str, Any], draw: bool) -> Self:
        encoder, decoder = (Sequential._from_config(config[part], draw) for part in ("encoder", "decoder"))
        return cls(encoder, decoder, config["start"], config["stop"], config["name"])

    @property
    def _encoder_layers(self) -> list[Layer]:
        return self._layers[: self._handover]

    @property
    def _decoder_layers(self) -> list[Layer]:
        return self._layers[self._handover + 1 :]

    # -- what is learnt ---------------------------------------------------------

    def _adapt(
        self,
        caller: str,
        x: object,
        y: object,
        compiled: Compiled,
        sample_weight: object = None,
        lengths: object = None,
        mask: object = None,
        initial_state: object = None,
    ) -> Data:
        if initial_state is not None:
            raise TypeError(
                f"{caller}: initial_state is not supported: the encoder begins at zero, the decoder where it ends"
            )
        adapted, steps = self._adapt_x(caller, x, lengths, mask)
        spans = None if steps is None else steps.spans
        self._settle(compiled)
        y, own_weight = _rows_of(caller, y)
        if own_weight is not None:
            if sample_weight is not None:
                raise ValueError(f"{caller}: sample_weight must not be given with rows of y that differ in length")
            sample_weight = own_weight
        targets = as_array(caller, "y", y)
        if targets.ndim < 2:
            raise ValueError(
                f"{caller}: y must be ids [N, T] or vectors [N, T, features], got shape {list(targets.shape)}"
            )
        if targets.size == 0:
            raise ValueError(f"{caller}: y is empty, got {describe(targets)}")
        output = (len(adapted), targets.shape[1], self.output_shape[-1] or 0)
        real = None if spans is None else spans[:, 1] > 0
        targets = _data.adapt_y(caller, targets, compiled.loss, output, self.dtype, compiled.wants_values, real)
        weights = None
        if sample_weight is not None:
            weights = _data.adapt_weights(caller, sample_weight, compiled.loss, output, self.dtype, real)
        return Data(adapted, targets, weights, spans, False, None, self._shifted(caller, targets))

    def _shifted(self, caller: str, y: Array) -> Array:
        """What the decoder reads: y one step later, behind the start."""
        if self.start is None and y.ndim == 2:
            y = y[..., None]
        if y.size == 0:
            raise ValueError(f"{caller}: y is empty, got {describe(y)}")
        features = self._reads.features
        if y.ndim != (3 if self.start is None else 2) or (y.ndim == 3 and y.shape[2] != features):
            wanted = f"vectors [N, T, {features}]" if self.start is None else "ids [N, T] or exactly one-hot vectors"
            raise ValueError(f"{caller}: y must be {wanted}, which the decoder reads too, got {describe(y)}")
        read = np.concatenate([self._first_read(len(y)).astype(y.dtype), y[:, :-1]], axis=1)
        return _data.adapt_x(f"{caller}: the decoder", read, self._reads, self.dtype)[0]

    def _first_read(self, rows: int) -> Array:
        """What the decoder reads at its first step, for so many rows."""
        if self.start is None:
            return np.zeros((rows, 1, self._reads.features), self.dtype)
        return np.full((rows, 1), self.start, np.int64)

    # -- answers ------------------------------------------------------------------

    def predict(  # type: ignore[override]
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        lengths: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        **unsupported: object,
    ) -> Array:
        """The decoder's output [N, T, features] at every step of y, which it reads one step late; x and y as for `fit`."""
        refuse_unknown("predict", Seq2Seq.predict, unsupported)
        progress = prediction_progress(checked_verbose("predict", verbose))
        adapted, steps = self._adapt_x("predict", x, lengths, mask)
        rows, _ = _rows_of("predict", y)
        second = self._shifted("predict", as_array("predict", "y", rows))
        if len(second) != len(adapted):
            raise ValueError(f"predict: x and y must have as many rows, got {len(adapted)} and {len(second)}")
        size = _batches.checked_batch_size("predict", batch_size, 256)
        out, *_ = self._shown_answers(progress, adapted, steps, None, size, second)
        return out

    def decode(
        self,
        x: npt.ArrayLike,
        steps: int,
        beam_width: int = 1,
        batch_size: int | None = None,
        lengths: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> Array:
        """What the decoder writes for x, reading its own output of the step before: ids [N, steps], or vectors.

        Of each step's ids the most probable is taken; with `beam_width` w, of all sequences the most probable that a search finds
        which keeps the w best beginnings at every step. Behind `stop` everything is `stop`. `batch_size`, 256 rows, changes the
        speed, not the result.

        Raises ValueError for a beam where the decoder writes vectors, or ids with neither softmax nor logits.
        """
        steps, width = whole("decode", "steps", steps), whole("decode", "beam_width", beam_width)
        if width > 1:
            self._check_beam()
        adapted, real = self._adapt_x("decode", x, lengths, mask)
        spans = None if real is None else real.spans
        size = _batches.checked_batch_size("decode", batch_size, 256)
        index = np.arange(len(adapted), dtype=np.int64)
        parts = [
            self._decode_batch(adapted, spans, index[first : first + size], steps, width)
            for first in range(0, len(adapted), size)
        ]
        return np.concatenate(parts)

    def _decode_batch(self, x: Array, spans: Spans | None, rows: Array, steps: int, width: int) -> Array:
        answer, state = self._first_step(x, spans, rows)
        stream = self._require_network().stream(len(rows) * width)
        stream.set_state([[np.repeat(array, width, axis=0) for array in layer] for layer in state])
        if width > 1:
            return self._search(answer, stream, steps, width)
        return self._greedy(answer, stream, steps)

    def _first_step(self, x: Array, spans: Spans | None, rows: Array) -> tuple[Array, list[list[Array]]]:
        """The decoder's first output [rows, features], and the state of each of its recurrent layers after it."""

        def states(layers: list[Layer]) -> list[list[Array]]:
            units = [layer.state_units() for layer in layers]
            return [[np.empty((len(rows), size), self.dtype) for size in sizes] for sizes in units if sizes]

        of_encoder, of_decoder = states(self._encoder_layers), states(self._decoder_layers)
        last = [array for layer in [*of_encoder, *of_decoder] for array in layer]
        output = np.empty((len(rows), 1, self.output_shape[-1] or 0), self.dtype)
        self._require_network().predict_batch(fed(x, spans, None, last, self._first_read(len(x))), rows, output)
        return output[:, 0], of_decoder

    def _greedy(self, answer: Array, stream: Stream, steps: int) -> Array:
        written: list[Array] = []
        ended = np.zeros(len(answer), bool)
        for step in range(steps):
            if step:
                answer = stream.step(written[-1])
            if self.start is None:
                written.append(answer)
                continue
            ids = answer.argmax(axis=1)
            if self.stop is not None:
                ids[ended] = self.stop
                ended |= ids == self.stop
            written.append(ids)
        return np.stack(written, axis=1)

    def _search(self, answer: Array, stream: Stream, steps: int, width: int) -> Array:
        activation = last_activation(self._layers)
        beams = Beams(log_probabilities(answer, activation), width, self.stop)
        while beams.length < steps and not beams.finished:
            answer = stream.step(beams.last)
            kept = beams.extend(log_probabilities(answer, activation))
            stream.set_state([[array[kept] for array in layer] for layer in stream.get_state()])
        return beams.best(steps)

    def _check_beam(self) -> None:
        if self.start is None:
            raise ValueError("decode: beam_width must be 1 for a decoder that writes vectors")
        if last_activation(self._layers) not in ("softmax", "linear"):
            raise ValueError("decode: a beam needs probabilities, of a softmax, or logits, without an activation")


def _rows_of(caller: str, y: object) -> tuple[object, Array | None]:
    """Rows of y that differ in length in one array, and the weights of its steps."""
    rows = padded(caller, "y", y, None)
    if rows is None:
        return y, None
    array, lengths = rows
    spans = np.stack([np.zeros_like(lengths), lengths], axis=1)
    return array, real_steps(spans, array.shape[1]).astype(np.float64)


def _check_pair(encoder: Layer, decoder: Layer) -> None:
    """Raise ValueError where a decoder's recurrent layer cannot begin in the encoder's state."""
    ways, inner = (2, encoder.layer) if isinstance(encoder, Bidirectional) else (1, encoder)
    units = ways * inner.state_units()[0]
    if type(inner) is not type(decoder) or decoder.state_units()[0] != units:
        raise ValueError(
            f"Seq2Seq: {decoder.title} must be a {type(inner).__name__} of {units} units, to begin in the state of"
            f" {encoder.title}, got {type(decoder).__name__} of {decoder.state_units()[0]}"
        )
