"""The picture of all methods over the lag: curves end where nothing is solved, the lag at half success, the data kept."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def lags():
    spec = importlib.util.spec_from_file_location("lags", ROOT / "analysis" / "lags.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_curves_end_where_nothing_is_solved(lags, tmp_path):
    made = lags.curves(["two-sequence"], ["EM", "multigrid"], 0.02, 2, 50, tmp_path, workers=1)
    np.testing.assert_array_equal(made["solved"].sel({"method": "EM"}).squeeze()[:5], [2, 2, 1, 0, np.nan])
    np.testing.assert_array_equal(made["solved"].sel({"method": "multigrid"}).squeeze()[:5], [0, 0, *[np.nan] * 3])
    assert made.attrs["budgets"] == [600]
    again = lags.curves(["two-sequence"], ["EM", "multigrid"], 0.02, 2, 50, tmp_path, workers=1)
    xr.testing.assert_identical(made, again)


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        ([1.0, 0.75, 0.25, 0.0], (10 * np.sqrt(10), "")),
        ([0.4, 0.0, np.nan, np.nan], (1, "<")),
        ([1.0, 1.0, 1.0, 0.5], (1000, ">")),
        ([1.0, 1.0, np.nan, np.nan], (10, ">")),
    ],
)
def test_the_lag_at_half_success_lies_between_two_lags(lags, fraction, expected):
    found = lags.lag_at_half(np.array([1, 10, 100, 1000]), np.array(fraction))
    assert found == (pytest.approx(expected[0]), expected[1])


def test_every_method_has_an_experiment_for_each_of_its_panels(lags):
    for name, method in lags.METHODS.items():
        for panel, (found, budget, _) in lags.PANELS.items():
            if panel not in method.without:
                made = lags.experiment(panel, name, found[0], budget)
                assert (made.learner, made.stop.max_sequences) == (method.learner, budget)


def test_the_data_kept_are_drawn(lags):
    made = xr.load_dataset(lags.DATA)
    assert set(made["panel"].values) == set(lags.PANELS)
    assert set(made["method"].values) == set(lags.METHODS)
    figure = lags.draw(made)
    texts = [text.get_text() for text in figure.axes[3].texts]
    assert len(texts) == made.sizes["method"]
