"""The bits that every machine must find: tests/bits/expected.json. `python -m tests.bits.canary` writes them anew.

{kind of instruction set: {"case, dtype": hash of weights and predictions}}. There are two kinds: those with a fused multiply-add
(AVX2, AVX-512 and NEON) have the same bits, the baseline of x86-64 has others. What the processor here has not stays as it is.
"""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pyrnn

FILE = Path(__file__).with_name("expected.json")
ON_ARM = platform.machine() in ("aarch64", "arm64")  # where the baseline is NEON
WITH_FMA = [isa for isa in pyrnn.cpu_info()["available"] if ON_ARM or isa != "baseline"]
KINDS = ({"fma": WITH_FMA[-1]} if WITH_FMA else {}) | ({} if ON_ARM else {"baseline": "baseline"})


def start(*options, isa="", threads=1, under=()):
    """A process of `python -m tests.bits`, `under` the command of an emulator."""
    environment = {"PYRNN_ISA": isa, "PYRNN_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*under, sys.executable, "-m", "tests.bits", *map(str, options)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def found_by(process):
    """What a process of `start` prints."""
    out, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    return json.loads(out)


def only_bits(found):
    return {what: hashes["bits"] for what, hashes in found.items()}


def main():
    expected = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for kind, isa in KINDS.items():
        expected[kind] = only_bits(found_by(start(isa=isa)))
    FILE.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{', '.join(f'{len(bits)} of {kind}' for kind, bits in expected.items())} are in {FILE}")


if __name__ == "__main__":
    main()
