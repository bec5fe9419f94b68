"""--dry-run and --json."""

import json

import pytest
import xarray as xr

from lstmsim.paper import rows
from lstmsim.run import main

SMALL = "4-1 --trials 2 --max-sequences 60 --set T=20 --set final_test=10 --lanes 1 --out"


def test_a_dry_run_tells_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL.split(), "there", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2" in printed
    assert "would run 2 trials" in printed
    assert "there" in printed
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_refuses_what_a_run_refuses(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["4-9", "--dry-run"]) == 2
    assert "did you mean" in capsys.readouterr().err


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("json") / "run"


def test_json_is_the_outcome(out, capsys):
    assert main([*SMALL.split(), str(out), "--json"]) == 0
    captured = capsys.readouterr()
    content = json.loads(captured.out)
    assert "results in" in captured.err
    (line,) = content["rows"]
    with xr.open_dataset(content["summary"]) as summary:
        assert [each["status"] for each in line["each"]] == summary["status"].values[0].tolist()
        assert [each["steps"] for each in line["each"]] == summary["steps"].values[0].tolist()
    assert (line["row"], line["trials"], line["gave_up"], line["solved"]) == ("4-1", 2, 2, 0)
    assert line["paper"]["sequences"] == 74_000
    assert line["set"]["T"] == 20
    assert line["sequences_to_success"] == {"trials": 0, "mean": None, "min": None, "max": None}


def test_json_of_a_dry_run_knows_what_is_finished(out, capsys):
    arguments = [*SMALL.split(), str(out), "--json", "--dry-run"]
    arguments[arguments.index("--trials") + 1] = "5"
    assert main(arguments) == 0
    content = json.loads(capsys.readouterr().out)
    (line,) = content["rows"]
    assert (line["left"], line["trials"], line["cap"], line["lanes"]) == (3, 5, 60, 1)
    assert 20 <= line["steps_per_sequence"] <= 22
    assert 0 < content["seconds"] <= content["seconds_at_most"]
    arguments[arguments.index("--trials") + 1] = "2"
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == []


def test_json_lists_the_rows(capsys):
    assert main(["--list", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [line["row"] for line in content["rows"]] == list(rows())
