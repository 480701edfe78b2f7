"""State dicts of PyTorch: the weights of nn.LSTM, nn.GRU, nn.RNN, nn.Linear and nn.Embedding. PyTorch itself is not needed.

PyTorch's matrices are the transposes of pyrnn's, and a cell has the rows of its gates one below the other: i f g o in an LSTM, as
here, and r z n in a GRU, which is z r h here. Of its two biases a GRU here keeps both; those of an LSTM or RNN are added.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .._registry import snake_case
from ..layers import (
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Embedding,
    Input,
    Layer,
    RecurrentLayer,
    SimpleRNN,
    TimeDistributed,
)
from ..models import Sequential
from ..seq2seq import Seq2Seq

__all__ = ["from_state_dict", "to_state_dict"]

Array = npt.NDArray[Any]
Options = Mapping[str, Any]
Group = dict[str, Array]  # the weights of one module

_CELLS: dict[int, type[RecurrentLayer]] = {1: SimpleRNN, 3: GRU, 4: LSTM}  # by the number of gates
_CELL_WEIGHT = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d+)(_reverse)?")
_STACKED = re.compile(r"(.+)_l(\d+)")


def from_state_dict(
    state: Mapping[str, Any] | str | os.PathLike[str],
    modules: Sequence[str] | Mapping[str, Options] | None = None,
    prefix: str = "",
) -> Sequential:
    """A model of the modules that `state` has weights of, each fed by the one before.

    - `state`: a mapping of names to arrays, as `module.state_dict()` is, or the path of such a one in a `.safetensors` file.
    - `modules`: the modules' names in the order in which they are applied; the name of a bare nn.LSTM is "". Not given, they
      are those of the mapping, in its order, which PyTorch makes that of definition. A file has none: there they must be
      given where there is more than one. With options for a layer of pyrnn they are a dictionary: PyTorch's weights do not tell
      a Linear's `activation` or the RNN's, tanh where nothing is said, nor dropout, and every step's output is handed on
      unless `return_sequences` is False.
    - `prefix`: what stands before all these names; names without it are not read.

    A recurrent module of several layers becomes layers "<module>_l0", "<module>_l1" and so on, one of two directions a
    `Bidirectional` each. A weight of two axes without bias is an Embedding's where it comes first, a Linear's elsewhere.

    Raises ValueError for weights that belong to no such module (proj_size among them), for shapes that do not fit, and for
    arrays that are not all float32 or all float64; FileNotFoundError or another OSError where the file cannot be read; TypeError
    for what is no array.

        model = pyrnn.interop.torch.from_state_dict(module.state_dict(), {"lstm": {}, "head": {"activation": "softmax"}})

    >>> rng = np.random.default_rng(0)
    >>> shapes = {"rnn.weight_ih_l0": (4, 3), "rnn.weight_hh_l0": (4, 4), "head.weight": (2, 4), "head.bias": (2,)}
    >>> state = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    >>> model = from_state_dict(state, {"rnn": {"activation": "relu"}, "head": {}})
    >>> [layer.name for layer in model.layers], model.output_shape
    (['rnn', 'head'], (None, None, 2))
    """
    groups = _groups(state, modules, prefix)
    names = list(groups) if modules is None else list(modules)
    missing = [name for name in names if name not in groups]
    if not names:
        raise ValueError("from_state_dict: state and modules must not be empty")
    if missing:
        has = ", ".join(map(repr, groups)) or "none"
        raise ValueError(f"from_state_dict: state has no module {', '.join(map(repr, missing))}; it has {has}")
    options = modules if isinstance(modules, Mapping) else {}
    made = [_layers(name, groups[name], options.get(name, {}), first=name == names[0]) for name in names]
    model = Sequential(dtype=_dtype([groups[name] for name in names]))
    model.add(Input(_input_shape(made)))
    for layer, weights in [pair for pairs in made for pair in pairs]:
        try:
            model._append(layer, draw=False)
            layer.set_weights(weights)
        except ValueError as error:
            raise ValueError(f"from_state_dict: {error}") from error
    return model


def to_state_dict(model: Sequential, modules: Sequence[str] | None = None, prefix: str = "") -> dict[str, Array]:
    """The weights of `model` as PyTorch names and lays them out: nn.LSTM, nn.GRU or nn.RNN, nn.Linear, nn.Embedding.

    `modules` are the names of the modules, in the place of the layers' own. Layers that follow each other and are called
    "<module>_l0", "<module>_l1" and so on are one module of several layers, as `from_state_dict` makes them. Layers without
    weights are left out. bias_hh of an LSTM or RNN is 0, the other bias is the layer's.

        module.load_state_dict({name: torch.from_numpy(value) for name, value in to_state_dict(model).items()})

    Raises ValueError for a layer that PyTorch has not: a GRU with `reset_after=False`, other activations than its own, merged
    outputs other than "concat", `go_backwards`, `zoneout`, `layer_norm`, LayerNormalization; TypeError for a Seq2Seq.

    >>> from pyrnn import layers
    >>> model = Sequential([layers.LSTM(4, input_shape=(None, 3), name="lstm"), layers.Dense(2, name="head")])
    >>> {name: value.shape for name, value in to_state_dict(model).items()}["lstm.weight_ih_l0"]
    (16, 3)
    """
    if isinstance(model, Seq2Seq) or not isinstance(model, Sequential):
        raise TypeError(f"to_state_dict: model must be a Sequential, got {model!r}")
    stacks = _stacks([layer for layer in model.layers if layer.weight_specs])
    names = list(stacks) if modules is None else list(modules)
    if len(set(names)) < len(names) or len(names) != len(stacks):
        raise ValueError(f"to_state_dict: modules must be {len(stacks)} names, for {', '.join(stacks)}, got {names}")
    state = {}
    for name, stack in zip(names, stacks.values(), strict=True):
        for place, layer in enumerate(stack):
            for weight, value in _torch_weights(layer, place):
                state[f"{prefix}{name}.{weight}" if name else f"{prefix}{weight}"] = np.ascontiguousarray(value)
    return state


# -- reading --------------------------------------------------------------------


def _groups(state: object, modules: object, prefix: str) -> dict[str, Group]:
    """{module: {weight: array}}, with the names' `prefix` taken off."""
    arrays = _arrays(state)
    groups: dict[str, Group] = {}
    for name, value in arrays.items():
        if name.startswith(prefix):
            module, _, weight = name[len(prefix) :].rpartition(".")
            groups.setdefault(module, {})[weight] = value
    if not isinstance(state, Mapping) and modules is None and len(groups) > 1:
        raise ValueError(f"from_state_dict: modules must be given, as a file has no order of {', '.join(groups)}")
    return groups


def _arrays(state: object) -> dict[str, Array]:
    if not isinstance(state, Mapping):
        return _file(state)
    arrays = {}
    for name, value in state.items():
        try:
            arrays[name] = np.asarray(value)
        except (
            TypeError,
            RuntimeError,
        ) as error:  # of a tensor that is not on the CPU, or of a type that NumPy has not
            raise TypeError(f"from_state_dict: {name} must be an array: {error}") from error
    return arrays


def _file(path: Any) -> dict[str, Array]:
    from safetensors import SafetensorError, safe_open

    path = os.fspath(path)
    with open(path, "rb"):  # the system's own words for a file that is missing or not readable
        pass
    try:
        with safe_open(path, framework="np") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError, AttributeError) as error:  # the latter two for types that NumPy has not
        raise ValueError(f"from_state_dict: {path} is damaged or no safetensors file: {error}") from error


def _dtype(groups: list[Group]) -> str:
    dtypes = {str(value.dtype) for group in groups for value in group.values()}
    if dtypes not in ({"float32"}, {"float64"}):
        raise ValueError(f"from_state_dict: arrays must be all float32 or all float64, got {', '.join(sorted(dtypes))}")
    return dtypes.pop()


def _input_shape(made: list[list[tuple[Layer, list[Array]]]]) -> tuple[int | None, ...]:
    layer, weights = made[0][0]
    if isinstance(layer, Embedding):
        return (None,)
    steps = any(isinstance(layer, RecurrentLayer | Bidirectional) for pairs in made for layer, _ in pairs)
    features = weights[0].shape[0]
    return (None, features) if steps else (features,)


def _layers(module: str, group: Group, options: Options, first: bool) -> list[tuple[Layer, list[Array]]]:
    """The layers that a module becomes, with their weights."""
    if any(_CELL_WEIGHT.fullmatch(name) for name in group):
        return _recurrent(module, group, options)
    shapes = {name: list(value.shape) for name, value in group.items()}
    if not {"weight"} <= shapes.keys() <= {"weight", "bias"} or len(shapes["weight"]) != 2:
        raise ValueError(f"from_state_dict: module {module!r} is none that can be read: it has {shapes}")
    out, size = shapes["weight"]
    own = {"name": module} if module else {}
    if first and "bias" not in shapes:
        return [(_made(module, Embedding, {"input_dim": out, "output_dim": size, **own}, options), [group["weight"]])]
    weights = [group["weight"].T, *([group["bias"]] if "bias" in shapes else [])]
    return [(_made(module, Dense, {"units": out, "use_bias": "bias" in shapes, **own}, options), weights)]


def _made(module: str, kind: type[Layer], own: dict[str, Any], options: Options) -> Layer:
    """A layer with the options that the weights tell, and those that the caller gave."""
    twice = sorted(own.keys() & options.keys())
    if twice:
        raise ValueError(f"from_state_dict: options of {module!r} must not have {twice[0]}, which the weights tell")
    return kind(**own, **options)


def _recurrent(module: str, group: Group, options: Options) -> list[tuple[Layer, list[Array]]]:
    for name in group:
        if not _CELL_WEIGHT.fullmatch(name):
            hint = " (proj_size)" if name.startswith("weight_hr") else ""
            raise ValueError(f"from_state_dict: {module!r} has {name}{hint}, which is not supported")
    count = 1 + max(int(match[2]) for match in map(_CELL_WEIGHT.fullmatch, group) if match)
    directions = ["", "_reverse"] if any(name.endswith("_reverse") for name in group) else [""]
    kinds = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if any("bias" in name for name in group) else [])]
    wanted = [
        f"{kind}_l{index}{way}" for index in range(min(count, len(group))) for way in directions for kind in kinds
    ]
    if set(wanted) != set(group):
        name = min(set(wanted) ^ set(group))
        raise ValueError(f"from_state_dict: {module!r} {'lacks' if name in wanted else 'has no use for'} {name}")
    units, gates = _cell_size(module, group)
    cell, made = _CELLS[gates], []
    for index in range(count):
        stem = module or snake_case(cell.__name__)
        own: dict[str, Any] = {"units": units, "use_bias": "bias_ih" in kinds}
        given = {"return_sequences": True, **options}
        if index < count - 1:
            given["return_sequences"] = True
        layer = _made(module, cell, own if len(directions) == 2 else {**own, "name": _name(stem, index, count)}, given)
        if len(directions) == 2:
            layer = Bidirectional(layer, name=_name(stem, index, count))
        weights = [
            value
            for way in directions
            for value in _from_torch(gates, *(group[f"{kind}_l{index}{way}"] for kind in kinds))
        ]
        made.append((layer, weights))
    return made


def _cell_size(module: str, group: Group) -> tuple[int, int]:
    """The numbers of units and of gates that all weights of a recurrent module agree on."""
    shapes = {name: value.shape for name, value in group.items()}
    rows, units = (*shapes["weight_hh_l0"], 0, 0)[:2]
    gates = rows // max(units, 1)
    for name, shape in shapes.items():
        axes = 1 if "bias" in name else 2
        if gates not in _CELLS or len(shape) != axes or shape[0] != gates * units:
            cell = f"weight_hh_l0 is {list(shapes['weight_hh_l0'])}"
            raise ValueError(f"from_state_dict: {module!r} is no LSTM, GRU or RNN: {cell}, {name} is {list(shape)}")
    return units, gates


def _name(stem: str, index: int, count: int) -> str:
    return stem if count == 1 else f"{stem}_l{index}"


def _reordered(gates: int, value: Array) -> Array:
    """The rows r z n of a GRU as z r n, and those again as r z n; other cells' as they are."""
    if gates != 3:
        return value
    r, z, n = np.split(value, 3)
    return np.concatenate([z, r, n])


def _from_torch(gates: int, weight_ih: Array, weight_hh: Array, *biases: Array) -> list[Array]:
    kernels = [_reordered(gates, weight).T for weight in (weight_ih, weight_hh)]
    if not biases:
        return kernels
    both = [_reordered(gates, bias) for bias in biases]
    if gates == 3:
        return [*kernels, np.stack(both)]
    with np.errstate(all="ignore"):  # a file may hold infinite values
        return [*kernels, both[0] + both[1]]


# -- writing --------------------------------------------------------------------


def _stacks(layers: list[Layer]) -> dict[str, list[Layer]]:
    """{module: its layers}: one, or those called module_l0, module_l1, ..."""
    stacks: dict[str, list[Layer]] = {}
    place = 0
    while place < len(layers):
        match = _STACKED.fullmatch(layers[place].name)
        count = 1
        if match and match[2] == "0":
            while place + count < len(layers) and layers[place + count].name == f"{match[1]}_l{count}":
                count += 1
        name = match[1] if match and count > 1 else layers[place].name
        stacks[name] = layers[place : place + count]
        if len({_form(name, layer) for layer in stacks[name]}) > 1:
            raise ValueError(f"to_state_dict: layers {name}_l0 ... must be alike to be one module")
        place += count
    return stacks


def _form(name: str, layer: Layer) -> tuple[Any, ...]:
    """What the layers of one module share."""
    inner = layer.layer if isinstance(layer, Bidirectional) else layer
    if isinstance(inner, RecurrentLayer):
        return (type(layer), type(inner), inner.units, inner.use_bias, inner.activation)
    return (name, layer.name)  # a module has one Linear or Embedding


def _torch_weights(layer: Layer, place: int) -> Iterator[tuple[str, Array]]:
    values = layer.get_weights()
    inner = layer.layer if isinstance(layer, Bidirectional | TimeDistributed) else layer
    match inner:
        case RecurrentLayer():
            _check_cell(layer, inner)
            half = len(values) // 2 if isinstance(layer, Bidirectional) else len(values)
            for way, part in (("", values[:half]), ("_reverse", values[half:])):
                for name, value in _cell_weights(inner, part) if part else ():
                    yield f"{name}_l{place}{way}", value
        case Dense():
            yield "weight", values[0].T
            if inner.use_bias:
                yield "bias", values[1]
        case Embedding():
            yield "weight", values[0]
        case _:
            raise ValueError(f"to_state_dict: {layer.title} is no LSTM, GRU, RNN, Linear or Embedding")


def _cell_weights(cell: RecurrentLayer, values: list[Array]) -> Iterator[tuple[str, Array]]:
    for name, kernel in zip(("weight_ih", "weight_hh"), values, strict=False):
        yield name, _reordered(cell.gates, kernel.T)
    if cell.use_bias:
        bias = values[2]
        both = bias if bias.ndim == 2 else [bias, np.zeros_like(bias)]
        for name, value in zip(("bias_ih", "bias_hh"), both, strict=True):
            yield name, _reordered(cell.gates, value)


def _check_cell(layer: Layer, cell: RecurrentLayer) -> None:
    """Raise ValueError for what PyTorch's cells cannot be told."""
    wanted: dict[str, tuple[object, ...]] = {
        "activation": ("tanh", "relu") if isinstance(cell, SimpleRNN) else ("tanh",),
        "recurrent_activation": ("sigmoid",),
        "reset_after": (True,),
        "layer_norm": (False,),
        "zoneout": (0.0,),
        "go_backwards": (False,),
    }
    given = {name: getattr(cell, name) for name in wanted if hasattr(cell, name)}
    if isinstance(layer, Bidirectional):
        given["merge_mode"], wanted["merge_mode"] = layer.merge_mode, ("concat",)
    for name, value in given.items():
        if value not in wanted[name]:
            raise ValueError(
                f"to_state_dict: {layer.title} has {name}={value!r}, where PyTorch has {wanted[name][0]!r}"
            )
