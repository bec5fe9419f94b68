"""The order in which threads take up the rows of a run."""

import pytest

from lstmsim.campaign.threads import Ensemble, Job
from lstmsim.paper import row
from lstmsim.simulation.policy import Policy


def taken(tmp_path, number, workers):
    """Rows in the order in which one thread of several would take them, if it did all the work."""
    names = ["1-5", "2a", "2c-5", "3b-3", "4-1"]
    jobs = [Job(name, row(name).config, [0, 3]) for name in names]
    ensemble = Ensemble(jobs, tmp_path, 0, Policy.parse("none"), workers, 1)
    assert ensemble.workers == workers
    return [ensemble._take(number).job.name for _ in ensemble._untouched[:]]


@pytest.mark.parametrize(("number", "workers"), [(0, 1), (0, 2), (1, 3)])
def test_the_longest_come_first(tmp_path, number, workers):
    assert taken(tmp_path, number, workers) == ["3b-3", "4-1", "2c-5", "2a", "1-5"]


@pytest.mark.parametrize("workers", [2, 3])
def test_the_last_thread_begins_with_rows_that_pause_often(tmp_path, workers):
    assert taken(tmp_path, workers - 1, workers) == ["2a", "1-5", "3b-3", "4-1", "2c-5"]


@pytest.mark.parametrize(
    ("name", "threads"),
    [("4-1", 1), ("1-rtrl-3", 8), ("1-rcc", 8), ("1-5-exact", 8), ("guess-latch-1", 8)],
)
def test_learners_that_take_one_trial_after_another_get_a_thread_for_each(tmp_path, name, threads):
    ensemble = Ensemble([Job(name, row(name).config, list(range(8)))], tmp_path, 0, Policy.parse("none"), 16)
    assert ensemble.workers == threads
    assert ensemble.width(ensemble.groups[0], ensemble.share) == (8 if threads == 1 else 1)
