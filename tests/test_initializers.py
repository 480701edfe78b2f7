"""Initial values: distributions as in Keras 3, seeds, refusals."""

import math

import numpy as np
import pytest

from pyrnn import initializers, utils

SHAPE = (300, 200)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("glorot_uniform", math.sqrt(6 / 500)),
        ("he_uniform", math.sqrt(6 / 300)),
        ("random_uniform", 0.05),
        ("uniform", 0.05),
    ],
)
def test_uniform_fills_its_interval(name, limit):
    utils.set_random_seed(1)
    values = initializers.get(name)(SHAPE, "float64")
    assert np.abs(values).max() <= limit
    assert np.abs(values).max() > 0.999 * limit
    assert values.std() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert abs(values.mean()) < 0.02 * limit


@pytest.mark.parametrize(("name", "variance"), [("glorot_normal", 2 / 500), ("he_normal", 2 / 300)])
def test_truncated_normal_has_its_variance_and_ends_at_two_sigma(name, variance):
    utils.set_random_seed(2)
    values = initializers.get(name)(SHAPE, "float64")
    assert values.var() == pytest.approx(variance, rel=0.03)
    end = 2 * math.sqrt(variance) / 0.87962566103423978
    assert 0.99 * end < np.abs(values).max() <= end


def test_random_normal():
    values = initializers.RandomNormal(mean=3, stddev=0.5, seed=0)(SHAPE, "float64")
    assert values.mean() == pytest.approx(3, abs=0.01)
    assert values.std() == pytest.approx(0.5, rel=0.01)
    assert np.abs(values - 3).max() > 1.2  # not cut off


@pytest.mark.parametrize("shape", [(5, 20), (20, 5), (7, 7), (2, 3, 4)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    gain = 1.5
    q = initializers.Orthogonal(gain=gain, seed=3)(shape, "float64")
    matrix = q.reshape(-1, shape[-1]) / gain
    product = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-14)
    assert q.flags.c_contiguous


def test_orthogonal_signs_are_fair():
    """Without the signs of R's diagonal, the first entries of Q are all negative in LAPACK's convention."""
    utils.set_random_seed(0)
    firsts = [initializers.Orthogonal()((4, 4), "float64")[0, 0] for _ in range(200)]
    assert 60 < sum(first > 0 for first in firsts) < 140


def test_constants():
    assert (initializers.get("zeros")((2, 3)) == 0).all()
    assert (initializers.get("ones")((2, 3)) == 1).all()
    assert (initializers.Constant(2.5)((4,)) == 2.5).all()
    assert initializers.get("ones")((2,)).dtype == np.float32


def test_seeded_initializer_repeats_itself_and_unseeded_follows_the_shared_stream():
    seeded = initializers.GlorotUniform(seed=7)
    np.testing.assert_array_equal(seeded((4, 4)), seeded((4, 4)))
    unseeded = initializers.GlorotUniform()
    utils.set_random_seed(5)
    first, second = unseeded((4, 4)), unseeded((4, 4))
    utils.set_random_seed(5)
    np.testing.assert_array_equal(unseeded((4, 4)), first)
    assert (first != second).all()


@pytest.mark.parametrize(
    "initializer",
    [
        initializers.Zeros(),
        initializers.Constant(0.25),
        initializers.RandomNormal(0.1, 0.2, seed=1),
        initializers.RandomUniform(-1, 2, seed=1),
        initializers.GlorotNormal(seed=1),
        initializers.HeUniform(seed=1),
        initializers.Orthogonal(gain=0.5, seed=1),
    ],
)
def test_config_makes_the_same_initializer(initializer):
    config = {"class_name": type(initializer).__name__, "config": initializer.get_config()}
    np.testing.assert_array_equal(initializers.get(config)((5, 6)), initializer((5, 6)))


def test_class_and_class_name_are_identifiers():
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    assert isinstance(initializers.get("GlorotUniform"), initializers.GlorotUniform)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: initializers.get("lecun_normal"),
            ValueError,
            "initializer must be one of 'zeros'.*got 'lecun_normal'",
        ),
        (lambda: initializers.get(3), TypeError, "initializer must be a name or a Initializer, got 3"),
        (lambda: initializers.RandomNormal(stddev=-1), ValueError, "RandomNormal: stddev must be at least 0, got -1"),
        (lambda: initializers.RandomUniform(1, 0), ValueError, "RandomUniform: maxval must be at least 1, got 0"),
        (lambda: initializers.Orthogonal(seed=1.5), TypeError, "Orthogonal: seed must be an integer, got 1.5"),
        (lambda: initializers.Constant(math.nan), ValueError, "Constant: value must be finite, got nan"),
        (lambda: initializers.Orthogonal()((3,)), ValueError, "Orthogonal: shape must have at least two axes"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
