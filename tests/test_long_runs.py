"""Long runs: memory stays flat while everything is recorded; a thousand short trials leave nothing behind."""

import gc
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lstmsim.run import main
from tests.faults import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# 1800 for the figure in docs/reliability.md over half an hour
SECONDS = float(os.environ.get("LSTMSIM_LONG_RUN", "180"))


def resident(pid: int | str = "self") -> int:
    """Bytes of memory that are a process's own; pages of files, which the system takes back, do not count."""
    text = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(re.search(r"RssAnon:\s*(\d+)", text)[1])


def test_recording_everything_takes_no_more_memory_as_time_goes_by(tmp_path):
    """A continual stream, everything recorded, with checkpoints every ten seconds."""
    arguments = ["1-rtrl-3", "--trials", "1", "--record", "all", "--workers", "1", "--checkpoint-every", "10", "--quiet"]
    arguments += ["--set", "learning_rate=0.0001", "--max-sequences", str(10**11), "--out", str(tmp_path / "out")]
    process = subprocess.Popen([sys.executable, "-m", "lstmsim.run", *arguments], stderr=subprocess.PIPE)
    try:
        wait_for(lambda: list((tmp_path / "out").rglob("*.rows")))  # the kernels are compiled first
        found, end = [], time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(2.0)
            assert process.poll() is None
            found.append(resident(process.pid))
    finally:
        process.terminate()
        process.communicate(timeout=120)
    assert process.returncode == 143
    (rows,) = (tmp_path / "out").rglob("*.rows")
    settled = np.array(found[len(found) // 3 :])
    growth = settled[len(settled) // 2 :].mean() - settled[: len(settled) // 2].mean()
    size = rows.stat().st_size / 1e6
    print(f"{SECONDS:.0f} s, {size:,.0f} MB recorded; {settled.mean() / 1e6:.1f} MB of memory, growth {growth:+,.0f} bytes")
    assert rows.stat().st_size > 50e6
    assert abs(growth) < 2e6


def test_a_thousand_short_trials_leave_nothing_behind(tmp_path, capsys):
    """In one process, fifty at a time: threads, open files and memory are the same after 200 and after 1,000 trials."""

    def count() -> tuple[int, int, int]:
        gc.collect()
        return threading.active_count(), len(os.listdir("/proc/self/fd")), resident()

    found = []
    for turn in range(20):
        arguments = ["4-1", "--trials", "50", "--set", "T=20", "--set", "final_test=10", "--max-sequences", "30", "--quiet"]
        assert main([*arguments, "--checkpoint-every", "0.5", "--workers", "2", "--out", str(tmp_path / str(turn))]) == 0
        found.append(count())
    threads, files, memory = zip(*found, strict=True)
    assert len(list(tmp_path.glob("*/4-1/trial-*.nc"))) == 1000
    with capsys.disabled():
        for name, numbers in (("threads", threads), ("open files", files), ("bytes of memory", memory)):
            print(f"\n{name} after 200 and 1,000 trials: {numbers[3]:,}, {numbers[-1]:,}", end="")
    assert threads[-1] == threads[3]
    assert files[-1] == files[3]
    assert memory[-1] - memory[3] < 10e6
