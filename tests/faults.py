"""Runs in processes of their own, to be killed, starved and hindered, and a comparison of what they leave to the bit."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from lstmsim.campaign.checkpoint import read
from lstmsim.campaign.folder import LOCK
from lstmsim.campaign.trials import unfinished
from lstmsim.trace.summary import read_trial

TRIALS = 4
SMALL = ("4-1", "--trials", str(TRIALS), "--set", "T=20", "--set", "final_test=30", "--lanes", "1", "--workers", "2")
VARYING = {"seconds", "history", "git_commit"}  # attributes that may differ between two runs of a trial


def command(out: Path, *more: str, sequences: int = 400) -> list[str]:
    """Small trials; everything else decides nothing about their results."""
    return [sys.executable, "-m", "lstmsim.run", *SMALL, "--max-sequences", str(sequences), "--out", str(out), *more]


def endless(out: Path, *more: str) -> list[str]:
    """Trials that learn too slowly to end before somebody ends them."""
    return command(out, "--set", "learning_rate=0.001", *more, sequences=10**8)


def start(arguments: list[str], **how: Any) -> subprocess.Popen[str]:
    """Begin a run."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(arguments, **(pipes | how))


def complete(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=250)


def until(process: subprocess.Popen[str], word: str) -> str:
    """Read a run's output up to a line in which this pattern is found."""
    assert process.stdout is not None
    text = ""
    while not re.search(word, text):
        line = process.stdout.readline()
        assert line, f"the run ended before it said {word!r}: {text}"
        text += line
    return text


def wait_for(condition: Callable[[], object], seconds: float = 200.0) -> None:
    """Wait until something is the case."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def content(path: Path) -> dict[str, Any]:
    """All variables and attributes of a netCDF file, but those that may differ."""
    found: dict[str, Any] = {}

    def enter(group: Any, name: str) -> None:
        found.update({f"{name}@{key}": group.getncattr(key) for key in group.ncattrs() if key not in VARYING})
        for key, variable in group.variables.items():
            found[f"{name}/{key}"] = np.asarray(variable[...])
        for key, child in group.groups.items():
            enter(child, f"{name}/{key}")

    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        enter(file, "")
    return found


def trials(out: Path) -> dict[str, Path]:
    """Finished trials of a run's folder by name."""
    return {path.name: path for path in sorted(out.glob("*/trial-*.nc"))}


def hidden(out: Path) -> list[Path]:
    """Files begun but not complete; the lock's, which stays, is empty."""
    locks = [path for path in out.rglob(LOCK) if not path.read_bytes()]
    return [path for path in out.rglob(".*") if path not in locks]


def assert_equal_runs(one: Path, other: Path) -> None:
    """Compare all trials of two folders."""
    assert trials(one).keys() == trials(other).keys()
    for name, path in trials(one).items():
        found, expected = content(path), content(trials(other)[name])
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value, err_msg=f"{name}: {key}")


def assert_all_open(out: Path) -> None:
    """Open every file of a folder that was left by a kill; what is not complete has a hidden name."""
    for path in out.rglob("*"):
        if path.is_dir() or path.name.startswith("."):
            continue
        if path.suffix == ".nc" and path.name.startswith("trial"):
            assert read_trial(path, verify=True)["status"] in ("solved", "gave_up", "diverged")
        elif path.suffix == ".npz":
            assert read(path)["state"]
            assert unfinished(path.with_name(path.name.replace(".checkpoint.npz", ".nc")))
        elif path.suffix == ".nc":
            content(path)


@contextmanager
def small_disk(folder: Path, size: str, options: str = "") -> Iterator[Path]:
    """Mount a small file system of its own; the test is skipped where that is not allowed."""
    disk = folder / "disk"
    disk.mkdir()
    arguments = ["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(arguments, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def remount(disk: Path, options: str) -> None:
    """Give a mounted disk other options, such as another size."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)
