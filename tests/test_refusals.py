"""Every argument that Keras 3 has is either honoured or refused by name, with what to use instead; none is taken and ignored.

`goldens/signatures.json` has Keras' signatures. What an argument that pyrnn has then does is tested where it is at home.
"""

import inspect
import json
import re
from pathlib import Path
from typing import Unpack, get_args, get_origin, get_type_hints

import numpy as np
import pytest

import pyrnn
from pyrnn import Sequential, layers
from pyrnn._unsupported import BY_NAME, BY_OWNER

SIGNATURES = json.loads(Path(__file__).with_name("goldens").joinpath("signatures.json").read_text())
PLACES = {
    "layers": layers,
    "optimizers": pyrnn.optimizers,
    "losses": pyrnn.losses,
    "metrics": pyrnn.metrics,
    "callbacks": pyrnn.callbacks,
    "initializers": pyrnn.initializers,
    "Sequential": Sequential,
    "models": pyrnn.saving,
    "utils": pyrnn.utils,
}
PLACES = {place: home for place in SIGNATURES if (home := PLACES.get(place) or getattr(pyrnn, place, None))}

# What must be given, for an object to be made or a function to be called.
LAYER_ARGUMENTS = {
    "Activation": ("tanh",),
    "Bidirectional": (layers.LSTM(2),),
    "Dense": (2,),
    "Dropout": (0.5,),
    "Embedding": (3, 2),
    "GRU": (2,),
    "GaussianNoise": (0.5,),
    "Input": ((3, 2),),
    "LSTM": (2,),
    "RepeatVector": (2,),
    "SimpleRNN": (2,),
    "SpatialDropout1D": (0.5,),
    "TimeDistributed": (layers.Dense(2),),
}
CALLBACK_ARGUMENTS = {
    "CSVLogger": ("log.csv",),
    "LearningRateScheduler": (lambda epoch: 0.1,),
    "ModelCheckpoint": ("model.safetensors",),
}
UTILITY_ARGUMENTS = {
    "get_file": ("a.txt", "http://127.0.0.1/a.txt"),
    "pad_sequences": ([[1]],),
    "set_random_seed": (1,),
    "timeseries_dataset_from_array": (np.zeros(4), None, 2),
    "to_categorical": ([1],),
}
X, Y = np.zeros((2, 3)), np.zeros((2, 1))


def model():
    made = Sequential([layers.Dense(1, input_shape=(3,))], name="model")
    made.compile(loss="mse")
    return made


def call(place, name, folder, /, **arguments):
    """Make the object, or call the function, with what it must be given and `arguments`."""
    made = model()
    given = {
        "layers": LAYER_ARGUMENTS,
        "callbacks": CALLBACK_ARGUMENTS,
        "utils": UTILITY_ARGUMENTS,
        "models": {"load_model": (folder / "model.safetensors",)},
        "Sequential": {
            "__init__": (made, []),
            "add": (made, layers.Activation("tanh")),
            "compile": (made, "sgd", "mse"),
            "fit": (made, X, Y),
            "evaluate": (made, X, Y),
            "predict": (made, X),
            "predict_on_batch": (made, X),
            "train_on_batch": (made, X, Y),
            "test_on_batch": (made, X, Y),
            "save": (made, folder / "model.safetensors"),
            "save_weights": (made, folder / "model.safetensors"),
            "load_weights": (made, folder / "model.safetensors"),
            "from_config": (made.get_config(),),
            "summary": (made,),
        },
    }
    if name in ("load_model", "load_weights"):
        made.save(folder / "model.safetensors")
    if name == "get_file":
        (folder / "a.txt").write_text("a")
        arguments = {"cache_dir": folder, "cache_subdir": "", **arguments}
    if name in ("fit", "evaluate", "predict"):
        arguments = {"verbose": 0, **arguments}
    return getattr(PLACES[place], name)(*given.get(place, {}).get(name, ()), **arguments)


def owner(place, name):
    return "Sequential" if name == "__init__" else name


def parameters(place, name):
    """What the function takes, by name; also what a TypedDict of its **options says."""
    taken = {}
    for key, parameter in inspect.signature(getattr(PLACES[place], name)).parameters.items():
        if get_origin(parameter.annotation) is Unpack:
            taken |= dict.fromkeys(get_type_hints(get_args(parameter.annotation)[0]))
        elif parameter.kind is not parameter.VAR_KEYWORD and key != "self":
            taken[key] = parameter
    return taken


NAMES = [(place, name) for place, home in PLACES.items() for name in SIGNATURES[place] if hasattr(home, name)]
MISSING = [
    (place, name, argument, default)
    for place, name in NAMES
    for argument, default in SIGNATURES[place][name].items()
    if argument not in parameters(place, name)
]
ids = ["-".join(case[:3]) for case in MISSING]

# Keras' defaults that would not mean what pyrnn does.
MEANINGFUL = {("timeseries_dataset_from_array", "format"), ("TensorBoard", "write_graph")}

# Arguments of both whose defaults differ, and why.
OTHER_DEFAULTS = {
    ("Input", "shape"): "it must be given: pyrnn's models have one input, whose shape layers can also tell",
    ("fit", "x"): "must be given",
    ("evaluate", "x"): "must be given",
    ("train_on_batch", "y"): "must be given",
    ("test_on_batch", "y"): "must be given",
    ("build", "input_shape"): "must be given",
}


def test_what_pyrnn_has():
    """So that a class which vanishes takes no tests with it in silence."""
    assert {name for place, name in NAMES if place == "layers"} >= {
        *("Activation", "Dense", "Dropout", "Embedding", "Input", "LSTM", "RepeatVector", "TimeDistributed")
    }
    assert {name for place, name in NAMES if place == "optimizers"} >= {"SGD", "RMSprop", "Adam"}
    assert {name for place, name in NAMES if place == "Sequential"} >= {
        *(
            "__init__",
            "add",
            "build",
            "compile",
            "count_params",
            "evaluate",
            "fit",
            "from_config",
            "get_layer",
            "get_weights",
        ),
        *("predict", "predict_on_batch", "save", "set_weights", "summary", "test_on_batch", "train_on_batch"),
    }
    assert {place for place, _ in NAMES} >= {
        *("layers", "optimizers", "losses", "metrics", "callbacks", "initializers", "Sequential", "models", "utils")
    }
    assert {name for place, name in NAMES if place == "utils"} == set(SIGNATURES["utils"])


@pytest.mark.parametrize(("place", "name", "argument", "default"), MISSING, ids=ids)
def test_what_keras_has_and_pyrnn_not_is_refused_with_advice(place, name, argument, default, tmp_path):
    with pytest.raises(TypeError, match=f"^{owner(place, name)}: {argument} is not supported") as error:
        call(place, name, tmp_path, **{argument: object()})
    advice = re.search(r"is not supported: (.+)$", str(error.value))
    assert advice, f"{error.value} says nothing of what to do instead"
    for instead in re.findall(r"use (\w+)=", advice[1]):
        assert instead in parameters(place, name)


@pytest.mark.parametrize(("place", "name", "argument", "default"), MISSING, ids=ids)
def test_keras_default_is_taken_where_it_means_what_pyrnn_does(place, name, argument, default, tmp_path):
    if name == "TensorBoard":
        pytest.importorskip("tensorboardX")
    if (name, argument) in MEANINGFUL:
        with pytest.raises(TypeError, match=f"{argument} is not supported: "):
            call(place, name, tmp_path, **{argument: default})
    else:
        with_it, without = call(place, name, tmp_path, **{argument: default}), call(place, name, tmp_path)
        assert type(with_it) is type(without)
        if place in ("layers", "optimizers", "losses", "metrics", "initializers") and name != "TimeDistributed":
            assert {**with_it.get_config(), "name": ""} == {**without.get_config(), "name": ""}


@pytest.mark.parametrize(("place", "name"), NAMES)
def test_defaults_are_those_of_keras(place, name):
    for argument, parameter in parameters(place, name).items():
        if parameter is None or argument == "name" or argument not in SIGNATURES[place][name]:
            continue
        default = "<required>" if parameter.default is parameter.empty else parameter.default
        same = default == SIGNATURES[place][name][argument]
        assert same != ((name, argument) in OTHER_DEFAULTS), argument


# Arguments of Keras 1 and 2, and some that Keras 3 takes without naming them.
OLDER = [
    ("layers", "LSTM", "time_major", True, "put the batch axis first"),
    ("layers", "LSTM", "implementation", 0, "there is one implementation"),
    ("layers", "LSTM", "inner_activation", "tanh", "use recurrent_activation="),
    ("layers", "LSTM", "consume_less", "cpu", "there is one implementation"),
    ("layers", "LSTM", "zero_output_for_mask", False, "the output of padding is zero"),
    ("layers", "Dense", "init", "uniform", "use kernel_initializer="),
    ("layers", "Dense", "output_dim", 3, "use units="),
    ("layers", "LSTM", "input_length", 3, "use input_shape="),
    ("optimizers", "Adam", "decay", 0.1, "give learning_rate= one of"),
    ("callbacks", "LambdaCallback", "on_batch_end", print, "use on_train_batch_end="),
    ("callbacks", "ModelCheckpoint", "period", 2, "use save_freq="),
    ("Sequential", "compile", "sample_weight_mode", "temporal", "the shape of sample_weight tells"),
    ("Sequential", "compile", "target_tensors", [], "give y to fit"),
    ("Sequential", "fit", "workers", 2, "the engine shares out each batch by itself"),
    ("Sequential", "fit", "use_multiprocessing", True, "the engine shares out each batch by itself"),
    ("Sequential", "fit", "max_queue_size", 3, "the engine shares out each batch by itself"),
    ("Sequential", "train_on_batch", "reset_metrics", False, "the values are always of this batch alone"),
    ("Sequential", "save", "include_optimizer", True, "an optimizer's moments are never in the file"),
    ("Sequential", "save", "save_format", "h5", "files are safetensors"),
]


@pytest.mark.parametrize(("place", "name", "argument", "value", "advice"), OLDER)
def test_older_arguments_are_refused_with_advice(place, name, argument, value, advice, tmp_path):
    with pytest.raises(TypeError, match=f"^{owner(place, name)}: {argument} is not supported: {advice}"):
        call(place, name, tmp_path, **{argument: value})


@pytest.mark.parametrize(
    ("place", "name", "argument", "value"),
    [
        ("layers", "LSTM", "implementation", 1),
        ("layers", "LSTM", "implementation", 2),
        ("layers", "LSTM", "time_major", False),
        ("layers", "LSTM", "use_cudnn", False),
        ("Sequential", "fit", "workers", 1),
        ("Sequential", "fit", "use_multiprocessing", False),
    ],
)
def test_harmless_values_of_other_versions(place, name, argument, value, tmp_path):
    call(place, name, tmp_path, **{argument: value})


@pytest.mark.parametrize("value", [0, 0.0, None, np.False_, "False", [False]])
def test_a_value_like_a_harmless_one_is_refused(value):
    with pytest.raises(TypeError, match=r"LSTM: unroll is not supported: the engine loops .* \(only False is taken\)"):
        layers.LSTM(2, unroll=value)


def test_true_is_not_one():
    with pytest.raises(TypeError, match=r"steps_per_execution is not supported: .* \(only 1 or None is taken\)"):
        model().compile(loss="mse", steps_per_execution=True)


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(
        TypeError, match=r"LSTM: unit is not supported \(arguments: units, activation, .*, name, input_shape\)"
    ):
        layers.LSTM(2, unit=3)


def test_advice_is_one_line_that_ends_without_a_stop():
    for known in [*BY_NAME.values(), *BY_OWNER.values()]:
        assert known.advice and not known.advice.endswith(".") and "\n" not in known.advice
        assert isinstance(known.harmless, tuple)
