"""The paper's rows, a few trials each: literal where the text suffices, else by the reading in `runs/readings.toml`.

Minutes to hours: `pytest -m paper -o timeout=0`. The bounds are loose; the figures are in `docs/replication-tables.md`.
"""

import dataclasses
from pathlib import Path

import pytest

from lstmsim.campaign.requests import Request, from_file
from lstmsim.paper import rows
from lstmsim.simulation.loop import Result, Simulation
from lstmsim.simulation.policy import Policy

RUNS = Path(__file__).parent.parent / "runs"
READINGS = from_file(RUNS / "readings.toml", None, {})[1]
LITERAL = from_file(RUNS / "paper.toml", None, {})[1]
TRIALS = 3
UNSOLVED = {"4-3": "3 of 10 trials within 2,500,000 sequences, and no reading known that does better"}
# Trials differ: three of them may lie well above the mean of all.
SLOWER, FASTER = 6.0, 12.0


def case(request: Request) -> object:
    marks = [pytest.mark.xfail(reason=UNSOLVED[request.name])] if request.name in UNSOLVED else []
    return pytest.param(request, id=request.name, marks=marks)


def results(request: Request, trials: int = TRIALS) -> list[Result]:
    found: list[Result] = []
    for trial in range(trials):
        config = dataclasses.replace(request.config, task=request.config.task.for_trial(trial))
        found += Simulation(config, 0, 1, Policy.parse("none")).run(iter([trial]))
    return found


def test_both_campaigns_hold_every_row_of_the_lstm():
    expected = [row.id for row in rows().values() if row.config.learner == "lstm" and row.table.complete]
    assert [request.row.id for request in LITERAL] == [request.row.id for request in READINGS] == expected
    assert len(expected) == 30


def test_the_literal_campaign_departs_nowhere():
    assert not any(set(request.changes) - {"max_sequences"} for request in LITERAL)
    assert all(request.trials == request.row.trials for request in LITERAL)


def test_every_departure_has_a_name():
    for request in READINGS:
        assert bool(set(request.changes) - {"max_sequences"}) == bool(request.reading), request.name


@pytest.mark.paper
@pytest.mark.parametrize("request_", [case(request) for request in READINGS])
def test_a_row_is_solved_about_as_fast_as_in_the_paper(request_):
    found = results(request_)
    solved = [result.sequences for result in found if result.status == "solved"]
    assert len(solved) >= TRIALS - 1
    paper = request_.row.published.sequences
    assert paper / FASTER < sum(solved) / len(solved) < paper * SLOWER


@pytest.mark.paper
@pytest.mark.parametrize("request_", [case(request) for request in READINGS])
def test_what_is_learned_holds_on_fresh_sequences(request_):
    result = results(request_, 1)[0]
    if result.status == "solved":
        wrong = (result.test[:, 3] == 0).mean()
        allowed = max(0.02, 5 * (request_.row.published.wrong or 0.0))
        assert wrong <= allowed
