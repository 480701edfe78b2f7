"""What the compiler made of the engine: what its objects show the linker, where its threads come from, what valgrind says of it."""

import re

import pytest

from pyrnn import cpu_info
from tests.native.building import ROOT, run, tool
from tests.promises import cases

CSRC = ROOT / "csrc"

pytestmark = pytest.mark.timeout(1200)  # the first builds the engine, on whatever machine


@pytest.mark.promise(
    "An object compiled for one instruction set shows the linker its table of kernels, and nothing else"
)
def test_kernels_leave_nothing_behind_for_the_linker_but_their_table(engine_build, figure):
    """An inline function compiled for AVX-512 and kept for the whole library would crash lesser processors."""
    objects = sorted(engine_build.rglob("isa_*.o"))
    assert objects
    for file in objects:
        isa = re.fullmatch(r"isa_(\w+)\.cpp\.o", file.name)[1]
        lines = run(tool("nm"), "--demangle", "--defined-only", "--extern-only", "--format=posix", file).splitlines()
        assert len(lines) == 1, lines
        name, kind = lines[0].split()[:2]
        assert name in (f"pyrnn::kernels_{isa}", f"pyrnn::quantized_{isa}"), name
        assert kind in "RD", kind  # constant data, not a weak symbol (V, W, u)
    figure(f"{len(objects)} objects with 1 symbol each, 0 weak")


@pytest.mark.promise("Only csrc/parallel knows of OpenMP")
def test_openmp_stands_in_one_file(figure):
    """Threads of OpenMP would be missing in children of a fork, and hang them."""
    files = [path for path in CSRC.rglob("*") if path.suffix in {".cpp", ".h", ".inl"}]
    pragma = re.compile(r"^\s*#\s*pragma\s+omp\b|\b_Pragma\b", re.MULTILINE)
    assert not [path.name for path in files if pragma.search(path.read_text())]
    openmp = re.compile(r"\bomp_\w+\(|<omp\.h>")
    assert {path.name for path in files if openmp.search(path.read_text())} == {"parallel.cpp"}
    figure(f"1 of {len(files)} files")


@pytest.mark.promise("Valgrind finds no wrong access, no value used before it is set, and no leak in any kernel or op")
def test_valgrind_finds_nothing(engine_build, figure):
    """It has no AVX-512, and computes every fused multiply-add by a call, which takes AVX2 a minute."""
    available = cpu_info()["available"]
    sets = [isa for isa in ("baseline", "avx2")[: cases(1, 2)] if isa in available]
    valgrind = [
        tool("valgrind"),
        "--quiet",
        "--error-exitcode=1",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite,indirect,possible",
    ]
    for isa in sets:
        hashes = run(*valgrind, engine_build / "digest", PYRNN_ISA=isa, PYRNN_NUM_THREADS="1").splitlines()
        assert len(hashes) == len(set(hashes)) >= 88, isa
    figure(f"{len(hashes)} computations on {' and '.join(sets)}, 0 errors, 0 leaks")
