"""Rows of different lengths: as if each were alone, in every cell, and at the cost of their own steps."""

import numpy as np
import pytest

from pyrnn import _core

CELLS = [
    {"op": "lstm"},
    {"op": "gru"},
    {"op": "gru", "reset_after": False},
    {"op": "simple_rnn"},
]
LENGTHS = [5, 0, 7, 1, 5, 7, 2, 0, 3, 6, 4, 1, 7]
T, FEATURES = 7, 3


@pytest.fixture
def threads():
    yield _core.set_num_threads
    _core.set_num_threads(0)


def stack_of(cell, sequences, backwards):
    return [
        {**cell, "units": 19, "return_sequences": True, "go_backwards": backwards},
        {"op": "dropout", "rate": 0.0, "seed": 1},
        {**cell, "units": 6, "return_sequences": sequences},
        {"op": "dense", "units": 5, "activation": "tanh"},
        {"op": "dense", "units": 2},
    ]


def pooled(cell, pool, backwards):
    return [
        {**cell, "units": 19, "return_sequences": True, "go_backwards": backwards},
        {"op": "layer_norm", "epsilon": 1e-3, "center": True, "scale": True},
        {"op": "dense", "units": 17, "activation": "tanh"},
        {"op": pool},
        {"op": "layer_norm", "epsilon": 0.1, "center": True, "scale": True},
        {"op": "dense", "units": 2},
    ]


def network(ops, dtype="float64", optimizer=None, features=FEATURES, ids=False):
    net = _core.Network(dtype, features, True, ids, ops)
    rng = np.random.default_rng(1)
    for op, name in weights_of(ops):
        net.set_weight(op, name, rng.uniform(-0.5, 0.5, net.get_weight(op, name).shape).astype(dtype))
    net.compile("mean_squared_error", False, [], optimizer or {"name": "sgd"})
    return net


def weights_of(ops):
    names = {"dense": ["kernel", "bias"], "embedding": ["embeddings"], "layer_norm": ["gamma", "beta"]}
    names |= {op: [] for op in ("dropout", "repeat_vector", "flatten", "average_pool", "max_pool")}
    return [
        (i, name) for i, op in enumerate(ops) for name in names.get(op["op"], ["kernel", "recurrent_kernel", "bias"])
    ]


def padded(values, lengths, left):
    """Each row's steps at the beginning or the end, among NaN that nobody may read."""
    x = np.full(values.shape, np.nan)
    for row, length in enumerate(lengths):
        x[row, T - length :] = values[row, :length] if left and length else x[row, T - length :]
        if not left:
            x[row, :length] = values[row, :length]
    return x


def ragged(x, lengths, left=False):
    """x with the span of each row's steps"""
    first = x.shape[1] - lengths if left else np.zeros_like(lengths)
    return x, np.stack([first, lengths], axis=1), None, None, None


def predict(net, x, lengths=None, left=False, sequences=True):
    out = np.empty((len(x), x.shape[1], 2) if sequences else (len(x), 2), x.dtype if x.dtype.kind == "f" else "float64")
    net.predict_batch(x if lengths is None else ragged(x, lengths, left), np.arange(len(x)), out)
    return out


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_row_is_as_if_it_were_alone(rng, threads, cell, sequences, backwards, left):
    assert_rows_are_as_if_alone(stack_of(cell, sequences, backwards), sequences, left, rng, threads)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("pool", ["average_pool", "max_pool"])
def test_a_row_is_normalized_and_pooled_as_if_it_were_alone(rng, threads, pool, backwards, left):
    assert_rows_are_as_if_alone(pooled({"op": "gru"}, pool, backwards), False, left, rng, threads)


@pytest.mark.parametrize("pool", ["average_pool", "max_pool"])
def test_rows_without_steps_pool_to_zero(rng, pool):
    net = _core.Network("float64", FEATURES, True, False, [{"op": pool}])
    lengths = np.array([0, 2, 0])
    x, out = -1 - rng.random((3, T, FEATURES)), np.full((3, FEATURES), np.nan)
    net.predict_batch(ragged(x, lengths), np.arange(3), out)
    assert not out[lengths == 0].any() and (out[1] < -1).all()


def assert_rows_are_as_if_alone(ops, sequences, left, rng, threads):
    lengths = np.array(LENGTHS)
    values, targets = rng.normal(size=(13, T, FEATURES)), rng.normal(size=(13, T, 2))
    x, y = padded(values, lengths, left), padded(targets, lengths, left) if sequences else targets[:, 0]

    # outputs: to the bit those of each row by itself, zero beyond its end
    for n, schedule in ((1, "serial"), (3, "rows"), (2, "panels")):
        threads(n)
        net = network(ops)
        net.set_schedule(schedule)
        out = predict(net, x, lengths, left, sequences)
        for row, length in enumerate(lengths):
            if length:
                alone = predict(net, values[row : row + 1, :length], sequences=sequences)[0]
                begin = T - length if left else 0
                np.testing.assert_array_equal(out[row, begin : begin + length] if sequences else out[row], alone)
                rest = np.delete(out[row], np.s_[begin : begin + length], axis=0) if sequences else np.zeros(0)
            else:
                rest = out[row] if sequences else np.zeros(0)
            assert not rest.any()

    # loss and gradients: the mean over real steps (or rows that have any)
    shares = lengths if sequences else lengths > 0
    total, gradients = 0.0, None
    for row, length in enumerate(lengths):
        if not length:
            continue
        alone = network(ops)
        target = targets[row : row + 1, :length] if sequences else targets[row : row + 1, 0]
        loss, *_ = alone.train_batch(values[row : row + 1, :length], np.ascontiguousarray(target), np.arange(1), 1.0)
        moved = [network(ops).get_weight(*w) - alone.get_weight(*w) for w in weights_of(ops)]
        total += loss * shares[row] / shares.sum()
        scaled = [m * shares[row] / shares.sum() for m in moved]
        gradients = scaled if gradients is None else [g + s for g, s in zip(gradients, scaled, strict=True)]
    threads(3)
    net = network(ops)
    loss, *_ = net.train_batch(ragged(x, lengths, left), y, np.arange(13), 1.0)
    assert loss == pytest.approx(total, rel=1e-12)
    for w, expected in zip(weights_of(ops), gradients, strict=True):
        np.testing.assert_allclose(network(ops).get_weight(*w) - net.get_weight(*w), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("above", ["steps", "average_pool", "max_pool"])
def test_the_same_bits_for_any_threads_schedule_and_ids(rng, threads, dtype, backwards, above):
    sequences, cell = above == "steps", {"op": "lstm"}
    ops = stack_of(cell, True, backwards) if sequences else pooled(cell, above, backwards)
    ops = [{"op": "embedding", "output_dim": 9}, *ops]
    x, y = rng.integers(11, size=(75, T)), rng.normal(size=(75, T, 2) if sequences else (75, 2)).astype(dtype)
    lengths = rng.integers(0, T + 1, 75)

    def results(n, schedule):
        threads(n)
        net = network(ops, dtype, {"name": "adam"}, 11, True)
        net.set_schedule(schedule)
        losses = [net.train_batch(ragged(x, lengths), y, np.arange(75), 0.01)[0] for _ in range(2)]
        return [np.array(losses), *(net.get_weight(*w) for w in weights_of(ops))]

    expected = results(1, "serial")
    for n in (1, 2, 3, 5):
        for schedule in ("rows", "panels"):
            for a, b in zip(results(n, schedule), expected, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=f"{schedule}, {n} threads")


def test_one_hot_ids_read_backwards(rng):
    """Ids and the vectors that they mean give the same, also from each row's end."""
    ops = [{"op": "gru", "units": 7, "go_backwards": True}, {"op": "dense", "units": 2}]
    ids, lengths = rng.integers(5, size=(9, T)), rng.integers(0, T + 1, 9)
    net = network(ops, features=5)
    np.testing.assert_array_equal(
        predict(net, ids, lengths, sequences=False), predict(net, np.eye(5)[ids], lengths, sequences=False)
    )


def test_an_encoder_and_decoder(rng):
    """A row without steps is decoded from zero, and has no loss."""
    ops = [
        {"op": "lstm", "units": 8},
        {"op": "repeat_vector", "n": T},
        {"op": "lstm", "units": 8, "return_sequences": True},
        {"op": "dense", "units": 2},
    ]
    x, y = rng.normal(size=(4, T, FEATURES)), rng.normal(size=(4, T, 2))
    lengths = np.array([3, 0, 7, 5])
    one, other = network(ops), network(ops)
    loss = one.train_batch(ragged(x, lengths), y, np.arange(4), 0.5)
    without = np.array([0, 2, 3])
    assert loss == pytest.approx(other.train_batch(ragged(x, lengths), y, without, 0.5), rel=1e-12)
    for w in weights_of(ops):
        np.testing.assert_allclose(one.get_weight(*w), other.get_weight(*w), rtol=1e-12)


def test_a_batch_without_any_step_changes_nothing(rng):
    ops = stack_of({"op": "gru"}, True, False)
    net = network(ops)
    before = [net.get_weight(*w) for w in weights_of(ops)]
    x, y = np.full((3, T, FEATURES), np.nan), np.zeros((3, T, 2))
    assert net.train_batch(ragged(x, np.zeros(3, np.int64)), y, np.arange(3), 0.5)[0] == 0
    for w, value in zip(weights_of(ops), before, strict=True):
        np.testing.assert_array_equal(net.get_weight(*w), value)


@pytest.mark.parametrize("pool", ["average_pool", "max_pool"])
def test_gradients_are_the_slopes_of_the_loss(rng, pool):
    """Central differences of the evaluated loss by every weight of the layers that are normalized and pooled."""
    ops = [{"op": "layer_norm", "epsilon": 1e-3, "center": True, "scale": True}, *pooled({"op": "gru"}, pool, False)]
    ops = [{"op": "dense", "units": 5}, *ops]
    x, y = ragged(rng.normal(size=(5, T, FEATURES)), np.array([3, 0, 7, 1, 4]), left=True), rng.normal(size=(5, 2))
    rows, trained, moved = np.arange(5), network(ops), network(ops)
    trained.train_batch(x, y, rows, 1.0)
    for w in weights_of(ops):
        start = moved.get_weight(*w)
        gradient = start - trained.get_weight(*w)
        for place in {0, start.size // 2, start.size - 1}:
            step = np.zeros(start.size)
            step[place] = 1e-6
            losses = []
            for sign in (1, -1):
                moved.set_weight(*w, start + sign * step.reshape(start.shape))
                losses.append(moved.evaluate_batch(x, y, rows)[0])
            moved.set_weight(*w, start)
            assert gradient.flat[place] == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-5, abs=1e-8), w


def test_flatten_refuses_them_by_its_name(rng):
    net = network([{"op": "gru", "units": 4, "return_sequences": True}, {"op": "flatten", "steps": T}])
    out = np.empty((2, 4 * T))
    with pytest.raises(ValueError, match="rows of different lengths .*: Flatten needs all rows to have all steps"):
        net.predict_batch(ragged(np.zeros((2, T, FEATURES)), np.array([T, T])), np.arange(2), out)
    net.predict_batch(np.zeros((2, T, FEATURES)), np.arange(2), out)


@pytest.mark.parametrize(
    ("spans", "error", "words"),
    [
        ([[0, 1], [0, 8], [0, 2]], ValueError, "spans must lie within the 7 steps of x, got 8 from 0 at row 1"),
        ([[0, 1], [7, 1], [0, 2]], ValueError, "got 1 from 7 at row 1"),
        ([[0, 1], [-1, 1], [0, 2]], ValueError, "got 1 from -1 at row 1"),
        ([[0, 1], [1, -1], [0, 2]], ValueError, "got -1 from 1 at row 1"),
        ([[0, 1], [2**62, 2**62], [0, 2]], ValueError, "spans must lie within"),
        ([[0, 1], [0, 2]], ValueError, r"spans must be int64 \[3, 2\], got int64 \[2, 2\]"),
        ([0, 1, 2], ValueError, r"spans must be int64 \[3, 2\], got int64 \[3\]"),
        ([[0.0, 1.0]] * 3, TypeError, r"spans must be int64 \[3, 2\]"),
    ],
)
def test_spans_that_do_not_fit_are_refused(spans, error, words):
    net = network(stack_of({"op": "lstm"}, True, False))
    with pytest.raises(error, match=words):
        net.predict_batch(
            (np.zeros((3, T, FEATURES)), np.array(spans), None, None, None), np.arange(3), np.empty((3, T, 2))
        )


def test_a_model_of_vectors_has_no_lengths():
    net = _core.Network("float64", 3, False, False, [{"op": "dense", "units": 2}])
    with pytest.raises(ValueError, match="spans of steps need a model that reads sequences"):
        net.predict_batch(
            (np.zeros((3, 3)), np.ones((3, 2), np.int64), None, None, None), np.arange(3), np.empty((3, 2))
        )
