"""Tasks of one's own, run: they learn, they can be interrupted, and kernels stay within their arrays."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "own-task.md"


def start(script, folder, **variables):
    path = folder / "own.py"
    path.write_text(script, encoding="utf-8")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, "-u", str(path)], cwd=folder, env=os.environ | variables, **pipes)


def blocks():
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_example_is_short():
    assert len([line for line in blocks()[0].splitlines() if line.strip()]) < 15


def test_the_example_learns(tmp_path):
    with start("\n".join(blocks()[:2]), tmp_path) as process:
        out, _ = process.communicate(timeout=250)
    assert [line.split()[1] for line in out.splitlines()[-4:]] == ["solved"] * 4, out


ENDLESS = """
from lstmsim.tasks import generator
import threading, time

@generator(n_inputs=1, n_outputs=1, max_length=5)
def endless(seq, key):
    n = 0
    while n >= 0:
        n += 1 if seq.input[0, 0] == 0.0 else -1
    return 1
{run}
"""


def test_a_task_that_never_ends_can_be_interrupted(tmp_path):
    run = blocks()[1].replace("delayed_match()", "endless()").replace("Architecture(4,", "Architecture(1,")
    told = 'threading.Thread(target=lambda: (time.sleep(8), print("asleep")), daemon=True).start()\n'
    with start(ENDLESS.format(run=told + run), tmp_path) as process:
        assert process.stdout.readline() == "asleep\n"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in out


@pytest.mark.slow  # compiles everything anew
@pytest.mark.timeout(1800)
def test_kernels_stay_within_their_arrays(tmp_path):
    command = [sys.executable, "-m", "pytest", "-x", "-q", "tests/kernels", "tests/tasks", "tests/learners/test_contract.py"]
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    deselected = ["--deselect", "tests/tasks/test_own_run.py"]
    done = subprocess.run([*command, *deselected], cwd=ROOT, env=os.environ | checked, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
