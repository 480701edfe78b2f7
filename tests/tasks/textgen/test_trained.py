"""A run's folder, opened again."""

import json

import numpy as np
import pytest

from tasks._console import RunFailed
from tasks.addition import train as addition
from tasks.textgen.trained import trained

from .conftest import TEXT


@pytest.mark.parametrize(("recipe", "mode"), [("stream", "stateful"), ("keras", "window")])
def test_a_run_can_be_used_again(run, recipe, mode):
    found = trained(run("--recipe", recipe))
    assert found.vocabulary.symbols == "".join(sorted(set(TEXT.lower())))
    assert (found.way.mode, found.window, found.arguments["hidden"]) == (mode, 10, 8)
    assert found.prepared("OwL") == "owl" and found.opening == TEXT.lower()[int(len(TEXT) * 0.9) :][:10]
    ids = found.vocabulary.encode("the owl an")
    assert found.model.predict(ids[None], verbose=0).shape[-1] == len(found.vocabulary)


def test_capitals_are_kept_where_they_were_learnt(run):
    found = trained(run("--no-lower"))
    assert found.prepared("OwL") == "OwL" and "O" in found.vocabulary


def test_nothing_there(tmp_path):
    for folder in tmp_path / "none", tmp_path:
        with pytest.raises(RunFailed, match=r"no trained network: .*model.safetensors is missing; --model names"):
            trained(folder)


def test_a_run_of_another_task(tmp_path):
    small = ["--digits", "1", "--samples", "55", "--hidden", "8", "--epochs", "1", "--target", "0", "--quiet"]
    assert addition.main([*small, "--out", str(tmp_path)]) == 0
    with pytest.raises(RunFailed, match="is not that of a textgen run, or of an older one.*: it has no 'vocabulary'"):
        trained(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config["vocabulary"].update(symbols="ab"), "is not the network that .*config.json tells of"),
        (lambda config: config["vocabulary"].update(symbols="aba"), "cannot be read: symbols must be distinct"),
        (lambda config: config["arguments"].update(recipe="none"), "it has no 'none'"),
        (lambda config: config.update(vocabulary=None), "is not that of a textgen run"),
    ],
)
def test_what_does_not_fit_is_refused(run, change, message):
    out = run()
    config = json.loads((out / "config.json").read_text())
    change(config)
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunFailed, match=message):
        trained(out)


def test_a_damaged_file_is_refused(run):
    out = run()
    (out / "config.json").write_bytes(np.arange(200, dtype=np.uint8).tobytes())
    with pytest.raises(RunFailed, match="cannot be read"):
        trained(out)
