"""The table of rows: where they come from, their order, and what a misspelt name is told."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lstmsim.campaign.requests import from_file, requested
from lstmsim.paper import base, row, rows

ROOT = Path(__file__).parents[1]

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


def test_rows_stand_in_the_order_of_the_papers_tables():
    tables = [found.table.heading for found in rows().values()]
    assert list(dict.fromkeys(tables)) == sorted(set(tables), key=lambda heading: (not heading.startswith("Table"), heading))
    assert all(key == found.id for key, found in rows().items())
    for table in set(tables):
        learners = [found.config.learner for found in rows().values() if found.table.heading == table]
        assert learners == sorted(learners, key="lstm".__ne__) or table.startswith("Table 2"), "the LSTM's rows come first"


@pytest.mark.parametrize(("name", "count"), WEIGHTS.items())
def test_weight_counts_are_the_papers(name, count):
    assert row(name).config.settings.n_weights == count


@pytest.mark.parametrize("name", ["1-5", "4-1", "6a"])
def test_exact_rows_differ_in_nothing_but_learner_and_cap(name):
    lstm, exact = row(name), row(f"{name}-exact")
    assert exact.config.learner == "exact_lstm"
    assert (exact.config.task, exact.config.settings, exact.table) == (lstm.config.task, lstm.config.settings, lstm.table)
    assert exact.config.stop.conditions == lstm.config.stop.conditions
    assert exact.config.stop.max_sequences < lstm.config.stop.max_sequences


@pytest.mark.parametrize("name", [name for name in WEIGHTS if "exact" not in name])
def test_rates_can_be_set(name):
    assert row(name).config.with_settings({"learning_rate": 0.25, "bias": True}).settings.learning_rate == 0.25


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("adding", "'4-1', '4-2', '4-3'"),
        ("Temporal order", "'6a', '6b'"),
        ("multiplicaton", "'5'"),
        ("4-9", "'4-[123]'"),
        ("guess-adding-a9", "'guess-adding-a[12]'"),
    ],
)
def test_an_unknown_name_is_told_what_is_like_it(name, hint):
    with pytest.raises(ValueError, match=re.escape(f"unknown row {name!r}; did you mean ") + hint + r"\?; allowed: 1-1, "):
        row(name)


@pytest.mark.parametrize("name", ["xyzzy", "", 3, None])
def test_what_is_like_none_is_refused(name):
    with pytest.raises(ValueError, match=re.escape(f"unknown row {name!r}; allowed: 1-1, ")):
        row(name)


def test_rows_of_others_come_last_and_need_a_name_of_their_own(monkeypatch):
    monkeypatch.setattr(base, "_SOURCES", dict(base._SOURCES))
    mine = base.replace(row("4-1"), id="mine")

    @base.register
    def more():
        return [mine]

    assert list(rows())[-1] == "mine"
    assert row("mine") is mine

    @base.register
    def again():
        return [mine]

    with pytest.raises(ValueError, match="id is 'mine'; allowed: one that no other row has"):
        rows()


def test_the_list_of_rows_needs_no_library_of_traces_or_pictures():
    """They take longer to import than the list to print."""
    code = "import sys; from lstmsim.run import main; main(['--list']); print({'xarray', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
    assert "guess-adding-a2" in done.stdout


def test_the_one_reading_is_the_run_files():
    _, requests = from_file(ROOT / "runs" / "one-reading.toml", None, {})
    for request in requests:
        reading, cap = request.row.reading("one"), request.config.stop.max_sequences
        assert request.row.config.with_settings({**reading.settings, "max_sequences": cap}) == request.config
        assert reading.words == request.reading
    assert all(found.readings[0].name == "literal" and not found.readings[0].settings for found in rows().values())


def test_a_reading_is_asked_for_by_name_and_changes_come_on_top():
    (request,) = requested("4-1", 2, {"error_derivative": True}, "one")
    assert (request.config.settings.cell_bias, request.config.settings.error_derivative) == (False, True)
    assert request.reading == row("4-1").reading("one").words
    (literal,) = requested("4-1", 2, {}, "literal")
    assert (literal.config, literal.reading) == (row("4-1").config, "")
    with pytest.raises(ValueError, match="reading is 'two'; allowed: 'literal' or 'one' for row 4-1"):
        requested("4-1", 2, {}, "two")
    with pytest.raises(ValueError, match="reading is 'one'; allowed: 'literal' for row 1-elman"):
        requested(["4-1", "1-elman"], 2, {}, "one")
