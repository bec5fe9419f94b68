"""What a net may be given: pandas, xarray and masked arrays with their labels, and what is refused in one line."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import lstmsim

DATES = pd.date_range("2001-01-01", periods=5, freq="D", name="date")
X = np.random.default_rng(0).uniform(size=(5, 2))
LARGEST = X.max() == X
D = np.linspace(0.0, 1.0, 5)


def fresh(n_inputs: int = 2) -> lstmsim.LSTM:
    return lstmsim.LSTM(n_inputs, 1, 2)


GIVEN = (
    (pd.DataFrame(X, DATES, ["a", "b"]), pd.Series(D, DATES), "date"),
    (pd.DataFrame(X, DATES.rename(None)), D, "time"),
    (X, pd.DataFrame(D, DATES), "date"),
    (xr.DataArray(X, dims=("time", "input_unit"), coords={"time": DATES.values}), D, "time"),
    (xr.DataArray(X.T, dims=("input_unit", "step"), coords={"date": ("step", DATES.values)}), D[:, None], "date"),
    (X, xr.DataArray(D, dims="time", coords={"time": DATES.values}), "time"),
    (pd.DataFrame(X, DATES.rename("output")), D, "time"),
    (pd.DataFrame(X, DATES.tz_localize("UTC")), D, "date"),
    (pd.DataFrame(X).astype("Float64"), pd.Series(D, DATES[::-1]).to_numpy(), None),
)


@pytest.mark.parametrize(("inputs", "targets", "name"), GIVEN)
def test_labels_along_time_are_kept(inputs, targets, name):
    plain, trace = fresh().run(X, D), fresh().run(inputs, targets)
    for variable in plain:
        np.testing.assert_array_equal(trace[variable], plain[variable], err_msg=str(variable))
    if name is None:
        assert set(trace.coords) == set(plain.coords)
    else:
        assert trace[name].dims == ("step",)
        assert (pd.DatetimeIndex(trace[name].values) == DATES.tz_localize(None)).all()


def test_a_series_of_one_unit_and_trials():
    one = fresh(1).run(D)
    for given in (D[:, None], list(D), pd.Series(D), xr.DataArray(D, dims="time")):
        np.testing.assert_array_equal(fresh(1).run(given).output, one.output)
    np.testing.assert_array_equal(fresh(1).step(D[1]), fresh(1).step(D[1:2]))
    nets = lstmsim.LSTM(1, 1, trials=2)
    both = xr.DataArray([D, D], dims=("trial", "time"), coords={"time": DATES.values})
    trace = nets.run(both.expand_dims(input_unit=1).transpose())
    assert trace.time.dims == ("step",)
    np.testing.assert_array_equal(trace.input[1, :, 0], D)


def test_masked_targets_are_no_targets():
    d = np.ma.masked_array(D, mask=[True, False, True, False, False])
    trace = fresh().run(X, d)
    assert np.isnan(trace.target[:, 0]).values.tolist() == [True, False, True, False, False]
    assert np.flatnonzero(trace.update_norm).tolist() == [1, 3, 4]


REFUSED = (
    (pd.DataFrame(X, DATES), pd.Series(D, DATES + pd.Timedelta("1D")), "inputs has the label .* at step 0, targets"),
    (pd.DataFrame(X, DATES), pd.Series(D[:4], DATES[:4]), "inputs has the label .* at step 4, targets nothing"),
    (pd.DataFrame(X, DATES), pd.Series(D), "inputs has the label .* at step 0, targets 0"),
    (pd.DataFrame(X, DATES).where(~LARGEST), D, r"inputs holds nan at \(\d, \d\) \(2001.*ffill.*interpolate.* one more"),
    (np.ma.masked_array(X, mask=LARGEST), D, "inputs holds nan"),
    (X + 0j, D, "inputs is array.*; allowed: an array of numbers"),
    (X.astype(str), D, "inputs is array"),
    (X.astype(object), D, "inputs is array"),
    (X.tolist(), ["0"] * 5, r"targets is \['0'"),
    (pd.DataFrame({"a": D, "b": list("abcde")}), D, "inputs has .* in the column 'b'; allowed: numbers"),
    (pd.DataFrame({"a": D, "b": DATES}), D, "inputs has datetime64.* in the column 'b'"),
    (pd.DataFrame(X, pd.MultiIndex.from_product([[0], DATES])), D, "inputs has an index of 2 levels"),
    (pd.DataFrame(np.c_[X, D]), D, r"inputs has shape \(5, 3\); allowed"),
    (xr.DataArray(X, dims=("day", "input_unit")), D, "dims of inputs is .*allowed: step or time, input_unit"),
    (xr.DataArray(X, dims=("time", "output_unit")), D, "dims of inputs is"),
    (xr.Dataset({"a": ("time", D)}), D, "inputs is 'Dataset'; allowed: a DataArray"),
)


@pytest.mark.parametrize(("inputs", "targets", "message"), REFUSED)
def test_what_is_refused_is_told_in_one_line(inputs, targets, message):
    net = fresh()
    before = net.weights
    with pytest.raises(ValueError, match=message) as caught:
        net.run(inputs, targets)
    assert "\n" not in str(caught.value)
    assert all(np.array_equal(net.weights[name], before[name]) for name in before)


@pytest.mark.parametrize("x", [np.array([1j, 0]), ["0", "1"], np.ma.masked_array([0.0, 1.0], [True, False]), [None, 1.0]])
def test_what_step_refuses(x):
    with pytest.raises(ValueError, match=r"^x "):
        fresh().step(x)


def test_pandas_is_not_imported_unless_given():
    code = "import lstmsim, sys; net = lstmsim.LSTM(1, 1); net.predict([0.5]); assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_html_escapes_and_names_what_there_is():
    text = lstmsim.LSTM(2, 1, 2, 2, n_hidden=3, learning_rate=0.25, trials=2)._repr_html_()
    for part in ("2 blocks of 2 cells", "3 hidden", "0.25", "input_gate", "hidden units", "2 trials"):
        assert part in text
    assert len(text) < 3000
    assert "\n" not in repr(lstmsim.LSTM(1, 1))
