"""The rows of the gradient-based rivals."""

import pytest

from lstmsim.paper.rows import row, rows

WEIGHTS = {
    "1-rtrl-3": 170,
    "1-rtrl-12": 494,
    "1-elman": 435,
    "1-elman-plain": 435,
    "1-elman-biased": 435,
    "2a-rtrl-p4-a1": 36,
    "2a-rtrl-p4-a4": 36,
    "2a-rtrl-p4-a10": 36,
    "2a-rtrl-p10": 144,
    "2a-rtrl-p100": 10404,
    "2a-bptt": 10404,
    "1-5-exact": 276,
    "4-1-exact": 93,
    "6a-exact": 156,
}


def test_rivals_come_after_the_papers_lstm_rows():
    ids = list(rows())
    assert all(ids.index(name) > ids.index("6b") for name in WEIGHTS)


@pytest.mark.parametrize(("name", "count"), WEIGHTS.items())
def test_weight_counts_are_the_papers(name, count):
    assert row(name).config.settings.n_weights == count


@pytest.mark.parametrize("name", ["1-5", "4-1", "6a"])
def test_exact_rows_differ_in_nothing_but_learner_and_cap(name):
    lstm, exact = row(name), row(f"{name}-exact")
    assert exact.config.learner == "exact_lstm"
    assert (exact.config.task, exact.config.settings, exact.table) == (lstm.config.task, lstm.config.settings, lstm.table)
    assert exact.config.training.stages == lstm.config.training.stages
    assert exact.config.training.max_sequences < lstm.config.training.max_sequences


@pytest.mark.parametrize("name", [name for name in WEIGHTS if "exact" not in name])
def test_rates_can_be_set(name):
    assert row(name).config.with_settings({"learning_rate": 0.25, "bias": True}).settings.learning_rate == 0.25
