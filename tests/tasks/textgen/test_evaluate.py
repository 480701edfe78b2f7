"""A trained network judged on the command line."""

import json

import pytest

from tasks.textgen import evaluate as command
from tasks.textgen.scores import one_pass
from tasks.textgen.trained import trained

from .conftest import TEXT


def figures(out):
    """The lines of the table: name -> bits per character, perplexity, accuracy."""
    return {line[:24].strip(): [float(value) for value in line[24:].split()] for line in out.splitlines()[2:]}


@pytest.mark.parametrize("recipe", ["stream", "keras"])
def test_of_its_own_text_it_tells_what_the_run_did(run, recipe, capsys):
    out = run("--recipe", recipe)
    assert command.main(["--model", str(out)]) == 0
    shown = capsys.readouterr()
    result = json.loads((out / "result.json").read_text())
    found = figures(shown.out)
    assert list(found) == ["one pass", "windows of 10"] and shown.err == ""
    assert found["one pass"][:2] == pytest.approx([result["val_bpc"], 2 ** result["val_bpc"]], abs=1e-3)
    assert found["windows of 10"][0] == pytest.approx(result["val_window_bpc"], abs=1e-3)
    assert shown.out.startswith(
        f"{trained(out).arguments['corpus']}: 82 characters judged, after 734 that are only read"
    )


@pytest.mark.parametrize("part", [None, "held-out"])
def test_another_text(run, tmp_path, part, capsys):
    out, path = run(), tmp_path / "other.txt"
    path.write_text(TEXT[100:400].upper(), newline="\n")
    assert command.main(["--model", str(out), "--corpus", str(path), *(["--part", part] if part else [])]) == 0
    found = trained(out)
    wanted = one_pass(found.model, found.vocabulary.encode(TEXT[100:400].lower()), 1 if part is None else 270)
    assert figures(capsys.readouterr().out)["one pass"] == pytest.approx(
        [wanted.bits, wanted.perplexity(), wanted.accuracy], abs=1e-3
    )


def test_unknown_characters_are_counted_and_on_demand_left_out(run, tmp_path, capsys):
    out, path = run(), tmp_path / "other.txt"
    path.write_text(TEXT[:100] + "xx\u2611x" + TEXT[100:300], encoding="utf-8", newline="\n")
    arguments = ["--model", str(out), "--corpus", str(path)]
    assert command.main(arguments) == 1
    strange = "4 of 304 characters are unknown: 'x' 3 times, '\u2611' 1 times"
    message = f"{strange}; --skip-unknown leaves them out of {path}"
    assert capsys.readouterr() == ("", f"textgen: {message}\n")

    assert command.main([*arguments, "--skip-unknown"]) == 0
    shown = capsys.readouterr()
    assert shown.err == f"{path}: {strange}, and left out\n"
    found = trained(out)
    bits = one_pass(found.model, found.vocabulary.encode(TEXT[:300].lower())).bits
    assert figures(shown.out)["one pass"][0] == pytest.approx(bits, abs=1e-3)


def test_nothing_held_out(run, capsys):
    out = run("--holdout", "0")
    assert command.main(["--model", str(out)]) == 1
    assert capsys.readouterr().err == "textgen: --part held-out: the network's run held nothing out\n"
    assert command.main(["--model", str(out), "--part", "all"]) == 0
    assert f"{len(TEXT) - 1} characters judged" in capsys.readouterr().out


def test_a_text_too_short(run, tmp_path, capsys):
    out, path = run(), tmp_path / "other.txt"
    path.write_text(TEXT[:11])
    assert command.main(["--model", str(out), "--corpus", str(path)]) == 1
    assert "the corpus is too short: 10 characters are to be judged, and at least 11 must be" in capsys.readouterr().err
    path.write_text(TEXT[:12])
    assert command.main(["--model", str(out), "--corpus", str(path)]) == 0
