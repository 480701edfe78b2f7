"""samples.md is valid Markdown, whatever a network writes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import _markdown, _samples
from tests.tasks import test_run


def read_fenced(markdown):
    """The text of the one block of code that `markdown` is, by CommonMark's rule for its end; None where it is not."""
    first, *lines = markdown.split("\n")
    opening = re.fullmatch(r"(`{3,})text", first)
    assert opening is not None
    for i, line in enumerate(lines):
        closing = re.fullmatch(r" {0,3}(`+)[ \t]*", line)
        if closing and len(closing[1]) >= len(opening[1]):
            return "\n".join(lines[:i]) if i == len(lines) - 1 else None
    return None


@pytest.mark.parametrize(
    "text", ["", "plain", "```", "````\n```text\n", "`` ` ```` `", "\n\n", "   ```", "a\n~~~\n<b>|"]
)
def test_a_text_does_not_leave_its_fence(text):
    assert read_fenced(_samples.fenced(text)) == text


@given(st.text(alphabet="`~ a\n\t|", max_size=40))
def test_no_text_leaves_its_fence(text):
    assert read_fenced(_samples.fenced(text)) == text


@given(st.text())
def test_no_character_commands_who_shows_it(text):
    shown = read_fenced(_samples.fenced(text))
    assert shown is not None and len(shown) == len(text)
    for was, now in zip(text, shown, strict=True):
        assert (
            now == was
            if was in "\t\n" or ord(was) >= 0xA0 or 32 <= ord(was) < 127
            else now in "\ufffd␡" or "␀" <= now <= "␟"
        )


def test_controls_are_seen_as_their_signs():
    assert "␛[31m␀␍\n␡\ufffd" in _samples.fenced("\x1b[31m\0\r\n\x7f\x85")


def test_sections_are_added_as_epochs_come(tmp_path):
    path = tmp_path / "samples.md"
    _samples.append(path, 1, "a", _markdown.table(["x", "y"], [["1", "2"]]))
    assert path.read_bytes().decode() == "# Samples\n\n## Epoch 1\n\na\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n"
    _samples.append(path, 2, "\ud800")
    assert path.read_text().endswith("| 1 | 2 |\n\n## Epoch 2\n\n?\n\n")


def test_a_run_begins_anew(tmp_path):
    run = test_run.a_run(tmp_path)
    run.keep_samples(0, "one")
    assert (tmp_path / "samples.md").read_text() == "# Samples\n\n## Epoch 1\n\none\n\n"
    test_run.a_run(tmp_path)
    assert not (tmp_path / "samples.md").exists()
