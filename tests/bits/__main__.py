"""`python -m tests.bits` trains the cases of tests/bits/cases.py and prints what came of them: JSON of {"case, dtype": hashes}, of
weights and predictions ("bits"), and of the losses ("losses", which have a logarithm of the C library's in them).
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

from pyrnn import Seq2Seq, callbacks
from tests.bits.cases import BATCH, CASES, EPOCHS, fill

SPLITS = (1, 2, 7, 50)  # rows of a batch
DTYPES = ("float32", "float64")


class Stop(Exception):
    pass


class StopBefore(callbacks.Callback):
    """Raises Stop when batch number `batch` of a training would begin."""

    def __init__(self, batch):
        self.left = batch

    def on_train_batch_begin(self, batch, logs=None):
        self.left -= 1
        if self.left < 0:
            raise Stop


def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:16]


def predict(model, case, order, size):
    """The predictions of the rows in this order, `size` at a time; in the order of x again."""
    arrays = [case.x, case.y] if isinstance(model, Seq2Seq) else [case.x]
    given = {name: rows[order] for name, rows in case.rows.items()}
    model.reset_state()
    out = model.predict(*(array[order] for array in arrays), batch_size=size, verbose=0, **given)
    back = np.empty_like(out)
    back[order] = out
    return back


def check_splits(name, model, case, expected):
    rows = np.arange(len(case.x))
    mixed = np.argsort(rows * 37 % 103, kind="stable")
    for order, size in [*((rows, size) for size in SPLITS), (mixed, 13), (rows[::-1], 48)]:
        assert (predict(model, case, order, size) == expected).all(), f"{name}: batches of {size} rows"


def train(case, dtype, backup, stops):
    """The trained model and its losses; None for one that was stopped before its last batch."""
    model, hooks = case.compiled(dtype), []
    if not backup or not backup.exists():  # else the checkpoint has the weights
        fill(model)
    if backup:
        hooks.append(callbacks.BackupAndRestore(backup, 1, delete_checkpoint=False))
    if stops:
        hooks.append(StopBefore(EPOCHS * -(-len(case.x) // BATCH) - 1))
    batches = {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": False, "verbose": 0, "callbacks": hooks}
    try:
        history = model.fit(case.x, case.y, **batches, **case.rows, **case.fit)
    except Stop:
        return None
    return model, history.history["loss"]


def parsed():
    parser = argparse.ArgumentParser(prog="python -m tests.bits", description=__doc__)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of the cases every N-th alone")
    parser.add_argument("--first", type=int, default=0, metavar="I", help="beginning with case I")
    parser.add_argument("--splits", action="store_true", help="predict in other batches too, which must be equal")
    parser.add_argument("--arrays", type=Path, help="write weights and predictions to this file, .npz")
    parser.add_argument("--backup", type=Path, help="keep checkpoints in this folder, and go on from those there")
    parser.add_argument("--stops", action="store_true", help="stop each training before its last batch")
    return parser.parse_args()


def main():
    options, found, arrays = parsed(), {}, {}
    for name in list(CASES)[options.first :: options.every]:
        for dtype in DTYPES:
            case, what = CASES[name], f"{name}, {dtype}"
            trained = train(case, dtype, options.backup and options.backup / what, options.stops)
            if trained is None:
                continue
            model, losses = trained
            out = predict(model, case, np.arange(len(case.x)), len(case.x))
            if options.splits and not case.stateful:
                check_splits(what, model, case, out)
            values = [*model.get_weights(), out]
            assert all(np.isfinite(value).all() for value in values), what
            found[what] = {"bits": digest(*values), "losses": digest(np.array(losses))}
            arrays |= {f"{what}, {i}": value for i, value in enumerate(values)}
    if options.arrays:
        np.savez(options.arrays, **arrays)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
