"""Which command a command line means, in real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tasks.textgen", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_help_lists_the_commands():
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in "train", "generate", "evaluate", "visualize", "experiments":
        assert f"python -m tasks.textgen {command} " in done.stdout.replace("[train]", "train")


@pytest.mark.parametrize("word", ["trane", ""])
def test_an_unknown_command_is_a_usage_error(word):
    done = run(word, "--hidden", "8")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"unknown command {word!r} (choose from train, generate, evaluate, visualize, experiments)" in done.stderr


@pytest.mark.parametrize("words", [["train"], []])
def test_without_a_word_it_trains(words):
    done = run(*words, "--hidden", "none")
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m tasks.textgen train ")
    assert "argument --hidden: must be a whole number, 1 or more, got 'none'" in done.stderr
