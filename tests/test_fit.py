"""The training loop: what is trained, in which order, what comes back, what is printed."""

import re
import time

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, callbacks, layers, optimizers


def data(samples=50, seed=0):
    """Ids [N, 6] of 5 symbols, and the one that comes most often."""
    x = np.random.default_rng(seed).integers(0, 5, (samples, 6))
    return x, np.array([np.bincount(row, minlength=5).argmax() for row in x])


def model(seed=0, optimizer="adam", metrics=("accuracy",), dropout=0.0, dtype="float32"):
    pyrnn.utils.set_random_seed(seed)
    made = Sequential([Input((6, 5)), layers.LSTM(8)], dtype=dtype)
    if dropout:
        made.add(layers.Dropout(dropout))
    made.add(layers.Dense(5, activation="softmax"))
    made.compile(optimizer, "sparse_categorical_crossentropy", list(metrics))
    return made


def assert_same(first, second):
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_learns():
    x, y = data(600)
    made = model(optimizer=optimizers.Adam(0.02))
    history = made.fit(x, y, epochs=30, validation_data=data(200, seed=1), verbose=0)
    assert history.history["accuracy"][-1] > 0.9
    assert history.history["val_accuracy"][-1] > 0.8
    assert history.history["loss"][0] > 1.3
    assert history.history["loss"][-1] < 0.5


def test_history():
    x, y = data()
    made = model()
    history = made.fit(x, y, epochs=3, validation_split=0.2, verbose=0)
    assert history is made.history
    assert history.epoch == [0, 1, 2]
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert all(
        len(values) == 3 and all(isinstance(value, float) for value in values) for values in history.history.values()
    )
    history = made.fit(x, y, initial_epoch=3, epochs=5, verbose=0)
    assert history.epoch == [3, 4]
    assert list(history.history) == ["loss", "accuracy"]


def test_epoch_values_are_means_over_samples_not_batches():
    """With a learning rate of 0 the weights stand still, so batches of any size must give what evaluate gives at once."""
    x, y = data(50)
    made = model(optimizer=optimizers.SGD(0.0))
    loss, accuracy = made.evaluate(x, y, batch_size=50, verbose=0)
    for size in (50, 32, 7, 1):
        history = made.fit(x, y, batch_size=size, verbose=0).history
        assert history["loss"][0] == pytest.approx(loss, rel=1e-6)
        assert history["accuracy"][0] == pytest.approx(accuracy, rel=1e-12)
        assert made.evaluate(x, y, batch_size=size, verbose=0) == pytest.approx([loss, accuracy], rel=1e-6)


def test_fit_without_shuffling_is_train_on_batch_in_order():
    x, y = data(50)
    one, other = model(), model()
    one.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    for first in range(0, 50, 16):
        other.train_on_batch(x[first : first + 16], y[first : first + 16])
    assert_same(one, other)


def test_every_sample_is_used_once_per_epoch_in_a_new_order():
    """The weights stand still, so the loss of a batch of one sample tells which sample it was."""
    x, y = data(40)
    made = model(optimizer=optimizers.SGD(0.0))
    losses = []

    class Orders(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            losses.append([0.0])

        def on_train_batch_end(self, batch, logs=None):
            losses[-1].append(logs["loss"] * (batch + 1))  # the sum so far

    made.fit(x, y, batch_size=1, epochs=2, callbacks=[Orders()], verbose=0)
    each = [made.test_on_batch(x[i : i + 1], y[i : i + 1])[0] for i in range(40)]
    orders = [np.diff(sums) for sums in losses]
    for order in orders:
        np.testing.assert_allclose(np.sort(order), np.sort(each), rtol=1e-4, atol=1e-6)
    assert np.abs(orders[0] - orders[1]).max() > 1e-3
    assert np.abs(orders[0] - each).max() > 1e-3


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_seed_same_bits(dropout, dtype):
    x, y = data(60)

    def trained(seed):
        made = model(seed, dropout=dropout, dtype=dtype)
        return made, made.fit(x, y, epochs=2, validation_split=0.1, verbose=0).history

    (one, first), (other, second), (third, _) = trained(4), trained(4), trained(5)
    assert first == second
    assert_same(one, other)
    assert (one.get_weights()[0] != third.get_weights()[0]).any()


def test_the_number_of_threads_does_not_change_a_bit():
    x, y = data(60)

    def trained(threads):
        pyrnn.set_num_threads(threads)
        made = model(4)
        made.fit(x, y, epochs=2, verbose=0)
        return made

    try:
        one, two, three = trained(1), trained(2), trained(3)
    finally:
        pyrnn.set_num_threads(0)
    assert_same(one, two)
    assert_same(one, three)


def test_validation_split_takes_the_last_samples_and_does_not_train_on_them():
    x, y = data(50)
    one = model()
    first = one.fit(x, y, validation_split=0.3, epochs=2, verbose=0).history
    other = model()
    second = other.fit(x[:35], y[:35], validation_data=(x[35:], y[35:]), epochs=2, verbose=0).history
    assert first == second
    assert_same(one, other)


def test_one_hot_targets_and_inputs_train_like_ids():
    x, y = data(50)
    one = model()
    first = one.fit(x, y, epochs=2, validation_split=0.2, verbose=0).history
    other = model()
    other.compile("adam", "categorical_crossentropy", ["accuracy"])
    second = other.fit(np.eye(5, dtype=bool)[x], np.eye(5)[y], epochs=2, validation_split=0.2, verbose=0).history
    assert first == second
    assert_same(one, other)


@pytest.mark.parametrize("as_", [list, lambda a: a[:, None] if a.ndim == 1 else a, lambda a: a.astype(np.uint8)])
def test_targets_in_keras_other_forms(as_):
    x, y = data(20)
    assert model().evaluate(x, as_(y), verbose=0) == model().evaluate(x, y, verbose=0)


def test_learning_rate_counts_from_the_next_batch():
    x, y = data(40)
    one, other = model(optimizer=optimizers.SGD(0.5)), model(optimizer=optimizers.SGD(0.5))

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.optimizer.learning_rate = 0.0

    one.fit(x, y, batch_size=10, shuffle=False, callbacks=[Stop()], verbose=0)
    other.fit(x[:20], y[:20], batch_size=10, shuffle=False, verbose=0)
    assert_same(one, other)


def test_evaluate_and_on_batch_methods_return_what_keras_returns():
    x, y = data(20)
    made = model()
    loss, accuracy = made.evaluate(x, y, verbose=0)
    assert made.evaluate(x, y, verbose=0, return_dict=True) == {"loss": loss, "accuracy": accuracy}
    assert made.test_on_batch(x, y) == pytest.approx([loss, accuracy], rel=1e-6)
    assert made.train_on_batch(x, y) == pytest.approx([loss, accuracy], rel=1e-6)  # before the update
    assert made.test_on_batch(x, y)[0] < loss
    bare = model(metrics=())
    assert isinstance(bare.evaluate(x, y, verbose=0), float)
    assert isinstance(bare.train_on_batch(x, y), float)


def test_dropout_acts_in_training_only_and_as_its_seed_says():
    x, y = data(40)

    def losses(rate, seed):
        pyrnn.utils.set_random_seed(0)
        made = Sequential([Input((6, 5)), layers.LSTM(8, seed=1), layers.Dropout(rate, seed=seed)])
        made.add(layers.Dense(5, activation="softmax"))
        made.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        return made.train_on_batch(x, y), made.train_on_batch(x, y), made.test_on_batch(x, y)

    first, second, tested = losses(0.5, 3)
    assert len({first, second, tested}) == 3  # another mask for each batch, none in testing
    assert losses(0.5, 3) == (first, second, tested)
    assert losses(0.5, 4)[0] != first
    assert len(set(losses(0.0, 3))) == 1


def test_evaluate_changes_nothing():
    x, y = data(20)
    made = model(dropout=0.5)
    before = made.get_weights()
    assert made.evaluate(x, y, verbose=0) == made.evaluate(x, y, verbose=0)
    for one, other in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_compiling_anew_starts_the_optimizer_anew_and_keeps_weights():
    x, y = data(20)
    one, other = model(), model()
    one.fit(x, y, epochs=3, verbose=0)
    other.set_weights(one.get_weights())
    one.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    one.train_on_batch(x, y)
    other.train_on_batch(x, y)
    assert_same(one, other)


def test_ctrl_c_leaves_the_last_whole_batch():
    x, y = data(40)
    one, other = model(), model()

    class Interrupt(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.fit(x, y, batch_size=10, shuffle=False, callbacks=[Interrupt()], verbose=2)
    other.fit(x[:30], y[:30], batch_size=10, shuffle=False, verbose=0)
    assert_same(one, other)
    assert one.history.history == {}
    one.fit(x, y, verbose=0)


def test_stop_training_ends_after_the_batch():
    x, y = data(40)
    seen = []

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)
            self.model.stop_training = batch == 1

    history = model().fit(x, y, batch_size=10, epochs=3, callbacks=Stop(), verbose=0)
    assert seen == [0, 1]
    assert history.epoch == [0]


# -- what is printed ----------------------------------------------------------

LINE = r"Epoch {}/2 - \d+\.\ds - \d+ samples/s - loss: \d\.\d{{4}} - accuracy: \d\.\d{{4}}"


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_one_plain_line_per_epoch_where_stderr_is_no_terminal(verbose, capsys):
    x, y = data()
    model().fit(x, y, epochs=2, verbose=verbose)
    out, err = capsys.readouterr()
    assert err == ""
    first, second = out.splitlines()
    assert re.fullmatch(LINE.format(1), first) and re.fullmatch(LINE.format(2), second)


def test_the_line_has_validation(capsys):
    x, y = data()
    model().fit(x, y, validation_split=0.5)
    assert re.search(r" - val_loss: \d\.\d{4} - val_accuracy: \d\.\d{4}$", capsys.readouterr().out.strip())


def test_verbose_0_prints_nothing(capsys):
    x, y = data()
    made = model()
    made.fit(x, y, epochs=2, validation_split=0.5, verbose=0)
    made.evaluate(x, y, verbose=0)
    made.predict(x, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_evaluate_prints_a_line_and_predict_none(capsys):
    x, y = data()
    model().evaluate(x, y)
    assert re.fullmatch(LINE.format(1).replace("Epoch 1/2", "Evaluate"), capsys.readouterr().out.strip())
    model().predict(x)
    assert capsys.readouterr() == ("", "")


class Terminal:
    """A stderr that says it is a terminal, and keeps what is written."""

    encoding = "utf-8"

    def __init__(self):
        self.written = []

    def write(self, text):
        self.written.append(text)
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return True

    @property
    def text(self):
        return "".join(self.written)


class Wait(callbacks.Callback):
    """Makes batches slow enough for a bar to show itself."""

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.06)


@pytest.mark.parametrize(("verbose", "bar"), [("auto", True), (1, True), (2, False), (0, False)])
def test_bar_on_a_terminal(verbose, bar, capsys, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    x, y = data(50)
    model().fit(x, y, batch_size=10, verbose=verbose, callbacks=[Wait()])
    if bar:
        assert re.search(r"Epoch 1/1.* \d+ samples/s, 0:00 left loss: \d\.\d{4} accuracy: \d\.\d{4}", terminal.text)
        assert terminal.text.endswith("\x1b[2K") or "\x1b[2K" in terminal.text  # it goes away
    else:
        assert terminal.text == ""
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == (verbose != 0)


@pytest.mark.parametrize("kind", ["dumb", "unknown"])
def test_a_terminal_that_cannot_go_back_gets_lines_alone(kind, capsys, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", kind)
    made, (x, y) = model(), data(50)
    made.fit(x, y, batch_size=10, callbacks=[Wait()])
    made.predict(x, batch_size=1)
    assert terminal.text == "" and capsys.readouterr().out.count("\n") == 1


def test_bar_is_drawn_ten_times_a_second_at_most(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    x, y = data(2000)
    start = time.perf_counter()
    model().fit(
        x,
        y,
        batch_size=1,
        callbacks=[callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(2e-4))],
    )
    seconds = time.perf_counter() - start
    assert terminal.text.count("samples/s") <= 10 * seconds + 3


def test_epochs_by_their_old_name():
    with pytest.warns(DeprecationWarning, match="fit: nb_epoch is the old name of epochs"):
        history = model().fit(*data(), nb_epoch=3, verbose=0)
    assert history.epoch == [0, 1, 2]


def test_predict_classes():
    x, _ = data()
    made = model()
    np.testing.assert_array_equal(made.predict_classes(x), made.predict(x, verbose=0).argmax(-1))
    yes_or_no = Sequential([layers.Dense(1, activation="sigmoid", input_shape=(6,))])
    classes = yes_or_no.predict_classes(x - 2.0)
    assert classes.dtype == np.int32
    np.testing.assert_array_equal(classes, yes_or_no.predict(x - 2.0, verbose=0) > 0.5)
    assert set(classes[:, 0]) == {0, 1}
