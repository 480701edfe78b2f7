"""pyrnn among others: libraries with threads of their own in one process, and the processors that a process is allowed."""

import itertools
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pyrnn import _core
from tests.native.building import tool

ROOT = Path(__file__).parent.parent
ORDERS = list(itertools.permutations(["pyrnn", "sklearn", "torch"]))

TRAINING = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.standard_normal((64, 9, 8)), rng.standard_normal((64, 1))

def train_pyrnn():
    pyrnn.utils.set_random_seed(0)
    model = pyrnn.Sequential([pyrnn.Input((9, 8)), pyrnn.layers.LSTM(48), pyrnn.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, epochs=2, verbose=0)
    return b"".join(weight.tobytes() for weight in model.get_weights())

def train_torch():
    torch.manual_seed(0)
    torch.manual_seed(0)
    net, inputs = torch.nn.Linear(256, 256), torch.ones(256, 256)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    loss = net(inputs).tanh().square().mean()
    loss.backward()
    optimizer.step()
    assert bool(loss.isfinite())

def train_sklearn():
    from sklearn.ensemble import HistGradientBoostingRegressor
    assert np.isfinite(HistGradientBoostingRegressor(max_iter=5).fit(x[:, 0], y[:, 0]).predict(x[:, 0])).all()
"""


def run(code, *command, **environment):
    arguments = [*command, sys.executable, "-c", code]
    result = subprocess.run(
        arguments, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=250
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout.strip()


@pytest.mark.promise("Imported in any order beside PyTorch and scikit-learn, each training, it comes to the same bits")
def test_every_order_of_imports(figure):
    for name, library in (("scikit-learn", "sklearn"), ("PyTorch", "torch")):
        if not find_spec(library):
            pytest.skip(f"needs {name}")

    def weights(*order):
        imports = "".join(f"import {name}\n" for name in order)
        turns = "".join(f"train_{name}()\n" for name in order)
        code = f"{imports}import hashlib\n{TRAINING}{turns}print(hashlib.sha256(train_pyrnn()).hexdigest())"
        return run(code, PYRNN_NUM_THREADS="2")

    alone = weights("pyrnn")
    for order in ORDERS:
        assert weights(*order) == alone, order
    figure(f"{len(ORDERS)} orders")


@pytest.mark.promise("threadpoolctl sees the engine's OpenMP, and its limits are the engine's")
def test_threadpoolctl(figure):
    if not find_spec("threadpoolctl"):
        pytest.skip("needs threadpoolctl")
    code = """
import threadpoolctl, pyrnn
before = pyrnn.get_num_threads()
assert any(pool["user_api"] == "openmp" for pool in threadpoolctl.threadpool_info())
with threadpoolctl.threadpool_limits(1, "openmp"):
    assert pyrnn.get_num_threads() == 1
assert pyrnn.get_num_threads() == before
print(before)
"""
    figure(f"{run(code, PYRNN_NUM_THREADS='')} threads, limited to 1")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system tells no affinity")
@pytest.mark.promise("As many threads as the affinity allows, before the import and after it")
def test_affinity(figure):
    one = f"{{{min(os.sched_getaffinity(0))}}}"
    before = f"import os; os.sched_setaffinity(0, {one}); import pyrnn; print(pyrnn.get_num_threads())"
    assert run(before, PYRNN_NUM_THREADS="", OMP_NUM_THREADS="") == "1"
    show = "print(pyrnn.get_num_threads())"
    after = f"import os, pyrnn; {show}; os.sched_setaffinity(0, {one}); {show}"
    processors = len(os.sched_getaffinity(0))
    assert run(after, PYRNN_NUM_THREADS="", OMP_NUM_THREADS="").split() == [str(processors), "1"]
    figure(f"1 of {processors}")


GROUPS = {
    "version 2": ("0::/a/b", {"a/b/cpu.max": "150000 100000"}, 1.5),
    "version 2, none": ("0::/a/b", {"a/b/cpu.max": "max 100000"}, float("inf")),
    "version 2, of the group above": (
        "0::/a/b",
        {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000", "cpu.max": "400000 100000"},
        3,
    ),
    "version 2, in a container": ("0::/", {"cpu.max": "50000 100000"}, 0.5),
    "version 1": (
        "5:memory:/m\n4:cpu,cpuacct:/a\n0::/",
        {"cpu/a/cpu.cfs_quota_us": "200000", "cpu/a/cpu.cfs_period_us": "50000"},
        4,
    ),
    "version 1, none": (
        "4:cpuacct,cpu:/a",
        {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"},
        float("inf"),
    ),
    "version 1, in a container that sees the host's path": (
        "4:cpu:/docker/x",
        {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"},
        1,
    ),
    "of other controllers": ("3:cpuset:/a\n2:cpuacct:/a", {"cpu/a/cpu.max": "1 1", "a/cpu.max": "1 1"}, float("inf")),
    "no words": ("0::/a", {"a/cpu.max": "many\n"}, float("inf")),
    "nothing": ("", {}, float("inf")),
}


@pytest.mark.parametrize("case", GROUPS)
def test_limits_of_control_groups(tmp_path, case):
    groups, files, expected = GROUPS[case]
    for path, text in {
        "proc/self/cgroup": groups,
        **{f"sys/fs/cgroup/{path}": text for path, text in files.items()},
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "\n")
    assert _core.cgroup_limit(str(tmp_path)) == expected


@pytest.mark.promise("As many threads as a control group allows processors")
def test_a_control_group(figure, tmp_path):
    """A mount of our own in place of the system's groups, as a container has it."""
    unshare, code = tool("unshare"), "import pyrnn; print(pyrnn.get_num_threads())"
    (tmp_path / "cpu").mkdir()
    for path, text in {
        "cpu.max": "100000 100000",
        "cpu/cpu.cfs_quota_us": "100000",
        "cpu/cpu.cfs_period_us": "100000",
    }.items():
        (tmp_path / path).write_text(text)
    mounted = [unshare, "--mount", "sh", "-c", 'mount --bind "$0" /sys/fs/cgroup && exec "$@"', str(tmp_path)]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs unshare and the right to mount")
    assert run(code, *mounted, PYRNN_NUM_THREADS="") == "1"
    figure(f"1 of {run(code, PYRNN_NUM_THREADS='')}")
