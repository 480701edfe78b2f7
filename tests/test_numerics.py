"""`check_numerics`: which layer is named for a value that is not finite, and that the batch before it is where the model stands."""

import re

import numpy as np
import pytest

import pyrnn
from pyrnn import Sequential, callbacks, layers, losses, optimizers, regularizers
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


@pytest.mark.parametrize("kind", ["embeddings", "gamma"])
def test_the_gradient_of_a_table_and_of_a_scale(kind):
    """Four steps that each have almost the largest gradient there is, of one row of the table, or of one gamma."""
    above_each = layers.TimeDistributed(above(), name="above")
    if kind == "embeddings":
        stack, x = [layers.Embedding(6, 3, input_shape=(4,), name="it"), above_each], np.zeros((1, 4), int)
    else:
        stack = [layers.Input((4, 3)), layers.LayerNormalization(center=False, name="it"), above_each]
        x = np.ones((1, 4, 3)) * [1, 2, 6]
    made = compiled(stack, kernel_of_above=4.0)
    said = refused(made, x, np.full((1, 4, 2), -90.0), BIG)
    assert said == f"the gradient of {made.layers[0].title} is the first that is not finite, that of its {kind}"


GRADIENTS_BY_INPUT = [
    (lambda: layers.Dense(3, name="it"), {"kernel_of_it": 1e20}, 1e22),
    (lambda: layers.TimeDistributed(layers.Dense(3), name="it"), {"kernel_of_it": 1e20}, 1e22),
    (lambda: layers.Dropout(0.9, name="it"), {"kernel_of_above": 4.0}, BIG),
    (lambda: layers.SimpleRNN(3, activation="linear", return_sequences=True, name="it"), {"kernel_of_it": 1e20}, 1e20),
    (lambda: layers.LSTM(3, return_sequences=True, name="it"), {"kernel_of_it": 1e20}, 1e21),
    (lambda: layers.GRU(3, return_sequences=True, name="it"), {"kernel_of_it": 1e20}, 1e21),
    (
        lambda: layers.Bidirectional(layers.GRU(3, return_sequences=True), name="it"),
        {"forward_kernel_of_it": 1e20},
        1e21,
    ),
    (lambda: layers.LayerNormalization(epsilon=1e-30, name="it"), {}, 1e30),
]


@pytest.mark.parametrize(("make", "weights", "weight"), GRADIENTS_BY_INPUT)
def test_the_gradient_by_the_input_of_a_layer(make, weights, weight):
    it = make()
    made = compiled([layers.Input((4, 3)), below(), it, above()], kernel_of_below=1.0, **weights)
    said = refused(made, np.full((5, 4, 3), 1e-21), np.full((5, 4, 2), -1.0), weight)
    assert re.fullmatch(
        rf"the gradient of {it.title} is the first that is not finite, by its input (-?inf|nan) for sample \d", said
    )


def test_the_gradient_of_a_repetition():
    """The sum of four gradients that are each almost too large."""
    stack = [
        layers.Input((3,)),
        below(),
        layers.RepeatVector(4, name="it"),
        layers.TimeDistributed(above(), name="above"),
    ]
    said = refused(compiled(stack, kernel_of_above=4.0), np.ones((1, 3)), np.full((1, 4, 2), -9.0), BIG)
    assert said.startswith("the gradient of RepeatVector 'it' is the first that is not finite, by its input ")


def test_a_loss_a_penalty_and_the_loss_s_gradient():
    stack = [layers.Input((3,)), above()]
    made = compiled(stack, "mse", dtype="float64", kernel_of_above=1e200)
    said = refused(made, np.ones((2, 3)), np.zeros((2, 2)))
    assert said == "the output of every layer is finite, the loss of it is not"
    stack = [layers.Input((3,)), above()]
    said = refused(compiled(stack, "mse", kernel_of_above=1e5), np.ones((2, 3)), np.zeros((2, 2)), 1e35)
    assert said.startswith("the loss's gradient by the model's output is not finite, inf for sample 0")
    stack = [layers.Input((3,)), layers.Dense(2, kernel_regularizer=regularizers.L2(1.0), name="above")]
    made = compiled(stack, "mae", dtype="float64", kernel_of_above=1e200)
    assert refused(made, np.ones((2, 3)), np.zeros((2, 2))) == "the penalty of the regularizers is not finite"


def exploding(check, **options):
    """Ten times as wrong after every batch."""
    pyrnn.utils.set_random_seed(2)
    made = Sequential([layers.Input((4, 3)), layers.SimpleRNN(8, activation="linear"), layers.Dense(1)])
    made.compile(optimizers.SGD(0.3, **options), "mse", check_numerics=check)
    return made


X = np.random.default_rng(3).normal(size=(40, 4, 3))
Y = X.sum(axis=1)[:, :1]


class Seen(callbacks.Callback):
    """The weights after each batch."""

    def __init__(self):
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights())


@pytest.mark.promise(
    "A loss that is NaN or infinite is reported once, with epoch, batch and layer, before it does harm"
)
@pytest.mark.parametrize("options", [{}, {"clipnorm": 1e30}, {"gradient_accumulation_steps": 2}, {"use_ema": True}])
def test_fit_names_epoch_and_batch_and_stands_before_it(options, figure):
    made, free = exploding(True, **options), exploding(False, **options)
    seen, unchecked = Seen(), Seen()
    with pytest.raises(FloatingPointError) as error:
        made.fit(X, Y, 8, 20, 0, seen, shuffle=False)
    said = re.fullmatch(
        r"fit: epoch (\d+), batch (\d+): the loss is \S+: .* the first that is not finite.*", str(error.value)
    )
    done = 5 * (int(said[1]) - 1) + int(said[2]) - 1
    assert done == len(seen.weights) == made.optimizer.iterations > 2
    free.fit(X, Y, 8, 20, 0, unchecked, shuffle=False)
    for one, other in zip(seen.weights, unchecked.weights[:done], strict=True):
        assert_same(one, other)
    assert_same(made.get_weights(), seen.weights[-1])
    assert not all(np.isfinite(weight).all() for weight in unchecked.weights[done + 1])
    figure(f"after {done} good batches: {error.value}")


@pytest.mark.parametrize("schedule", ["serial", "rows", "panels"])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_schedule_names_the_same(schedule, threads):
    pyrnn.set_num_threads(threads)
    try:
        made = compiled([layers.Input((4, 3)), layers.LSTM(33, name="it"), layers.Dense(2)], kernel_of_it=np.inf)
        made._require_network().set_schedule(schedule)
        x = np.random.default_rng(1).normal(size=(70, 4, 3))
        said = refused(made, x, np.ones((70, 2)))
    finally:
        pyrnn.set_num_threads(0)
    assert said.startswith(
        "the output of LSTM 'it' is the first that is not finite, nan for sample 0; its kernel was not"
    )


def test_rows_of_different_lengths_have_their_own_numbers():
    made = compiled([layers.Embedding(6, 3, input_shape=(None,), name="it"), layers.GRU(4), layers.Dense(2)])
    table = made.layers[0].get_weights()[0]
    table[5] = np.nan
    made.layers[0].set_weights([table])
    x = np.zeros((5, 6), int)
    x[:, 4:] = 5
    lengths = np.array([2, 4, 0, 5, 3])
    made.train_on_batch(x, np.ones((5, 2)), lengths=lengths.clip(max=4))
    with pytest.raises(FloatingPointError, match="the output of Embedding 'it' .* nan for sample 3; its embeddings"):
        made.train_on_batch(x, np.ones((5, 2)), lengths=lengths)


def test_a_stateful_layer_keeps_the_state_before_the_batch():
    made = compiled(
        [layers.Input((4, 3)), layers.LSTM(5, stateful=True, name="it"), layers.Dense(1, name="above")],
        kernel_of_above=1e3,
    )
    x, y = np.ones((6, 4, 3)), np.ones((6, 1))
    made.train_on_batch(x, y)
    kept = [array.copy() for array in made.layers[0].kept_state]
    with pytest.raises(FloatingPointError):
        made.train_on_batch(x, y, sample_weight=np.full(6, BIG))
    assert_same(kept, made.layers[0].kept_state)


def test_the_decoder_of_a_seq2seq():
    encoder = Sequential([layers.Input((None, 5)), layers.GRU(4, name="reader")])
    stack = [
        layers.Input((None, 5)),
        layers.GRU(4, return_sequences=True, name="writer"),
        layers.Dense(5, name="above"),
    ]
    made = pyrnn.Seq2Seq(encoder, Sequential(stack), start=0)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile("adam", loss, check_numerics=True)
    made.get_layer("writer").set_weights([np.full(w.shape, np.nan) for w in made.get_layer("writer").get_weights()])
    with pytest.raises(
        FloatingPointError, match="^fit: epoch 1, batch 1: the loss is nan: the output of GRU 'writer' is"
    ):
        made.fit(np.ones((3, 4), int), np.ones((3, 2), int), verbose=0)


def test_it_is_in_a_saved_model_and_must_be_a_flag(tmp_path):
    made = compiled([layers.Input((3,)), above()])
    made.save(tmp_path / "model.safetensors")
    assert pyrnn.load_model(tmp_path / "model.safetensors").get_weights()
    loaded = pyrnn.load_model(tmp_path / "model.safetensors")
    loaded.set_weights([np.full((3, 2), np.nan)])
    assert refused(loaded, np.ones((2, 3)), np.ones((2, 2))).startswith("the output of Dense 'above' is")
    with pytest.raises(TypeError, match="^compile: check_numerics must be True or False, got 1"):
        made.compile("adam", "mse", check_numerics=1)
