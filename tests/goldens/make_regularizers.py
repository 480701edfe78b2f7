"""Make regularizers.npz: models trained with penalties of all weights, in Keras 3 (on JAX). README.md says how to run it."""

import numpy as np
from make_goldens import TANH, keras, save, use  # which sets up Keras before it is imported

RECURRENT_LAYERS = ("LSTM", "GRU", "SimpleRNN")


def made(name, config):
    """A layer of Keras; one inside Bidirectional, which copies it by its configuration, is told as [name, config]."""
    if name == "Bidirectional":
        inner, inner_config = config["layer"]
        layer = keras.layers.Bidirectional(getattr(keras.layers, inner)(**inner_config))
        recurrent = [layer.forward_layer, layer.backward_layer]
    else:
        layer = getattr(keras.layers, name)(**config)
        recurrent = [layer] if name in RECURRENT_LAYERS else []
    for one in recurrent:
        one.cell.activation = TANH
    return layer


def regularizers_keras(inputs, layers, optimizer, epochs, batch_size):
    """Losses of the epochs, the loss of an evaluation and the weights after them."""
    if keras.config.floatx() == "float64" and layers[1][0] == "LayerNormalization":
        return {}  # keras.ops.mean takes float64 through float32 on JAX
    model = keras.Sequential([keras.Input(inputs["x"].shape[1:]), *(made(*layer) for layer in layers)])
    model.set_weights([inputs[f"weight{i}"] for i in range(len(model.weights))])
    rule, config = optimizer
    model.compile(getattr(keras.optimizers, rule)(**config), "sparse_categorical_crossentropy")
    given = {key: inputs[key] for key in ("x", "y", "sample_weight") if key in inputs}
    history = model.fit(**given, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0).history
    results = {"loss": history["loss"], "evaluated": model.evaluate(inputs["x"], inputs["y"], batch_size, verbose=0)}
    results |= {f"weight{i}": weight for i, weight in enumerate(model.get_weights())}
    return {key: np.asarray(value, keras.config.floatx()) for key, value in results.items()}


def l1(factor):
    return {"class_name": "L1", "config": {"l1": factor}}


def l2(factor):
    return {"class_name": "L2", "config": {"l2": factor}}


def l1_l2(first, second):
    return {"class_name": "L1L2", "config": {"l1": first, "l2": second}}


RECURRENT = {
    "kernel_regularizer": l1_l2(0.01, 0.03),
    "recurrent_regularizer": l2(0.05),
    "bias_regularizer": l1(0.02),
}
DENSE = (
    "Dense",
    {
        "units": 5,
        "activation": "softmax",
        "kernel_regularizer": l2(0.1),
        "bias_regularizer": l1_l2(0.01, 0.2),
    },
)
EMBEDDING = "Embedding", {"input_dim": 11, "output_dim": 3, "embeddings_regularizer": l1_l2(0.005, 0.05)}
NORMALIZATION = "LayerNormalization", {"gamma_regularizer": l1(0.03), "beta_regularizer": l2(0.5)}


def case(rng, layers, optimizer, weighted=False):
    """Twenty sequences of ids or vectors in batches of 8, 8 and 4. The initial weights are drawn, so that no bias is zero."""
    use("float32")
    ids = layers[0][0] == "Embedding"
    x = rng.integers(11, size=(20, 6)) if ids else rng.normal(size=(20, 6, 4)).astype(np.float32)
    inputs = {"x": x, "y": rng.integers(5, size=20)}
    if weighted:
        inputs["sample_weight"] = rng.uniform(0, 2, size=20).astype(np.float32)
    model = keras.Sequential([keras.Input(x.shape[1:]), *(made(*layer) for layer in layers)])
    for i, weight in enumerate(model.weights):
        inputs[f"weight{i}"] = rng.normal(size=weight.shape, scale=0.5).astype(np.float32)
    options = {"layers": layers, "optimizer": optimizer, "epochs": 3, "batch_size": 8}
    return options, inputs, {"keras": regularizers_keras}


def regularizers():
    rng = np.random.default_rng(8)
    lstm, gru, simple_rnn = ([name, {"units": 7, **RECURRENT}] for name in RECURRENT_LAYERS)
    momentum = ["SGD", {"learning_rate": 0.1, "momentum": 0.9}]
    return {
        "lstm": case(rng, [lstm, DENSE], ["SGD", {"learning_rate": 0.1}]),
        "lstm_weighted": case(rng, [lstm, DENSE], ["RMSprop", {"learning_rate": 0.01}], weighted=True),
        "lstm_clipped": case(rng, [lstm, DENSE], [*momentum[:1], momentum[1] | {"global_clipnorm": 0.5}]),
        "lstm_accumulated": case(rng, [lstm, DENSE], [*momentum[:1], momentum[1] | {"gradient_accumulation_steps": 2}]),
        "lstm_decayed": case(rng, [lstm, DENSE], ["AdamW", {"learning_rate": 0.01, "weight_decay": 0.5}]),
        "gru": case(rng, [gru, DENSE], ["Adam", {"learning_rate": 0.01}]),
        "simple_rnn_embedding": case(rng, [EMBEDDING, simple_rnn, DENSE], momentum),
        "bidirectional": case(rng, [["Bidirectional", {"layer": lstm}], DENSE], momentum),
        "layer_normalization": case(rng, [lstm, NORMALIZATION, DENSE], momentum),
    }


if __name__ == "__main__":
    save("regularizers", regularizers())
