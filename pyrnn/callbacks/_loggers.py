"""Callbacks that write the logs down."""

import csv
import json
import math
import os
from typing import Any

from .._checks import flag, refuse_unknown, whole
from ._base import Callback, Logs, Remembering

Path = str | os.PathLike[str]


class _Lines(Callback):
    """Writes lines to a file, which a resumed training takes back to the length that it had when it was saved."""

    filename: str

    def get_state(self) -> dict[str, Any]:
        with open(self.filename, "rb") as file:
            os.fsync(file.fileno())  # on the disk before the checkpoint that counts on it
            return {"size": file.seek(0, os.SEEK_END)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Raises ValueError where the file is shorter than it was."""
        size = os.path.getsize(self.filename)
        if size < state["size"]:
            raise ValueError(
                f"{type(self).__name__}: {self.filename} must have the {state['size']} bytes that it had at the checkpoint, got {size}"
            )
        os.truncate(self.filename, state["size"])


class CSVLogger(_Lines):
    """A line per epoch in a file: "epoch", which counts from 0, then the logged values in the order of their names.

    `append` goes on with a file that there is, in the columns that its first line names. A value that the logs do not have is
    written as NA. Raises OSError where the file cannot be written, ValueError for a logged value without a column.

    >>> CSVLogger("training.csv", separator=";").append
    False
    """

    def __init__(self, filename: Path, separator: str = ",", append: bool = False, **unsupported: object) -> None:
        refuse_unknown("CSVLogger", CSVLogger.__init__, unsupported)
        self.filename = os.fspath(filename)
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, got {separator!r}")
        self.separator = separator
        self.append = flag("CSVLogger", "append", append)
        self._columns: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        with open(self.filename, "a+" if self.append or self.resumed else "w+", encoding="utf-8", newline="") as file:
            file.seek(0)
            self._columns = next(csv.reader(file, delimiter=self.separator), [])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row = {"epoch": epoch, **(logs or {})}
        rows: list[list[object]] = []
        if not self._columns:
            self._columns = ["epoch", *sorted(logs or {})]
            rows.append([*self._columns])
        strangers = [name for name in row if name not in self._columns]
        if strangers:
            raise ValueError(
                f"CSVLogger: {self.filename} has no column {strangers[0]!r} (columns: {', '.join(self._columns)});"
                " write another file"
            )
        rows.append([row.get(name, "NA") for name in self._columns])
        with open(self.filename, "a", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=self.separator).writerows(rows)


class JSONLogger(_Lines):
    """A JSON object per epoch, each on a line of its own: "epoch", which counts from 0, and the logged values.

    What is not finite is written as null, for JSON has no word for it. `append` goes on with a file that there is. Raises
    OSError where the file cannot be written.

    >>> JSONLogger("training.jsonl", append=True).append
    True
    """

    def __init__(self, filename: Path, append: bool = False, **unsupported: object) -> None:
        refuse_unknown("JSONLogger", JSONLogger.__init__, unsupported)
        self.filename = os.fspath(filename)
        self.append = flag("JSONLogger", "append", append)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        with open(self.filename, "a" if self.append or self.resumed else "w", encoding="utf-8"):
            pass  # an old file is emptied, and one that cannot be written is an error now

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        finite = {name: value if math.isfinite(value) else None for name, value in (logs or {}).items()}
        with open(self.filename, "a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": epoch, **finite}, allow_nan=False) + "\n")


class TensorBoard(Remembering):
    """Writes the logs for TensorBoard, through the library tensorboardX, to the folders train and validation of `log_dir`.

    Per epoch, which counts from 0: "epoch_loss" and so on, and "epoch_learning_rate"; every `histogram_freq` epochs, unless it
    is 0, the weights as histograms. `update_freq` is "epoch", or "batch" or a number n, with which the running means are written
    as "batch_loss" and so on every batch or every n batches too. Raises ImportError where tensorboardX is not installed.

    >>> TensorBoard(update_freq="sometimes")
    Traceback (most recent call last):
    ...
    TypeError: TensorBoard: update_freq must be an integer, got 'sometimes'
    """

    remembered = ("_batches",)

    def __init__(
        self,
        log_dir: Path = "logs",
        histogram_freq: int = 0,
        update_freq: str | int = "epoch",
        **unsupported: object,
    ) -> None:
        refuse_unknown("TensorBoard", TensorBoard.__init__, unsupported)
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = whole("TensorBoard", "histogram_freq", histogram_freq, low=0)
        self.update_freq = update_freq
        if update_freq != "epoch":
            self._every = 1 if update_freq == "batch" else whole("TensorBoard", "update_freq", update_freq)
            self.on_train_batch_end = self._write_batch  # type: ignore[method-assign]
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError("TensorBoard: the library tensorboardX is missing; pip install tensorboardX") from error
        self._open = SummaryWriter
        self._writers: dict[str, Any] = {}

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            self._writers[part] = self._open(os.path.join(self.log_dir, part))
        return self._writers[part]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._batches = 0

    def _write_batch(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if self._batches % self._every == 0:
            for name, value in (logs or {}).items():
                self._writer("train").add_scalar(f"batch_{name}", value, self._batches)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        for name, value in {**(logs or {}), "learning_rate": self.model.optimizer.learning_rate}.items():
            part = "validation" if name.startswith("val_") else "train"
            self._writer(part).add_scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for weight in self.model.weights:
                self._writer("train").add_histogram(f"{weight.path}/histogram", weight.numpy(), epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
