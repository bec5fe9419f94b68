"""The same bits for any number of workers and lanes, and with or without compiled kernels on the disk."""

import os
import subprocess

import pytest

from lstmsim.run import main
from tests.faults import assert_equal_runs, command, complete


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Folder of a run on one thread, one trial at a time."""
    out = tmp_path_factory.mktemp("reference")
    assert main([*command(out)[3:], "--workers", "1", "--lanes", "1"]) == 0
    return out


@pytest.mark.parametrize(
    ("workers", "lanes", "every"),
    [
        (2, 1, "60"),
        (3, 1, "0.05"),
        (1, 8, "0.2"),
        *(pytest.param(4, n, "0", marks=pytest.mark.slow) for n in (1, 2, 4, 8, 16)),
    ],
)
def test_same_files_for_any_workers_lanes_and_checkpoints(workers, lanes, every, reference, tmp_path):
    how = ["--workers", str(workers), "--lanes", str(lanes), "--checkpoint-every", every]
    assert main([*command(tmp_path)[3:], *how]) == 0
    assert_equal_runs(tmp_path, reference)


@pytest.mark.parametrize("workers", [1, 2])
def test_same_files_where_trials_take_turns(workers, reference, tmp_path, monkeypatch):
    monkeypatch.setattr("lstmsim.simulation.loop._TURN", (1, 1))
    assert main([*command(tmp_path)[3:], "--workers", str(workers), "--lanes", "2"]) == 0
    assert_equal_runs(tmp_path, reference)


@pytest.mark.parametrize(("most", "short"), [(0, 0.02), (1 << 20, 1e9)])
def test_same_files_however_many_steps_are_written_ahead(most, short, reference, tmp_path, monkeypatch):
    monkeypatch.setattr("lstmsim.simulation.lanes._MOST", most)
    monkeypatch.setattr("lstmsim.simulation.lanes._SHORT", short)
    assert main([*command(tmp_path)[3:], "--workers", "1", "--lanes", "2"]) == 0
    assert_equal_runs(tmp_path, reference)


@pytest.mark.slow
def test_same_files_with_an_empty_and_with_a_filled_kernel_cache(reference, tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for turn in ("empty", "filled"):
        done = subprocess.run(command(tmp_path / turn), env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert_equal_runs(tmp_path / turn, reference)
    assert list((tmp_path / "cache").rglob("*.nbi"))
    assert complete(command(tmp_path / "filled")).returncode == 0
