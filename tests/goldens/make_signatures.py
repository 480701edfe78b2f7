"""Record what Keras 3's classes and functions take: {place: {name: {argument: default}}}. README.md says how to run it.

A default that JSON cannot hold, and that of an argument that must be given, is written as "<required>". Arguments that a class hands
on to its base, such as a layer's name, stand beside its own.
"""

import inspect
import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import keras

# What a base class takes by **kwargs; `input_shape`, the only one that its code reads without naming it, is added by hand.
BASES = {"layers": keras.layers.Layer.__init__}
PLACES = {
    "layers": """Activation Bidirectional Dense Dropout Embedding Flatten GRU GaussianNoise GlobalAveragePooling1D GlobalMaxPooling1D Input
        LSTM LayerNormalization Masking RepeatVector SimpleRNN SpatialDropout1D TimeDistributed""",
    "optimizers": "Adadelta Adagrad Adam AdamW Adamax Lion Nadam RMSprop SGD",
    "losses": """BinaryCrossentropy CTC CategoricalCrossentropy Huber KLDivergence LogCosh MeanAbsoluteError MeanSquaredError Poisson
        SparseCategoricalCrossentropy""",
    "metrics": """BinaryAccuracy BinaryCrossentropy CategoricalAccuracy CategoricalCrossentropy MeanAbsoluteError MeanSquaredError R2Score
        RootMeanSquaredError SparseCategoricalAccuracy SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy
        TopKCategoricalAccuracy""",
    "callbacks": """CSVLogger EarlyStopping LambdaCallback LearningRateScheduler ModelCheckpoint ReduceLROnPlateau TensorBoard
        TerminateOnNaN""",
    "initializers": """Constant GlorotNormal GlorotUniform HeNormal HeUniform Ones Orthogonal RandomNormal RandomUniform TruncatedNormal
        VarianceScaling Zeros""",
    "regularizers": "L1 L1L2 L2",
    "Sequential": """__init__ add build compile count_params evaluate fit from_config get_layer get_weights load_weights predict
        predict_on_batch save save_weights set_weights summary test_on_batch train_on_batch""",
    "models": "load_model",
    "utils": "get_file pad_sequences set_random_seed timeseries_dataset_from_array to_categorical",
}


def arguments(function, base=None):
    parameters = list(inspect.signature(function).parameters.values())
    handed_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    named = {p.name: default(p) for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    if handed_on and base is not None:
        named = {**named, **arguments(base), "input_shape": None}
    named.pop("self", None)
    return named


def default(parameter):
    value = parameter.default
    return list(value) if isinstance(value, tuple) else "<required>" if value is parameter.empty else value


def main():
    places = {"keras": keras.__version__}
    for place, names in PLACES.items():
        home = keras.Sequential if place == "Sequential" else getattr(keras, place)
        places[place] = {name: arguments(getattr(home, name), BASES.get(place)) for name in names.split()}
    path = Path(__file__).with_name("signatures.json")
    path.write_text(json.dumps(places, indent=1) + "\n")
    print(f"{path.name}: {sum(map(len, places.values()))} entries")


if __name__ == "__main__":
    main()
