"""The tasks' README: its links lead where it says, and the experiments know their places in it."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "tasks"
TEXT = (FOLDER / "README.md").read_text(encoding="utf-8")
LINES = re.findall(r'\]\(([^)# ]+)#L(\d+) "([^"]+)"\)', TEXT)


def test_formulas_of_all_cells_are_linked_to_their_lines():
    code = "".join(line for _, _, line in LINES)
    for name in ("f", "i", "c_tilde", "c_t", "o", "h_t", "z", "r", "n", "h_new"):
        assert f"{name} = " in code


@pytest.mark.parametrize(("file", "number", "line"), LINES, ids=lambda part: str(part)[:30])
def test_a_linked_line_begins_as_the_link_says(file, number, line):
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
    found = [i for i, each in enumerate(lines, 1) if each.strip().startswith(line)]
    assert int(number) in found, f"{file}#L{number} should be #L{found}"


def test_every_link_leads_to_a_file():
    links = [link for link in re.findall(r"\]\(([^)# ]+)", TEXT) if not link.startswith("http")]
    assert len(links) > len(LINES) - 1 and all((FOLDER / link).exists() for link in links)


def test_pictures_are_those_of_the_report():
    linked = set(re.findall(r"!\[[^\]]*\]\((pictures/[^)]+)\)", TEXT))
    assert linked == {f"pictures/{path.name}" for path in (FOLDER / "pictures").glob("*")}


@pytest.mark.parametrize("task", ["addition", "textgen"])
def test_a_report_can_be_put_into_it(task):
    marks = [f"<!-- {word}: python -m tasks.{task} experiments -->" for word in ("begin", "end")]
    assert [TEXT.count(mark) for mark in marks] == [1, 1] and TEXT.index(marks[0]) < TEXT.index(marks[1])
