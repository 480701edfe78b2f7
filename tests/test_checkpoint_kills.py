"""Training processes that are killed at random moments and started anew until one reaches the end: nothing is lost, no bit differs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.promises import cases

SCRIPT = Path(__file__).parent / "killed_training.py"
COMMAND = [sys.executable, str(SCRIPT)]


def start(folder, save_freq):
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])}
    return subprocess.Popen([*COMMAND, str(folder), str(save_freq)], stdout=subprocess.PIPE, text=True, env=environment)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The last line of a training that nobody kills, its log, and its seconds."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    process = start(folder, 5)
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    result = json.loads(process.communicate()[0])
    assert process.returncode == 0
    return result, folder.with_suffix(".jsonl").read_text(), time.monotonic() - began


def kill_and_resume(whole, folder, save_freq, rng):
    """One training, killed again and again; returns how often."""
    result, log, seconds = whole
    kills = 0
    while True:
        process = start(folder, save_freq)
        assert process.stdout.readline() == "ready\n"
        # later each time, so that a machine that has become slower gets to its next backup too
        time.sleep(rng.uniform(0, seconds / 3 * 1.02**kills))
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0]
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
    assert json.loads(rest) == result
    assert folder.with_suffix(".jsonl").read_text() == log
    assert not folder.exists(), "the finished training has left files"
    return kills


@pytest.mark.promise("Training that is killed at any moment, again and again, ends with the bits of one that was not")
def test_killed_training_ends_like_one_that_was_not(whole, tmp_path, figure):
    rng, kills, trainings = np.random.default_rng(0), 0, 0
    while kills < cases(1, 200):
        kills += kill_and_resume(whole, tmp_path / str(trainings), int(rng.integers(1, 6)), rng)
        trainings += 1
    figure(f"{kills} kills in {trainings} trainings")
