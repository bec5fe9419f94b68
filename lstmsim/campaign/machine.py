"""What this process may use of the machine: processors and memory; a limit under which too large a request fails early."""

from __future__ import annotations

import contextlib
import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def processors(groups: Path = _GROUPS, own: Path = _OWN) -> int:
    """Return the number of processors that this process may keep busy: those of its affinity, within its groups' quota."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _folders("cpu", groups, own):
        quota = period = 0.0
        with contextlib.suppress(OSError, ValueError):  # version 2 of the kernel's groups; "max" is no limit
            quota, period = map(float, (folder / "cpu.max").read_text().split())
        with contextlib.suppress(OSError, ValueError):  # version 1
            quota = float((folder / "cpu.cfs_quota_us").read_text())
            period = float((folder / "cpu.cfs_period_us").read_text())
        if quota > 0 and period > 0:
            there = min(there, math.ceil(quota / period))
    return max(1, there)


def memory(groups: Path = _GROUPS, own: Path = _OWN) -> int:
    """Return the bytes of memory of this machine, or of this process's groups if they allow less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for folder in _folders("memory", groups, own):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):
                total = min(total, int((folder / name).read_text()))
    return total


def _folders(controller: str, groups: Path, own: Path) -> Iterator[Path]:
    """Return the folders of the control groups that this process is in: one tree, or one for each controller (version 1)."""
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = own.read_text().splitlines()
    paths = {names: path.strip("/") for _, names, path in (line.split(":", 2) for line in lines)}
    for tree, path in (
        (groups, paths.get("", "")),
        (groups / controller, next((path for names, path in paths.items() if controller in names.split(",")), "")),
    ):
        yield from (tree.joinpath(*Path(path).parts[:depth]) for depth in range(len(Path(path).parts) + 1))


@contextlib.contextmanager
def at_most(more: int) -> Iterator[None]:
    """Let this process map only so many bytes more; beyond them an allocation raises MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # a system that does not tell what is mapped enforces no such limit either
        yield
        return
    limit = pages * os.sysconf("SC_PAGE_SIZE") + more
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
