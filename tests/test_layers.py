"""Layers as descriptions: shapes, weights, configuration, and what is refused."""

import numpy as np
import pytest

import pyrnn
from pyrnn import initializers, layers

KINDS = [
    (lambda: layers.LSTM(5), (None, 7, 3), (None, 5), ["kernel", "recurrent_kernel", "bias"], [(3, 20), (5, 20), (20,)]),
    (lambda: layers.LSTM(5, return_sequences=True, use_bias=False), (None, None, 3), (None, None, 5),
     ["kernel", "recurrent_kernel"], [(3, 20), (5, 20)]),
    (lambda: layers.Dense(4), (None, 3), (None, 4), ["kernel", "bias"], [(3, 4), (4,)]),
    (lambda: layers.Dense(4, use_bias=False), (None, 7, 3), (None, 7, 4), ["kernel"], [(3, 4)]),
    (lambda: layers.TimeDistributed(layers.Dense(4)), (None, 7, 3), (None, 7, 4), ["kernel", "bias"], [(3, 4), (4,)]),
    (lambda: layers.TimeDistributed(layers.Activation("tanh")), (None, 7, 3), (None, 7, 3), [], []),
    (lambda: layers.TimeDistributed(layers.Dropout(0.5)), (None, 7, 3), (None, 7, 3), [], []),
    (lambda: layers.RepeatVector(6), (None, 3), (None, 6, 3), [], []),
    (lambda: layers.Activation("softmax"), (None, 7, 3), (None, 7, 3), [], []),
    (lambda: layers.Dropout(0.25), (None, 3), (None, 3), [], []),
    (lambda: layers.GaussianNoise(0.25, seed=3), (None, 7, 3), (None, 7, 3), [], []),
    (lambda: layers.SpatialDropout1D(0.25, seed=3), (None, 7, 3), (None, 7, 3), [], []),
    (lambda: layers.LayerNormalization(epsilon=1e-5), (None, 7, 3), (None, 7, 3), ["gamma", "beta"], [(3,), (3,)]),
    (lambda: layers.LayerNormalization(axis=1, scale=False, beta_initializer="ones"), (None, 3), (None, 3), ["beta"], [(3,)]),
    (lambda: layers.LayerNormalization(center=False), (None, None, 3), (None, None, 3), ["gamma"], [(3,)]),
    (lambda: layers.TimeDistributed(layers.LayerNormalization()), (None, 7, 3), (None, 7, 3), ["gamma", "beta"], [(3,), (3,)]),
    (lambda: layers.Flatten(), (None, 7, 3), (None, 21), [], []),
    (lambda: layers.Flatten(), (None, 3), (None, 3), [], []),
    (lambda: layers.GlobalAveragePooling1D(), (None, None, 3), (None, 3), [], []),
    (lambda: layers.GlobalMaxPooling1D(), (None, 7, 3), (None, 3), [], []),
    (lambda: layers.LSTM(3, layer_norm=True), (None, 7, 4), (None, 3), ["kernel", "recurrent_kernel", "bias", "gamma", "gamma_h", "beta_h"], [(4, 12), (3, 12), (12,), (2, 12), (3,), (3,)]),
    (lambda: layers.GRU(3, use_bias=False, layer_norm=True), (None, 7, 4), (None, 3), ["kernel", "recurrent_kernel", "gamma"], [(4, 9), (3, 9), (2, 9)]),
    (lambda: layers.OneHot(9), (None, 7), (None, 7, 9), [], []),
    (lambda: layers.Embedding(9, 2), (None, 7), (None, 7, 2), ["embeddings"], [(9, 2)]),
]  # fmt: skip


@pytest.mark.parametrize(("make", "before", "after", "names", "shapes"), KINDS)
def test_shapes_and_weights(make, before, after, names, shapes):
    layer = make()
    assert layer.compute_output_shape(before) == after
    layer.build(before)
    assert (layer.input_shape, layer.output_shape) == (before, after)
    assert [weight.name for weight in layer.weights] == names
    assert [weight.path for weight in layer.weights] == [f"{layer.name}/{name}" for name in names]
    assert [weight.shape for weight in layer.weights] == shapes
    assert [weight.shape for weight in layer.get_weights()] == shapes
    assert layer.count_params() == sum(weight.size for weight in layer.get_weights())


@pytest.mark.parametrize("make", [kind[0] for kind in KINDS])
def test_config_makes_the_same_layer(make):
    layer = make()
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    assert again.name == layer.name


def test_config_keeps_initializers_and_seeds():
    layer = layers.LSTM(3, kernel_initializer=initializers.RandomNormal(seed=4), unit_forget_bias=False, seed=9)
    again = layers.LSTM.from_config(layer.get_config())
    for one in (layer, again):
        one.build((None, 5, 2))
    for first, second in zip(layer.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_names_count_up_through_the_process():
    first, second = layers.LSTM(1).name, layers.LSTM(1).name
    stem, _, number = second.rpartition("_")
    assert stem == "lstm"
    assert first in ("lstm", f"lstm_{int(number) - 1}")
    assert layers.TimeDistributed(layers.Dense(1)).name.startswith("time_distributed")
    assert layers.LSTM(1, name="mine").name == "mine"


def test_lstm_initial_bias_has_ones_for_the_forget_gate():
    layer = layers.LSTM(3, bias_initializer=initializers.Constant(0.5))
    layer.build((None, 5, 2))
    np.testing.assert_array_equal(layer.get_weights()[2], [0.5] * 3 + [1.0] * 3 + [0.5] * 6)
    layer = layers.LSTM(3, unit_forget_bias=False)
    layer.build((None, 5, 2))
    np.testing.assert_array_equal(layer.get_weights()[2], np.zeros(12))


def test_lstm_recurrent_kernel_is_orthogonal_over_all_gates():
    layer = layers.LSTM(6)
    layer.build((None, 5, 2))
    recurrent_kernel = layer.get_weights()[1]
    np.testing.assert_allclose(recurrent_kernel @ recurrent_kernel.T, np.eye(6), atol=1e-6)


def test_lstm_seed_is_a_stream_of_its_own():
    def weights():
        layer = layers.LSTM(3, seed=1)
        layer.build((None, 5, 2))
        return layer.get_weights()

    pyrnn.utils.set_random_seed(0)
    first = weights()
    pyrnn.utils.set_random_seed(1)
    for one, other in zip(first, weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_can_be_set_before_there_is_a_model():
    layer = layers.Dense(2)
    layer.build((None, 3))
    kernel = np.arange(6.0).reshape(2, 3).T  # float64, not C-contiguous
    layer.set_weights([kernel, [1, 2]])
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)
    assert layer.get_weights()[0].dtype == np.float32
    np.testing.assert_array_equal(layer.weights[1].numpy(), [1, 2])


def test_get_weights_gives_copies():
    layer = layers.Dense(2)
    layer.build((None, 3))
    layer.get_weights()[1][:] = 5
    assert (layer.get_weights()[1] == 0).all()


def _built(layer, shape):
    layer.build(shape)
    return layer


REFUSED = [
    (lambda: layers.LSTM(0), ValueError, "LSTM: units must be at least 1, got 0"),
    (lambda: layers.LSTM(2.0), TypeError, "LSTM: units must be an integer, got 2.0"),
    (lambda: layers.LSTM(True), TypeError, "LSTM: units must be an integer, got True"),
    (lambda: layers.LSTM(2, activation="softmax"), ValueError, "LSTM: activation must be one of 'hard_sigmoid'.*got 'softmax'"),
    (lambda: layers.GRU(2, recurrent_activation="gelu"), ValueError, "GRU: recurrent_activation must be one of.*got 'gelu'"),
    (lambda: layers.LSTM(2, return_sequences=1), TypeError, "return_sequences must be True or False, got 1"),
    (lambda: layers.LSTM(2, unroll=True), TypeError, "LSTM: unroll is not supported: the engine loops"),
    (lambda: layers.LSTM(2, dropout=1.0), ValueError, "LSTM: dropout must be at least 0 and less than 1, got 1"),
    (lambda: layers.GRU(2, recurrent_dropout=-0.1), ValueError, "GRU: recurrent_dropout must be at least 0 and less than 1"),
    (lambda: layers.SimpleRNN(2, zoneout="1"), TypeError, "SimpleRNN: zoneout must be a number, got '1'"),
    (lambda: layers.Dense(2, dropout=0.2), TypeError, "Dense: dropout is not supported: put a Dropout layer before"),
    (lambda: layers.GRU(2, reset_after=1), TypeError, "GRU: reset_after must be"),
    (lambda: layers.LSTM(2, layer_norm=1), TypeError, "LSTM: layer_norm must be True or False, got 1"),
    (lambda: layers.GRU(2, layer_norm=True, reset_after=False), ValueError, "GRU: reset_after must be True with layer_norm=True"),
    (lambda: layers.SimpleRNN(2, layer_norm=True), TypeError, "SimpleRNN: layer_norm is not supported"),
    (lambda: layers.SimpleRNN(2, recurrent_activation="tanh"), TypeError, "SimpleRNN: recurrent_activation is not supported"),
    (lambda: layers.LSTM(2, unroll=True), TypeError, "LSTM: unroll is not supported"),
    (lambda: layers.LSTM(2, batch_input_shape=(1, 2, 3)), ValueError, r"batch_input_shape must begin with None, .* got \(1, 2, 3\)"),
    (lambda: layers.LSTM(2, kernel_initializer="ortho"), ValueError, "LSTM: kernel_initializer must be one of"),
    (lambda: layers.LSTM(2, name="a/b"), ValueError, "LSTM: name must be text without '/'"),
    (lambda: layers.LSTM(2, input_shape=7), TypeError, r"LSTM: input_shape must be a tuple such as \(7, 12\), got 7"),
    (lambda: layers.LSTM(2, input_shape=(1, 2, 3)), ValueError, r"input_shape must be \(features,\) or \(T, features\)"),
    (lambda: layers.Dense(2, activation="mish"), ValueError, "Dense: activation must be one of 'elu'.*got 'mish'"),
    (lambda: layers.Dense(2, activity_regularizer="l2"), TypeError, "Dense: activity_regularizer is not supported"),
    (lambda: layers.Dense(2, input_dim=3, input_shape=(3,)), TypeError, "Dense: input_dim is not supported: use input_shape="),
    (lambda: layers.Embedding(5, 2, input_length=3, input_shape=(3,)), TypeError, "one of input_shape and input_length must be given"),
    (lambda: layers.Activation(np.tanh), ValueError, "Activation: activation must be one of"),
    (lambda: layers.Dropout(1.0), ValueError, "Dropout: rate must be at least 0 and less than 1, got 1"),
    (lambda: layers.Dropout(-0.1), ValueError, "Dropout: rate must be at least 0"),
    (lambda: layers.Dropout(float("nan")), ValueError, "Dropout: rate must be finite"),
    (lambda: layers.Dropout("0.2"), TypeError, "Dropout: rate must be a number, got '0.2'"),
    (lambda: layers.Dropout(0.2, noise_shape=(1,)), TypeError, "Dropout: noise_shape is not supported"),
    (lambda: layers.GaussianNoise(-0.1), ValueError, "GaussianNoise: stddev must be at least 0, got -0.1"),
    (lambda: layers.GaussianNoise(0.1, seed=-1), ValueError, "GaussianNoise: seed must be"),
    (lambda: layers.SpatialDropout1D(1.0), ValueError, "SpatialDropout1D: rate must be at least 0 and less than 1, got 1"),
    (lambda: layers.SpatialDropout1D(0.2, data_format="channels_first"), TypeError, "SpatialDropout1D: data_format is not supported"),
    (lambda: _built(layers.SpatialDropout1D(0.2), (None, 3)), ValueError, r"must be \[N, T, features\], got \[N, 3\]"),
    (lambda: layers.LayerNormalization(epsilon=0), ValueError, "LayerNormalization: epsilon must be more than 0, got 0"),
    (lambda: layers.LayerNormalization(scale=1), TypeError, "LayerNormalization: scale must be True or False, got 1"),
    (lambda: layers.LayerNormalization(center=None), TypeError, "LayerNormalization: center must be True or False"),
    (lambda: layers.LayerNormalization(axis=[1, 2]), TypeError, r"LayerNormalization: axis must be an integer, got \[1, 2\]"),
    (lambda: layers.LayerNormalization(rms_scaling=True), TypeError, "LayerNormalization: rms_scaling is not supported"),
    (lambda: layers.LayerNormalization(gamma_initializer="one"), ValueError, "LayerNormalization: gamma_initializer must be one"),
    (lambda: layers.LayerNormalization(beta_initializer="zero"), ValueError, "LayerNormalization: beta_initializer must be one"),
    (lambda: _built(layers.LayerNormalization(axis=1), (None, 7, 3)), ValueError, "axis must be -1 or 2, the last, got 1"),
    (lambda: _built(layers.LayerNormalization(), (None, 7)).compute_output_shape((None, None)), ValueError, r"must be \[N, features\]"),
    (lambda: layers.Flatten(data_format="channels_first"), TypeError, "Flatten: data_format is not supported"),
    (lambda: _built(layers.Flatten(), (None, None, 3)), ValueError,
     r"must be of a known number of steps, got \[N, T, 3\]; GlobalAveragePooling1D takes any number"),
    (lambda: layers.GlobalMaxPooling1D(keepdims=True), TypeError, "GlobalMaxPooling1D: keepdims is not supported"),
    (lambda: layers.GlobalAveragePooling1D(data_format="channels_first"), TypeError, "GlobalAveragePooling1D: data_format is not supported"),
    (lambda: _built(layers.GlobalAveragePooling1D(), (None, 3)), ValueError, r"must be \[N, T, features\], got \[N, 3\]"),
    (lambda: layers.RepeatVector(0), ValueError, "RepeatVector: n must be at least 1, got 0"),
    (lambda: layers.TimeDistributed(layers.LSTM(2)), TypeError, "TimeDistributed: layer must be a Dense, Activation, Dropout or LayerNorm"),
    (lambda: layers.TimeDistributed(layers.Dense(2, input_shape=(3,))), ValueError, "input_shape belongs to TimeDistributed"),
    (lambda: layers.Embedding(5, 2, mask_zero=1), TypeError, "Embedding: mask_zero must be True or False, got 1"),
    (lambda: layers.Masking("0"), TypeError, "Masking: mask_value must be a number, got '0'"),
    (lambda: layers.OneHot(-1), ValueError, "OneHot: num_symbols must be at least 1, got -1"),
    (lambda: layers.Input((7, 12), batch_size=3), TypeError, "Input: batch_size is not supported"),
    (lambda: layers.Input((7, 0)), ValueError, "Input: shape must be at least 1, got 0"),
    (lambda: _built(layers.LSTM(2), (None, 7)), ValueError, r"input must be \[N, T, features\], got \[N, 7\]; put OneHot"),
    (lambda: _built(layers.LSTM(2), (None, 7, None)), ValueError, r"input must be \[N, T, features\], got \[N, 7, T\]"),
    (lambda: _built(layers.RepeatVector(2), (None, 7, 3)), ValueError, r"input must be \[N, features\], got \[N, 7, 3\]"),
    (lambda: _built(layers.TimeDistributed(layers.Dense(2)), (None, 3)), ValueError, r"must be \[N, T, features\]"),
    (lambda: _built(layers.LSTM(2, input_shape=(7, 3)), (None, 7, 4)), ValueError, r"input_shape says \[N, 7, 3\]"),
    (lambda: layers.Dense(2).count_params(), ValueError, "has no weights yet"),
    (lambda: layers.Dense(2).output_shape, AttributeError, "has no shapes yet"),
    (lambda: _built(layers.Dense(2), (None, 3)).set_weights([np.zeros((3, 2))]), ValueError, r"2 arrays \(kernel, bias\), got 1"),
    (lambda: _built(layers.Dense(2), (None, 3)).set_weights([np.zeros((2, 3)), np.zeros(2)]), ValueError,
     r"kernel must be float32 \[3, 2\], got float64 \[2, 3\]"),
    (lambda: _built(layers.Dense(2), (None, 3)).set_weights([np.zeros((3, 2)), ["a", "b"]]), TypeError, r"bias must be float32 \[2\]"),
    (lambda: setattr(layers.Dense(2), "trainable", False), ValueError, "trainable must stay True"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "words"), REFUSED)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_refused_weight_changes_nothing():
    layer = _built(layers.Dense(2), (None, 3))
    before = layer.get_weights()
    with pytest.raises(ValueError, match="bias must be"):
        layer.set_weights([np.ones((3, 2)), np.ones(3)])
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.LSTM(2, batch_input_shape=(None, 7, 12)), (None, 7, 12)),
        (lambda: layers.Dense(2, batch_input_shape=[None, 12]), (None, 12)),
        (lambda: layers.LSTM(2, input_dim=12), (None, None, 12)),
        (lambda: layers.LSTM(2, input_dim=12, input_length=7), (None, 7, 12)),
        (lambda: layers.TimeDistributed(layers.Dense(2), input_dim=12), (None, None, 12)),
        (lambda: layers.Dense(2, input_dim=12), (None, 12)),
        (lambda: layers.Dense(2, input_dim=12, input_length=7), (None, 7, 12)),
        (lambda: layers.Embedding(12, 2, input_length=7), (None, 7)),
    ],
)
def test_shapes_as_keras_2_has_them(make, shape):
    assert pyrnn.Sequential([make()]).input_shape == shape
