"""What the tasks have in common: the command line, the folder of a run, and how a run ends, in real processes."""

import argparse
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import layers
from pyrnn.callbacks import Callback
from tasks import _console, _options, _run, forecast
from tasks.addition import train as addition
from tasks.textgen import train as textgen

ROOT = Path(__file__).parents[2]
TASKS = {
    "addition": ["--digits", "2", "--samples", "500", "--hidden", "8"],
    "textgen": [
        "--recipe",
        "keras",
        "--corpus",
        "python-docs",
        "--window",
        "8",
        "--step",
        "100",
        "--hidden",
        "8",
        "--length",
        "20",
    ],
    "forecast": ["--weeks", "8", "--window", "24", "--hidden", "4", "--patience", "1000000"],
}
ENDLESS = ["--epochs", "1000000"]


def spawn(task, *arguments, **environment):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & has it ignored, in children too
    try:
        return subprocess.Popen(
            [sys.executable, "-m", f"tasks.{task}", *TASKS[task], *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    finally:
        signal.signal(signal.SIGINT, before)


# -- command line -------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "arguments", "message"),
    [
        (addition, ["--digits", "19"], "argument --digits: must be a whole number from 1 to 18, got '19'"),
        (addition, ["--samples", "9"], "argument --samples: must be a whole number, 10 or more, got '9'"),
        (addition, ["--hidden", "1.5"], "argument --hidden: must be a whole number, 1 or more, got '1.5'"),
        (addition, ["--target", "1.01"], "argument --target: must be a number from 0 to 1, got '1.01'"),
        (addition, ["--lr", "0"], "argument --lr: must be a number above 0, got '0'"),
        (addition, ["--lr", "inf"], "argument --lr: must be a number above 0, got 'inf'"),
        (addition, ["--seed", str(2**32)], "argument --seed: must be a whole number from 0 to 4294967295"),
        (textgen, ["--holdout", "1"], "argument --holdout: must be a number from 0 to less than 1, got '1'"),
        (textgen, ["--diversity", "0.5", "0"], "argument --diversity: must be a number above 0, got '0'"),
        (textgen, ["--threads", "-1"], "argument --threads: must be a whole number, 0 or more, got '-1'"),
        (textgen, ["--lr", "fast"], "argument --lr: must be a number above 0, got 'fast'"),
        (textgen, ["--recipe", "other"], "argument --recipe: invalid choice: 'other'"),
        (forecast, ["--cell", "other"], "argument --cell: invalid choice: 'other'"),
        (forecast, ["--test", "1"], "argument --test: must be a number between 0 and 1, got '1'"),
        (forecast, ["--test", "0.5", "--validation", "0.5"], "--validation 0.5 and --test 0.5 leave nothing to train"),
        (forecast, ["--csv", "a.csv", "--delimiter", ", "], "--delimiter: must be one character, or \\t for a tab"),
        (forecast, ["--csv", "a.csv", "--weeks", "3"], "argument --weeks: is for the generated series only"),
        (forecast, ["--column", "a"], "argument --column: is for --csv only"),
        (forecast, ["--missing", "interpolate"], "argument --missing: is for --csv only"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(task, arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        task.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


COMMON = {"cell": "lstm", "hidden": 128, "layers": 1, "batch": 128, "seed": 0, "threads": 0, "quiet": False}


def test_defaults_of_addition():
    data = {"digits": 3, "samples": 50_000, "reverse": True, "target": 0.99, "ask": None, "model": None}
    fast = {"recipe": "fast", "hidden": 64, "batch": 64, "epochs": 4, "lr": 0.02, "threads": 1}
    keras = {"recipe": "keras", "hidden": 128, "batch": 128, "epochs": 60, "lr": 0.001}
    for arguments, own in (([], fast), (["--recipe", "keras"], keras)):
        assert vars(addition.settings(arguments)) == {**COMMON, **data, **own, "out": Path("runs/addition")}


def test_defaults_of_textgen():
    data = {"corpus": None, "window": 40, "holdout": 0.1, "diversity": [0.2, 0.5, 1.0, 1.2], "length": 400}
    data |= {"level": "character", "words": None, "lower": True}
    stream = {"recipe": "stream", "batch": 16, "hidden": 256, "chunk": 32, "dropout": 0.1, "epochs": 4, "lr": 0.015}
    keras = {"recipe": "keras", "batch": 128, "step": 3, "epochs": 20, "lr": 0.01}
    for arguments, own in (([], stream), (["--recipe", "keras"], keras)):
        assert vars(textgen.settings(arguments)) == {**COMMON, **data, **own, "out": Path("runs/textgen")}


def test_defaults_of_forecast():
    model = {"hidden": 32, "batch": 32, "epochs": 40, "lr": 0.002, "cell": "lstm", "patience": 6}
    data = {"csv": None, "column": None, "series": None, "delimiter": None, "missing": None, "weeks": 104}
    own = {
        "season": None,
        "window": None,
        "history": None,
        "horizon": 24,
        "validation": 0.15,
        "test": 0.15,
        "plot": True,
    }
    assert vars(forecast.settings([])) == {**COMMON, **model, **data, **own, "out": Path("runs/forecast")}
    read = vars(forecast.settings(["--csv", "a.csv", "--delimiter", "\\t"]))
    csv = {"csv": "a.csv", "column": None, "delimiter": "\t", "missing": "refuse", "weeks": None}
    assert {name: read[name] for name in csv} == csv


@pytest.mark.parametrize(("task", "hidden"), [(addition, 64), (textgen, 256), (forecast, 32)])
def test_help_shows_defaults_and_how_it_was_called(task, hidden, capsys):
    with pytest.raises(SystemExit) as ended:
        task.main(["--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert shown.startswith(f"usage: python -m {task.__name__.removesuffix('.train')} ")
    assert f"(default: {hidden})" in shown and "None" not in shown


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        textgen.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"pyrnn {pyrnn.__version__}\n")


def test_numbers_convert():
    assert _options.whole(0)("7") == 7
    assert _options.positive("1e-3") == 0.001


# -- what the terminal can show -----------------------------------------------


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("environment", "terminal", "pipe"),
    [
        ({}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "unknown"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colour_only_where_it_is_wanted(environment, terminal, pipe, monkeypatch):
    for name in "NO_COLOR", "FORCE_COLOR", "TERM":
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (_console.has_colour(Terminal()), _console.has_colour(io.StringIO())) == (terminal, pipe)


def test_verdicts(monkeypatch):
    for name in "NO_COLOR", "FORCE_COLOR", "TERM":
        monkeypatch.delenv(name, raising=False)
    assert _console.verdict(True, Terminal()) == "\033[92m☑\033[0m"
    assert _console.verdict(False, Terminal()) == "\033[91m☒\033[0m"
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    assert (_console.verdict(True, latin), _console.verdict(False, latin)) == ("ok", "no")


def in_a_terminal(task, *arguments, **environment):
    """What a task writes to both of its streams, where both are a terminal; None takes a variable away."""
    import pty

    ours, theirs = pty.openpty()
    given = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "TERM": "xterm", **environment}
    plain = {name: value for name, value in given.items() if value is not None}
    command = [sys.executable, "-m", f"tasks.{task}", *TASKS[task], *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, env=plain, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:  # Linux' way to say that the other end is closed
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return written.decode()


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("environment", "sign"),
    [
        ({}, "\033[91m☒\033[0m"),
        ({"TERM": "dumb"}, "☒"),
        ({"NO_COLOR": "1"}, "☒"),
        ({"PYTHONIOENCODING": "ascii"}, "\033[91mno\033[0m"),
        ({"PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}, "no"),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, "\033[91m☒\033[0m"),
    ],
)
def test_a_terminal_gets_the_colours_and_signs_that_it_has(environment, sign, tmp_path):
    neither = {"NO_COLOR": None, "FORCE_COLOR": None}
    shown = in_a_terminal("addition", "--epochs", 1, "--target", 0, "--out", tmp_path, **{**neither, **environment})
    questions = [line for line in shown.splitlines() if line.startswith("Q ")]
    assert len(questions) == 10 and sum(f" {sign} " in line for line in questions) >= 9
    if "\033" not in sign:
        assert "\033[9" not in shown and "38;5" not in shown
    if environment.get("TERM") == "dumb":
        assert "\033[2K" not in shown and "\r\n\r\nEpoch" not in shown, "no bar, nor what is left of one"


@pytest.mark.parametrize("task", TASKS)
def test_a_pipe_gets_what_its_encoding_has_and_no_escapes(task, tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("Der Bär ☃ “schläft” – naïve 日本 wörk and goes on\n" * 40, encoding="utf-8")
    corpus = ["--corpus", book] if task == "textgen" else ["--target", "0"] if task == "addition" else []
    process = spawn(task, "--epochs", "1", "--out", tmp_path / "out", *corpus, PYTHONIOENCODING="ascii", NO_COLOR="")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert (out + err).isascii() and "\033" not in out + err
    if task == "textgen":
        assert "?" in out and any(
            letter in (tmp_path / "out" / "samples.md").read_text("utf-8") for letter in "ä☃“”–ï日本ö"
        )


# -- the folder of a run ------------------------------------------------------


def a_run(out, kind=_run.Run, **settings):
    model = pyrnn.Sequential([layers.LSTM(3, input_shape=(2, 4)), layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return kind(model, argparse.Namespace(out=out, quiet=True, **settings), "data", answer=42)


def test_config_tells_settings_versions_and_machine(tmp_path):
    a_run(tmp_path / "deep" / "er", hidden=3)
    config = json.loads((tmp_path / "deep" / "er" / "config.json").read_text())
    assert config["arguments"] == {"out": str(tmp_path / "deep" / "er"), "quiet": True, "hidden": 3}
    assert config["versions"]["pyrnn"] == pyrnn.__version__ and config["versions"]["numpy"] == np.__version__
    assert config["isa"] == pyrnn.cpu_info()["isa"] and config["threads"] == pyrnn.get_num_threads()
    assert config["answer"] == 42


def test_an_epoch_is_on_disk_as_it_ends(tmp_path):
    run = a_run(tmp_path)
    for epoch in range(2):
        run.on_epoch_begin(epoch)
        run.record(epoch, {"loss": 1 / (1 + epoch)})
        rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
        assert [(row["epoch"], row["loss"]) for row in rows] == [(1, 1.0), (2, 0.5)][: epoch + 1]
        assert (tmp_path / "model.safetensors").exists()
    a_run(tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == "", "another run begins anew"


def test_seconds_are_those_of_training_alone(tmp_path, monkeypatch):
    now = {"perf_counter": iter([10.0, 12.5, 100.0, 101.0]), "process_time": iter([1.0, 3.0, 40.0, 40.5])}
    for name, times in now.items():
        monkeypatch.setattr(_run, name, times.__next__)
    run = a_run(tmp_path)
    run.on_epoch_begin(0)
    run.on_test_begin()
    run.record(0, {"loss": 1.0})
    run.on_epoch_begin(1)
    run.record(1, {"loss": 1.0})
    assert [(row["seconds"], row["cpu_seconds"]) for row in run.rows] == [(2.5, 2.0), (3.5, 2.5)]


def test_a_loss_that_is_no_number_ends_the_run_and_spares_the_model(tmp_path):
    run = a_run(tmp_path)
    run.on_epoch_begin(0)
    with pytest.raises(_console.RunFailed, match=r"diverged in epoch 1 \(loss nan\); a smaller --lr may help"):
        run.record(0, {"loss": float("nan")})
    assert not (tmp_path / "model.safetensors").exists() and (tmp_path / "metrics.jsonl").read_text() == ""


def train(run, samples=64, epochs=2):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(samples, 2, 4)), rng.normal(size=(samples, 1))
    run.model.fit(x, y, batch_size=1, epochs=epochs, shuffle=False, callbacks=[Recorder(), run], verbose=0)
    return run


class Recorder(Callback):
    """What `fit` tells at every batch."""

    def on_train_begin(self, logs=None):
        self.model.told = []

    def on_train_batch_end(self, batch, logs=None):
        self.model.told.append((logs["loss"] * (batch + 1), self.model.gradient_norm()))


class Noted(_run.Run):
    def on_epoch_end(self, epoch, logs=None):
        self.record(epoch, dict(logs or {}))


def test_points_between_epochs_have_means_of_their_batches(tmp_path):
    run = train(a_run(tmp_path, Noted))
    rows = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert rows == run.points and [row["epoch"] for row in rows] == [1] * 30 + [2] * 30
    assert [row["batch"] for row in rows[:5]] == [3, 5, 7, 9, 11] and rows[29]["batch"] == rows[59]["batch"] == 64
    told, first = run.model.told[64:], 0  # of the second epoch
    for row in rows[30:]:
        part, before = told[first : row["batch"]], told[first - 1][0] if first else 0.0
        assert row["loss"] == pytest.approx((part[-1][0] - before) / len(part), rel=1e-9)
        assert row["gradient_norm"] == pytest.approx(np.mean([norm for _, norm in part]), rel=1e-9)
        assert row["learning_rate"] == 0.01
        first = row["batch"]
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds) and seconds[29] <= run.rows[0]["seconds"] <= seconds[30]


def test_an_epoch_of_few_batches_has_a_point_for_each(tmp_path):
    run = train(a_run(tmp_path, Noted), samples=7, epochs=1)
    assert [row["batch"] for row in run.points] == [1, 2, 3, 4, 5, 6, 7]


def test_a_gradient_that_is_no_number_ends_the_run_within_the_epoch(tmp_path):
    run = a_run(tmp_path, Noted)
    run.model.optimizer.learning_rate = 1e30
    with pytest.raises(_console.RunFailed, match=r"diverged in epoch 1 \((loss|gradient) (nan|inf)\); a smaller --lr"):
        train(run)
    assert "NaN" not in (tmp_path / "steps.jsonl").read_text() and run.rows == []


def test_curves_are_drawn_where_matplotlib_is(tmp_path, monkeypatch, capsys):
    run = train(a_run(tmp_path, Noted), samples=4, epochs=1)
    (tmp_path / "curves.png").unlink(missing_ok=True)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    capsys.readouterr()
    run.draw()
    assert capsys.readouterr().err == "no curves.png without matplotlib: pip install 'pyrnn[plot]'\n"
    assert not (tmp_path / "curves.png").exists()
    monkeypatch.undo()
    pytest.importorskip("matplotlib")
    run.draw()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("task", TASKS)
def test_a_folder_that_cannot_be_written_ends_the_run_before_training(task, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pyrnn.Sequential, "fit", lambda *_, **__: pytest.fail("trained"))
    file = tmp_path / "file"
    file.write_text("")
    code = {"addition": addition, "forecast": forecast, "textgen": textgen}[task].main(
        [*TASKS[task], "--out", str(file / "out")]
    )
    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert err == f"{task}: --out {file / 'out'} cannot be written: Not a directory\n"


# -- how a run ends -----------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_ctrl_c_keeps_what_was_learnt(task, tmp_path):
    process = spawn(task, *ENDLESS, "--out", tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Epoch 2/"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    told = r"stopped in epoch \d+; what was learnt is in .*model\.safetensors(; --resume .* goes on after epoch \d+)?"
    assert re.fullmatch(told, err.splitlines()[-1]), err
    assert "Traceback" not in err
    assert pyrnn.load_model(tmp_path / "model.safetensors").count_params() > 0
    epochs = [json.loads(line)["epoch"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(epochs) >= 1 and epochs == list(range(1, len(epochs) + 1))


@pytest.mark.parametrize("task", TASKS)
def test_a_reader_that_leaves_ends_the_run_quietly(task, tmp_path):
    with spawn(task, *ENDLESS, "--out", tmp_path) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("Epoch 1/")
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=60) == 1
    assert "Traceback" not in err and "BrokenPipe" not in err


def test_results_go_to_stdout_and_the_rest_to_stderr(tmp_path):
    process = spawn("addition", "--epochs", "1", "--target", "0", "--out", tmp_path, PYTHONIOENCODING="ascii")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err.startswith("500 sums, of which 50 are held out; ") and err.count("\n") == 1
    assert out.startswith("Epoch 1/1 - ") and out.splitlines()[-1].startswith("exact match ")
    assert sum(" no " in line for line in out.splitlines() if line.startswith("Q ")) >= 9


def test_a_missed_target_is_exit_code_1(tmp_path):
    process = spawn("addition", "--epochs", "1", "--target", "1", "--quiet", "--out", tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.count("\n"), err.count("\n")) == (1, 1, 1)
    assert err.startswith("addition: exact match 0.") and err.endswith("is short of --target 1\n")
