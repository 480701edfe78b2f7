"""A Keras model's configuration, of Keras 2 or 3, as a `Sequential` that has shapes and no values yet."""

import inspect
from collections.abc import Iterator
from typing import Any

from .. import layers
from .._checks import _same
from .._unsupported import BY_NAME, BY_OWNER
from ..layers import Bidirectional, Input, Layer, TimeDistributed
from ..models import Sequential

Json = dict[str, Any]

_KINDS = {name: kind for name, kind in layers.CLASSES.items() if name != "OneHot"}
_WRAPPERS: tuple[type[Layer], ...] = (Bidirectional, TimeDistributed)

# How Keras computes, but not what; and what the rest of the file says as well.
_NO_MATTER = (
    "batch_input_shape",
    "dtype",
    "implementation",
    "input_length",
    "unroll",
    "use_cudnn",
    "zero_output_for_mask",
)
_HARMLESS = {"rms_scaling": False, "sparse": False, "ragged": False}
_MASK_OPERATIONS = ("NotEqual", "Any")


class Refused(Exception):
    """What a file holds that pyrnn cannot be; the sentence begins with a verb or with the layer."""


def sequential(model: Json, keras: int) -> Sequential:
    """The model that `model`, the JSON of a file of Keras' major version `keras`, describes.

    Its weights have shapes and no values. Raises Refused.
    """
    config, class_name = model["config"], model["class_name"]
    if class_name == "Sequential":
        entries = config if isinstance(config, list) else config["layers"]
    elif class_name in ("Functional", "Model"):
        entries = list(_chain(config))
    else:
        raise Refused(f"holds a model of class {class_name!r}; only Sequential and functional models can be read")
    options = {} if isinstance(config, list) else {"name": config["name"]}
    if not entries:
        raise Refused("holds a model without layers")
    made = Sequential(dtype=_model_dtype(entries, keras), **options)
    made.add(Input(_input_shape(model, entries)))
    for entry in entries:
        if entry["class_name"] != "InputLayer":
            _append(made, entry, keras)
    return made


def _append(model: Sequential, entry: Json, keras: int) -> None:
    layer = _layer(entry, keras)
    try:
        model._append(layer, draw=False)
    except ValueError as error:
        raise Refused(str(error)) from error


# -- the structure ------------------------------------------------------------


def _chain(config: Json) -> Iterator[Json]:
    """The layers of a functional model, which Keras lists in the order in which they are applied."""
    entries = {entry["name"]: entry for entry in config["layers"]}
    inputs, outputs = _names(config["input_layers"]), _names(config["output_layers"])
    if len(inputs) != 1 or len(outputs) != 1:
        raise Refused(f"holds a model of {len(inputs)} inputs and {len(outputs)} outputs, not of one each")
    before: list[str] = []
    for name, entry in entries.items():
        if entry["class_name"] in _MASK_OPERATIONS:
            continue
        sources = _sources(entry, entries)
        if sources != before or (not sources and name != inputs[0]):
            read, wanted = ", ".join(sources) or "nothing", before[0] if before else "the input"
            raise Refused(f"layer {name!r} reads {read}, not {wanted}: the layers must be one chain")
        yield entry
        before = [name]
    if before != outputs:
        raise Refused(f"the output must be that of the last layer, {before[0]!r}, not of {outputs[0]!r}")


def _names(nodes: list[Any]) -> list[str]:
    """[name, node, tensor], or a list of these."""
    return [nodes[0]] if nodes and isinstance(nodes[0], str) else [node[0] for node in nodes]


def _sources(entry: Json, entries: Json) -> list[str]:
    """The layers that a layer reads, masks apart."""
    found: list[str] = []
    for node in entry["inbound_nodes"]:
        if isinstance(node, dict):  # Keras 3
            tensors = [arg["config"]["keras_history"] for arg in node["args"] if _is_tensor(arg)]
            options = {name: value for name, value in node["kwargs"].items() if not _is_mask(name, value, entries)}
        else:
            tensors = node if isinstance(node[0], list) else [node]
            options = {name: value for tensor in tensors for name, value in (tensor[3:] or [{}])[0].items()}
        for name, value in options.items():
            if value not in (None, False):
                raise Refused(f"layer {entry['name']!r} is called with {name}={value!r}, which is not supported")
        for source, _, output, *_ in tensors:
            if output != 0:
                raise Refused(f"layer {entry['name']!r} reads output {output} of {source!r}, which is not supported")
            found.append(source)
    return found


def _is_tensor(value: object) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _is_mask(name: str, value: Any, entries: Json) -> bool:
    """Whether it is what Keras 3 spells out for Embedding(mask_zero=True) and Masking, which pyrnn knows by itself."""
    if name != "mask" or not _is_tensor(value):
        return False
    maker = entries[value["config"]["keras_history"][0]]
    if maker["class_name"] == "Any":
        maker = entries[maker["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0]]
    if maker["class_name"] != "NotEqual":
        return False
    compared, padding = maker["inbound_nodes"][0]["args"]
    source = compared["config"]["keras_history"][0]
    return entries[source]["class_name"] == "InputLayer" and any(
        padding == (entry["config"]["mask_value"] if entry["class_name"] == "Masking" else 0)
        for entry in entries.values()
        if entry["class_name"] == "Masking" or entry["config"].get("mask_zero") is True
    )


def _input_shape(model: Json, entries: list[Json]) -> tuple[int | None, ...]:
    """Without the batch axis, of any size in pyrnn."""
    config = entries[0]["config"]
    places = [config, model["config"] if isinstance(model["config"], dict) else {}, model.get("build_config") or {}]
    for place in places:
        for name in ("batch_shape", "batch_input_shape", "build_input_shape", "input_shape"):
            if isinstance(place.get(name), list):
                return tuple(place[name][1:])
    raise Refused("holds a model without shapes; call it once, and save it again")


# -- a layer ------------------------------------------------------------------


def _layer(entry: Json, keras: int) -> Layer:
    class_name, config = entry["class_name"], entry["config"]
    name = config.get("name")
    if class_name not in _KINDS:
        raise Refused(f"layer {name!r} is a {class_name}; supported are {', '.join(_KINDS)}")
    kind = _KINDS[class_name]
    title = f"layer {name!r} ({class_name})"
    options = dict(_options(title, kind, config, keras))
    if issubclass(kind, _WRAPPERS):
        options["layer"] = _layer(config["layer"], keras)
        if config.get("backward_layer") is not None:
            _check_backward(title, options["layer"], _layer(config["backward_layer"], keras))
    if config.get("return_state"):
        raise Refused(f"{title}: return_state=True is not supported: the model must have one output")
    try:
        return kind(**options)
    except (TypeError, ValueError) as error:
        raise Refused(f"{title}: {error}") from error


def _options(title: str, kind: type[Layer], config: Json, keras: int) -> Iterator[tuple[str, Any]]:
    """The arguments of pyrnn's layer. Raises Refused for one of Keras' that it has not and that matters."""
    own = {*inspect.signature(kind).parameters, *kind.option_names}
    if kind is layers.GRU and keras < 3:
        config = {"reset_after": False, **config}  # which files of before Keras 2.1.5 do not mention
    for name, value in config.items():
        if name in _NO_MATTER or name.endswith("_initializer") or name in ("layer", "backward_layer"):
            continue
        if name not in own:
            _check_harmless(title, kind, name, value)
        elif name.endswith("_regularizer"):
            yield name, _configured(value)
        elif name.endswith("activation"):
            yield name, _activation(title, name, value, keras)
        elif name == "axis" and isinstance(value, list) and len(value) == 1:
            yield name, value[0]
        else:
            yield name, value


def _check_harmless(title: str, kind: type[Layer], name: str, value: object) -> None:
    if name in _HARMLESS and value is _HARMLESS[name]:
        return
    known = BY_OWNER.get((kind.__name__, name)) or BY_NAME.get(name)
    if known is None or not any(_same(value, harmless) for harmless in known.harmless):
        advice = f": {known.advice}" if known is not None else ""
        raise Refused(f"{title}: {name}={value!r} is not supported{advice}")


def _configured(value: object) -> object:
    """Keras' {"class_name", "config"} without the module."""
    return {key: value[key] for key in ("class_name", "config")} if isinstance(value, dict) else value


def _activation(title: str, name: str, value: object, keras: int) -> object:
    if value == "hard_sigmoid" and keras < 3:
        raise Refused(f"{title}: {name}='hard_sigmoid' is not supported: that of Keras 2 is clip(0.2 x + 0.5, 0, 1)")
    return {"swish": "silu"}.get(value, value) if isinstance(value, str) else value


def _check_backward(title: str, forward: Layer, backward: Layer) -> None:
    """Bidirectional of pyrnn has two layers that differ in their direction alone."""
    one, other = (
        {"class_name": type(layer).__name__, **layer.get_config(), "name": None, "seed": None}
        for layer in (forward, backward)
    )
    other["go_backwards"] = not other["go_backwards"]
    if one != other:
        names = [name for name in one if one[name] != other.get(name)]
        raise Refused(f"{title}: backward_layer must be like layer, and differs in {', '.join(names)}")


def _model_dtype(entries: list[Json], keras: int) -> str:
    """The one dtype of all layers."""
    found = {}
    for entry in entries:
        if entry["class_name"] == "InputLayer":
            continue
        inner = [entry["config"][key] for key in ("layer", "backward_layer") if entry["config"].get(key) is not None]
        for each in [entry, *inner]:
            dtype = each["config"].get("dtype")
            dtype = dtype["config"]["name"] if isinstance(dtype, dict) else dtype
            if dtype is not None and not (keras < 3 and each["class_name"] == "Embedding" and dtype == "int32"):
                found[dtype] = each["config"].get("name")
    for dtype, name in found.items():
        if dtype not in ("float32", "float64") or len(found) > 1:
            raise Refused(f"layer {name!r}: dtype={dtype!r} is not supported; all must be float32, or all float64")
    return next(iter(found), "float32")
