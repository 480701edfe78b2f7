"""From what a user gives a model to the batches that its network reads."""

from typing import Any

from . import _batches, _data
from ._batches import ArrayBatches, Batches, Data, DatasetBatches
from ._compile import Compiled
from ._network import input_spec, last_activation
from ._stack import Array, Stack


class Adapting(Stack):
    """Layers in a row that know how x, y and weights must look for them."""

    def _settle(self, compiled: Compiled) -> None:
        compiled.fit_to(self.output_shape[-1] or 0, last_activation(self._layers))

    def _adapt_x(self, caller: str, x: object) -> Array:
        if self._layers and not self.built:
            self._build_from(_data.as_array(caller, "x", x))
        return _data.adapt_x(caller, x, input_spec(self._built_layers()), self.dtype)

    def _build_from(self, x: Array) -> None:
        """Let the first data decide the shape of the input."""
        self.build((None, *(x.shape[1:] or (1,))))

    def _adapt(self, caller: str, x: object, y: object, compiled: Compiled, sample_weight: object = None) -> Data:
        adapted = self._adapt_x(caller, x)
        self._settle(compiled)
        output = self._output_for(adapted)
        y = _data.adapt_y(caller, y, compiled.loss, output, self.dtype, compiled.wants_values)
        weights = None
        if sample_weight is not None:
            weights = _data.adapt_weights(caller, sample_weight, compiled.loss, output, self.dtype)
        return Data(adapted, y, weights)

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
        output = self._output_for(data.x)
        weights = _data.weights_of_classes(caller, class_weight, data.y, compiled.loss, output, self.dtype)
        return data._replace(weights=weights)

    def _output_for(self, x: Array) -> tuple[int, ...]:
        """The shape of the output for adapted x: its samples, and its steps where the model leaves them open."""
        return (len(x), *(x.shape[1] if size is None else size for size in self.output_shape[1:]))
