"""The process of `test_faults.py` whose memory ends: every call is tried with more and more room, argv[1] sizes of it, until it
succeeds. What fails must be a MemoryError that leaves the model as it was. Prints, for each call, how often it has failed.

Files are in the folder argv[2].
"""

import json
import os
import sys

import numpy as np

import pyrnn
from pyrnn import Sequential, layers
from tests.room import Room
from tests.test_faults import assert_same, state

X = np.ones((200, 20, 8), np.float32)
LONG = np.ones((200, 100, 8), np.float32)
Y = np.ones((200, 1), np.float32)
FEW = slice(0, 40)


def stack():
    cells = [
        layers.LSTM(32, return_sequences=True, recurrent_initializer="glorot_uniform"),
        layers.GRU(
            64, recurrent_initializer="glorot_uniform"
        ),  # LAPACK, which draws orthogonal ones, prints its own words
    ]
    return [layers.Input((None, 8)), *cells, layers.Dense(1)]


def model(trained=True):
    pyrnn.utils.set_random_seed(1)
    made = Sequential(stack())
    made.compile("adam", "mse")
    if trained:
        made.fit(X[FEW], Y[FEW], verbose=0)
    return made


def unbuilt():
    made = Sequential(stack()[1:])
    made.compile("adam", "mse")
    return made


def calls(path):
    """By name: what makes the model, and what is done with it."""
    big = {"batch_size": len(X), "verbose": 0}
    return {
        "fit": (model, lambda made: made.fit(X, Y, **big)),
        "the first fit": (lambda: model(trained=False), lambda made: made.fit(X, Y, **big)),
        "the first data": (unbuilt, lambda made: made.fit(X, Y, **big)),
        "evaluate": (model, lambda made: made.evaluate(LONG, Y, **big)),
        "predict": (model, lambda made: made.predict(LONG, **big)),
        "train_on_batch": (model, lambda made: made.train_on_batch(X, Y)),
        "stream": (model, lambda made: made.stream(4000).step(np.ones((4000, 8), np.float32))),
        "construction": (model, lambda made: Sequential(stack()).predict(X[:1], verbose=0)),
        "compile": (model, lambda made: made.compile("adam", "mae")),
        "get_weights": (model, lambda made: made.get_weights()),
        "set_weights": (model, lambda made: made.set_weights([w + 1 for w in made.get_weights()])),
        "load_model": (model, lambda made: pyrnn.load_model(path)),
        "load_weights": (model, lambda made: made.load_weights(path)),
        "save": (model, lambda made: made.save(path)),
    }


def errors_of(make, call, rooms):
    """How many of the sizes of room were too small."""
    failed = 0
    for room in rooms:
        made, other = make(), make()
        try:
            with Room(room):
                call(made)
        except MemoryError:
            failed += 1
        else:
            return failed
        for each in (made, other):
            if each.built:
                each._require_network()
        if other.built:
            assert_same(state(made), state(other))
        for each in (made, other):
            each.fit(X[FEW], Y[FEW], shuffle=False, verbose=0)
        if other.optimizer.iterations > 2:
            assert_same(state(made), state(other))
    raise AssertionError("there must have been room enough")


def main(sizes, folder):
    path = os.path.join(folder, "model.safetensors")
    model().save(path)
    rooms = [*np.geomspace(1 << 14, 100 << 20, sizes).astype(int).tolist(), 1 << 30]
    print(json.dumps({name: errors_of(*both, rooms) for name, both in calls(path).items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
