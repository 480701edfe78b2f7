"""What a Seq2Seq writes: greedily as its own predictions say, by beam search as a search through everything says."""

from itertools import product

import numpy as np
import pytest

import pyrnn
from pyrnn import Seq2Seq, Sequential, layers
from tests.test_seq2seq import STOP, V, cells, model_of


@cells
def test_greedy_decoding_feeds_back_the_most_probable(cell, options, rng):
    model = model_of(cell, options)
    x, lengths = rng.normal(size=(5, 4, 3)), np.array([4, 2, 0, 1, 3])
    y = np.zeros((5, 7), int)
    for t in range(7):
        y[:, t] = model.predict(x, y, lengths=lengths, verbose=0)[:, t].argmax(axis=1)
    decoded = model.decode(x, 7, lengths=lengths)
    assert decoded.dtype == np.int64
    assert (decoded == y).all()
    assert (model.decode(x, 7, lengths=lengths, batch_size=2) == y).all()


def log_probability(model, x, y, stop):
    p = np.log(np.take_along_axis(model.predict(x, y, verbose=0), y[..., None], axis=2)[..., 0])
    if stop is not None:
        ended = (y == stop).cumsum(axis=1) - (y == stop) > 0
        p[ended] = 0
    return p.sum(axis=1)


@pytest.mark.parametrize("stop", [None, STOP])
@pytest.mark.parametrize("seed", range(4))
def test_the_widest_beam_finds_the_best_of_all_sequences(stop, seed, rng):
    model = model_of(stop=stop, seed=seed)
    x = rng.normal(size=(2, 4, 3))
    everything = np.array(list(product(range(V), repeat=3)))
    if stop is not None:
        ended = (everything == stop).cumsum(axis=1) - (everything == stop) > 0
        everything = np.unique(np.where(ended, stop, everything), axis=0)
    for row in x:
        all_rows = np.repeat(row[None], len(everything), axis=0)
        best = everything[log_probability(model, all_rows, everything, stop).argmax()]
        assert (model.decode(row[None], 3, beam_width=V * V)[0] == best).all()


def test_beams_find_what_greed_misses_and_rows_do_not_meet(rng):
    better = 0
    for seed in range(10):
        model = model_of(seed=seed, stop=STOP)
        x = rng.normal(size=(8, 4, 3))
        greedy, searched = model.decode(x, 6), model.decode(x, 6, beam_width=4)
        gain = log_probability(model, x, searched, STOP) - log_probability(model, x, greedy, STOP)
        better += (gain > 1e-9).sum()
        alone = np.concatenate([model.decode(row[None], 6, beam_width=4) for row in x])
        assert (alone == searched).all()
    assert better > 0


@pytest.mark.parametrize("width", [1, 3])
def test_behind_stop_everything_is_stop(width):
    x, ends = 3 * np.random.default_rng(1).normal(size=(40, 4, 3)), set()
    for seed, bias in product((1, 2, 5, 7), (0.3, 0.7)):
        model = model_of(stop=STOP, seed=seed)
        kernel, others = model.layers[-1].get_weights()
        model.layers[-1].set_weights([kernel, others + bias * (np.arange(V) == STOP)])
        for row in model.decode(x, 9, beam_width=width):
            if STOP in row:
                ends.add(end := int((row == STOP).argmax()))
                assert (row[end:] == STOP).all()
    assert len(ends) > 2


@pytest.mark.parametrize("cell", [layers.LSTM, layers.GRU])
def test_it_learns_to_reverse(cell):
    rng = np.random.default_rng(2)
    pyrnn.utils.set_random_seed(2)
    x = rng.integers(0, 8, (2048, 5))
    encoder = Sequential([layers.Input((5, 8)), cell(64)])
    decoder = Sequential(
        [
            layers.Embedding(9, 16, input_shape=(None,)),
            cell(64, return_sequences=True),
            layers.Dense(8, activation="softmax"),
        ]
    )
    model = Seq2Seq(encoder, decoder, start=8)
    rate = pyrnn.schedules.CosineDecay(
        0.01, 15 * 32
    )  # with a rate that stays, what is learned hangs on the last roundings
    model.compile(pyrnn.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(x, x[:, ::-1], batch_size=64, epochs=15, verbose=0)
    new = rng.integers(0, 8, (500, 5))
    for width in (1, 3):
        assert (model.decode(new, 5, width) == new[:, ::-1]).all(axis=1).mean() > 0.97


def test_a_decoder_of_vectors_feeds_back_its_output(rng):
    encoder = Sequential([layers.Input((None, 3)), layers.GRU(5)], dtype="float64")
    decoder = Sequential(
        [layers.Input((None, 2)), layers.GRU(5, return_sequences=True), layers.Dense(2)], dtype="float64"
    )
    model = Seq2Seq(encoder, decoder)
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(4, 6, 3)), rng.normal(size=(4, 5, 2))
    model.fit(x, y, verbose=0)
    written = np.zeros((4, 5, 2))
    for t in range(5):
        written[:, t] = model.predict(x, written, verbose=0)[:, t]
    np.testing.assert_allclose(model.decode(x, 5), written, 0, 1e-14)
    with pytest.raises(ValueError, match="beam_width must be 1 for a decoder that writes vectors"):
        model.decode(x, 5, beam_width=2)
