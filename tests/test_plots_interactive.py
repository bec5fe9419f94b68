"""The trace to zoom into: every signal of a sequence on one axis of time."""

import builtins

import numpy as np
import pytest
import xarray as xr

import lstmsim
from lstmsim import plots

pytest.importorskip("plotly")


@pytest.fixture(scope="module")
def trace():
    net = lstmsim.LSTM(n_inputs=20, n_outputs=1, n_blocks=2, block_size=2)
    inputs = np.random.default_rng(0).normal(size=(30, 20)) * np.arange(20)
    targets = np.full((30, 1), np.nan)
    targets[-1] = 0.5
    return net.run(inputs, targets)


def test_lines_hold_the_signals(trace):
    figure = plots.interactive(trace)
    lines = {line.name: line for line in figure.data}
    assert [axis.title.text for axis in figure.select_yaxes()] == ["input", "cell state", "gates", "output", "error"]
    np.testing.assert_array_equal(lines["cell_state 3"].y, trace["cell_state"].values[:, 3])
    np.testing.assert_array_equal(lines["input_gate 1"].x, trace["step"].values)
    assert lines["target"].mode == "markers"
    assert figure.layout.hovermode == "x unified"


def test_of_many_units_those_that_move_most_are_drawn(trace):
    names = [line.name for line in plots.interactive(trace).data if line.name.startswith("input ")]
    assert len(names) == 12
    assert {"input 19", "input 18"} <= set(names)
    assert "input 0" not in names


def test_any_learners_trace_is_drawn_and_none_is_refused():
    hidden = xr.Dataset({"hidden": (("step", "hidden_unit"), np.eye(3)), "t": ("step", np.arange(3))})
    assert [line.name for line in plots.interactive(hidden).data] == ["hidden 0", "hidden 1", "hidden 2"]
    with pytest.raises(ValueError, match="trace must hold one of input, cell_state"):
        plots.interactive(xr.Dataset({"t": ("step", np.arange(3))}))
    with pytest.raises(ValueError, match="trace holds 2 sequences; select one"):
        plots.interactive(hidden.assign(sequence=("step", [0, 0, 1])))


def test_without_plotly_it_says_how_to_get_it(trace, monkeypatch):
    imports = builtins.__import__

    def without(name, *arguments, **named):
        if name.startswith("plotly"):
            raise ImportError(name)
        return imports(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"needs plotly: pip install 'lstmsim\[interactive\]'"):
        plots.interactive(trace)
