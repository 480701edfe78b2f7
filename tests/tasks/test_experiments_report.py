"""The report of experiments from rows that are known: its numbers, its place in a file, its pictures."""

import json
import re
from pathlib import Path

import pytest

from tasks import _experiments
from tasks._experiments import Experiment, Study
from tasks._experiments_report import Measure, Picture, first, spread
from tasks.addition import experiments as of_addition
from tasks.textgen import experiments as of_textgen

ROOT = Path(__file__).parents[2]
COMMAND = "--recipe keras --epochs 4"
STUDY = Study(
    "tasks.addition.train",
    [Experiment("a", COMMAND, 1), Experiment("b", f"{COMMAND} --cell gru", 1), Experiment("c", COMMAND, 1)],
    [
        [
            Measure("epochs to 90 %", first(lambda row: row["exact"] >= 0.9, "epoch")),
            Measure("exact", lambda rows: rows[-1]["exact"], ".2f"),
        ],
        [Measure("seconds to 95 %", first(lambda row: row["exact"] >= 0.95, "cpu_seconds"), ".1f")],
    ],
    [
        Picture("both", "Both of them.", ["a", "b"], "epoch", {"exact": lambda row: row["exact"]}, "exact", goal=0.9),
        Picture("none", "Of no runs.", ["c"], "epoch", {"exact": lambda row: row["exact"]}, "exact"),
    ],
)


def leave(out, study, name, seed, rows):
    """The folder of a finished run."""
    args = _experiments.settings(study, ["--out", str(out), "--seeds", str(seed + 1), "--only", name])
    trial = _experiments.trials(study, args)[-1]
    trial.folder.mkdir(parents=True)
    (trial.folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (trial.folder / "done.json").write_text(json.dumps({"arguments": trial.arguments}))
    return trial.folder


def rows_of(*exact):
    return [{"epoch": i + 1, "cpu_seconds": 2.0 * i + 2, "exact": value} for i, value in enumerate(exact)]


@pytest.fixture
def out(tmp_path):
    pytest.importorskip("matplotlib")
    leave(tmp_path, STUDY, "a", 0, rows_of(0.5, 0.9))
    leave(tmp_path, STUDY, "a", 1, rows_of(0.5, 0.6, 0.95))
    leave(tmp_path, STUDY, "a", 2, rows_of(0.1, 0.2, 0.3, 0.4))
    leave(tmp_path, STUDY, "b", 0, rows_of(0.93))
    return tmp_path


def report(out, *more):
    assert _experiments.main(STUDY, ["--report", "--out", str(out), *map(str, more)]) == 0


def test_the_median_counts_a_run_that_never_came_so_far_as_late():
    assert spread([1.0, None, None], ".0f") == "never (1–never)"
    assert spread([1.0, 2.0], ".1f") == "1.5 (1.0–2.0)"


def test_tables_have_medians_and_ranges_of_what_is_finished(out, capsys):
    report(out)
    text = (out / "report.md").read_text()
    assert capsys.readouterr().out == f"the report is in {out / 'report.md'}\n"
    lines = text.splitlines()
    assert "4 of 9 runs." in text
    assert "| a | 3 | 3 (2–never) | 0.90 (0.40–0.95) |" in lines
    assert "| a | 3 | never (6.0–never) |" in lines
    assert "| b | 1 | 1 | 0.93 |" in lines
    assert f"| a | `{COMMAND}` | 4 | 2 |" in lines
    assert f"| c | `{COMMAND}` | 4 | no run yet |" in lines


def test_pictures_are_those_of_which_there_are_runs(out):
    report(out)
    linked = re.findall(r"\]\((.*?)\)", (out / "report.md").read_text())
    assert linked == ["pictures/addition-both.png"]
    assert [path.name for path in (out / "pictures").iterdir()] == ["addition-both.png"]
    assert (out / linked[0]).read_bytes().startswith(b"\x89PNG")


def test_a_run_of_other_settings_is_not_reported(out):
    assert _experiments.main(STUDY, ["--report", "--epochs", "3", "--out", str(out)]) == 1
    assert not (out / "report.md").exists()


def test_what_a_person_wrote_around_the_marks_stays(out):
    report(out)
    file = out / "report.md"
    written = file.read_text().replace("# Experiments: addition", "# Mine\n\nBefore.") + "\nAfter.\n"
    file.write_text(written.replace("| b | 1 | 1 | 0.93 |\n", ""))
    report(out, "--into", file)
    assert file.read_text() == written


def test_a_file_without_marks_is_left_alone(out, capsys):
    file = out / "mine.md"
    file.write_text("mine\n")
    assert _experiments.main(STUDY, ["--report", "--out", str(out), "--into", str(file)]) == 1
    assert "mine.md has no lines <!-- begin: python -m tasks.addition experiments -->" in capsys.readouterr().err
    assert file.read_text() == "mine\n"


def test_nothing_to_report_is_an_error(tmp_path, capsys):
    assert _experiments.main(STUDY, ["--report", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"addition experiments: there is nothing to report: no run in {tmp_path} is finished\n"
    )


@pytest.mark.parametrize("study", [of_addition.STUDY, of_textgen.STUDY], ids=lambda study: study.name)
def test_the_tasks_measures_and_pictures_fit_their_rows(study, tmp_path):
    pytest.importorskip("matplotlib")
    names = {each.name for each in study.experiments}
    assert {name for picture in study.pictures for name in picture.experiments} <= names
    rows = [
        {
            "epoch": epoch,
            "cpu_seconds": 1.5 * epoch,
            "loss": 2.0,
            "exact": 0.45 * epoch,
            "per_character": 0.5,
            "val_bpc": 2.6 - 0.25 * epoch,
        }
        for epoch in (1, 2)
    ]
    for name in names:
        leave(tmp_path, study, name, 0, rows)
    assert _experiments.main(study, ["--report", "--out", str(tmp_path), "--seeds", "1"]) == 0
    text = (tmp_path / "report.md").read_text()
    assert len(re.findall(r"!\[.*?\]\(pictures/", text)) == len(study.pictures)
    assert text.count(" | 1 | 2 | 2 | never | 3.0 | 3.0 | never |") == len(names)
    ends = {
        "addition": "0.9000 | 0.9000 | 0.5000 | 0.5000 | never |",
        "textgen": "2.100 | 2 | 0.5000 | 2.100 | 2.885 |",
    }
    assert text.count(f" | 1 | 2 | {ends[study.name]}") == len(names)
