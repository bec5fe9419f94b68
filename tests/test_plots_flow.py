"""Pictures of error flow over the lag, of credit and of weights."""

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

from lstmsim import plots
from tests.test_plots import legend_texts, new_axes, right_of


def make_credit(lags=40):
    random = np.random.default_rng(1)
    units = {"input_gate": ("block", 2), "output_gate": ("block", 2), "cell": ("cell", 4), "output": ("output_unit", 1)}
    credit = {}
    for name, (unit, count) in units.items():
        values = random.normal(size=(3, lags, count, 11))
        if name in ("output_gate", "output"):
            values[:, 1:] = 0
        credit[name] = (("step", "lag", unit, "output_source" if name == "output" else "source"), values)
    coords = {"lag": np.arange(lags), "step": [40, 50, 60]}
    # As read from a file, `cell` and `output` are coordinates here; in memory they may be plain variables.
    return xr.Dataset(credit, coords=coords)


@pytest.mark.parametrize("reset", [True, False])
def test_credit_map_shows_group_means(reset):
    credit = make_credit()
    raw = {name: np.abs(credit[name].values).mean(axis=(0, 2, 3)) for name in ("input_gate", "cell", "output")}
    credit = credit.reset_coords(["cell", "output"]) if reset else credit
    ax = plots.credit_map(credit, ax=new_axes())
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert sorted(rows) == ["cell", "input gate", "output", "output gate"]
    mesh = ax.collections[0]
    table = mesh.get_array().reshape(4, 40)
    np.testing.assert_allclose(table[rows.index("input gate")], raw["input_gate"])
    np.testing.assert_allclose(table[rows.index("cell")], raw["cell"])
    assert table[rows.index("output"), 0] == pytest.approx(raw["output"][0])
    assert table.mask[rows.index("output"), 1:].all()
    assert isinstance(mesh.norm, mpl.colors.LogNorm)
    assert ax.get_xlabel() == "lag (steps)"
    assert right_of(ax).get_ylabel() == "mean |contribution|"
    corners = mesh.get_coordinates()[0, :, 0]
    np.testing.assert_allclose(corners, np.arange(41) - 0.5)


def test_credit_map_spans_at_most_eight_decades_and_takes_a_single_lag():
    lags = xr.DataArray(10.0 ** -np.arange(0, 100, 10), dims="lag", coords={"lag": np.arange(10)})
    norm = plots.credit_map(xr.Dataset({"input_gate": lags}), ax=new_axes()).collections[0].norm
    assert norm.vmax / norm.vmin == pytest.approx(1e8)
    single = plots.credit_map(xr.Dataset({"input_gate": lags[:1]}), ax=new_axes())
    assert single.get_xlim() == (-0.5, 0.5)


def test_credit_map_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match="credit must hold a contribution other than zero"):
        plots.credit_map(make_credit().reset_coords(["cell", "output"]) * 0, ax=new_axes())
    with pytest.raises(ValueError, match="credit must hold a contribution other than zero"):
        plots.credit_map(make_credit().isel(step=slice(0)), ax=new_axes())
    with pytest.raises(ValueError, match="credit must have variables with the dimension 'lag', got a"):
        plots.credit_map(xr.Dataset({"a": ("step", [1.0])}), ax=new_axes())


def make_backflow(lags=50):
    flow = np.tile(np.eye(4), (lags, 1, 1))
    flow[1:, 0, 1] = -(0.5 ** np.arange(1, lags))
    coords = {"lag": np.arange(lags), "cell": np.arange(4), "cell_block": ("cell", [0, 0, 1, 1])}
    return xr.DataArray(flow, dims=("lag", "cell", "cell_from"), coords=coords)


def test_backflow_draws_own_cross_and_ordinary_derivatives():
    flow = make_backflow()
    rnn = xr.DataArray(0.1 ** np.arange(50), dims="lag", coords={"lag": np.arange(50)})
    ax = plots.backflow(flow, rnn, ax=new_axes())
    own, cross, ordinary = ax.lines[:4], ax.lines[4], ax.lines[5]
    assert len(ax.lines) == 6
    assert all((line.get_ydata() == 1).all() for line in own)
    assert len({line.get_linewidth() for line in own}) == 4
    np.testing.assert_array_equal(cross.get_ydata()[1:], -flow[1:, 0, 1])
    assert np.isnan(cross.get_ydata()[0])
    np.testing.assert_array_equal(ordinary.get_ydata(), rnn)
    assert ax.get_yscale() == "log"
    assert ax.get_ylim()[0] == pytest.approx(1e-20)
    assert ax.get_xlabel() == "lag q (steps)"
    assert "partial s" in ax.get_ylabel()
    assert legend_texts(ax)[-2:] == ["between cells", "ordinary recurrent net"]
    assert len(plots.backflow(flow, ax=new_axes()).lines) == 5


def test_backflow_needs_its_dimensions():
    with pytest.raises(ValueError, match=r"lstm must have the dimensions \(lag, cell, cell_from\), got \('lag', 'cell'"):
        plots.backflow(make_backflow()[:, :, 0], ax=new_axes())
    with pytest.raises(ValueError, match=r"rnn must have the dimensions \(lag\)"):
        plots.backflow(make_backflow(), make_backflow(), ax=new_axes())


def test_scaling_draws_magnitudes_and_the_bound():
    lags = np.arange(30)
    factors = (-0.3) ** lags[:, None, None] * np.ones((30, 2, 3))
    measured = xr.DataArray(factors, dims=("lag", "unit", "unit_from"), coords={"lag": lags})
    bound = xr.DataArray(6 * 0.5**lags, dims="lag", coords={"lag": lags})
    ax = plots.scaling(measured, bound, ax=new_axes())
    assert len(ax.lines) == 7
    np.testing.assert_allclose(ax.lines[5].get_ydata(), 0.3**lags)
    np.testing.assert_array_equal(ax.lines[6].get_ydata(), bound)
    assert legend_texts(ax) == ["measured", "upper bound"]
    assert (ax.get_yscale(), ax.get_xlabel()) == ("log", "lag q (steps)")
    with pytest.raises(ValueError, match="measured must have the dimension 'lag'"):
        plots.scaling(xr.DataArray([1.0], dims="q"), bound, ax=new_axes())
    with pytest.raises(ValueError, match=r"bound must have the dimensions \(lag\)"):
        plots.scaling(measured, measured, ax=new_axes())


def make_weights():
    values = np.random.default_rng(2).normal(size=(5, 2, 3))
    coords = {"source": ["input 0", "cell 0", "bias"], "block": [0, 1]}
    attrs = {"long_name": "input gate weight", "units": "1"}
    return xr.DataArray(values, dims=("snapshot", "block", "source"), coords=coords, attrs=attrs)


def test_weights_of_one_moment():
    matrix = make_weights()[-1]
    ax = plots.weights(matrix, ax=new_axes())
    mesh = ax.collections[0]
    np.testing.assert_array_equal(mesh.get_array().reshape(2, 3), matrix)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["input 0", "cell 0", "bias"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["block 0", "block 1"]
    assert mesh.norm.vmax == -mesh.norm.vmin == np.abs(matrix).max()
    assert right_of(ax).get_ylabel() == "weight"
    assert ax.yaxis_inverted()


def test_weights_over_snapshots_have_a_row_each():
    weights = make_weights()
    ax = plots.weights(weights, ax=new_axes())
    table = ax.collections[0].get_array().reshape(6, 5)
    np.testing.assert_array_equal(table[4], weights[:, 1, 1])
    assert ax.get_yticklabels()[4].get_text() == "block 1 ← cell 0"
    assert ax.get_xlabel() == "snapshot"
    with pytest.raises(ValueError, match=r"got \('trial', 'block', 'source'\)"):
        plots.weights(weights.rename(snapshot="trial"), ax=new_axes())
