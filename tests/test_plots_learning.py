"""Curves of learning and success, and sequences against the lag."""

import numpy as np
import pytest
import xarray as xr

from lstmsim import plots
from tests.test_plots import legend_texts, make_progress, marks, new_axes, right_of


def test_learning_curve_of_one_trial():
    progress = make_progress()
    ax = plots.learning_curve(progress, ax=new_axes(), bound=0.01, paper=74_000)
    right = right_of(ax)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), progress["sequences"])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), progress["mean_absolute_error"])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), progress["fraction_correct"])
    assert len(right.lines) == 1
    assert (ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "sequences seen", "mean absolute error")
    assert right.get_ylabel() == "fraction correct"
    assert ax.lines[0].get_color() != right.lines[0].get_color()
    assert list(ax.lines[1].get_ydata()) == [0.01, 0.01]
    assert marks(ax) == [74_000]
    assert legend_texts(ax) == ["bound 0.01", "paper's mean 74,000"]
    assert ax.xaxis.get_major_formatter()(20_000) == "20,000"


def test_learning_curve_of_many_trials_of_unequal_length():
    progress = make_progress(trials=6)
    progress = progress.where((progress["trial"] != 2) | (progress["window"] < 5))
    ax = plots.learning_curve(progress.transpose("window", "trial"), ax=new_axes())
    assert len(ax.lines) == len(right_of(ax).lines) == 6
    np.testing.assert_array_equal(ax.lines[2].get_ydata(), progress["mean_absolute_error"][2])
    assert np.isfinite(ax.lines[2].get_ydata()).sum() == 5
    assert ax.lines[0].get_alpha() < 1


def test_learning_curve_without_fractions_has_one_axes():
    ax = plots.learning_curve(make_progress().drop_vars("fraction_correct"), ax=new_axes())
    assert ax.figure.axes == [ax]
    with pytest.raises(ValueError, match=r"progress must have the dimensions \(window\) or \(trial, window\)"):
        plots.learning_curve(make_progress(trials=2).rename(trial="row"), ax=new_axes())


@pytest.mark.parametrize(("low", "high"), [(0.31, 0.38), (0.02, 0.4), (1e-5, 1.0)])
def test_error_axis_has_a_readable_number_of_labels(low, high):
    progress = make_progress()
    progress["mean_absolute_error"][:] = np.geomspace(high, low, 20)
    ax = plots.learning_curve(progress, ax=new_axes())
    bottom, top = ax.get_ylim()
    assert 2 <= sum(bottom <= tick <= top for tick in ax.get_yticks()) <= 8


def test_success_curve_steps_at_each_solved_trial():
    summary = xr.Dataset({"sequences_to_success": ("trial", [5e4, np.nan, 3e4, 1e5])})
    ax = plots.success_curve(summary, ax=new_axes(), paper=74_000, cap=200_000)
    curve = ax.lines[0]
    np.testing.assert_array_equal(curve.get_xdata(), [0, 3e4, 5e4, 1e5, 2e5])
    np.testing.assert_array_equal(curve.get_ydata(), [0, 0.25, 0.5, 0.75, 0.75])
    assert curve.get_drawstyle() == "steps-post"
    assert marks(ax) == [6e4, 74_000]
    assert legend_texts(ax) == ["3 of 4 trials solved", "mean of solved 60,000", "paper's mean 74,000"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("sequences until solved", "fraction of trials solved")


def test_success_curve_of_no_success_is_flat():
    ax = plots.success_curve(xr.Dataset({"sequences_to_success": ("trial", [np.nan] * 3)}), ax=new_axes(), cap=1000)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0, 1000])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0, 0])
    assert plots.success_curve(xr.Dataset({"sequences_to_success": ("trial", [np.nan])}), ax=new_axes()).lines


@pytest.mark.parametrize("counts", [[-1, -1], [-1, 30]])
def test_a_sentinel_is_no_success(counts):
    summary = xr.Dataset({"sequences": ("trial", [30, 30]), "sequences_to_success": ("trial", counts)})
    with pytest.raises(ValueError, match="sequences_to_success of summary holds -1; allowed: at least 0, NaN where"):
        plots.success_curve(summary, ax=new_axes())
    with pytest.raises(ValueError, match=r"sequences_to_success of summaries\['a'\] holds -1; allowed"):
        plots.success_curves({"a": summary}, ax=new_axes())


def test_curves_of_no_trial_are_drawn():
    none = needed()
    assert legend_texts(plots.success_curve(none, ax=new_axes())) == ["0 of 0 trials solved"]
    assert plots.success_curves({"a": none}, ax=new_axes()).get_ylabel() == "fraction of trials solved"
    assert len(plots.learning_curve(make_progress().isel(window=slice(0)), ax=new_axes()).lines) == 1


def test_learning_curve_shows_where_the_trial_ended():
    ax = plots.learning_curve(make_progress(), ax=new_axes(), ended=20_350)
    assert marks(ax) == [20_350]
    assert legend_texts(ax) == ["ended at 20,350"]
    assert ax.get_xlim()[1] >= 20_350


def needed(*counts, seen=1000):
    return xr.Dataset({"sequences": ("trial", [seen] * len(counts)), "sequences_to_success": ("trial", list(counts))})


def test_success_curves_of_several_rows():
    rows = {"a": needed(30, np.nan, 10), "b": needed(np.nan, np.nan), "c": needed(5, 7), "d": needed(8)}
    ax = plots.success_curves(rows, {"a": "one", "b": "two", "c": "one", "d": "three"}, ax=new_axes())
    a, end_a, b, c, d = ax.lines
    np.testing.assert_allclose(a.get_xdata(), [10, 10, 30, 1000])
    np.testing.assert_allclose(a.get_ydata(), [0, 1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose([end_a.get_xdata()[0], end_a.get_ydata()[0]], [1000, 2 / 3])
    np.testing.assert_allclose([b.get_xdata()[0], b.get_ydata()[0]], [1000, 0])
    np.testing.assert_allclose(c.get_xdata(), [5, 5, 7])
    assert end_a.get_marker() == b.get_marker() == "x"
    assert a.get_color() == c.get_color() == end_a.get_color()
    assert len({line.get_color() for line in (a, b, d)}) == 3
    assert (a.get_linestyle(), a.get_marker()) != (c.get_linestyle(), c.get_marker())
    assert legend_texts(ax) == ["a: 2/3", "b: 0/2", "c: 2/2", "d: 1/1"]
    assert ax.get_xscale() == "log"


def test_crosses_of_several_methods_at_one_place_are_all_to_be_seen():
    nan = np.nan
    rows = {"a": needed(nan), "b": needed(nan, nan), "c": needed(nan, seen=500), "d": needed(nan)}
    ax = plots.success_curves(rows, {"a": "one", "b": "two", "c": "two", "d": "one"}, ax=new_axes())
    heights = [line.get_ydata()[0] for line in ax.lines]
    assert heights[0] == heights[2] == heights[3] == 0
    assert 0 < heights[1] < 0.05


def test_success_curves_refuse():
    with pytest.raises(ValueError, match="at least one row"):
        plots.success_curves({}, ax=new_axes())
    with pytest.raises(ValueError, match=r"summaries\['a'\] must hold sequences;"):
        plots.success_curves({"a": needed(3).drop_vars("sequences")}, ax=new_axes())
    with pytest.raises(ValueError, match="along"):
        plots.success_curves({"a": needed(3).expand_dims("row")}, ax=new_axes())


def test_success_curve_refuses_rows_and_a_cap_too_low():
    rows = xr.Dataset({"sequences_to_success": (("row", "trial"), [[5.0, 6.0]])})
    with pytest.raises(ValueError, match=r"trials along \(trial\), got {'row': 1, 'trial': 2}"):
        plots.success_curve(rows, ax=new_axes())
    with pytest.raises(ValueError, match=r"slowest solved trial \(6 sequences\), got 5"):
        plots.success_curve(rows.isel(row=0), ax=new_axes(), cap=5)


def test_lag_scaling_joins_means_of_solved_trials():
    paper_lags, paper = [50, 100, 200], [30_000, 31_000, 33_000]
    trials = [[40_000, 60_000], [70_000, np.nan], [np.nan, np.nan]]
    ax = plots.lag_scaling(paper_lags, trials, paper_lags, paper, ax=new_axes())
    measured, theirs = ax.lines[-2:]
    np.testing.assert_array_equal(measured.get_ydata(), [50_000, 70_000, np.nan])
    np.testing.assert_array_equal(theirs.get_xdata(), paper_lags)
    np.testing.assert_array_equal(theirs.get_ydata(), paper)
    assert len(ax.lines) == 4
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("minimal time lag (steps)", "sequences until solved")
    assert list(ax.get_xticks()) == paper_lags
    flat = plots.lag_scaling([50], [40_000], paper_lags, paper, ax=new_axes())
    assert len(flat.lines) == 2
    with pytest.raises(ValueError, match=r"\(lag, trial\) with 2 lags, got \(3,\)"):
        plots.lag_scaling([1, 2], [1, 2, 3], paper_lags, paper, ax=new_axes())
    with pytest.raises(ValueError, match=r"paper_sequences must have the shape of paper_lags \(3,\), got \(2,\)"):
        plots.lag_scaling([1], [1], paper_lags, paper[:2], ax=new_axes())


def test_the_final_test_stands_where_the_trial_ended():
    progress = xr.Dataset(
        {
            "sequences": ("window", [100.0, 200.0]),
            "mean_absolute_error": ("window", [0.5, 0.4]),
            "fraction_correct": ("window", [0.0, 0.3]),
        }
    )
    ax = plots.learning_curve(progress, ended=200.0, test=(0.04, 1.0))
    right = next(other for other in ax.figure.axes if other is not ax)
    points = [
        line.get_xydata()[0].tolist() for axes in (ax, right) for line in axes.lines if line.get_marker() in ("o", "s")
    ]
    assert points == [[200.0, 0.04], [200.0, 1.0]]
    labels = [text.get_text() for text in ax.yaxis.get_ticklabels() if text.get_text()]
    assert len(labels) <= 8, "labels stand apart although the test lies far below the curve"
