"""What a training is made of beside its data: all that decides how it goes on, taken from a model and given back."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checkpoint_file, _random
from ._checks import whole
from ._files import Array, Path, Unreadable
from ._schedule import CLASSES, Rate, rate, serialize
from .layers import Layer
from .optimizers import Optimizer

if TYPE_CHECKING:
    from ._core import OptimizerState
    from .models import Sequential

State = dict[str, Any]
Apply = Callable[[], None]


def save_checkpoint(model: "Sequential", path: Path) -> None:
    """Write all that training `model` further depends on to one safetensors file, replaced in one step.

    That is its weights, the optimizer's state by Keras' names in the weights' shapes, the states of stateful layers, and pyrnn's
    random state. Where `fit` stands is in the checkpoints that the callback `BackupAndRestore` writes.

    Raises RuntimeError before `compile`, OSError where the file cannot be written, ValueError for a model without shapes.

    >>> import os, tempfile
    >>> import numpy as np
    >>> from pyrnn import Sequential, layers
    >>> path = os.path.join(tempfile.mkdtemp(), "checkpoint.safetensors")
    >>> model = Sequential([layers.Dense(1, input_shape=(3,))])
    >>> model.compile("adam", "mse")
    >>> x, y = np.ones((2, 3)), np.ones(2)
    >>> losses = [model.train_on_batch(x, y) for _ in range(3)]
    >>> save_checkpoint(model, path)
    >>> next_losses = [model.train_on_batch(x, y) for _ in range(3)]
    >>> load_checkpoint(model, path)
    0
    >>> [model.train_on_batch(x, y) for _ in range(3)] == next_losses
    True
    """
    save_training(model, path, {})


def save_training(model: "Sequential", path: Path, fit: State) -> None:
    """A checkpoint with the state of the `fit` that is running, if there is one."""
    _checkpoint_file.write(path, {"model": model_state(model), "fit": fit})


def load_checkpoint(model: "Sequential", path: Path) -> int:
    """Let `model` go on from a file that `save_checkpoint` or `BackupAndRestore` wrote; all or nothing.

    Returns the number of whole epochs that the `fit` of a `BackupAndRestore` had trained, the `initial_epoch` of another; else 0.
    Of an epoch that had begun the weights have seen a part; only `BackupAndRestore` goes on within it.

    The model must be compiled, with the layers and arguments of the one that was saved; names may differ, and the learning
    rate is the saved one. Raises RuntimeError before `compile`, OSError where the file cannot be read, ValueError for a model
    without shapes, and where the file is damaged, no checkpoint, of a newer version, or does not fit; the model is then as
    it was.

    >>> from pyrnn import Sequential, layers
    >>> model = Sequential([layers.Dense(1, input_shape=(3,))])
    >>> model.compile("adam", "mse")
    >>> load_checkpoint(model, "nowhere.safetensors")
    Traceback (most recent call last):
    ...
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.safetensors'
    """
    model._require_compiled("load_checkpoint")
    model._require_network()
    with _checkpoint_file.opened("load_checkpoint", path) as tree:
        restore = checked_model_state(model, tree["model"])
        epochs = whole("fit", "epoch", tree["fit"].get("epoch", 0), low=0)
    restore()
    return epochs


# -- a model ------------------------------------------------------------------------------------------------------------


def model_state(model: "Sequential") -> State:
    compiled, network = model._require_compiled("save_checkpoint"), model._require_network()
    weights, optimizer = model.weights, network.get_optimizer_state()
    keys = _keys(model)
    return {
        "description": _description(model),
        "weights": {weight.path: value for weight, value in zip(weights, model.get_weights(), strict=True)},
        "optimizer": {
            "iterations": optimizer["iterations"],
            "steps": compiled.optimizer.iterations,
            "learning_rate": _rate(compiled.optimizer),
            "slots": {
                slot: {weight.path: values[key] for weight, key in zip(weights, keys, strict=True)}
                for slot, values in optimizer["slots"].items()
            },
        },
        "states": [layer.kept_state for layer in model._layers],
        "seeds": _seeds(model),
        "random": _random.get_state(_random.generator()),
    }


def checked_model_state(model: "Sequential", state: State) -> Apply:
    """What gives `model` a state of `model_state`. Raises Unreadable where it does not fit; nothing is changed."""
    optimizer, network = model._require_compiled("load_checkpoint").optimizer, model._require_network()
    difference = describe_difference(state["description"], _description(model))
    if difference:
        raise Unreadable(f"does not fit the model: {difference}")
    weights = _like(state["weights"], model.get_weights(), "weights")
    moments = _checked_moments(state["optimizer"], _keys(model), network.get_optimizer_state())
    steps = whole("optimizer", "iterations", state["optimizer"]["steps"], low=0)
    learning_rate = _checked_rate(optimizer, state["optimizer"]["learning_rate"])
    states = [_checked_states(layer, arrays) for layer, arrays in zip(model._layers, state["states"], strict=True)]
    seeds = [None if seed is None else whole("layer", "seed", seed, low=0) for seed in state["seeds"]]
    _random.from_state(state["random"])  # refuses what is none

    def apply() -> None:
        if seeds != _seeds(model):  # the engine's ops have them
            model._release_network()
            for layer, seed in zip(model._layers, seeds, strict=True):
                getattr(layer, "layer", layer).drawn_seed = seed
        model.set_weights(weights)
        model._require_network().set_optimizer_state(moments)
        optimizer.iterations = steps
        optimizer.learning_rate = learning_rate
        for layer, kept in zip(model._layers, states, strict=True):
            layer.kept_state = kept
        _random.set_state(state["random"])

    return apply


def _description(model: "Sequential") -> State:
    """Layers and compile()'s arguments, but for names, and for the learning rate, which may have changed."""
    compiled = model._require_compiled("save_checkpoint")
    description = {
        "model": _nameless(model.get_config()),
        "optimizer": {"class_name": type(compiled.optimizer).__name__, "config": compiled.optimizer.get_fixed_config()},
        "loss": {compiled.loss.engine_name: compiled.loss.engine_options()},
        "metrics": [metric.engine_spec() for metric in compiled.metrics],
        "logs": compiled.names,
    }
    plain: State = json.loads(json.dumps(description))
    return plain


def _nameless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nameless(item) for key, item in value.items() if key != "name"}
    return [_nameless(item) for item in value] if isinstance(value, list | tuple) else value


def describe_difference(there: Any, here: Any, way: str = "") -> str:
    """
    >>> describe_difference({"rate": [0.5, 1]}, {"rate": [0.5, 2]})
    'rate[1] is 1 there and 2 here'
    """
    if isinstance(there, dict) and isinstance(here, dict) and there.keys() <= here.keys():
        # an option that is here alone is newer than the file
        pairs = [(there[key], here[key], f"{way}.{key}" if way else key) for key in there]
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        pairs = [(one, other, f"{way}[{number}]") for number, (one, other) in enumerate(zip(there, here, strict=True))]
    else:
        return "" if there == here else f"{way} is {json.dumps(there)} there and {json.dumps(here)} here"
    return next(filter(None, (describe_difference(*pair) for pair in pairs)), "")


def _keys(model: "Sequential") -> list[tuple[int, str]]:
    """What the engine calls the model's weights, in their order."""
    return [(layer._op_index, spec.name) for layer in model._layers for spec in layer.weight_specs]


def _seeds(model: "Sequential") -> list[int | None]:
    return [getattr(layer, "layer", layer).drawn_seed for layer in model._layers]


def _like(given: Any, wanted: list[Array], name: str) -> list[Array]:
    """The arrays of `given`, in order. Raises Unreadable where their shapes or dtypes are not as wanted."""
    arrays = list(given.values() if isinstance(given, dict) else given)
    there, here = ([(str(array.dtype), array.shape) for array in some] for some in (arrays, wanted))
    if there != here:
        raise Unreadable(f"does not fit the model: {name} must be {here}, got {there}")
    return arrays


def _checked_moments(state: State, keys: list[tuple[int, str]], now: "OptimizerState") -> "OptimizerState":
    if state["slots"].keys() != now["slots"].keys():
        raise Unreadable(f"does not fit the optimizer, whose state is {list(now['slots'])}, got {list(state['slots'])}")
    slots = {}
    for slot, values in now["slots"].items():
        arrays = _like(state["slots"][slot], [values[key] for key in keys], slot)
        slots[slot] = dict(zip(keys, arrays, strict=True))
    return {"iterations": whole("optimizer", "iterations", state["iterations"], low=0), "slots": slots}


def _checked_states(layer: Layer, arrays: list[Array]) -> list[Array]:
    """Copies of the states that a layer kept, as the next batch changes them in place."""
    rows = len(arrays[0]) if arrays else 0
    wanted = [np.zeros((rows, units), layer.dtype) for units in layer.state_units()] if arrays else []
    return [array.copy() for array in _like(arrays, wanted, f"the state of {layer.title}")]


def _rate(optimizer: Optimizer) -> Any:
    """A number, or a schedule as JSON has it; of one of the user's own its class, which alone can tell the rest."""
    schedule = optimizer.learning_rate_schedule
    if schedule is None:
        return optimizer.learning_rate
    if type(schedule) in CLASSES.values():
        return serialize(schedule)
    return {"own": type(schedule).__name__}


def _checked_rate(optimizer: Optimizer, there: Any) -> Rate:
    if isinstance(there, dict) and "own" in there:
        here = optimizer.learning_rate_schedule
        if here is None or type(here).__name__ != there["own"]:
            raise Unreadable(f"does not fit the optimizer, whose learning_rate must be a {there['own']}")
        return here
    return rate("optimizer", there)
