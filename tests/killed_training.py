"""The process that `test_checkpoint_kills.py` kills: trains with a backup in the folder argv[1], says "ready" when it has begun, and
at the end the History and a hash of the weights.
"""

import hashlib
import json
import sys

import numpy as np

import pyrnn
from pyrnn import Input, Sequential, callbacks, layers, optimizers


class Ready(callbacks.Callback):
    def on_train_begin(self, logs=None):
        print("ready", flush=True)


def main(folder, save_freq):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 12, (60, 9)), rng.integers(0, 12, (60, 9))
    pyrnn.utils.set_random_seed(5)
    stack = [layers.LSTM(16, return_sequences=True, dropout=0.2), layers.Dense(12, activation="softmax")]
    model = Sequential([Input((None, 12)), *stack])
    optimizer = optimizers.Adam(0.01, clipnorm=1.0, use_ema=True, gradient_accumulation_steps=3)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    hooks = [
        callbacks.BackupAndRestore(folder, save_freq),
        callbacks.ReduceLROnPlateau("loss", patience=1),
        callbacks.JSONLogger(f"{folder}.jsonl"),
        Ready(),
    ]
    history = model.fit(x, y, 4, epochs=4, tbptt=3, verbose=0, callbacks=hooks)
    digest = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()
    print(json.dumps([digest, history.history]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
