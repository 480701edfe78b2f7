"""A small text, and runs that learn from it."""

import pytest

from tasks.textgen import train as textgen

TEXT = "The Owl and the Pussy-cat went to sea\nIn a beautiful pea-green boat\n" * 12
SMALL = ["--hidden", "8", "--epochs", "1", "--window", "10", "--quiet"]


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(TEXT, encoding="utf-8", newline="\n")
    return path


@pytest.fixture
def run(book, tmp_path, capsys):
    """run(*arguments) -> the folder of a run on the book, of which nothing is seen."""

    def run(*arguments):
        out = tmp_path / "out"
        assert textgen.main(["--corpus", str(book), *SMALL, *arguments, "--out", str(out)]) == 0
        capsys.readouterr()
        return out

    return run
