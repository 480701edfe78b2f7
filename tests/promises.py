"""Rewrites the table of tests/README.md: every promise of the project, the test that shows it, and the figure it measured.

`python -m tests.promises` runs the tests marked `promise("...")` as thoroughly as they can (hours on one core with all of them;
`-k` picks some, and the other rows stay). A test gives its figure to the fixture `figure`; pytest alone runs the same tests with
few cases, see `cases`.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- promises: begin -->", "<!-- promises: end -->"
HEAD = "| promise | test | figure |\n|---|---|---|\n"
_THOROUGH = "PYRNN_THOROUGH"


def cases(few: int, many: int) -> int:
    """How many cases a test tries: few in a normal run, many where the table of promises is made."""
    return many if os.environ.get(_THOROUGH) else few


class Rows:
    """A plugin of pytest that collects {test: row} of what passed, and the names of what did not."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.failed: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        name = item.nodeid.removeprefix("tests/")
        if report.failed:
            self.failed.append(name)
        elif report.when == "call" and report.passed:
            figures = [text for key, text in report.user_properties if key == "figure"]
            promise = item.get_closest_marker("promise").args[0]
            self.rows[name] = f"| {promise} | `{name}` | {'; '.join(figures)} |"
        return report


def merged(text: str, rows: dict[str, str]) -> str:
    """The README with the rows of these tests in place of what they had, in the order of the tests' names."""
    before, table, after = re.split(f"(?<={BEGIN}\n)|(?={END})", text)
    kept = {line.split("`")[1]: line for line in table.splitlines() if "`" in line}
    ordered = [row for _, row in sorted({**kept, **rows}.items())]
    return before + HEAD + "\n".join(ordered) + "\n" + after


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.promises", description=__doc__.splitlines()[0])
    parser.add_argument("-k", dest="expression", default="", help="only tests whose names match, as pytest has it")
    options = parser.parse_args()
    os.environ[_THOROUGH] = "1"
    collected = Rows()
    arguments = ["tests", "-m", "promise", "-k", options.expression, "-o", "timeout=0", "-q"]
    pytest.main(arguments, plugins=[collected])
    README.write_text(merged(README.read_text(encoding="utf-8"), collected.rows), encoding="utf-8")
    print(f"{len(collected.rows)} rows are in {README}", *(f"FAILED {name}" for name in collected.failed), sep="\n")
    return bool(collected.failed)


if __name__ == "__main__":
    sys.exit(main())
