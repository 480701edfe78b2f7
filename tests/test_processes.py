"""What children of a process compute whose threads have been at work: the same bits, in parallel, and no hang."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import many_processes
from tests.promises import cases

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def run(kind, count):
    """many_processes.py in a process of its own, which has no other threads than it begins."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.many_processes", kind, str(count)]
    result = subprocess.run(
        command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False, timeout=cases(250, 3000)
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout.strip()


@pytest.mark.promise("Forked children, and theirs, go on in parallel, with the same bits and no hang")
def test_forked_children(figure):
    figure(run("forks", cases(5, 200)))


@pytest.mark.promise(
    "A fork of a process whose threads train and predict waits for their batches, and its child never hangs"
)
def test_children_of_a_busy_process(figure):
    figure(run("forks of a busy process", cases(10, 200)))


@pytest.mark.promise(
    "Workers of multiprocessing, joblib and PyTorch give the same bits as their parent, and none hangs"
)
@pytest.mark.parametrize("kind", many_processes.WORKERS)
def test_workers(figure, kind):
    for name, library in (("joblib", "joblib"), ("PyTorch", "torch")):
        if kind.startswith(name) and not find_spec(library):
            pytest.skip(f"needs {name}")
    figure(run(kind, cases(1, 10)))
