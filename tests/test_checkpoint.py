"""Training that is stopped at any batch, and resumed by a process that knows nothing, ends with the bits of training that was not."""

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, callbacks, layers, optimizers, saving
from pyrnn.utils import timeseries_dataset_from_array

RNG = np.random.default_rng(20150806)
IDS, CLASSES = RNG.integers(0, 5, (26, 6)), RNG.integers(0, 3, 26)
STEPS = RNG.integers(0, 3, (26, 6))
LENGTHS = RNG.integers(1, 7, 26)
WEIGHTS = RNG.uniform(0.5, 2, 26)
SERIES = RNG.normal(size=(60, 2)).astype(np.float32)


class Stop(Exception):
    pass


class StopBefore(callbacks.Callback):
    """Raises Stop when a training of its process begins its batch number `batch`."""

    def __init__(self, batch):
        self.left = batch

    def on_train_batch_begin(self, batch, logs=None):
        if not self.left:
            raise Stop
        self.left -= 1


def classifier(optimizer, *, steps=False, **options):
    lstm = layers.LSTM(7, return_sequences=steps, **options)
    made = Sequential([Input((None, 5)), lstm, layers.Dropout(0.2), layers.Dense(3, activation="softmax")])
    made.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    return made


def regression(**options):
    made = Sequential([Input((4, 2)), layers.Bidirectional(layers.GRU(5, **options)), layers.Dense(1)])
    made.compile("rmsprop", "mse")
    return made


def translator():
    encoder = Sequential([Input((None, 5)), layers.GRU(6, recurrent_dropout=0.2)])
    decoder = Sequential(
        [Input((None, 3)), layers.GRU(6, return_sequences=True), layers.Dense(3, activation="softmax")]
    )
    made = pyrnn.Seq2Seq(encoder, decoder, start=0)
    made.compile("adam", "sparse_categorical_crossentropy")
    return made


def decay():
    return optimizers.schedules.CosineDecay(0.02, 11, warmup_target=0.05, warmup_steps=3)


def shuffled_windows():
    return timeseries_dataset_from_array(SERIES, SERIES[4:, :1], 4, batch_size=7, shuffle=True)


# By name: a model, and what fit is given beside epochs and callbacks. All is made anew for each call, as in a new process.
CASES = {
    "shuffle, dropout, clipping": (
        lambda: classifier(optimizers.Adam(0.01, clipnorm=0.3), dropout=0.3, recurrent_dropout=0.2, zoneout=0.1),
        lambda: {"x": IDS, "y": CLASSES, "batch_size": 4, "validation_split": 0.2},
    ),
    "schedule, average, accumulation": (
        lambda: classifier(
            optimizers.Nadam(decay(), use_ema=True, ema_overwrite_frequency=3, gradient_accumulation_steps=2)
        ),
        lambda: {"x": IDS, "y": CLASSES, "batch_size": 8},
    ),
    "sample weights, ragged": (
        lambda: classifier(optimizers.RMSprop(centered=True, momentum=0.5, global_clipnorm=1.0)),
        lambda: {"x": IDS, "y": CLASSES, "batch_size": 5, "sample_weight": WEIGHTS, "lengths": LENGTHS},
    ),
    "tbptt, ragged": (
        lambda: classifier(optimizers.Adam(amsgrad=True, weight_decay=0.01), steps=True),
        lambda: {"x": IDS, "y": STEPS, "batch_size": 7, "lengths": LENGTHS, "tbptt": 2},
    ),
    "stateful": (
        lambda: classifier(optimizers.Lion(), steps=True, stateful=True),
        lambda: {"x": IDS, "y": STEPS, "batch_size": 13, "shuffle": False},
    ),
    "stateful, tbptt": (
        lambda: classifier(optimizers.SGD(0.1, momentum=0.9, nesterov=True), steps=True, stateful=True),
        lambda: {"x": IDS, "y": STEPS, "batch_size": 13, "shuffle": False, "tbptt": 4},
    ),
    "dataset": (regression, lambda: {"x": shuffled_windows()}),
    "bidirectional dropout, validation": (
        lambda: regression(dropout=0.2),
        lambda: {"x": shuffled_windows(), "validation_data": timeseries_dataset_from_array(SERIES, SERIES[:, :1], 4)},
    ),
    "encoder and decoder": (translator, lambda: {"x": IDS, "y": STEPS, "batch_size": 9}),
}


def watchers():
    """Callbacks that remember, of which the rates go and the best weights come."""
    return [
        callbacks.EarlyStopping("val_loss", patience=2, min_delta=0.01, restore_best_weights=True),
        callbacks.DivergenceGuard(factor=1.01, min_delta=0, window=2, verbose=0),
    ]


def train(case, folder, *, seed, stop=None, save_freq=1, epochs=3, more=()):
    """Weights and history of a whole training, or None of one that was stopped."""
    make_model, make_arguments = CASES[case]
    pyrnn.utils.set_random_seed(seed)
    model, arguments = make_model(), make_arguments()
    hooks = [callbacks.BackupAndRestore(folder, save_freq), *more]
    if stop is not None:
        hooks.append(StopBefore(stop))
    try:
        history = model.fit(**arguments, epochs=epochs, callbacks=hooks, verbose=0)
    except Stop:
        return None
    return model.get_weights(), history.epoch, history.history


def assert_same(one, other):
    assert one[1:] == other[1:]
    for value, wanted in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(value, wanted)


@pytest.mark.parametrize("case", CASES)
def test_stopped_at_random_batches(case, tmp_path):
    whole = train(case, tmp_path / "whole", seed=1)
    rng = np.random.default_rng(len(case))
    for number in range(4):
        folder, result, seed = tmp_path / str(number), None, 1
        while result is None:  # stopped again and again
            result = train(case, folder, seed=seed, stop=int(rng.integers(1, 9)))
            seed += 1  # of the new process: whatever it draws must not matter
        assert_same(result, whole)
        assert not folder.exists()


@pytest.mark.parametrize("save_freq", [3, "epoch"])
def test_what_came_after_the_checkpoint_is_done_again(save_freq, tmp_path):
    case = "shuffle, dropout, clipping"
    whole = train(case, tmp_path / "whole", seed=1)
    for stop in range(12):
        assert train(case, tmp_path / "run", seed=1, stop=stop, save_freq=save_freq) is None
        has_saved = stop >= (6 if save_freq == "epoch" else 3)
        assert_same(train(case, tmp_path / "run", seed=2 if has_saved else 1, save_freq=save_freq), whole)


def test_callbacks_remember(tmp_path):
    case = "shuffle, dropout, clipping"
    whole = train(case, tmp_path / "whole", seed=3, epochs=20, more=watchers())
    batches = 5 * len(whole[1])
    assert 15 <= batches < 100, "stopped early, and not at once"
    assert whole[2]["rollbacks"][-1] > 0, "nothing was rolled back"
    for stop in range(1, batches, 3):
        assert train(case, tmp_path / "run", seed=3, epochs=20, stop=stop, more=watchers()) is None
        assert_same(train(case, tmp_path / "run", seed=4, epochs=20, more=watchers()), whole)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_does_not_matter(threads, tmp_path):
    case, before = "shuffle, dropout, clipping", pyrnn.get_num_threads()
    whole = train(case, tmp_path / "whole", seed=1)
    try:
        pyrnn.set_num_threads(threads)
        assert train(case, tmp_path / "run", seed=1, stop=7) is None
        pyrnn.set_num_threads(4 - threads)
        assert_same(train(case, tmp_path / "run", seed=2), whole)
    finally:
        pyrnn.set_num_threads(before)


@pytest.mark.parametrize("append", [False, True])
def test_loggers_go_back_to_the_checkpoint(append, tmp_path):
    case = "sample weights, ragged"

    def loggers(folder):
        folder.mkdir(exist_ok=True)
        csv, lines = folder / "log.csv", folder / "log.jsonl"
        return [callbacks.CSVLogger(csv, append=append), callbacks.JSONLogger(lines, append=append)]

    whole, run = tmp_path / "whole", tmp_path / "run"
    train(case, whole / "backup", seed=1, epochs=4, more=loggers(whole))
    for stop in (7, 9):  # the first line is written when the checkpoint is; the second, after it, is written again
        assert train(case, run / "backup", seed=1, epochs=4, stop=stop, save_freq=7, more=loggers(run)) is None
    train(case, run / "backup", seed=2, epochs=4, save_freq=7, more=loggers(run))
    for name in ("log.csv", "log.jsonl"):
        assert (run / name).read_text() == (whole / name).read_text()
        assert len((run / name).read_text().splitlines()) == (5 if name == "log.csv" else 4)


def test_a_log_that_was_lost_is_an_error(tmp_path):
    case, log = "dataset", tmp_path / "log.jsonl"
    assert train(case, tmp_path / "run", seed=1, stop=9, more=[callbacks.JSONLogger(log)]) is None
    log.write_text("")
    with pytest.raises(ValueError, match="JSONLogger: .*log.jsonl must have the .* bytes that it had"):
        train(case, tmp_path / "run", seed=1, more=[callbacks.JSONLogger(log)])


def test_hooks_are_called_once_in_all(tmp_path):
    calls = []

    class Watch(callbacks.Callback):
        def on_train_begin(self, logs=None):
            calls.append(("begin", self.resumed))

        def on_epoch_begin(self, epoch, logs=None):
            calls.append(("epoch", epoch))

        def on_train_batch_end(self, batch, logs=None):
            calls.append(("batch", batch))

        def on_epoch_end(self, epoch, logs=None):
            calls.append(("end", epoch))

    case = "stateful"  # two batches an epoch
    assert train(case, tmp_path / "run", seed=1, stop=3, epochs=2, more=[Watch()]) is None
    train(case, tmp_path / "run", seed=1, epochs=2, more=[Watch()])
    first = [("begin", False), ("epoch", 0), ("batch", 0), ("batch", 1), ("end", 0), ("epoch", 1), ("batch", 0)]
    assert calls == [*first, ("begin", True), ("batch", 1), ("end", 1)]


def test_callbacks_and_datasets_of_the_users_have_states(tmp_path):
    class Counter(callbacks.Callback):
        def __init__(self):
            self.seen = np.zeros(3)

        def get_state(self):
            return {"seen": self.seen, "more": [1, None, {"x": np.float32(0.5)}]}

        def set_state(self, state):
            assert state["more"] == [1, None, {"x": 0.5}]
            self.seen = state["seen"].copy()

        def on_train_batch_end(self, batch, logs=None):
            self.seen[batch % 3] += 1

    class Growing:  # each pass is another
        passes = 0

        def get_state(self):
            return self.passes

        def set_state(self, state):
            self.passes = state

        def __iter__(self):
            self.passes += 1
            for batch in range(5):
                yield np.full((2, 4, 2), self.passes + batch, np.float32), np.ones((2, 1))

    CASES["growing"] = (regression, lambda: {"x": Growing()})
    try:
        whole = train("growing", tmp_path / "whole", seed=1, more=[Counter()])
        for stop in (3, 5, 8):
            counter = Counter()
            assert train("growing", tmp_path / "run", seed=1, stop=stop, more=[Counter()]) is None
            assert_same(train("growing", tmp_path / "run", seed=2, more=[counter]), whole)
            np.testing.assert_array_equal(counter.seen, [6, 6, 3])
    finally:
        del CASES["growing"]


@pytest.mark.parametrize("hook", ["on_test_begin", "on_epoch_end", "on_train_end"])
@pytest.mark.parametrize("save_freq", [1, "epoch"])
def test_an_end_that_was_decided_stays_decided(save_freq, hook, tmp_path):
    """Training that a callback ended within an epoch, killed in what comes after the last batch."""

    class End(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = self.model.optimizer.iterations == 7

    class Kill(callbacks.Callback):
        def kill(self, *arguments):
            if self.model.optimizer.iterations == 7:
                raise Stop

    case, killer = "shuffle, dropout, clipping", Kill()
    setattr(killer, hook, killer.kill)
    whole = train(case, tmp_path / "whole", seed=1, more=[End()])
    assert whole[1] == [0, 1]
    assert train(case, tmp_path / "run", seed=1, save_freq=save_freq, more=[End(), killer]) is None
    assert_same(train(case, tmp_path / "run", seed=2, save_freq=save_freq, more=[End()]), whole)


def test_what_callbacks_draw(tmp_path):
    """From pyrnn's stream, at the beginning in every process, and later."""

    class Draw(callbacks.Callback):
        def draw(self):
            layer = layers.Dense(1)
            layer.build((None, 1))
            return float(layer.get_weights()[0][0, 0])

        def on_train_begin(self, logs=None):
            self.draw()

        def on_epoch_end(self, epoch, logs=None):
            logs["drawn"] = self.draw()

    case = "stateful"
    whole = train(case, tmp_path / "whole", seed=1, more=[Draw()])
    assert train(case, tmp_path / "run", seed=1, stop=3, more=[Draw()]) is None
    assert_same(train(case, tmp_path / "run", seed=2, more=[Draw()]), whole)


def test_a_state_that_has_no_place_in_a_file(tmp_path):
    class Odd(callbacks.Callback):
        def get_state(self):
            return {"odd": {1, 2}}

    with pytest.raises(TypeError, match=r"a checkpoint holds numbers, .*, got \{1, 2\} as fit/callbacks/0/1/odd"):
        train("dataset", tmp_path, seed=1, more=[Odd()])


def test_a_kept_checkpoint_goes_on_with_more_epochs(tmp_path):
    def fit(folder, epochs):
        pyrnn.utils.set_random_seed(1)
        model = classifier(optimizers.Adam(use_ema=True))
        backup = callbacks.BackupAndRestore(folder, delete_checkpoint=False)
        history = model.fit(IDS, CLASSES, epochs=epochs, callbacks=backup, verbose=0)
        return model.get_weights(), history.epoch, history.history

    short = fit(tmp_path / "run", 2)
    assert_same(fit(tmp_path / "run", 2), short)  # nothing left to train
    assert_same(fit(tmp_path / "run", 5), fit(tmp_path / "whole", 5))


def test_a_schedule_of_the_users_own_is_the_one_compiled_with(tmp_path):
    class Halving(optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1 / 2**step

    def made():
        pyrnn.utils.set_random_seed(1)
        model = regression()
        model.compile(optimizers.SGD(Halving()), "mse")
        return model

    x, y, path = np.ones((3, 4, 2)), np.ones(3), tmp_path / "checkpoint"
    one, other, third = made(), made(), regression()
    for _ in range(3):
        one.train_on_batch(x, y)
    saving.save_checkpoint(one, path)
    saving.load_checkpoint(other, path)
    assert one.train_on_batch(x, y) == other.train_on_batch(x, y)
    assert other.optimizer.learning_rate == 0.1 / 2**4
    third.compile(optimizers.SGD(), "mse")
    with pytest.raises(ValueError, match="whose learning_rate must be a Halving"):
        saving.load_checkpoint(third, path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_batch_by_batch_goes_on(dtype, tmp_path):
    def made(seed):
        pyrnn.utils.set_random_seed(seed)
        stack = [Input((6, 5)), layers.GRU(4, dropout=0.5, stateful=True), layers.Dropout(0.5), layers.Dense(1)]
        model = Sequential(stack, dtype=dtype)
        model.compile("adam", "mse")
        return model

    one, other, path = made(1), made(2), tmp_path / "checkpoint"
    for _ in range(3):
        one.train_on_batch(IDS, WEIGHTS)
    one.optimizer.learning_rate = 0.5
    saving.save_checkpoint(one, path)
    assert saving.load_checkpoint(other, path) == 0
    for _ in range(2):
        assert one.train_on_batch(IDS, WEIGHTS) == other.train_on_batch(IDS, WEIGHTS)
    assert one.optimizer.get_config() == other.optimizer.get_config()


def test_the_shared_random_stream_goes_on(tmp_path):
    model, path = regression(), tmp_path / "checkpoint"
    saving.save_checkpoint(model, path)
    wanted = layers.Dense(3)
    wanted.build((None, 4))
    pyrnn.utils.set_random_seed(17)
    saving.load_checkpoint(model, path)
    drawn = layers.Dense(3)
    drawn.build((None, 4))
    np.testing.assert_array_equal(drawn.get_weights()[0], wanted.get_weights()[0])
