"""Makes the files beside it, which every later pyrnn must read: run once per change of a format, and never over an old file.

`python tests/files/make.py VERSION` writes model_, weights_ and checkpoint_VERSION.safetensors, and as checkpoint_VERSION.json the
History of the training that goes on from the checkpoint.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np

import pyrnn
from pyrnn import Input, Sequential, callbacks, layers, optimizers

FOLDER = Path(__file__).parent
X, Y = np.arange(60).reshape(10, 6) % 5, np.arange(10) % 3


def model() -> Sequential:
    stack = [Input((6, 5)), layers.LSTM(3, dropout=0.1), layers.Dropout(0.1), layers.Dense(3, activation="softmax")]
    made = Sequential(stack)
    made.compile(
        optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 5, 0.5), use_ema=True, clipnorm=1.0),
        "sparse_categorical_crossentropy",
        ["accuracy"],
    )
    return made


class Interrupt(callbacks.Callback):
    """Ends the process's training before batch 1 of epoch 1."""

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        if self.model.optimizer.iterations == 4:
            raise KeyboardInterrupt


def fit(made: Sequential, folder: Path, *more: callbacks.Callback) -> callbacks.History:
    watch = callbacks.EarlyStopping("loss", patience=5)
    backup = callbacks.BackupAndRestore(folder, save_freq=1)
    return made.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[watch, backup, *more])


if __name__ == "__main__":
    pyrnn.utils.set_random_seed(0)
    made, folder, version = model(), FOLDER / "run", sys.argv[1]
    checkpoint = FOLDER / f"checkpoint_{version}.safetensors"
    try:
        fit(made, folder, Interrupt())
    except KeyboardInterrupt:
        shutil.copy(folder / "latest.safetensors", checkpoint)
    made.save(FOLDER / f"model_{version}.safetensors")
    made.save_weights(FOLDER / f"weights_{version}.safetensors")
    history = fit(made, folder)
    checkpoint.with_suffix(".json").write_text(json.dumps(history.history) + "\n")
