"""What the tests beneath Python share: the tools that they need, and a build of the engine without Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def find(*names):
    """The first of these programs that is installed, here or beside Python; None without any."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return next((where for name in names if (where := shutil.which(name, path=path))), None)


def tool(*names):
    return find(*names) or pytest.skip(f"needs {' or '.join(names)}")


def run(*command, text=None, **environment):
    """The output of a command that succeeds."""
    result = subprocess.run(
        command, env={**os.environ, **environment}, input=text, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout


def compiles(text, *options):
    """Whether the C++ compiler makes a program of `text`."""
    command = [tool("c++", "g++", "clang++"), "-x", "c++", "-", "-o", os.devnull, *options]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).returncode == 0


def cmake(source, folder, *options, targets=()):
    """Configure and build, in Release."""
    program, generator = tool("cmake"), tool("ninja", "make")
    name = "Ninja" if Path(generator).stem == "ninja" else "Unix Makefiles"
    options = ["-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_MAKE_PROGRAM={generator}", *options]
    run(program, "-S", source, "-B", folder, "-G", name, *options)
    run(program, "--build", folder, "--parallel", "2", *(part for target in targets for part in ("--target", target)))
    return folder
