"""Experiments in worker processes: what they run, what they leave, and how they go on after they were stopped."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from tasks import _experiments
from tasks._experiments import Experiment, Study
from tasks.addition import experiments as of_addition
from tasks.textgen import experiments as of_textgen

pytest.importorskip("joblib")

ROOT = Path(__file__).parents[2]
TINY = "--recipe keras --digits 1 --samples 55 --hidden 4 --epochs 3 --target 0"
STUDY = Study("tasks.addition.train", [Experiment("lstm", TINY, 0.1), Experiment("gru", f"{TINY} --cell gru", 0.2)])


def epochs_of(folder):
    return [json.loads(line)["epoch"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


# -- lists --------------------------------------------------------------------


@pytest.mark.parametrize("study", [of_addition.STUDY, of_textgen.STUDY], ids=lambda study: study.name)
def test_every_command_is_one_of_the_task_and_has_a_name_of_its_own(study, tmp_path):
    args = _experiments.settings(study, ["--seeds", "2", "--out", str(tmp_path)])
    trials = _experiments.trials(study, args)
    assert len(trials) == 2 * len(study.experiments) == len({trial.folder for trial in trials})
    assert all(trial.epochs >= 1 for trial in trials)
    assert [trial.seed for trial in trials] == sorted(trial.seed for trial in trials), "seed by seed"


def test_the_list_shows_names_commands_and_cost(capsys):
    assert _experiments.main(STUDY, ["--list"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in shown] == [
        ["lstm", "0.1", "min"],
        ["gru", "0.2", "min"],
        ["together", "0", "min"],
    ]
    assert shown[0].endswith(f"python -m tasks.addition {TINY}")


@pytest.mark.parametrize("study", [of_addition.STUDY, of_textgen.STUDY], ids=lambda study: study.name)
def test_experiments_is_a_word_of_the_task(study):
    listed = [sys.executable, "-m", study.task, "experiments", "--list"]
    shown = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert [line.split()[0] for line in shown.splitlines()[:-1]] == [each.name for each in study.experiments]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "other"], "argument --only: invalid choice: 'other'"),
        (["--seeds", "0"], "argument --seeds: must be a whole number, 1 or more, got '0'"),
        (["--jobs", "0"], "argument --jobs: must be a whole number, 1 or more, got '0'"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        _experiments.main(STUDY, arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_what_is_missing_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(_experiments, "NEEDED", {"runs": ("joblib", "no_such_package")})
    assert _experiments.main(STUDY, ["--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "addition experiments: experiments need no_such_package: pip install 'pyrnn[experiments]'\n"
    )


# -- runs ---------------------------------------------------------------------


def test_runs_leave_their_folders_and_are_not_run_again(tmp_path, capsys, monkeypatch):
    command = ["--seeds", "2", "--jobs", "1", "--out", str(tmp_path)]
    assert _experiments.main(STUDY, command) == 0
    out, err = capsys.readouterr()
    assert err == "", "no bar in a pipe"
    *runs, last = out.splitlines()
    assert [line.split(": ")[0] for line in runs] == [
        f"{name}, seed {seed}" for seed in (0, 1) for name in ("lstm", "gru")
    ], "seed by seed"
    assert last == f"the report is in {tmp_path / 'report.md'}"
    losses = set()
    for name, cell in (("lstm", "lstm"), ("gru", "gru")):
        for seed in (0, 1):
            folder = tmp_path / name / f"seed{seed}"
            arguments = json.loads((folder / "config.json").read_text())["arguments"]
            assert (arguments["cell"], arguments["seed"], arguments["threads"]) == (cell, seed, 1)
            assert epochs_of(folder) == [1, 2, 3] and (folder / "model.safetensors").exists()
            assert json.loads((folder / "done.json").read_text())["cpu_seconds"] > 0
            losses.add((folder / "metrics.jsonl").read_text())
    assert len(losses) == 4

    (tmp_path / "gru" / "seed1" / "done.json").unlink()
    assert _experiments.main(STUDY, command) == 0
    out, err = capsys.readouterr()
    assert out.startswith("gru, seed 1: ") and out.count("\n") == 2
    assert err == "3 of 4 runs are there already\n"

    monkeypatch.setattr(_experiments, "outcomes", lambda *_: pytest.fail("a worker was started"))
    assert _experiments.main(STUDY, command) == 0
    assert capsys.readouterr().err == "4 of 4 runs are there already\n"


def test_a_run_of_other_settings_is_run_again(tmp_path, capsys):
    command = ["--only", "lstm", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)]
    assert _experiments.main(STUDY, [*command, "--epochs", "1"]) == 0
    assert epochs_of(tmp_path / "lstm" / "seed0") == [1]
    assert _experiments.main(STUDY, command) == 0
    assert epochs_of(tmp_path / "lstm" / "seed0") == [1, 2, 3]
    assert not (tmp_path / "gru").exists()


def test_a_run_has_the_bits_of_the_task_itself(tmp_path):
    trial = _experiments.Trial(STUDY.module, STUDY.experiments[0], 5, 2, tmp_path / "a")
    assert _experiments.work(trial).finished
    alone = [sys.executable, "-m", STUDY.task, *trial.arguments, "--out", str(tmp_path / "b")]
    subprocess.run(alone, cwd=ROOT, check=True, capture_output=True)
    model, other = (pyrnn.load_model(tmp_path / name / "model.safetensors").get_weights() for name in "ab")
    assert all(np.array_equal(weights, others) for weights, others in zip(model, other, strict=True))


def test_a_missed_target_is_a_result_and_a_failure_is_not(tmp_path, capsys):
    missing = Experiment("missing", TINY.replace("--target 0", "--target 1"), 0.1)
    failing = Experiment("failing", f"{TINY} --lr 1e38", 0.1)
    study = Study(STUDY.module, [missing, failing])
    command = ["--seeds", "1", "--jobs", "1", "--out", str(tmp_path)]
    assert _experiments.main(study, command) == 1
    out, err = capsys.readouterr()
    assert out.startswith("missing, seed 0: exact match 0.") and out.count("\n") == 1
    assert err.splitlines()[0].startswith("failing, seed 0: addition: training diverged in epoch ")
    assert err.splitlines()[1] == "addition experiments: 1 of 2 runs failed; the same command tries them again"
    assert (tmp_path / "missing" / "seed0" / "done.json").exists()
    assert not (tmp_path / "failing" / "seed0" / "done.json").exists()


def test_a_study_that_cannot_run_says_so_before_the_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(of_textgen.corpus, "load", lambda _: (_ for _ in ()).throw(of_textgen.corpus.CorpusError("no")))
    assert of_textgen.main(["--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "textgen experiments: no\n"
    assert list(tmp_path.iterdir()) == []


# -- the way they end ---------------------------------------------------------

ENDLESS = f"""
import sys
from tasks._experiments import Experiment, Study, main
study = Study("tasks.addition.train", [Experiment("short", {TINY!r}, 2), Experiment("long", {TINY!r} + " --epochs 1000000", 1)])
if __name__ == "__main__":
    sys.exit(main(study, ["--seeds", "1", "--out", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(
    ("end", "sign", "code"),
    [
        (os.killpg, signal.SIGINT, 130),
        (os.killpg, signal.SIGKILL, -signal.SIGKILL),
        (os.kill, signal.SIGKILL, -signal.SIGKILL),  # alone: no worker is told
    ],
)
def test_stopped_experiments_keep_what_is_finished(end, sign, code, jobs, tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(tmp_path), "--jobs", jobs],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("short, seed 0: ")
    long = tmp_path / "long" / "seed0"
    while not (long / "metrics.jsonl").exists() or len(epochs_of(long)) < 2:
        assert process.poll() is None
    end(process.pid, sign)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, ""), err
    if sign == signal.SIGINT:
        assert err == "addition experiments: stopped\n"
    assert (tmp_path / "short" / "seed0" / "done.json").exists() and not (long / "done.json").exists()
    with pytest.raises(ProcessLookupError):  # a worker that stayed behind would keep the loop up to the time limit
        while True:
            os.killpg(process.pid, 0)
