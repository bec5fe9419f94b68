"""A folder is one run's at a time, and of one version."""

import json
import os
import signal
from pathlib import Path

import pytest

from lstmsim.campaign.folder import LOCK
from lstmsim.campaign.trials import checkpoint_path
from lstmsim.kernels.scores import DIVERGED, Scores
from lstmsim.run import main
from lstmsim.simulation.loop import Simulation
from tests.faults import command, complete, endless, hidden, start, until, wait_for

slow = pytest.mark.slow


@slow
def test_a_second_run_into_a_folder_is_refused_while_the_first_lives(tmp_path):
    first = start(endless(tmp_path))
    until(first, r"\d sequences")
    holder = json.loads((tmp_path / LOCK).read_text())
    assert holder["pid"] == first.pid
    second = complete(endless(tmp_path))
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert f"process {first.pid}" in second.stderr
    first.kill()
    first.communicate()
    third = start(endless(tmp_path))
    assert f"process {first.pid}" in until(third, "was ended while it ran into")
    third.send_signal(signal.SIGINT)
    third.communicate(timeout=200)
    assert third.returncode == 130
    assert not hidden(tmp_path)


def test_a_lock_that_names_a_living_process_but_is_not_held_is_taken_over(tmp_path, capsys):
    """The number of a killed process may belong to another by now, here to this one."""
    (tmp_path / LOCK).write_text(json.dumps({"pid": os.getpid(), "host": "here", "since": "1997"}))
    assert main(command(tmp_path)[3:]) == 0
    assert f"process {os.getpid()} on here" in capsys.readouterr().out


@slow
def test_an_unfinished_trial_of_another_version_is_refused(tmp_path, capsys, monkeypatch):
    process = start(endless(tmp_path, "--checkpoint-every", "0"))
    wait_for(lambda: list(tmp_path.glob("4-1/*.checkpoint.npz")))
    process.kill()
    process.communicate()
    monkeypatch.setattr("lstmsim.__version__", "9.9.9")
    assert main(endless(tmp_path)[3:]) == 2
    message = capsys.readouterr().err
    assert "checkpoint.npz was run with version=" in message
    assert "9.9.9" in message
    assert message.count("\n") == 1


def test_the_state_of_a_lane_is_all_that_a_checkpoint_must_hold():
    """A field that joins the scores must be decided about here and in `lstmsim.kernels.scores.lane_state`."""
    kept = {"steps", "ring", "sums", "milestones", "index", "taken"}
    between_sequences = {"current", "ranked", "progress", "progress_rows", "results", "right", "idle"}  # empty, handed over
    armed = {"pause_at", "flag", "fewer_wrong", "error_limit"}  # set for the stage
    constant = {"tolerance", "error_bound", "squared_error", "ranking", "streams", "stream_steps", "stream_sequences"}
    assert set(Scores.fields) == kept | between_sequences | armed | constant
    assert DIVERGED
    assert checkpoint_path(Path("trial-0000.nc")).name == "trial-0000.checkpoint.npz"
    assert callable(Simulation.run)
