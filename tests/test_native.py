"""The engine without Python, on processors that are not this one: what an emulator runs has the bits of the same instruction set
here, and NEON those of AVX2 and AVX-512.

`native/digest.cpp` computes every kernel and op and prints a hash for each. A fused multiply-add, a division and a square
root are rounded once by each of these instruction sets, so nothing less than equality is right.
"""

import platform
from pathlib import Path

import pytest

import pyrnn
from tests.native.building import ROOT, cmake, run, tool

CROSS = "aarch64-linux-gnu-"
SYSROOT = Path("/usr/aarch64-linux-gnu")  # where Debian's cross compiler has the libraries that the emulator loads
SETS_WITH_FMA = [isa for isa in pyrnn.cpu_info()["available"] if isa != "baseline"]


pytestmark = pytest.mark.timeout(1200)  # the first builds the engine, on whatever machine


@pytest.fixture
def host(engine_build):
    return [engine_build / "digest"]


@pytest.fixture(scope="module")
def neon(tmp_path_factory):
    """The command that runs digest as an AArch64 processor would."""
    compilers = [
        f"-DCMAKE_{language}_COMPILER={tool(CROSS + name)}" for language, name in (("C", "gcc"), ("CXX", "g++"))
    ]
    emulator = tool("qemu-aarch64", "qemu-aarch64-static")
    system = ["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64"]
    folder = cmake(ROOT, tmp_path_factory.mktemp("neon"), "-DPYRNN_DIGEST=ON", *system, *compilers)
    return [emulator, "-L", SYSROOT, folder / "digest"]


def digest(command, threads, isa=""):
    hashes = run(*command, PYRNN_NUM_THREADS=str(threads), PYRNN_ISA=isa).splitlines()
    assert len(hashes) == len(set(hashes)) == 88  # 36 of kernels, the sampler and 7 of networks, in both precisions
    return hashes


@pytest.mark.skipif(not SETS_WITH_FMA, reason="the processor has no fused multiply-add")
@pytest.mark.promise("Every kernel has the same bits on AVX2 and AVX-512")
def test_every_instruction_set_here_has_the_same_bits(host, figure):
    expected = digest(host, 1, SETS_WITH_FMA[0])
    for isa in SETS_WITH_FMA:
        for threads in (1, 3):
            assert digest(host, threads, isa) == expected, f"{isa}, {threads} threads"
    figure(f"{len(expected)} kernels and networks on {' and '.join(SETS_WITH_FMA)}")


@pytest.mark.skipif(not SETS_WITH_FMA, reason="the processor has no fused multiply-add")
@pytest.mark.promise("Every kernel has the same bits on NEON as on AVX2 and AVX-512")
def test_neon_has_the_same_bits(host, neon, figure):
    expected = digest(host, 1, SETS_WITH_FMA[-1])
    for threads in (1, 3):
        assert digest(neon, threads) == expected, f"{threads} threads"
    figure(f"{len(expected)} kernels and networks, emulated")


@pytest.mark.slow  # test_determinism.py has a short run of Python on the same
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the processor is no x86-64")
@pytest.mark.promise("Every kernel has the same bits on processors without AVX-512 or AVX")
@pytest.mark.parametrize(("processor", "isa"), [("Nehalem", "baseline"), ("Haswell", "avx2")])
def test_older_processors_have_the_same_bits(host, processor, isa, figure):
    """An emulator ends a process at an instruction that its processor has not."""
    if isa not in pyrnn.cpu_info()["available"]:
        pytest.skip(f"the processor has no {isa} to compare with")
    expected = digest(host, 1, isa)
    emulator = [tool("qemu-x86_64", "qemu-x86_64-static"), "-cpu", processor]
    assert digest([*emulator, *host], 2) == expected
    figure(f"{len(expected)} kernels and networks on an emulated {processor}")
