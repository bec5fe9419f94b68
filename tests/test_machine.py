"""What a process may use of the machine, planned with as it is left by affinity and control groups."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lstmsim.campaign import machine


def test_only_processors_that_a_process_may_use_are_planned_with(tmp_path):
    cpu = max(os.sched_getaffinity(0))
    asked = ["4-1", "--dry-run", "--json", "--trials", "64", "--out", tmp_path]
    command = ["taskset", "-c", str(cpu), sys.executable, "-m", "lstmsim.run", *map(str, asked)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["threads"] == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "50000 100000"}, 1),
        ({"inner/cpu.max": "100000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "90000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu.max": "no number"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container_is_respected(files, expected, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "own").write_text("0::/inner\n")
    here = len(os.sched_getaffinity(0))
    assert machine.processors(tmp_path, tmp_path / "own") == (expected or here)


def test_the_limit_of_a_containers_memory_is_respected(tmp_path):
    (tmp_path / "memory.max").write_text("1000000\n")
    assert machine.memory(tmp_path, tmp_path / "own") == 1_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory(tmp_path, tmp_path / "own") > 10**8


GROUPS = Path("/sys/fs/cgroup")  # version 1 has a folder for each controller
LIMITS = {
    "processors": [
        (GROUPS / "cpu", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "90000"}),
        (GROUPS, {"cpu.max": "90000 100000"}),
    ],
    "memory": [(GROUPS / "memory", {"memory.limit_in_bytes": "2147483648"}), (GROUPS, {"memory.max": "2147483648"})],
}


@contextlib.contextmanager
def control_group(what):
    """Make a control group of this machine with a limit; the test is skipped where that is not allowed."""
    for tree, limits in LIMITS[what]:
        group = tree / f"lstmsim-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            try:
                for name, value in limits.items():
                    (group / name).write_text(value)
                yield group
                return
            finally:
                group.rmdir()
    pytest.skip("control groups cannot be made here")


@pytest.mark.parametrize(("what", "expected"), [("processors", 1), ("memory", 2**31)])
def test_the_limit_of_a_real_control_group_is_respected(what, expected):
    code = f"from lstmsim.campaign import machine; print(machine.{what}())"
    with control_group(what) as group:
        enter = f'echo $$ > "{group}/cgroup.procs" && exec "$@"'
        done = subprocess.run(["bash", "-c", enter, "-", sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == f"{expected}\n", done.stderr
