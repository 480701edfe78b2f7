"""What the experiments' tables and files have in common."""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

import pyrnn


def parser_for(doc: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="a file for everything measured")
    return parser


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * size:  # what rounds to 1 of it
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class Sitting:
    """Machine, load and settings of one run, and the results it writes down."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.settings = {name: value for name, value in vars(args).items() if isinstance(value, str | int | float)}
        self.path: Path | None = args.json
        self.before = os.getloadavg()[0]

    def end(self, **results: Any) -> None:
        after = os.getloadavg()[0]
        print(f"\n{processor()}, {os.cpu_count()} cores; load {self.before:.1f} before, {after:.1f} after")
        if self.path:
            machine = {"processor": processor(), "cores": os.cpu_count(), **pyrnn.cpu_info()}
            everything = {"machine": machine, "load": [self.before, after], "settings": self.settings, **results}
            self.path.write_text(json.dumps(everything, indent=1))
