"""`check_numerics`: which layer is named for a value that is not finite, and that the batch before it is where the model stands."""

import re

import numpy as np
import pytest

import pyrnn
from pyrnn import Sequential, layers
from tests.test_faults import assert_same, state

BIG = 3e38  # float32 ends at 3.4e38


def compiled(stack, loss="mae", optimizer="adam", dtype="float32", **weights):
    """A model of these layers, all of whose weights `name` are weights["name"], and "kernel_of_below" those of that layer."""
    pyrnn.utils.set_random_seed(1)
    made = Sequential(stack, dtype=dtype)
    made.compile(optimizer, loss, check_numerics=True)
    values = []
    for weight in made.weights:
        layer, name = weight.path.split("/")
        scale = weights.get(f"{name}_of_{layer}")
        values.append(weight.numpy() if scale is None else np.full(weight.shape, scale))
    made.set_weights(values)
    return made


def refused(made, x, y, weight=1.0):
    """What the error of train_on_batch says, which must leave model and optimizer as they were."""
    made._require_network()
    before = state(made)
    with pytest.raises(FloatingPointError, match="^train_on_batch: the loss is ") as error:
        made.train_on_batch(x, y, sample_weight=np.full(len(x), weight))
    assert_same(state(made), before)
    return re.sub("^train_on_batch: the loss is [^:]*: ", "", str(error.value))


def below():
    return layers.Dense(3, use_bias=False, name="below")


def above():
    return layers.Dense(2, use_bias=False, name="above")


WITH_WEIGHTS = [
    lambda: layers.Dense(4, name="it"),
    lambda: layers.Dense(4, activation="softmax", name="it"),
    lambda: layers.TimeDistributed(layers.Dense(4), name="it"),
    lambda: layers.LSTM(4, return_sequences=True, name="it"),
    lambda: layers.LSTM(4, name="it", layer_norm=True, return_sequences=True),
    lambda: layers.GRU(4, name="it", return_sequences=True),
    lambda: layers.GRU(4, name="it", return_sequences=True, reset_after=False),
    lambda: layers.GRU(4, name="it", return_sequences=True, layer_norm=True),
    lambda: layers.SimpleRNN(4, name="it", return_sequences=True),
    lambda: layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="it"),
    lambda: layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum", name="it"),
    lambda: layers.LayerNormalization(name="it"),
]


@pytest.mark.parametrize("make", WITH_WEIGHTS)
def test_the_output_of_a_layer_with_weights(make):
    """Every weight by itself; what stands above has the NaN too, and is not named."""
    for broken in range(len(Sequential([layers.Input((4, 3)), make()]).weights)):
        it = make()
        made = compiled([layers.Input((4, 3)), below(), it, layers.Dropout(0.5), above()])
        values = it.get_weights()
        values[broken][...] = np.nan
        it.set_weights(values)
        said = refused(made, np.ones((5, 4, 3)), np.ones((5, 4, 2)))
        name = it.weight_specs[broken].name
        assert said == (
            f"the output of {it.title} is the first that is not finite, nan for sample 0; its {name} was not before this"
            " batch"
        )


def test_the_output_of_an_embedding():
    made = compiled([layers.Embedding(6, 3, input_shape=(4,), name="it"), layers.GRU(4), above()])
    table = made.layers[0].get_weights()[0]
    table[5, 1] = -np.inf
    made.layers[0].set_weights([table])
    x = np.zeros((7, 4), int)
    assert np.isfinite(made.train_on_batch(x, np.ones((7, 2))))
    x[4, 2] = 5
    assert refused(made, x, np.ones((7, 2))).startswith(
        "the output of Embedding 'it' is the first that is not finite, -inf for sample 4; its embeddings was not"
    )


WITHOUT_WEIGHTS = [
    lambda: layers.Dropout(0.5, name="it"),
    lambda: layers.SpatialDropout1D(0.5, name="it"),
    lambda: layers.GaussianNoise(BIG, name="it"),
    lambda: layers.GlobalAveragePooling1D(name="it"),
]


@pytest.mark.parametrize("make", WITHOUT_WEIGHTS)
def test_the_output_of_a_layer_without_weights(make):
    it = make()
    made = compiled([layers.Input((4, 3)), below(), it, above()], kernel_of_below=1.0)
    steps = () if isinstance(it, layers.GlobalAveragePooling1D) else (4,)
    said = refused(made, np.full((5, 4, 3), BIG / 3), np.ones((5, *steps, 2)))
    assert re.fullmatch(rf"the output of {it.title} is the first that is not finite, -?inf for sample \d", said)


@pytest.mark.parametrize(
    "make",
    [
        make
        for make in WITH_WEIGHTS
        if "kernel" in [s.name for s in make().make_specs((None, 4, 3))] or isinstance(make(), layers.Bidirectional)
    ],
)
def test_the_gradient_of_a_layer_s_weights(make):
    """The product of large x with a gradient that is large, while small kernels keep what the layer computes small."""
    it = make()
    made = compiled([layers.Input((4, 3)), it, above()])
    values = it.get_weights()
    for spec, value in zip(it.weight_specs, values, strict=True):
        if spec.name.removeprefix("forward_").removeprefix("backward_") == "kernel":
            value *= 1e-30
    it.set_weights(values)
    said = refused(made, np.full((5, 4, 3), 1e30) * [1, -1, 2], np.ones((5, 4, 2)), 1e20)
    assert re.fullmatch(
        rf"the gradient of {it.title} is the first that is not finite, that of its (forward_|backward_)?(kernel|bias)",
        said,
    )
