"""Trials on a real Dask cluster of processes on this machine: the same files as locally, whatever dies."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lstmsim.run import main

if importlib.util.find_spec("distributed") is None:  # found, not imported: that takes half a second
    pytest.skip("needs distributed", allow_module_level=True)

ROOT = Path(__file__).parent.parent
ROW = ["4-1", "--trials", "6", "--set", "T=20", "--set", "final_test=30", "--record", "last:2", "--lanes", "2"]


def process(*arguments, cwd):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
    command = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]]
    return subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


class Machines:
    """A scheduler and two workers, as somebody starts them by hand."""

    def __init__(self, folder):
        self.folder = folder
        self.scheduler = process("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", cwd=folder)
        for line in self.scheduler.stderr:
            if found := re.search(r"Scheduler at: *(tcp://\S+)", line):
                self.address = found[1]
                break
        self.workers = [self.worker() for _ in range(2)]

    def worker(self):
        options = ("--nthreads", "1", "--no-dashboard", "--no-nanny", "--death-timeout", "60")
        return process("dask_worker", self.address, *options, cwd=self.folder)

    def stop(self):
        for running in (*self.workers, self.scheduler):
            running.kill()
            running.wait()
            running.stderr.close()


@pytest.fixture
def machines(tmp_path):
    cluster = Machines(tmp_path)
    yield cluster
    cluster.stop()


def content(folder):
    """Weights, milestones and recorded rows of all trials."""
    found = {}
    for path in sorted((folder / "4-1").glob("trial-*.nc")):
        with xr.open_datatree(path) as tree:
            kept = {name: value for name, value in tree.attrs.items() if name.startswith("sequences") or name == "status"}
            arrays = {
                f"{node.path}/{name}": variable.values
                for node in tree.subtree
                for name, variable in node.to_dataset().data_vars.items()
            }
            found[path.name] = kept, arrays
    return found


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_equal(one[name][0], other[name][0])
        assert one[name][1].keys() == other[name][1].keys()
        for variable, values in one[name][1].items():
            np.testing.assert_array_equal(values, other[name][1][variable])


def started(machines, folder, sequences):
    """A run on the cluster in a process of its own."""
    command = [sys.executable, "-m", "lstmsim.run", *ROW, "--max-sequences", str(sequences), "--out", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, "--scheduler", machines.address],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_file(run, folder, seconds=120.0):
    """Wait until a trial's file is there."""
    until = time.monotonic() + seconds
    while not list(folder.glob("4-1/trial-*.nc")):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_cluster_gives_the_bits_of_this_machine(machines, tmp_path):
    limit = ["--max-sequences", "2000"]
    assert main([*ROW, *limit, "--out", str(tmp_path / "here"), "--workers", "1"]) == 0
    assert main([*ROW, *limit, "--out", str(tmp_path / "there"), "--scheduler", machines.address]) == 0
    assert_same(content(tmp_path / "here"), content(tmp_path / "there"))
    assert len(content(tmp_path / "there")) == 6


@pytest.mark.slow
def test_a_worker_killed_in_mid_run_costs_nothing(machines, tmp_path):
    run = started(machines, tmp_path / "there", 20_000)
    first_file(run, tmp_path / "there")
    machines.workers[0].send_signal(signal.SIGKILL)
    _, errors = run.communicate(timeout=240)
    assert run.returncode == 0, errors
    assert main([*ROW, "--max-sequences", "20000", "--out", str(tmp_path / "here"), "--workers", "1", "--quiet"]) == 0
    assert_same(content(tmp_path / "here"), content(tmp_path / "there"))


@pytest.mark.slow
def test_a_scheduler_that_is_gone_is_named_and_finished_trials_are_kept(machines, tmp_path):
    run = started(machines, tmp_path / "there", 100_000)
    first_file(run, tmp_path / "there")
    kept = {path: path.read_bytes() for path in (tmp_path / "there" / "4-1").glob("trial-*.nc")}
    machines.scheduler.kill()
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1, errors
    assert f"the scheduler {machines.address} is gone" in errors
    assert "Traceback" not in errors
    assert all(path.read_bytes() == before for path, before in kept.items())


def test_no_scheduler_is_refused_in_one_line(tmp_path, capsys):
    assert main([*ROW, "--out", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("lstmsim: --scheduler is 'tcp://127.0.0.1:1'")
    assert error.count("\n") == 1


def test_blocks_hold_every_trial_once_and_are_small_where_threads_are_many(tmp_path):
    from lstmsim.campaign.dask import Cluster
    from lstmsim.campaign.threads import Job
    from lstmsim.paper import row
    from lstmsim.simulation.policy import Policy

    jobs = [Job("4-1", row("4-1").config, [0, 2, *range(4, 20)]), Job("1-5", row("1-5").config, list(range(30)))]
    cluster = Cluster(jobs, tmp_path, 0, Policy.parse("none"), "tcp://nowhere:1")
    for threads, most in ((1, 8), (2, 8), (12, 4), (1000, 1)):
        blocks = cluster.blocks(threads)
        assert max(len(block.trials) for block in blocks) == most
        assert sorted(t for b in blocks if b.name == "4-1" for t in b.trials) == jobs[0].trials
        assert all(b.config.task == row("1-5").config.task.for_trial(t) for b in blocks if b.name == "1-5" for t in b.trials)
