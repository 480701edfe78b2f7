"""What a trained network writes on the command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from pyrnn.text import generate
from tasks.textgen import generate as command
from tasks.textgen.trained import trained

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["stream", "keras"])
def model(run, request):
    return run("--recipe", request.param)


def test_it_writes_what_the_library_generates(model, capsys):
    found = trained(model)
    wanted = "".join(generate(found.model, found.vocabulary, "the owl", 70, 0.7, 5, 0.9, 3, found.way.mode))
    options = ["--temperature", "0.7", "--top-k", "5", "--top-p", "0.9", "--seed", "3", "--length", "70"]
    assert command.main(["--model", str(model), "--prompt", "The OWL", *options]) == 0
    assert capsys.readouterr() == ("the owl" + wanted + ("" if wanted.endswith("\n") else "\n"), "")


@pytest.mark.parametrize("mode", ["window", "stateful"])
def test_the_other_mode(model, mode, capsys):
    found, window = trained(model), 10 if mode == "window" else None
    wanted = "".join(generate(found.model, found.vocabulary, "the owl", 40, seed=3, mode=mode, window=window))
    options = ["--mode", mode, "--seed", "3", "--length", "40", "--temperature", "1"]
    assert command.main(["--model", str(model), "--prompt", "the owl", *options]) == 0
    assert capsys.readouterr().out.rstrip("\n") == ("the owl" + wanted).rstrip("\n")


def test_without_prompt_and_seed_it_begins_as_the_held_out_text_and_tells_the_seed(model, capsys):
    assert command.main(["--model", str(model), "--length", "50"]) == 0
    first = capsys.readouterr()
    assert first.out.startswith(trained(model).opening)
    seed = first.err.removeprefix("--seed ").removesuffix(" writes this again\n")
    assert command.main(["--model", str(model), "--length", "50", "--seed", seed]) == 0
    assert capsys.readouterr() == (first.out, "")


def test_it_stops_where_it_is_told(model, capsys):
    arguments = ["--model", str(model), "--prompt", "a", "--seed", "1", "--temperature", "1", "--length", "500"]
    assert command.main([*arguments, "--stop", "E"]) == 0
    text = capsys.readouterr().out
    assert text.endswith("e\n") and text.count("e") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--prompt", "ab\u2611c\u00dfd\u2611"],
            "--prompt has characters that the network has not learnt: '\u2611', '\u00df'",
        ),
        (["--stop", "x"], "--stop has characters that the network has not learnt: 'x'"),
        (["--prompt", ""], "--prompt must hold at least one character"),
    ],
)
def test_what_it_cannot_read(run, arguments, message, capsys):
    assert command.main(["--model", str(run()), *arguments]) == 1
    assert capsys.readouterr() == ("", f"textgen: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "-1"], "argument --temperature: must be a number, 0 or more, got '-1'"),
        (["--top-p", "0"], "argument --top-p: must be a number above 0, and 1 at most, got '0'"),
        (["--top-k", "0"], "argument --top-k: must be a whole number, 1 or more, got '0'"),
        (["--mode", "other"], "argument --mode: invalid choice: 'other'"),
    ],
)
def test_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_a_reader_that_leaves_ends_it_quietly(run):
    words = ["generate", "--model", str(run()), "--seed", "1", "--length", "100000000", "--prompt", "a"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tasks.textgen", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.read(100).startswith(b"a")
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 1
    process.stderr.close()
