"""The callback that lets training survive its process."""

import os

from .. import _files
from .._checks import flag, refuse_unknown, whole
from ._base import Callback, Logs


class BackupAndRestore(Callback):
    """Keeps a checkpoint of training in the folder `backup_dir`; a `fit` that finds one there goes on where it was written.

    Training that was stopped, at whatever moment, and is resumed by the same calls in a new process, ends with the same bits as
    one that never was: weights, History, the files of the loggers. `save_freq` is "epoch", or a number of batches after which
    the checkpoint is written anew, in one step: a crash leaves the old file or the new one. It is deleted at the end of
    training, unless `delete_checkpoint` is False; then a `fit` with more `epochs` goes on with it. Besides what
    `pyrnn.saving.save_checkpoint` writes, it has the place in the epoch, the order of its batches, the means and the History
    so far, the states between chunks of steps, and the states of the other callbacks. `initial_epoch` counts where there is none.

    The model, the arguments of `compile` and `fit`, and the data must be those of the training that was stopped. The hooks of
    callbacks are called once in all: those of an epoch that had begun are not called again, but `on_train_begin` is, with
    `resumed` set. One of your own has a `get_state` and a `set_state` for what it must not forget. So may a dataset whose
    passes differ: what it returns before a pass must bring back that pass, which is then read from its beginning to where it
    was left.

    Raises OSError in training where the folder or the file cannot be written or read, ValueError where the file is damaged, no
    checkpoint, of a newer version, or does not fit model, data or callbacks; model and file are then as they were.

    >>> import tempfile
    >>> import numpy as np
    >>> from pyrnn import Sequential, layers
    >>> model = Sequential([layers.Dense(1, input_shape=(3,))])
    >>> model.compile("adam", "mse")
    >>> folder = tempfile.mkdtemp()
    >>> for epochs in (2, 5):
    ...     backup = BackupAndRestore(folder, delete_checkpoint=False)
    ...     history = model.fit(np.ones((8, 3)), np.ones(8), epochs=epochs, callbacks=backup, verbose=0)
    >>> history.epoch, model.optimizer.iterations
    ([0, 1, 2, 3, 4], 5)
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        *,
        delete_checkpoint: bool = True,
        **unsupported: object,
    ) -> None:
        refuse_unknown("BackupAndRestore", BackupAndRestore.__init__, unsupported)
        self.backup_dir = os.fspath(backup_dir)
        if not self.backup_dir:
            raise ValueError("BackupAndRestore: backup_dir must name a folder, got ''")
        self.save_freq = "epoch" if save_freq == "epoch" else whole("BackupAndRestore", "save_freq", save_freq)
        self.delete_checkpoint = flag("BackupAndRestore", "delete_checkpoint", delete_checkpoint)
        self.path = os.path.join(self.backup_dir, "latest.safetensors")
        self._batches = 0
        if self.save_freq != "epoch":
            self.on_train_batch_end = self._count_batch  # type: ignore[method-assign]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        os.makedirs(self.backup_dir, exist_ok=True)
        _files.remove_unfinished(self.path)
        self._batches = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save()

    def _count_batch(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if self._batches == self.save_freq:
            self._batches = 0
            self._save()

    def _save(self) -> None:
        from .._checkpoint import save_training

        assert self.model._training is not None, "no fit is running"
        save_training(self.model, self.path, self.model._training.get_state())

    def on_train_end(self, logs: Logs | None = None) -> None:
        if not self.delete_checkpoint:
            return
        if os.path.lexists(self.path):
            os.remove(self.path)
        if not os.listdir(self.backup_dir):
            os.rmdir(self.backup_dir)
