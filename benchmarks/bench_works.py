"""The works of works.py in pyrnn and, where it is installed, in PyTorch."""

import importlib.util
import os

import pytest

from benchmarks.works import SYSTEMS, WORKS, check, system

INSTALLED = [name for name in SYSTEMS if name == "pyrnn" or importlib.util.find_spec(name)]


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_work(work, name, benchmark):
    library = system(name)
    check(work, library.answer(work), system("pyrnn").answer(work))
    benchmark.group = work.name
    benchmark.extra_info |= {
        "system": library.describe(),
        "batches": work.batches,
        "batches of the work": work.scale,
        "malloc keeps memory": "MALLOC_TOP_PAD_" in os.environ,
        "load": os.getloadavg()[0],
    }
    benchmark(library.go(work))
