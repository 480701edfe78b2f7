import re

from tests.promises import BEGIN, END, HEAD, README, merged


def test_rows_of_tests_that_ran_replace_their_old_ones_and_no_others():
    table = HEAD + "| p | `test_a.py::a` | 1 |\n| q | `test_c.py::c` | 2 |\n"
    text = f"# Title\n\n{BEGIN}\n{table}{END}\n\nafter\n"
    new = {"test_b.py::b": "| r | `test_b.py::b` | 3 |", "test_c.py::c": "| q | `test_c.py::c` | 4 |"}
    rows = "| p | `test_a.py::a` | 1 |\n| r | `test_b.py::b` | 3 |\n| q | `test_c.py::c` | 4 |\n"
    assert merged(text, new) == f"# Title\n\n{BEGIN}\n{HEAD}{rows}{END}\n\nafter\n"


def test_the_table_has_every_promise_that_still_stands(pytestconfig):
    """A row without its test would promise what nothing shows."""
    for line in README.read_text(encoding="utf-8").splitlines():
        if line.startswith("|") and ".py::" in line:
            file, test = line.split("`")[1].split("::")
            source = (pytestconfig.rootpath / "tests" / file).read_text(encoding="utf-8")
            source = re.sub(r'promise\(\s*"', 'promise("', source)  # which may stand on a line of its own
            assert f"def {test.split('[')[0]}(" in source and f'promise("{line.split("|")[1].strip()}"' in source, line
