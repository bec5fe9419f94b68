"""Fractions solved with their intervals, sequences needed, and settings as text."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmsim.campaign.requests import requested
from lstmsim.paper import row, rows
from lstmsim.report import json as outcome
from lstmsim.report import tables
from lstmsim.report.markdown import replication
from lstmsim.report.results import RowResult, wilson
from lstmsim.report.text import DASH, TIMES, value_text
from lstmsim.simulation.config import parse_assignment
from lstmsim.trace.summary import of_trials


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe (1998), table I, method 3; and the ends.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_fraction(case):
    low, high = wilson(*case)
    assert 0.0 <= low <= case[0] / case[1] <= high <= 1.0


@pytest.mark.parametrize("case", [(1, 0), (-1, 3), (4, 3), (0, 0)])
def test_wilson_refuses(case):
    with pytest.raises(ValueError, match="successes is"):
        wilson(*case)


def test_reached_without_and_with_trials():
    request = requested("4-1", 3, {})[0]
    trials = [{"trial": i, "status": "", "sequences_to_success": n} for i, n in enumerate((np.nan, 30, 10))]
    reached = RowResult(request, of_trials(trials)).reached()
    assert reached == (2, 3, 20.0, 10, 30)
    assert reached.ratio(40) == 0.5
    none = RowResult(request, of_trials([]))
    assert none.reached() == none.reached("correct_95") == (0, 0, None, None, None)
    assert none.reached().ratio(40) is None
    assert none.interval is none.per_success is none.test_mean("test_error") is None


@pytest.mark.parametrize(
    "value", [None, True, False, 3, -0.25, 1e-7, "F", "none", "true", "two words", [1, 2.5], ["a", "b"], "3"]
)
def test_values_come_back_from_their_text(value):
    key, back = parse_assignment(f"key={value_text(value)}")
    assert (key, back) == ("key", value)
    assert type(back) is type(value)


def result(name="5", counts=(9_000, None, 3_000), reading="", **changes):
    """Trials of a row that were solved after so many sequences."""
    request = dataclasses.replace(requested(name, len(counts), changes)[0], reading=reading)
    made = {"version": "0", "seed": 0, "test_sequences": 100, "test_wrong": 1, "test_squared_error": 0.5, "test_error": 0.6}
    trials = [
        {"trial": i, "status": "gave_up" if n is None else "solved", "sequences": n or 9_999, **made}
        | ({} if n is None else {"sequences_to_success": n})
        for i, n in enumerate(counts)
    ]
    return RowResult(request, of_trials(trials))


def test_a_row_run_twice_alike_counts_once():
    more, fewer = result(), result(counts=(9_000,))
    assert [r is more for r in tables.ordered([fewer, more, fewer])] == [True]


def test_literal_rows_stand_before_readings_and_both_in_the_papers_order():
    results = [result(reading="other", T=20), result("4-1"), result(max_sequences=10**6)]
    lines = replication(results, "command").splitlines()
    assert [line[:5] for line in lines if line.startswith("| ") and line[2].isdigit()] == ["| 4-1", "| 5 |", "| 5 |"]
    assert [line.split(" | ")[2] for line in lines if line.startswith("| 5 |")] == ["literal", "other: `T=20`"]


def test_of_each_row_the_reading_that_solves_most_is_drawn():
    more, less = result(reading="more", T=20), result(counts=(None, 5, None), reading="less", T=30)
    assert tables.best([more, less])[0] is tables.best([less, more])[0] is more
    assert len(tables.best([more, less, result("4-1")])) == 2


def test_figures_are_those_of_the_solved_trials():
    found = result()
    assert (found.n, found.n_solved, found.statuses["gave_up"], found.test) == (3, 2, 1, (2, 200))
    assert found.per_success == (9_000 + 9_999 + 3_000) / 2
    assert found.test_mean("test_squared_error") == 0.5
    assert found.label == "5"
    assert result(reading="a", T=20).label == "5 (a)"
    document = json.loads(outcome.text(outcome.of_run(Path("x"), 0, [found])))["rows"][0]
    assert document["sequences_to_success"] == {"trials": 2, "mean": 6000.0, "min": 3000, "max": 9000}
    assert [trial["sequences_to_success"] for trial in document["each"]] == [9000.0, None, 3000.0]


def test_methods_are_compared_with_those_that_were_not_run():
    rival = result("1-elman", (None,) * 3)
    text = replication([result("1-5"), rival], "command")
    part = text.split("## Table 1: embedded Reber grammar\n\n")[1].split("\n\n")[1]
    lines = {line[2:-2].split(" | ")[0]: line[2:-2].split(" | ") for line in part.splitlines()}
    assert lines["row"][:6] == ["row", "method", "hidden units", "weights", "alpha", "reading"]
    assert lines["1-elman"][:7] == ["1-elman", "Elman net", "15", "435", "0.1", "literal", f"0/3 (0{DASH}56 %)"]
    assert lines["1-5"][6:11] == [f"2/3 (21{DASH}94 %)", "100 %", f"6,000 (3,000{DASH}9,000), 2/3", "8,440", f"0.71{TIMES}"]
    assert lines["1-1"][5:8] == ["not run", DASH, "100 %"]
    assert list(lines)[2:] == [found.id for found in rows().values() if found.table == row("1-5").table]
    assert "guess" not in text


@pytest.mark.parametrize(
    ("name", "hidden", "weights"),
    [
        ("1-1", "4 blocks of 1", "264"),
        ("2a", "1 block of 1", "10,504"),
        ("1-rtrl-12", "12", "494"),
        ("2a-chunker", "1 + 1", "10,506"),
        ("guess-two-a2", "10", "52"),
        ("guess-latch-2", "0", "3"),
        ("1-rcc", DASH, DASH),
    ],
)
def test_sizes_are_those_the_paper_counts(name, hidden, weights):
    cells = tables._compared(row(name).table, [(row(name), None)]).rows[0]
    assert (cells[2].text, cells[3].text) == (hidden, weights)


def test_grown_nets_have_the_units_that_joined():
    request = requested("1-rcc", 3, {})[0]
    ended = ("solved", 7), ("gave_up", 15), ("solved", 9)
    grown = [{"trial": n, "status": status, "joined": np.arange(n)} for status, n in ended]
    for part, hidden, weights in ((grown, f"7{DASH}9", f"189{DASH}236"), (grown[1:2], "15", "401")):
        cells = tables._compared(request.row.table, [(request.row, RowResult(request, of_trials(part)))]).rows[0]
        assert (cells[2].text, cells[3].text) == (hidden, weights)
