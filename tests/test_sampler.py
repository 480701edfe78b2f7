"""The choice of the next symbol from logits: the reference's, from the right distribution, whatever the logits."""

import numpy as np
import pytest

from pyrnn import _core
from pyrnn import reference as ref

INF = float("inf")
LOGITS = {
    "usual": np.linspace(-2, 2, 57) ** 3,
    "one": [4.0],
    "equal": [0.7] * 20,
    "ties": [1.0, 3, 2, 3, 1, 2, 3, 0],
    "huge": [3e38, -3e38, 2.9e38, 3e38],
    "tiny": [1e-40, 0, -1e-40, 2e-38],
    "some impossible": [-INF, 1.0, -INF, 0.5, -INF],
    "one possible": [-INF, -INF, -80.0, -INF],
    "far apart": [0.0, -700, -720, -800, 5],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOGITS)
def test_the_sampler_is_the_reference(name, dtype):
    row = np.array(LOGITS[name], dtype)
    keys = [0, 1, 2**63 + 5, 2**64 - 1, *range(100, 140)]
    rows = np.tile(row, (len(keys), 1))
    for position in (0, 1, 2**32 - 1, 2**40 + 3):
        for options in [
            {},
            {"temperature": 0.0},
            {"temperature": 1e-320},
            {"temperature": 0.3},
            {"temperature": 1e300},
            {"top_k": 1},
            {"top_k": 3},
            {"top_k": 1000},
            {"top_p": 1e-300},
            {"top_p": 0.6},
            {"temperature": 2.0, "top_k": 4, "top_p": 0.7},
        ]:
            ids = _core.sample_ids(rows, keys, position, **options)
            with np.errstate(over="ignore"):
                expected = ref.sample_ids(rows.astype(float), keys, position, **options)
            np.testing.assert_array_equal(ids, expected, err_msg=str(options))
            assert np.isfinite(row[ids]).all()


def probabilities(logits, temperature=1.0, top_k=None, top_p=None):
    """Written down once more, by sorting."""
    p = np.exp((logits - logits.max()) / temperature)
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    if top_k is not None:
        p[order[top_k:]] = 0
        p /= p.sum()
    if top_p is not None:
        kept = 1 + next(i for i, share in enumerate(np.cumsum(p[order])) if share >= top_p)
        p[order[kept:]] = 0
    return p / p.sum()


def assert_drawn_from(counts, p):
    """Pearson's chi-square test. Its mean is the degrees of freedom d, its deviation sqrt(2 d): 5 of them are 1 in 10^5."""
    assert not counts[p == 0].any()
    expected = counts.sum() * p[p > 0]
    degrees = len(expected) - 1
    assert np.sum((counts[p > 0] - expected) ** 2 / expected) < degrees + 5 * np.sqrt(2 * degrees)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 1.7},
        {"top_k": 4},
        {"top_p": 0.8},
        {"temperature": 1.4, "top_k": 7, "top_p": 0.9},
    ],
    ids=str,
)
def test_symbols_are_drawn_from_the_softmax(options, rng):
    logits = rng.normal(size=12)
    n = 60_000
    ids = _core.sample_ids(np.tile(logits, (n, 1)), list(range(n)), 0, **options)
    assert_drawn_from(np.bincount(ids, minlength=12), probabilities(logits, **options))


def test_positions_of_one_key_are_independent(rng):
    """Pairs of neighbours are drawn from the product of the distributions."""
    logits = rng.normal(size=(1, 4))
    ids = np.array([_core.sample_ids(logits, [11], position)[0] for position in range(40_000)])
    p = probabilities(logits[0])
    assert_drawn_from(np.bincount(4 * ids[:-1] + ids[1:], minlength=16), np.outer(p, p).ravel())


@pytest.mark.parametrize("bad", [np.nan, INF, -INF])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_without_a_finite_largest_are_refused(bad, temperature):
    logits = np.full((1, 5), -INF)
    logits[0, 3] = bad
    with pytest.raises(ValueError, match="the largest logit must be finite, got -?(nan|inf) for symbol"):
        _core.sample_ids(logits, [1], 0, temperature)
    logits[0, 0] = 1
    if bad != -INF:
        with pytest.raises(ValueError, match="the largest logit must be finite, got -?(nan|inf) for symbol 3"):
            _core.sample_ids(logits, [1], 0, temperature)
