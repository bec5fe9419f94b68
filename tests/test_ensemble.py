"""The order in which threads take up the rows of a run."""

import pytest

from lstmsim.ensemble import Ensemble, Job
from lstmsim.experiments import row
from lstmsim.trace.policy import Policy


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
