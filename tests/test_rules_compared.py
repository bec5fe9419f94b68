"""The comparison of docs/rules-compared.md: its run file, its data and its page say the same, and it can be made again."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lstmsim.campaign.requests import from_file

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("rules_study", ROOT / "analysis" / "rules.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(study):
    return xr.load_dataset(study.DATA)


def test_the_run_file_has_the_chosen_rates(study, data):
    _, requests = from_file(study.RUN_FILE, None, {})
    asked = {request.name: request for request in requests}
    assert set(asked) == {f"{task}-{rule}" for task in study.TASKS for rule in study.RULES}
    for task in study.TASKS:
        for rule in study.RULES:
            settings = asked[f"{task}-{rule}"].config.settings
            assert (settings.rule, settings.learning_rate) == (rule, data["learning_rate"].sel(task=task, rule=rule))
            assert settings.learning_rate in study.RATES
            assert asked[f"{task}-{rule}"].trials == data.sizes["trial"]


def test_the_page_has_the_tables_of_the_data(study, data):
    page = (ROOT / "docs" / "rules-compared.md").read_text(encoding="utf-8")
    for line in study.table(data).splitlines():
        if line.startswith("| `"):
            assert line in page


def test_a_rule_that_is_exact_says_so(data):
    assert data["mean_alignment"].sel(rule="exact").values == pytest.approx(1.0, abs=1e-6)
    assert (abs(data["mean_alignment"]) <= 1.0).all()


def points(**columns):
    """Trials at three learning rates."""
    scan = xr.Dataset({name: (("learning_rate", "trial"), np.array(values)) for name, values in columns.items()})
    return scan.assign_coords(learning_rate=[0.1, 0.2, 0.3])


def test_the_best_rate_solves_most_then_soonest_then_has_the_least_loss(study):
    gave_up, solved = ["gave_up"] * 2, ["solved"] * 2
    loss, steps = [[0.3, 0.3], [0.1, 0.2], [0.2, 0.2]], [[9, 9], [9, 9], [5, 5]]
    none = points(status=[gave_up] * 3, training_squared_error=loss, steps=steps)
    assert study.best(none) == 1
    one = points(status=[["gave_up", "solved"], gave_up, gave_up], training_squared_error=loss, steps=steps)
    assert study.best(one) == 0
    both = points(status=[["gave_up", "solved"], solved, solved], training_squared_error=loss, steps=steps)
    assert study.best(both) == 2
    lost = [[0.3, 0.3], [np.nan, 0.0], [0.4, 0.4]]
    some = points(status=[gave_up, ["diverged", "gave_up"], gave_up], training_squared_error=lost, steps=steps)
    assert study.best(some) == 0, "a trial that diverged counts as an infinite loss"


def test_ridge_regression_learns_a_sine(study):
    x = np.sin(np.arange(400) / 3)
    wrong = study.ridge(x[:-1], x[1:], values=2, penalty=1e-3) - x[1:]
    assert np.abs(wrong[200:]).max() < 3e-3 < 0.1 < np.abs(wrong[:10]).max()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_of_it_can_be_run_again(study, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "DATA", tmp_path / "rules.nc")
    monkeypatch.setattr(study, "RUN_FILE", tmp_path / "rules.toml")
    study.run(tmp_path / "out", 2, 1, 0.02, workers=1)
    study.keep(tmp_path / "out", 0.02)
    made = xr.load_dataset(study.DATA)
    assert made["steps"].notnull().all()
    assert study.table(made).count("\n| `") == len(study.TASKS) * len(study.RULES)
    monkeypatch.syspath_prepend(str(ROOT / "analysis"))
    import rules_pictures

    rules_pictures.draw(made, tmp_path)
    assert {path.name for path in tmp_path.glob("*.png")} == {f"rules-{name}.png" for name in rules_pictures.PICTURES}
    sys.modules.pop("rules_pictures")
