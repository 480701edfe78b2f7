"""--resume: a run that was stopped, whenever and however, ends with the bits and the lines of one that was not."""

import json

import pytest

import pyrnn
from tasks import _run
from tasks.addition import carries
from tasks.addition import train as addition
from tasks.textgen import train as textgen

ADDITION = ["--digits", "2", "--samples", "300", "--hidden", "8", "--epochs", "4", "--target", "0", "--batch", "30"]
TEXT = ["--batch", "4", "--window", "8", "--hidden", "8", "--length", "9", "--epochs", "4"]
TASKS = {
    "addition": (addition, ADDITION),
    "addition, Keras' recipe": (addition, [*ADDITION, "--recipe", "keras"]),
    "text": (textgen, [*TEXT, "--dropout", "0.2", "--chunk", "64"]),
    "text, Keras' recipe": (textgen, [*TEXT, "--recipe", "keras", "--step", "300"]),
}


class Crash(Exception):
    pass


def results(folder):
    """All that must be the same: files without their clocks."""

    def lines(name):
        rows = [json.loads(line) for line in (folder / name).read_text().splitlines()]
        return [{key: value for key, value in row.items() if not key.endswith("seconds")} for row in rows]

    config = json.loads((folder / "config.json").read_text())
    del config["arguments"]["out"]
    weights = pyrnn.load_model(folder / "model.safetensors").get_weights()
    samples = (folder / "samples.md").read_text()
    return lines("metrics.jsonl"), lines("steps.jsonl"), samples, config, [weight.tolist() for weight in weights]


def stop(monkeypatch, hook, epoch, error):
    """Let the hook of the run raise `error` in that epoch."""
    original = getattr(_run.Run, hook)

    def stopped(run, *arguments, **options):
        original(run, *arguments, **options)
        if len(run.rows) == epoch:
            raise error

    monkeypatch.setattr(_run.Run, hook, stopped)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Figures take longer than all the rest."""
    monkeypatch.setattr(_run.Run, "draw", lambda run: None)
    monkeypatch.setattr(carries, "new_figure", lambda *_: None)


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("the cat sat on the mat and the rat ran at the cat\n" * 40)
    return path


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("hook", "epoch", "error"),
    [("on_train_batch_end", 2, Crash), ("record", 3, Crash), ("on_train_batch_end", 1, KeyboardInterrupt)],
)
def test_a_stopped_run_ends_like_one_that_was_not(task, hook, epoch, error, book, tmp_path, monkeypatch, capsys):
    module, arguments = TASKS[task]
    arguments = [*arguments, "--corpus", str(book)] if module is textgen else arguments
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert module.main([*arguments, "--out", str(whole)]) == 0
    told = capsys.readouterr().out
    with monkeypatch.context() as patch:
        stop(patch, hook, epoch, error)
        if error is KeyboardInterrupt:
            assert module.main([*arguments, "--out", str(run)]) == 130
        else:
            with pytest.raises(Crash):
                module.main([*arguments, "--out", str(run)])
    told_when_stopped = capsys.readouterr().err
    if error is KeyboardInterrupt:
        assert f"; --resume {run} goes on after epoch {epoch}\n" in told_when_stopped
    assert module.main(["--resume", str(run)]) == 0
    assert results(run) == results(whole)
    assert not (run / "checkpoint").exists()
    rest = capsys.readouterr().out.splitlines()
    shown = {
        line for line in told.splitlines() if "result" not in line and " s " not in line and "samples/s" not in line
    }
    assert shown.issuperset(line for line in rest if "results in" not in line and "/s" not in line)


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop(patch, "record", 2, Crash)
        with pytest.raises(Crash):
            addition.main([*ADDITION, "--out", str(tmp_path), "--quiet"])
    return tmp_path


def refused(folder, words, capsys, module=addition):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert module.main(["--resume", str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--resume {folder}: {words}" in line
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_runs_that_cannot_go_on(stopped, tmp_path, capsys):
    refused(tmp_path / "nowhere", "its config.json cannot be read", capsys)
    refused(stopped, "its config.json is not that of a run of this task", capsys, textgen)
    config, checkpoint = stopped / "config.json", stopped / "checkpoint" / "latest.safetensors"
    right, kept = config.read_text(), checkpoint.read_bytes()
    config.write_text(right.replace('"columns": true', '"columns": false'))
    refused(stopped, "the columns is not that of the run", capsys)
    config.write_text("[]")
    refused(stopped, "its config.json is not that of a run of this task", capsys)
    config.write_text(right)
    checkpoint.write_bytes(kept[:-1])
    refused(stopped, f"load_checkpoint: {checkpoint} is damaged", capsys)
    checkpoint.unlink()
    refused(stopped, "the run has ended, or was stopped before its first epoch had", capsys)


def test_a_new_run_in_the_folder_begins_anew(stopped, capsys):
    assert addition.main([*ADDITION, "--out", str(stopped), "--seed", "1", "--quiet"]) == 0
    first = json.loads((stopped / "metrics.jsonl").read_text().splitlines()[0])
    assert first["epoch"] == 1
    assert not (stopped / "checkpoint").exists()


@pytest.mark.parametrize("module", [addition, textgen])
def test_other_options_stand_in_the_run(module, capsys):
    with pytest.raises(SystemExit) as ended:
        module.main(["--resume", "folder", "--epochs", "3"])
    assert ended.value.code == 2
    assert "argument --epochs: --resume takes it from the run" in capsys.readouterr().err
