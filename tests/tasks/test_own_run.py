"""Tasks of one's own, run: they learn, they can be interrupted, and kernels stay within their arrays."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lstmsim import Experiment
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.tasks import generator

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "own-task.md"


def start(script, folder, **variables):
    path = folder / "own.py"
    path.write_text(script, encoding="utf-8")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, "-u", str(path)], cwd=folder, env=os.environ | variables, **pipes)


def finished(process, seconds):
    """What a script printed until its end; it is ended after so many seconds."""
    try:
        return process.communicate(timeout=seconds)[0]
    finally:
        process.kill()


def blocks():
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_example_is_short():
    assert len([line for line in blocks()[0].splitlines() if line.strip()]) < 15


SHOW = """
for node in run.subtree:
    if "status" in node:
        print("status", *node.status.values)
"""


def test_the_example_learns(tmp_path):
    script = "\n".join(blocks()[:2]).replace("print(simulate(experiment, trials=4))", "run = simulate(experiment, trials=4)")
    out = finished(start(script + SHOW, tmp_path), 250)
    assert out.splitlines()[-1] == "status solved solved solved solved", out


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
    told = 'threading.Thread(target=lambda: (time.sleep(8), print("asleep")), daemon=True).start()\n'
    process = start(ENDLESS.format(run=told + blocks()[1].replace("delayed_match()", "endless()")), tmp_path)
    while process.stdout.readline() not in ("asleep\n", ""):
        pass
    process.send_signal(signal.SIGINT)
    out = finished(process, 60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in out


def test_a_task_that_writes_wrongly_is_told_by_a_run(tmp_path):
    script = ENDLESS.format(run=blocks()[1]).replace("delayed_match()", "endless()").replace("return 1", "return 9")
    out = finished(start(script.replace("n >= 0", "n < 0"), tmp_path), 200)
    assert "ValueError: task 'endless', sequence 0: the length is 9; allowed: from 1 to max_length=5" in out


def test_a_task_that_does_not_fit_the_net_is_refused():
    for sizes, told in (
        ({"n_inputs": 4}, "n_inputs is 4; allowed: 3"),
        ({"n_outputs": 1}, "n_outputs is 1; allowed: 2"),
    ):
        with pytest.raises(ValueError, match=f"{told}, as task 'empty' has"):
            Experiment(empty(), LSTMSettings(n_blocks=1, block_size=1, **sizes))


@generator(n_inputs=3, n_outputs=2, max_length=1)
def empty(seq, key):
    return 1


@pytest.mark.slow  # compiles everything anew
@pytest.mark.timeout(1800)
def test_kernels_stay_within_their_arrays(tmp_path):
    command = [sys.executable, "-m", "pytest", "-x", "-q", "tests/kernels", "tests/tasks", "tests/learners/test_contract.py"]
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    deselected = ["--deselect", "tests/tasks/test_own_run.py"]
    done = subprocess.run([*command, *deselected], cwd=ROOT, env=os.environ | checked, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
