"""From what a user gives a model to the batches that its network reads."""

from typing import TYPE_CHECKING, Any

from . import _batches, _data
from ._arrays import as_array
from ._batches import ArrayBatches, Batch, Batches, Data, DatasetBatches
from ._checks import whole
from ._compile import Compiled
from ._lengths import Steps, gathered, padded, placed
from ._network import input_spec, last_activation
from ._stack import Array, Stack
from ._states import ContinuedBatches, States, check_tbptt

if TYPE_CHECKING:
    from numpy.random import Generator


class Adapting(Stack):
    """Layers in a row that know how x, y and weights must look for them."""

    def _settle(self, compiled: Compiled) -> None:
        compiled.fit_to(self.output_shape[-1] or 0, last_activation(self._layers))

    def _adapt_x(
        self, caller: str, x: object, lengths: object = None, mask: object = None
    ) -> tuple[Array, Steps | None]:
        """x as the engine reads it, and the real steps where rows differ in them."""
        spec = input_spec(self._layers) if self.built else None
        rows = None
        if spec is None or spec.sequence:
            rows = padded(caller, "x", x, spec.shape[1] if spec else None)
        if rows is not None:
            if lengths is not None or mask is not None:
                name = "mask" if lengths is None else "lengths"
                raise ValueError(f"{caller}: {name} must not be given with a list x whose rows differ in length")
            x, lengths = rows
        if self._layers and not self.built:
            self._build_from(as_array(caller, "x", x), any_steps=rows is not None)
        return _data.adapt_x(caller, x, input_spec(self._built_layers()), self.dtype, lengths, mask)

    def _build_from(self, x: Array, any_steps: bool) -> None:
        """Let the first data decide the shape of the input; rows of different lengths leave the number of steps open."""
        shape = x.shape[1:] or (1,)
        self.build((None, None, *shape[1:]) if any_steps else (None, *shape))

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
        adapted, steps = self._adapt_x(caller, x, lengths, mask)
        state = self._adapt_state(caller, initial_state, len(adapted))
        self._settle(compiled)
        output = self._output_for(adapted)
        loss, real, by_step = compiled.loss, None, False
        if steps is not None:
            real = steps.spans[:, 1] > 0
            if self._keeps_steps():
                real = steps.real(output[1])
                by_step = loss.targets != "labels"
        if real is not None and by_step:
            y = placed(caller, "y", y, real)
            sample_weight = placed(caller, "sample_weight", sample_weight, real)
        y = _data.adapt_y(caller, y, loss, output, self.dtype, compiled.wants_values, real)
        weights = None
        if sample_weight is not None:
            weights = _data.adapt_weights(caller, sample_weight, loss, output, self.dtype, real)
        if steps is None:
            return Data(adapted, y, weights, state=state)
        if steps.gaps is not None and by_step:
            y = gathered(y, steps.gaps)
            weights = weights if weights is None or weights.ndim == 1 else gathered(weights, steps.gaps)
        return Data(adapted, y, weights, steps.spans, by_step, state)

    def _keeps_steps(self) -> bool:
        """Whether the output has the steps of x."""
        return all(len(layer.output_shape) == 3 for layer in self._layers)

    def _adapt_state(self, caller: str, initial_state: object, samples: int) -> list[Array] | None:
        return None if initial_state is None else self._states.adapt(caller, initial_state, samples)

    @property
    def _states(self) -> States:
        return States(self._layers, self.dtype)

    def _array_batches(
        self, caller: str, data: Data, batch_size: int, rng: "Generator | None" = None, tbptt: int | None = None
    ) -> Batches:
        """Batches of data, which begin in the states of stateful layers where there are any."""
        self._states.check_batches(caller, len(data.x), batch_size)
        batches = self._continued(caller, ArrayBatches(data, batch_size, rng), tbptt)
        if tbptt is not None and data.spans is None:  # else a batch has as many chunks as its longest row
            batches.steps = -(-len(data.x) // batch_size) * -(-data.x.shape[1] // tbptt)
        return batches

    def _continued(self, caller: str, batches: Batches, tbptt: int | None = None) -> Batches:
        states = self._states
        return ContinuedBatches(caller, batches, states, tbptt) if states.stateful or tbptt else batches

    def _as_batch(self, caller: str, data: Data) -> Batch:
        (batch,) = self._array_batches(caller, data, len(data.x))
        return batch

    def _checked_tbptt(self, caller: str, tbptt: int | None, compiled: Compiled) -> int | None:
        if tbptt is None:
            return None
        steps = whole(caller, "tbptt", tbptt)
        check_tbptt(caller, self._built_layers(), compiled.loss.targets)
        return steps

    def _dataset_batches(
        self, caller: str, dataset: Any, compiled: Compiled, class_weight: object = None
    ) -> DatasetBatches:
        def adapt(name: str, batch: Any) -> Data:
            x, y, *weights = _batches.unpacked(name, batch)
            return self._weigh_classes(name, self._adapt(name, x, y, compiled, *weights), class_weight, compiled)

        if not self.built:
            adapt(*next(_batches.numbered(caller, dataset)))
        return DatasetBatches(caller, dataset, adapt)

    def _validation_batches(self, given: Any, batch_size: int | None, compiled: Compiled) -> Batches:
        if _batches.is_dataset(given):
            return self._dataset_batches("fit: validation_data", given, compiled)
        x, y, *weights = _batches.unpacked("fit: validation_data", given)
        data = self._adapt("fit: validation_data", x, y, compiled, *weights)
        return ArrayBatches(data, _batches.checked_batch_size("fit", batch_size, 32))

    def _weigh_classes(self, caller: str, data: Data, class_weight: object, compiled: Compiled) -> Data:
        if class_weight is None:
            return data
        if data.weights is not None:
            raise ValueError(f"{caller}: one of class_weight and sample_weight must be given, not both")
        output = self._output_for(data.x if data.second is None else data.second)
        weights = _data.weights_of_classes(caller, class_weight, data.y, compiled.loss, output, self.dtype)
        return data._replace(weights=weights)

    def _output_for(self, x: Array) -> tuple[int, ...]:
        """The shape of the output for adapted x: its samples, and its steps where the model leaves them open."""
        return (len(x), *(x.shape[1] if size is None else size for size in self.output_shape[1:]))
