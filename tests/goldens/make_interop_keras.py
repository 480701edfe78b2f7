"""Make interop/*.keras and *.h5: whole models saved by Keras 3 (on JAX) and Keras 2 (tf_keras). README.md says how to run it.

Beside each file, in interop/keras.npz, stand an input, the model's output for it, and what its `get_weights` returns.
"""

import os
from pathlib import Path

os.environ |= {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}

import keras
import numpy as np
import tf_keras

FOLDER = Path(__file__).parent / "interop"


def cells(keras, input_options):
    L = keras.layers
    return keras.Sequential(
        [
            L.LSTM(4, return_sequences=True, dropout=0.25, kernel_regularizer="l2", **input_options),
            L.GRU(4, return_sequences=True),
            L.SimpleRNN(4, activation="relu", return_sequences=True),
            L.LayerNormalization(epsilon=1e-2),
            L.GRU(4, return_sequences=True, reset_after=False),
            L.Dropout(0.5),
            L.LSTM(4, use_bias=False, go_backwards=True),
            L.Dense(3, activation="softmax"),
        ],
        name="cells",
    )


def both_ways(keras):
    L = keras.layers
    x = keras.Input((None,))
    h = L.Embedding(7, 3, mask_zero=True)(x)
    h = L.Bidirectional(L.LSTM(3, return_sequences=True))(h)
    h = L.Bidirectional(L.GRU(3, return_sequences=True, reset_after=keras is not tf_keras), merge_mode="sum")(h)
    h = L.TimeDistributed(L.Dense(4, activation="tanh"))(h)
    h = L.GlobalAveragePooling1D()(h)
    return keras.Model(x, L.Dense(2, activation="sigmoid")(h), name="both_ways")


def encoder_decoder(keras):
    L = keras.layers
    x = keras.Input((5, 3))
    h = L.Masking(-1.0)(x)
    h = L.SimpleRNN(4)(h)
    h = L.RepeatVector(2)(h)
    h = L.GRU(4, return_sequences=True)(h)
    h = L.TimeDistributed(L.Dense(3))(h)
    return keras.Model(x, L.Activation("softmax")(h), name="encoder_decoder")


def inputs(rng, model):
    """[N, T, F], and ids [N, T] for an Embedding, with padding at the end of some rows."""
    values = rng.normal(size=(4, 5, 3)).astype("float32")
    if model.name == "both_ways":
        ids = rng.integers(1, 7, (4, 6))
        ids[1, 4:] = ids[2, 1:] = 0
        return ids
    if model.name == "encoder_decoder":
        values[1, 3:] = values[2, 1:] = -1
    return values


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    tf_keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    FOLDER.mkdir(exist_ok=True)
    of_3 = [cells(keras, {}), both_ways(keras), encoder_decoder(keras)]
    of_3[0].build((None, None, 3))
    of_2 = [cells(tf_keras, {"batch_input_shape": (None, None, 3)}), both_ways(tf_keras), encoder_decoder(tf_keras)]
    arrays = {}
    for version, models in (("keras3", of_3), ("keras2", of_2)):
        for model in models:
            if model.name == "cells":
                model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
            weights = [rng.normal(size=weight.shape).astype("float32") * 0.5 for weight in model.get_weights()]
            model.set_weights(weights)
            x = inputs(rng, model)
            name = f"{version}_{model.name}"
            arrays |= {f"{name}/x": x, f"{name}/y": np.asarray(model.predict(x, verbose=0))}
            arrays |= {f"{name}/weights/{index}": weight for index, weight in enumerate(weights)}
            if name != "keras3_encoder_decoder":
                model.save(FOLDER / f"{name}.h5")
            if version == "keras3" or model.name == "cells":
                model.save(FOLDER / f"{name}.keras")
    versions = {"versions/keras": keras.__version__, "versions/tf_keras": tf_keras.__version__}
    np.savez_compressed(FOLDER / "keras.npz", **arrays, **versions)
