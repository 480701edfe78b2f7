"""Keras' two examples in four dialects, run in small: they learn, print what they should, and their one-hot rows become ids."""

import re
import runpy
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest

import pyrnn

EXAMPLES = Path(__file__).with_name("examples")
CELLS = ["LSTM"]

ADDITION = {
    "keras 2.1": ("keras2_addition", {}),
    "keras 2.3": ("keras2_addition", {"time_distributed_softmax": True}),
    "keras 3": ("keras3_addition", {}),
}
TEXT = {
    "keras 2.1": ("keras2_textgen", {"rate": "lr"}),
    "keras 2.3": ("keras2_textgen", {"rate": "learning_rate", "activation_layer": False}),
    "keras 3": ("keras3_textgen", {}),
}


@pytest.fixture
def fed(monkeypatch):
    """The dtypes and ranks of x and y as the engine gets them from fit."""
    seen = set()
    adapt = pyrnn.Sequential._adapt

    def spy(self, caller, *arguments):
        data = adapt(self, caller, *arguments)
        seen.add((data.x.dtype.kind, data.x.ndim, data.y.dtype.kind, data.y.ndim))
        return data

    monkeypatch.setattr(pyrnn.Sequential, "_adapt", spy)
    return seen


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Prose where get_file looks for its file first."""
    text = "\n".join(topics[name] for name in sorted(topics))[:20_000]
    (tmp_path / "nietzsche.txt").write_text(text, encoding="utf-8", newline="\n")
    monkeypatch.setenv("PYRNN_DATA_DIR", str(tmp_path))
    return text.lower()


def run(name, **sizes):
    pyrnn.utils.set_random_seed(0)
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](**sizes)


def logged(printed, name):
    return [float(value) for value in re.findall(rf"\b{name}: ([\d.e+-]+)", printed)]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dialect", ADDITION)
def test_addition(dialect, cell, fed, capsys):
    name, arguments = ADDITION[dialect]
    model, x, y = run(name, cell=cell, **arguments)
    printed = capsys.readouterr().out
    assert (x.dtype, x.ndim, y.dtype, y.ndim) == (bool, 3, bool, 3)
    assert {(xk in "iu", xn, yk in "iu", yn) for xk, xn, yk, yn in fed} == {(True, 2, True, 2)}

    assert f" Total params: {model.count_params():,}" in printed
    assert printed.count("Iteration ") == 120
    assert len(logged(printed, "val_loss")) == len(logged(printed, "val_accuracy")) == 120
    losses, accuracies = logged(printed, "loss"), logged(printed, "accuracy")
    assert losses[-1] < 0.2 * losses[0]
    assert accuracies[-1] > 0.9

    answers = re.findall(r"^Q (\d+)\+(\d+) +T (\d+) +([\u2611\u2612]) (.+)$", printed, re.MULTILINE)
    assert len(answers) == 1200
    for left, right, total, mark, guess in answers:
        assert int(left) + int(right) == int(total)
        assert (mark == "\u2611") == (guess.rstrip() == total)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dialect", TEXT)
def test_textgen(dialect, cell, fed, book, capsys):
    name, arguments = TEXT[dialect]
    if arguments.get("rate") == "lr":
        with pytest.warns(DeprecationWarning, match="RMSprop: lr .*learning_rate"):
            model, x, y = run(name, cell=cell, **arguments)
    else:
        model, x, y = run(name, cell=cell, **arguments)
    printed = capsys.readouterr().out
    assert (x.dtype, x.ndim, y.dtype, y.ndim) == (bool, 3, bool, 2)
    assert {(xk in "iu", xn, yk in "iu", yn) for xk, xn, yk, yn in fed} == {(True, 2, True, 1)}
    assert model.optimizer.learning_rate == 0.01

    text = book.replace("\n", " ") if dialect == "keras 3" else book
    symbols = set(text)
    windows = len(range(0, len(text) - 40, 3))
    assert x.shape == (windows, 40, len(symbols))
    for what, number in (("corpus length", len(text)), ("total chars", len(symbols)), ("sequences", windows)):
        assert re.search(rf"(?i){what}: {number}\n", printed)

    losses = logged(printed, "loss")
    assert len(losses) == 4
    frequencies = np.array([text.count(symbol) for symbol in symbols]) / len(text)
    assert losses[-1] < -(frequencies * np.log(frequencies)).sum() - 0.3  # far below what counting characters gives
    made = re.findall(r"(?i)diversity: (0.2|0.5|1.0|1.2)\n(?:Generated: )?((?s:.{40}))\n", printed)
    assert [diversity for diversity, _ in made] == ["0.2", "0.5", "1.0", "1.2"] * 4
    assert all(set(generated) <= symbols for _, generated in made)
