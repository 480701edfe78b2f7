"""Callbacks: which hooks are called, with what, and what the ready-made ones do."""

import numpy as np
import pytest

import pyrnn
from pyrnn import Input, Sequential, callbacks, layers


def model(learning_rate=0.05):
    pyrnn.utils.set_random_seed(0)
    made = Sequential([Input((2,)), layers.Dense(1)])
    made.compile(pyrnn.optimizers.SGD(learning_rate), "mse", ["mae"])
    return made


X = np.random.default_rng(0).normal(size=(10, 2))
Y = X @ [1.0, -1.0]

HOOKS = [name for name in dir(callbacks.Callback) if name.startswith("on_")]


class Recorder(callbacks.Callback):
    def __init__(self):
        self.calls = []


def _record(name):
    def hook(self, *arguments, logs=None):
        self.calls.append((name, *arguments))

    return hook


for _name in HOOKS:
    setattr(Recorder, _name, _record(_name))


def test_hooks_come_in_keras_order():
    recorder = Recorder()
    model().fit(X, Y, batch_size=6, epochs=1, validation_data=(X[:4], Y[:4]), callbacks=[recorder], verbose=0)
    names = [call[0] for call in recorder.calls]
    assert names == [
        "on_train_begin",
        "on_epoch_begin",
        *["on_train_batch_begin", "on_train_batch_end"] * 2,
        "on_test_begin",
        "on_test_batch_begin",
        "on_test_batch_end",
        "on_test_end",
        "on_epoch_end",
        "on_train_end",
    ]
    assert recorder.params == {"verbose": 0, "epochs": 1, "steps": 2}
    batches = [call[1] for call in recorder.calls if call[0] == "on_train_batch_end"]
    assert batches == [0, 1]
    epoch_logs = next(call[2] for call in recorder.calls if call[0] == "on_epoch_end")
    assert list(epoch_logs) == ["loss", "mae", "val_loss", "val_mae"]
    assert recorder.calls[-1][1] == epoch_logs


def test_older_names_of_hooks_are_refused():
    class Old(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            raise AssertionError("never called")

    with pytest.raises(TypeError, match="fit: Old.on_batch_end is not supported; name the method on_train_batch_end"):
        model().fit(X, Y, callbacks=[Old()], verbose=0)


def test_batch_logs_are_means_so_far():
    seen = []
    made = model(learning_rate=0)
    made.fit(X, Y, batch_size=5, shuffle=False, verbose=0,
             callbacks=callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs)))  # fmt: skip
    assert seen[0]["loss"] == pytest.approx(made.test_on_batch(X[:5], Y[:5])[0], rel=1e-5)
    assert seen[1]["loss"] == pytest.approx(made.test_on_batch(X, Y)[0], rel=1e-5)


def test_lambda_callback():
    seen = []

    def hook(name):
        return lambda *arguments: seen.append((name, arguments))

    hooks = {name: hook(name) for name in ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")}
    model().fit(X, Y, epochs=2, callbacks=[callbacks.LambdaCallback(**hooks)], verbose=0)
    assert [name for name, _ in seen] == ["on_train_begin", *["on_epoch_begin", "on_epoch_end"] * 2, "on_train_end"]
    assert seen[2][1][0] == 0 and set(seen[2][1][1]) == {"loss", "mae"}


def test_logs_added_by_a_callback_reach_history_and_later_callbacks():
    class Adds(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["exact"] = epoch / 10

    stop = callbacks.EarlyStopping(monitor="exact", mode="min", patience=1)
    history = model().fit(X, Y, epochs=9, callbacks=[Adds(), stop], verbose=0)
    assert history.epoch == [0, 1]
    assert history.history["exact"] == [0.0, 0.1]


class Scripted(callbacks.Callback):
    """Logs the values of a list as val_loss, and gives each epoch weights that can be told apart."""

    def __init__(self, values, name="val_loss"):
        self.values, self.name = values, name

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]
        self.model.layers[0].set_weights([np.zeros((2, 1)), [epoch]])


@pytest.mark.parametrize(
    ("values", "options", "epochs", "best"),
    [
        ([5, 4, 3, 2, 1, 0], {}, 6, 5),
        ([5, 4, 4, 3, 2, 1], {}, 3, 1),
        ([5, 4, 6, 3, 4, 4], {"patience": 2}, 6, 3),
        ([5, 4, 6, 5, 2, 1], {"patience": 2}, 4, 1),
        ([5.0, 4.9, 4.8, 4.7, 4.6, 4.5], {"min_delta": 0.5, "patience": 2}, 3, 0),
        ([1, 2, 3, 2, 1, 1], {"mode": "max"}, 4, 2),
        ([5, 6, 4, 3, 9, 1], {"start_from_epoch": 2}, 5, 3),
        ([5, 4, 3, 2, 1, 0.5], {"baseline": 2.5, "patience": 3}, 6, 5),
        ([5, 4, 4, 4, 1, 0.5], {"baseline": 2.5, "patience": 3}, 3, 1),
        ([np.nan, np.nan, 3, 4, 5, 6], {"patience": 3}, 6, 2),
    ],
)
def test_early_stopping(values, options, epochs, best):
    made = model()
    stop = callbacks.EarlyStopping(restore_best_weights=True, **options)
    history = made.fit(X, Y, epochs=6, callbacks=[Scripted(values), stop], verbose=0)
    assert len(history.epoch) == epochs
    assert stop.best_epoch == best
    assert made.get_weights()[1][0] == best


def test_early_stopping_says_so(capsys):
    stop = callbacks.EarlyStopping(verbose=1, restore_best_weights=True)
    model().fit(X, Y, epochs=6, callbacks=[Scripted([1, 2, 3]), stop], verbose=0)
    assert capsys.readouterr().out == "Epoch 2: early stopping\nRestoring the weights of epoch 1, the best\n"


@pytest.mark.parametrize(("monitor", "way"), [("loss", "min"), ("val_loss", "min"), ("mae", "min"), ("val_mae", "min")])
def test_mode_auto_knows_compiled_names(monitor, way):
    assert model().metric_direction(monitor) == way


def test_mode_auto_knows_accuracy_and_refuses_strangers():
    made = Sequential([Input((2,)), layers.Dense(3, activation="softmax")])
    made.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    assert made.metric_direction("val_accuracy") == "max"
    stop = callbacks.EarlyStopping(monitor="score")
    with pytest.raises(ValueError, match="EarlyStopping: mode must be 'min' or 'max' for monitor='score'"):
        model().fit(X, Y, callbacks=[Scripted([1], "score"), stop], verbose=0)


@pytest.mark.parametrize(
    "kind",
    [
        callbacks.EarlyStopping,
        callbacks.ReduceLROnPlateau,
        lambda: callbacks.ModelCheckpoint("never", save_best_only=True),
    ],
)
def test_monitor_that_is_not_logged_is_an_error(kind):
    with pytest.raises(
        ValueError, match=r"monitor must be one of the logged values \(loss, mae\), got 'val_loss'; give fit val"
    ):
        model().fit(X, Y, callbacks=[kind()], verbose=0)


def test_checkpoint_every_epoch(tmp_path):
    made = model()
    weights = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(made.get_weights()))
    path = tmp_path / "new" / "{epoch:02d}-{val_loss:.3f}.safetensors"
    history = made.fit(
        X, Y, epochs=3, validation_split=0.2, callbacks=[keep, callbacks.ModelCheckpoint(path)], verbose=0
    )
    names = [f"{epoch + 1:02d}-{loss:.3f}.safetensors" for epoch, loss in enumerate(history.history["val_loss"])]
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == names
    for name, expected in zip(names, weights, strict=True):
        loaded = pyrnn.load_model(tmp_path / "new" / name)
        np.testing.assert_array_equal(loaded.get_weights()[0], expected[0])


def test_checkpoint_of_the_best_only(tmp_path, capsys):
    made = model()
    path = tmp_path / "best.safetensors"
    checkpoint = callbacks.ModelCheckpoint(path, save_best_only=True, verbose=1)
    made.fit(X, Y, epochs=5, callbacks=[Scripted([3, 4, 2, 2, 5]), checkpoint], verbose=0)
    assert pyrnn.load_model(path).get_weights()[1][0] == 2
    assert capsys.readouterr().out == f"Epoch 1: saved {path}\nEpoch 3: saved {path}\n"
    beaten = callbacks.ModelCheckpoint(tmp_path / "none", save_best_only=True, initial_value_threshold=1.0)
    made.fit(X, Y, epochs=2, callbacks=[Scripted([3, 4]), beaten], verbose=0)
    assert not (tmp_path / "none").exists()


def test_checkpoint_every_few_batches(tmp_path):
    path = str(tmp_path / "{epoch}-{batch}")
    model().fit(X, Y, batch_size=2, epochs=3, callbacks=callbacks.ModelCheckpoint(path, save_freq=3), verbose=0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["1-3", "2-1", "2-4", "3-2", "3-5"]


def test_checkpoint_of_weights_only(tmp_path):
    made = model()
    path = tmp_path / "{epoch}.safetensors"
    weights = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(made.get_weights()))
    made.fit(X, Y, epochs=2, callbacks=[keep, callbacks.ModelCheckpoint(path, save_weights_only=True)], verbose=0)
    other = model()
    other.load_weights(tmp_path / "1.safetensors")
    np.testing.assert_array_equal(other.get_weights()[0], weights[0][0])
    with pytest.raises(ValueError, match="is not a pyrnn model: its metadata have the format 'pyrnn weights'"):
        pyrnn.load_model(tmp_path / "1.safetensors")


def test_checkpoint_refuses_unknown_fields(tmp_path):
    with pytest.raises(ValueError, match="ModelCheckpoint: filepath must have fields of epoch, loss, mae only"):
        model().fit(X, Y, callbacks=[callbacks.ModelCheckpoint(tmp_path / "{acc}")], verbose=0)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: callbacks.EarlyStopping(patience=-1),
            ValueError,
            "EarlyStopping: patience must be at least 0, got -1",
        ),
        (
            lambda: callbacks.EarlyStopping(mode="up"),
            ValueError,
            "EarlyStopping: mode must be one of 'auto', 'min', 'max'",
        ),
        (
            lambda: callbacks.ModelCheckpoint("a", period=2),
            TypeError,
            "ModelCheckpoint: period is not supported: use save_freq=, in batches",
        ),
        (
            lambda: callbacks.EarlyStopping(restore=True),
            TypeError,
            "EarlyStopping: restore is not supported .arguments: monitor, min_delta",
        ),
        (
            lambda: callbacks.ReduceLROnPlateau(epsilon=0.1),
            TypeError,
            "ReduceLROnPlateau: epsilon is not supported: use min_delta=",
        ),
        (
            lambda: callbacks.ReduceLROnPlateau(factor=1.0),
            ValueError,
            "ReduceLROnPlateau: factor must be at least 0 and less than 1, got 1",
        ),
        (
            lambda: callbacks.LearningRateScheduler(0.1),
            TypeError,
            "LearningRateScheduler: schedule must be a function of the epoch, got 0.1",
        ),
        (
            lambda: callbacks.LearningRateScheduler(lambda: 0.1),
            TypeError,
            "schedule must take the epoch, or the epoch and the rate",
        ),
        (
            lambda: callbacks.TerminateOnNaN(patience=3),
            TypeError,
            "TerminateOnNaN: patience is not supported .arguments: raise_error",
        ),
        (
            lambda: callbacks.ModelCheckpoint("a", save_freq="batch"),
            TypeError,
            "save_freq must be an integer, got 'batch'",
        ),
        (
            lambda: callbacks.LambdaCallback(on_epoch_stop=print),
            TypeError,
            "LambdaCallback: on_epoch_stop is not supported",
        ),
        (
            lambda: callbacks.LambdaCallback(on_epoch_end=3),
            TypeError,
            "LambdaCallback: on_epoch_end must be a function, got 3",
        ),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
