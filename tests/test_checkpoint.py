"""Training that is stopped at any batch, and resumed by a process that knows nothing, ends with the bits of training that was not."""

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, callbacks, layers, optimizers
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
