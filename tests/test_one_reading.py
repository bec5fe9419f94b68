"""The factorial of docs/one-reading.md: its run file asks for what its data were made with, its data are whole."""

import csv
import importlib.util
from pathlib import Path

import pytest

from lstmsim.campaign.requests import from_file
from lstmsim.paper import rows

ROOT = Path(__file__).parents[1]
READING = ("quarter", "table", "sum", "all", "table")
CHOSEN = {
    "1-": "direct, no gate sources",
    "2a": "closed, whole",
    "2b": "closed, ends, whole",
    "2c": "no sources",
    "4-": "whole, gates' biases only",
    "3a": "linear outputs",
    "3b": "linear outputs",
    "5": "gates of 4, gates last",
}


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("one_reading", ROOT / "analysis" / "one_reading.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_run_file_is_the_reading_with_its_additions(study):
    _, requests = from_file(ROOT / "runs" / "one-reading.toml", None, {})
    assert {request.name for request in requests} == {
        name for name, row in rows().items() if row.config.learner == "lstm" and row.table.complete
    }
    for request in requests:
        addition = next((text for start, text in CHOSEN.items() if request.name.startswith(start)), "")
        wanted = study.settings(study.cell(request.name, READING, addition))
        wanted["max_sequences"] = round(3 * request.row.published.sequences)
        assert request.config == request.row.config.with_settings(wanted)


def test_every_line_of_the_data_can_be_asked_for_again(study):
    with study.DATA.open(newline="") as file:
        lines = list(csv.DictReader(file))
    cells = {study.key(line) for line in lines}
    assert all(study.identity(which)[0] == which[0] for which in cells)
    assert {line["status"] for line in lines} <= {"solved", "gave_up", "diverged"}
    numbers = [(study.key(line), line["seed"], line["cap"], line["trial"]) for line in lines]
    assert len(set(numbers)) == len(numbers)


def test_rates_are_compared_by_the_exact_test(study):
    assert study.at_the_rate("4-1", 7, 10)
    assert not study.at_the_rate("4-1", 6, 10)
    assert study.at_the_rate("1-4", 26, 30)
