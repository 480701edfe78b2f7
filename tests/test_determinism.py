"""The same bits, whatever the threads, the load, the instruction set, the batches, the process: of every case of tests/bits/cases.py.

Where bits are meant to change, `python -m tests.bits.canary` writes the expected ones anew, and the commit says why.
"""

import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from tests.bits import canary
from tests.bits.canary import found_by, start
from tests.bits.cases import CASES
from tests.native.building import tool
from tests.promises import cases

TOLERANCES = {"float32": 4e-5, "float64": 1e-13}  # of weights and predictions of about 1, after 6 steps of training


def some(first, every=5):
    """Of the cases every fifth in a normal run, another fifth for each test."""
    return ["--every", cases(every, 1), "--first", cases(first, 0)]


def compare(found, expected):
    """Every case of `found` has the hashes of `expected`; how many there are."""
    others = [what for what in found if found[what] != expected[what]]
    assert not others, f"{len(others)} of {len(found)} differ: {others}"
    assert found
    return len(found)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    return tmp_path_factory.mktemp("arrays")


@pytest.fixture(scope="module")
def of_kind(arrays):
    """What one thread finds, by kind of instruction set."""
    return {kind: found_by(start("--arrays", arrays / f"{kind}.npz", isa=isa)) for kind, isa in canary.KINDS.items()}


@pytest.fixture(scope="module")
def expected(of_kind):
    return next(iter(of_kind.values()))


@pytest.mark.promise("Bits change by decision alone, on any machine: they are those of a file")
def test_bits_are_those_of_the_file(of_kind, figure):
    on_file = json.loads(canary.FILE.read_text(encoding="utf-8"))
    for kind, found in of_kind.items():
        assert set(on_file[kind]) == set(found), "the file has other cases, see above"
        compare(canary.only_bits(found), on_file[kind])
    figure(f"{len(CASES)} models in two precisions, {' and '.join(of_kind)}")


@pytest.mark.promise("Training and predictions have the same bits for any number of threads")
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_threads_change_no_bit(threads, expected, figure):
    found = found_by(start(*some(threads - 2), threads=threads))
    figure(f"{compare(found, expected)} trainings, {threads} threads against 1")


@pytest.mark.promise("Other work on the cores and other processes change no bit")
def test_load_changes_no_bit(expected, figure):
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count())]
    try:
        processes = [start(*some(0, every=40), threads=threads) for threads in (2, 3)]
        counts = [compare(found_by(process), expected) for process in processes]
    finally:
        for process in load:
            process.kill()
            process.wait()
    figure(f"{counts[0]} trainings in each of 2 processes, with {len(load)} more at full load")


@pytest.mark.skipif(len(canary.WITH_FMA) < 2, reason="the processor has not both AVX2 and AVX-512")
@pytest.mark.promise("AVX2 and AVX-512 have the same bits")
def test_instruction_sets_change_no_bit(expected, figure):
    count = 0
    for threads in (1, 3):
        count += compare(found_by(start(*some(threads), isa="avx2", threads=threads)), expected)
    figure(f"{count} trainings")


@pytest.mark.skipif(len(canary.KINDS) < 2, reason="the processor has not both kinds of instruction sets")
@pytest.mark.promise("The baseline of x86-64, which has no fused multiply-add, differs by rounding alone")
def test_the_baseline_differs_by_rounding_alone(of_kind, arrays, figure):
    most = dict.fromkeys(TOLERANCES, 0.0)
    with np.load(arrays / "fma.npz") as fma, np.load(arrays / "baseline.npz") as baseline:
        for name in fma:
            dtype = name.split(", ")[-2]
            most[dtype] = max(most[dtype], float(np.abs(fma[name] - baseline[name]).max()))
    assert all(0 < most[dtype] < tolerance for dtype, tolerance in TOLERANCES.items()), most
    figure(", ".join(f"{dtype} by at most {difference:.1e}" for dtype, difference in most.items()))


@pytest.mark.skipif("baseline" not in canary.KINDS, reason="the processor's baseline has a fused multiply-add")
@pytest.mark.promise("The baseline of x86-64 has the same bits for any number of threads")
def test_threads_change_no_bit_of_the_baseline(of_kind, figure):
    found = found_by(start(*some(4), isa="baseline", threads=3))
    figure(f"{compare(found, of_kind['baseline'])} trainings, 3 threads against 1")


@pytest.mark.promise("Predictions of a row have the same bits in any batch")
def test_batches_change_no_bit_of_predictions(expected, figure):
    """`--splits` compares predictions in six other splits of the rows, two of them in another order."""
    found = found_by(start("--splits", *some(0), threads=3))
    figure(f"{compare(found, expected)} models, 6 splits of their rows each")


@pytest.mark.promise("Training that was stopped and goes on in another process ends with the same bits")
def test_a_resumed_training_has_the_same_bits(expected, tmp_path, figure):
    backup = ["--backup", tmp_path, *some(1, every=15)]  # writing the checkpoints takes longer than training
    assert found_by(start("--stops", *backup, threads=2)) == {}
    found = found_by(start(*backup, threads=3))
    figure(f"{compare(found, expected)} trainings")


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the processor is no x86-64, on which Python could be emulated"
)
@pytest.mark.promise("Processors without AVX-512 or AVX import pyrnn, and train with the same bits")
@pytest.mark.parametrize(("processor", "kind"), [("Nehalem", "baseline"), ("Haswell", "fma")])
@pytest.mark.timeout(600)
def test_older_processors_train_with_the_same_bits(processor, kind, figure):
    """Python and all, emulated, which ends a process at an instruction that the processor has not. NumPy wants at least a Nehalem."""
    expected = json.loads(canary.FILE.read_text(encoding="utf-8"))[kind]
    emulator = [tool("qemu-x86_64", "qemu-x86_64-static"), "-cpu", processor]
    found = canary.only_bits(found_by(start(*some(7, every=80), under=emulator, threads=2)))
    figure(f"{compare(found, expected)} trainings on an emulated {processor}")
