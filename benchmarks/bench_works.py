"""The works of works.py in pyrnn and, where they are installed, in the other systems."""

import importlib.util
import os

import pytest

from benchmarks.systems import SYSTEMS, library
from benchmarks.works import WORKS, check

INSTALLED = [name for name, system in SYSTEMS.items() if all(map(importlib.util.find_spec, system.needs))]


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_work(work, name, benchmark):
    if not SYSTEMS[name].does(work):
        pytest.skip(f"{SYSTEMS[name].title} does not do this work")
    system = library(name)
    system.set_threads(1 if work.serial else os.cpu_count() or 1)
    check(work, system.answer(work), library("pyrnn").answer(work))
    benchmark.group = work.name
    benchmark.extra_info |= {
        "system": system.describe(),
        "batches": work.batches,
        "batches of the work": work.scale,
        "malloc keeps memory": "MALLOC_TOP_PAD_" in os.environ,
        "load": os.getloadavg()[0],
    }
    benchmark(system.go(work))
