"""Connectionist temporal classification: against all paths counted one by one, Keras 3 and PyTorch."""

from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, _core, layers, losses
from pyrnn import reference_losses as ref


def labels_of(path):
    """Equal neighbours are one, then blanks go."""
    return tuple(symbol for symbol, _ in groupby(path) if symbol)


@pytest.mark.parametrize("labels", [(), (1,), (1, 2), (1, 1), (2, 1, 2), (1, 1, 2), (3,)])
def test_the_reference_sums_over_all_paths(labels, rng):
    T, V = 5, 4
    z = rng.normal(size=(1, T, V))
    log_p = z[0] - np.log(np.exp(z[0]).sum(axis=-1, keepdims=True))
    total = sum(
        np.exp(log_p[np.arange(T), path].sum())
        for path in product(range(V), repeat=T)
        if labels_of(path) == labels
    )  # fmt: skip
    padded = np.array([[*labels, *[0] * (3 - len(labels))]])
    np.testing.assert_allclose(ref.ctc(z, padded)[0], [-np.log(total)], rtol=1e-12)


def random_labels(rng, B, L, V):
    y = rng.integers(1, V, size=(B, L))
    y[np.arange(L) >= rng.integers(0, L + 1, size=(B, 1))] = 0
    return y


def test_gradient_of_the_reference(rng):
    z, y, step = rng.normal(size=(4, 7, 3)), random_labels(rng, 4, 3, 3), 1e-6
    y[0] = 1
    found = ref.ctc(z, y)[1]
    for place in np.ndindex(z.shape):
        above, below = z.copy(), z.copy()
        above[place] += step
        below[place] -= step
        slope = (ref.ctc(above, y)[0] - ref.ctc(below, y)[0]).sum() / (2 * step)
        assert found[place] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def engine(z, y, weights=None):
    """Loss and gradient by z of a network whose output is z."""
    B, T, V = z.shape
    network = _core.Network(str(z.dtype), B * T, True, True, [{"op": "embedding", "output_dim": V}])
    network.set_weight(0, "embeddings", z.reshape(-1, V))
    network.compile("ctc", True, [], {"name": "sgd"})
    ids, index = np.arange(B * T).reshape(B, T), np.arange(B)
    (evaluated,) = network.evaluate_batch(ids, y, index, weights)
    (trained,) = network.train_batch(ids, y, index, 1.0, weights)
    assert evaluated == trained
    return trained, z - network.get_weight(0, "embeddings").reshape(z.shape)


def assert_close(actual, expected, dtype, what):
    tolerance = {"float32": 2e-5, "float64": 1e-10}[dtype]
    np.testing.assert_allclose(actual, expected, tolerance, tolerance * np.abs(expected).max(), err_msg=what)


def load():
    cases = {}
    with np.load(Path(__file__).parent / "goldens" / "ctc.npz") as arrays:
        for key, value in arrays.items():
            cases.setdefault(key.split("/")[0], {})[key.split("/", 1)[-1]] = value
    return cases


GOLDENS = load()


@pytest.mark.parametrize("who", ["keras/float32", "torch/float64"])
@pytest.mark.parametrize("case", ["small", "tight", "long", "weighted"])
def test_goldens(case, who):
    golden, dtype = GOLDENS[case], who.split("/")[1]
    z, y, weights = golden["input/z"], golden["input/y"], golden.get("input/weights")
    loss, dz = engine(z.astype(dtype), y, weights)
    assert_close(loss, golden[f"{who}/loss"], dtype, "loss")
    assert_close(dz, golden[f"{who}/dz"], dtype, "dz")
    loss, dz = ref.weighted_mean(*map(np.asarray, ref_rows(z, y)), weights)
    assert_close(loss, golden[f"{who}/loss"], dtype, "loss of the reference")
    assert_close(dz.reshape(z.shape), golden[f"{who}/dz"], dtype, "dz of the reference")


def ref_rows(z, y):
    loss, dz = ref.ctc(np.float64(z), y)
    return loss, dz.reshape(len(z), -1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("L", [1, 6, 7, 8, 15, 16, 33])
@pytest.mark.parametrize("scale", [0.1, 1000])
def test_any_number_of_labels(L, scale, dtype, rng):
    """Also with logits of which nearly all probabilities are 0."""
    z, y = (scale * rng.normal(size=(3, 70, 9))).astype(dtype), random_labels(rng, 3, L, 9)
    y[0], y[1] = 1 + np.arange(L) % 8, 0
    loss, dz = engine(z, y.astype(np.uint8))
    expected, expected_dz = ref.ctc(np.float64(z), y)
    assert loss == pytest.approx(expected.mean(), rel={"float32": 1e-6, "float64": 1e-12}[dtype])
    digits = np.finfo(dtype).eps  # of which z, from which dz is subtracted, keeps this many
    of_logarithms = np.finfo(float).eps * expected.max()  # whose differences the shares are
    np.testing.assert_allclose(dz, expected_dz / 3, atol=digits * (100 + 2 * np.abs(z).max()) + of_logarithms)


def test_more_labels_than_before(rng):
    """The room for labels grows, also in the middle of training, and rows without any label are no special case."""
    network = _core.Network("float64", 4, True, False, [{"op": "dense", "units": 4, "use_bias": False}])
    network.set_weight(0, "kernel", np.eye(4))
    network.compile("ctc", True, [], {"name": "sgd"})
    z, index = rng.normal(size=(5, 9, 4)), np.arange(5)
    for L in (2, 4, 1, 3):
        y = random_labels(rng, 5, L, 4)
        y[2] = 0
        assert network.evaluate_batch(z, y, index)[0] == pytest.approx(ref.ctc(z, y)[0].mean(), rel=1e-12)


def model(**options):
    pyrnn.utils.set_random_seed(1)
    made = Sequential([Input((None, 3)), layers.LSTM(19, return_sequences=True), layers.Dense(5)], **options)
    made.compile("adam", "ctc")
    return made


def test_a_model_learns_labels_without_their_places(rng):
    y = random_labels(rng, 40, 3, 5)
    x = 0.1 * rng.normal(size=(40, 12, 3))
    for row, labels in enumerate(y):
        places = np.sort(rng.permutation(6)[:3]) * 2
        for place, label in zip(places, labels, strict=True):
            x[row, place] += [label & 1, label >> 1 & 1, label >> 2]
    made = model()
    made.optimizer.learning_rate = 0.02
    history = made.fit(x, y, epochs=100, verbose=0).history["loss"]
    assert history[0] > 3 and history[-1] < 0.2
    paths = made.predict(x, verbose=0).argmax(axis=-1)
    right = [labels_of(path) == tuple(labels[labels > 0]) for path, labels in zip(paths, y, strict=True)]
    assert np.mean(right) > 0.9


def test_any_number_of_threads_gives_the_same_bits(rng):
    x, y, weights, found = rng.normal(size=(37, 11, 3)), random_labels(rng, 37, 4, 5), rng.random(37), []
    for threads in (1, 2, 3):
        pyrnn.set_num_threads(threads)
        made = model()
        losses = made.fit(x, y, 16, epochs=2, sample_weight=weights, verbose=0).history["loss"]
        found.append((losses, [weight.tobytes() for weight in made.get_weights()]))
    pyrnn.set_num_threads(0)
    assert found[0] == found[1] == found[2]


def test_the_mean_is_over_samples(rng):
    x, y, weights = rng.normal(size=(9, 8, 3)), random_labels(rng, 9, 3, 5), np.arange(9.0)
    made = model(dtype="float64")
    each = np.array([made.evaluate(x[i : i + 1], y[i : i + 1], verbose=0) for i in range(9)])
    assert made.evaluate(x, y, batch_size=4, verbose=0) == pytest.approx(each.mean(), rel=1e-12)
    weighted = made.evaluate(x, y, batch_size=4, sample_weight=weights, verbose=0)
    assert weighted == pytest.approx((weights * each).mean(), rel=1e-12)


# ------------------------------------------------------------------------------------------------------------- Refusals

X, Y = np.zeros((2, 4, 3)), np.array([[1, 2, 0], [2, 0, 0]])


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        (Y.astype(float), TypeError, r"y must be integer labels \[2, L\] for the loss ctc, got float64 \[2, 3\]"),
        (Y[:, 0], ValueError, r"y must be integer labels \[2, L\] for the loss ctc, got int64 \[2\]"),
        (Y[:, :0], ValueError, r"y must be integer labels \[2, L\] for the loss ctc, got int64 \[2, 0\]"),
        (Y + 3, ValueError, "ids in y must be from 0 to 4, got 5 at row 0, step 1"),
        (Y - 1, ValueError, "ids in y must be from 0 to 4, got -1 at row 0, step 2"),
        (Y[:, ::-1], ValueError, "zeros in y may only follow the labels, got 2 after one in row 0"),
        (Y + [[0, 0, 1], [0, 2, 2]], ValueError, "y must have labels that fit the output's 4 steps; .*row 1.* need 5"),
        (Y[:1], ValueError, "y must have as many samples as x, 2, got 1"),
    ],
)
def test_refused_labels(y, error, words):
    with pytest.raises(error, match=f"fit: {words}"):
        model().fit(X, y)


def test_refused_with_it():
    with pytest.raises(ValueError, match=r"fit: sample_weight must be \[2\], got float64 \[2, 4\]"):
        model().fit(X, Y, sample_weight=np.ones((2, 4)))
    with pytest.raises(ValueError, match="fit: class_weight needs one class for each y, which ctc of 5 outputs lacks"):
        model().fit(X, Y, class_weight={1: 2.0})
    with pytest.raises(ValueError, match="ctc goes without metrics, as y has no value for each step, got .'accuracy'"):
        model().compile("adam", losses.CTC(), weighted_metrics=["accuracy"])
    for units, activation, words in (
        (5, "softmax", "without activation, got 'softmax'"),
        (1, None, "a blank and a sym"),
    ):
        made = Sequential([Input((4, 3)), layers.Dense(units, activation=activation)])
        with pytest.raises(ValueError, match=f"compile: ctc needs .*{words}"):
            made.compile("adam", "ctc")
    made = Sequential([Input((3,)), layers.Dense(5)])
    made.compile("adam", "ctc")
    with pytest.raises(ValueError, match=r"fit: the loss ctc needs an output with steps, got \[2, 5\]"):
        made.fit(X[:, 0], Y)


def test_refused_by_the_engine():
    network = _core.Network("float32", 5, True, False, [{"op": "activation", "activation": "linear"}])
    with pytest.raises(ValueError, match="the loss ctc goes without metrics"):
        network.compile("ctc", True, [{"name": "categorical_accuracy"}], {"name": "sgd"})
    network.compile("ctc", True, [], {"name": "sgd"})
    for y, weights, words in [
        (np.zeros((2, 3)), None, r"y must be integer labels \[N, L\] of a sequence, got shape \[2, 3\]"),
        (np.full((2, 3), 5), None, "y: ids must be from 0 to 4, got 5"),
        (np.full((2, 3), 2), None, "y: 3 labels, and a blank between equal ones, need more steps than the output's 4"),
        (np.ones((2, 1), int), np.ones((2, 4)), r"weights must be \[N\], got shape \[2, 4\]"),
    ]:
        with pytest.raises(ValueError, match=words):
            network.evaluate_batch(np.zeros((2, 4, 5), "f"), y, np.arange(2), weights)
