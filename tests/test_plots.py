"""Pictures: what is drawn, where the marks are, and that nothing global is touched."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lstmsim import plots

EVENTS = [7, 44]


def new_axes():
    with plots.style():
        return Figure().add_subplot()


def shown(ax):
    """Lines of data: marks and the zero line hold two points, data more."""
    return [line for line in ax.lines if len(line.get_xdata()) > 2]


def marks(ax):
    return [line.get_xdata()[0] for line in ax.lines if list(line.get_ydata()) == [0, 1]]


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def right_of(ax):
    return next(other for other in ax.figure.axes if other is not ax)


def variable(dims, values, long_name, symbol):
    return dims, values, {"long_name": long_name, "units": "1", "symbol": symbol}


def make_trace(steps=110, blocks=2, size=2, sequence=3, events=EVENTS):
    random = np.random.default_rng(steps)
    cell, block = ("step", "cell"), ("step", "block")
    cells = blocks * size

    def at_end(units, scale):
        values = np.zeros((steps, units))
        values[-1] = scale * random.uniform(0.5, 1.0, units)
        return values

    target = np.full((steps, 1), np.nan)
    target[-1] = 0.71
    event = np.zeros(steps, dtype=np.int64)
    event[events] = 1
    return xr.Dataset(
        {
            "target": variable(("step", "output_unit"), target, "target", "d"),
            "output": variable(("step", "output_unit"), np.full((steps, 1), 0.7), "output", "y_k"),
            "cell_state": variable(cell, random.normal(size=(steps, cells)).cumsum(axis=0), "cell state", "s"),
            "state_error": variable(cell, at_end(cells, 1e-2), "cell state error", "e_s"),
            "cell_error": variable(cell, at_end(cells, 1e-3), "cell error", "e_c"),
            "input_gate": variable(block, random.uniform(size=(steps, blocks)), "input gate", "y_in"),
            "output_gate": variable(block, random.uniform(size=(steps, blocks)), "output gate", "y_out"),
            "input_gate_error": variable(block, at_end(blocks, 1e-4), "input gate error", "e_in"),
            "output_gate_error": variable(block, -at_end(blocks, 1e-3), "output gate error", "e_out"),
            "event": ("step", event),
        },
        coords={
            "step": np.arange(1000, 1000 + steps),
            "t": ("step", np.arange(steps)),
            "sequence": ("step", np.full(steps, sequence)),
            "block": np.arange(blocks),
            "cell": np.arange(cells),
            "cell_block": ("cell", np.repeat(np.arange(blocks), size)),
        },
    )


def make_progress(trials=None, windows=20):
    random = np.random.default_rng(5)
    shape, dims = (trials or 1, windows), ("trial", "window")
    error = 0.2 * 0.8 ** np.arange(windows) * random.uniform(0.9, 1.1, shape)
    seen = np.broadcast_to(1000.0 * np.arange(1, windows + 1), shape)
    progress = xr.Dataset(
        {
            "sequences": variable(dims, seen, "sequences seen", ""),
            "mean_absolute_error": variable(dims, error, "mean absolute error", ""),
            "mean_squared_error": variable(dims, error**2, "mean squared error", ""),
            "fraction_correct": variable(dims, 1 - error / error.max(), "fraction correct", ""),
        }
    )
    return progress if trials else progress.isel(trial=0)


@pytest.fixture
def trace():
    return make_trace()


@pytest.fixture
def stream(trace):
    return xr.concat([trace, make_trace(100, sequence=4).assign_coords(step=np.arange(1110, 1210))], "step")


def test_cell_states_draws_each_cell_over_t(trace):
    ax = new_axes()
    assert plots.cell_states(trace, ax=ax) is ax
    lines = shown(ax)
    assert len(lines) == 4
    for column, line in enumerate(lines):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(110))
        np.testing.assert_array_equal(line.get_ydata(), trace["cell_state"][:, column])
    assert ax.get_ylabel() == "cell state $s$"
    assert ax.get_xlabel() == "time (steps)"
    assert legend_texts(ax) == [f"cell {c}, block {c // 2}" for c in range(4)] + ["relevant input"]
    colours = [line.get_color() for line in lines]
    assert colours == [plots.PALETTE[0]] * 2 + [plots.PALETTE[1]] * 2
    assert lines[0].get_linestyle() != lines[1].get_linestyle()


def test_order_of_dimensions_does_not_matter(trace):
    ax = plots.cell_states(trace.transpose("cell", "output_unit", "block", "step"), ax=new_axes())
    np.testing.assert_array_equal(shown(ax)[3].get_ydata(), trace["cell_state"][:, 3])


def test_units_other_than_one_are_shown(trace):
    trace["cell_state"].attrs["units"] = "mV"
    trace["cell_state"].attrs["long_name"] = "a description far too long for the height of any axis " * 3
    trace["t"].attrs["units"] = "1"
    ax = plots.cell_states(trace, ax=new_axes())
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("cell state $s$ (mV)", "time (steps)")


def test_x_axis_is_step_without_t(trace):
    ax = plots.cell_states(trace.drop_vars(["t", "sequence"]), ax=new_axes())
    np.testing.assert_array_equal(shown(ax)[0].get_xdata(), trace["step"])
    assert marks(ax) == [1007, 1044]


def test_long_sequences_keep_every_step_and_get_thin_lines(trace):
    long = plots.cell_states(make_trace(2000, events=[9, 900]), ax=new_axes())
    assert shown(long)[0].get_xdata().size == 2000
    assert shown(long)[0].get_linewidth() < shown(plots.cell_states(trace, ax=new_axes()))[0].get_linewidth()
    assert marks(long) == [9, 900]


@pytest.mark.parametrize("draw", [plots.cell_states, plots.gates])
def test_marks_by_precedence(draw, trace):
    assert marks(draw(trace, ax=new_axes(), events=[3, 5.0, 109])) == [3, 5, 109]
    assert marks(draw(trace, ax=new_axes(), events=[])) == []
    trace.attrs["events"] = [20, 30]
    assert marks(draw(trace, ax=new_axes())) == EVENTS
    without = trace.drop_vars("event")
    assert marks(draw(without, ax=new_axes())) == [20, 30]
    del without.attrs["events"]
    ax = draw(without, ax=new_axes())
    assert marks(ax) == [109]
    assert "target" in legend_texts(ax)
    assert marks(draw(without.fillna({"target": 0.0}), ax=new_axes())) == []
    assert marks(draw(without.drop_vars("target"), ax=new_axes())) == []


@pytest.mark.parametrize("events", [[110], [-1, 5], [np.nan]])
def test_events_outside_the_sequence_raise_and_draw_nothing(trace, events):
    ax = new_axes()
    with pytest.raises(ValueError, match="events must lie within the steps 0 to 109"):
        plots.cell_states(trace, ax=ax, events=events)
    assert not ax.lines


def test_gates_are_drawn_between_0_and_1(trace):
    ax = plots.gates(trace, ax=new_axes())
    lines = shown(ax)
    expected = np.hstack([trace["input_gate"], trace["output_gate"]])
    np.testing.assert_array_equal(np.column_stack([line.get_ydata() for line in lines]), expected)
    low, high = ax.get_ylim()
    assert -0.1 < low < 0
    assert 1 < high < 1.1
    assert ax.get_ylabel() == "gate activation"
    assert legend_texts(ax)[:4] == ["input gate 0", "input gate 1", "output gate 0", "output gate 1"]
    assert all(line.get_zorder() < lines[0].get_zorder() for line in lines[2:])


def test_a_net_without_output_gates_has_input_gates_only(trace):
    for bare in (trace.drop_vars("output_gate"), trace.assign(output_gate=trace["output_gate"] * np.nan)):
        assert len(shown(plots.gates(bare, ax=new_axes()))) == 2
        assert len(plots.gate_histogram(bare, ax=new_axes()).patches) == 2


def test_errors_at_one_step_are_dots_on_a_signed_logarithmic_axis(trace):
    ax = plots.errors(trace, ax=new_axes())
    lines = shown(ax)
    names = ["state_error", "cell_error", "input_gate_error", "output_gate_error"]
    expected = np.hstack([trace[name][-1] for name in names])
    np.testing.assert_array_equal([line.get_ydata()[-1] for line in lines], expected)
    assert all(np.isnan(line.get_ydata()[:-1]).all() for line in lines)
    assert {line.get_linestyle() for line in lines} == {"None"}
    assert ax.get_yscale() == "symlog"
    assert legend_texts(ax) == ["cell state $e_s$ (23)", "cell input (36)", "input gate (37)", "output gate (21)"]
    assert len({line.get_color() for line in lines}) == 4


def test_errors_at_every_step_are_a_line_per_signal(trace):
    trace["state_error"][:] = np.random.default_rng(0).normal(size=(110, 4))
    ax = plots.errors(trace, ax=new_axes())
    assert len(shown(ax)) == 4
    np.testing.assert_allclose(shown(ax)[0].get_ydata(), np.linalg.norm(trace["state_error"], axis=1))
    assert shown(ax)[0].get_linestyle() == "-"
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "norm of the error signals")
    assert marks(ax) == []
    short = plots.errors(trace.isel(step=slice(100, 110)), ax=new_axes())
    assert short.get_yscale() == "log", "most steps of a short sequence"


def test_errors_that_are_all_zero_can_be_drawn(trace):
    names = [name for name in trace.data_vars if name.endswith("_error")]
    ax = plots.errors(trace.assign({name: trace[name] * 0 for name in names}), ax=new_axes())
    assert ax.get_yscale() == "linear"


@pytest.mark.parametrize("draw", [plots.cell_states, plots.gates, plots.errors])
def test_one_sequence_must_be_selected(draw, stream):
    ax = new_axes()
    with pytest.raises(ValueError, match="2 sequences; select one: trace") as error:
        draw(stream, ax=ax)
    assert not ax.lines
    hint = str(error.value).partition("select one: ")[2].replace("== 3", "== 4")
    for trace in (stream, stream.chunk(step=50)):
        draw(eval(hint, {"trace": trace}), ax=ax)  # the hint is code that works
        np.testing.assert_array_equal(shown(ax)[0].get_xdata(), np.arange(100))


def test_streams_without_sequence_numbers_and_trials_are_refused(stream, trace):
    with pytest.raises(ValueError, match="one sequence with rising steps"):
        plots.cell_states(stream.drop_vars("sequence"), ax=new_axes())
    with pytest.raises(ValueError, match="2 trials; select one"):
        plots.cell_states(xr.concat([trace, trace], "trial"), ax=new_axes())


@pytest.mark.parametrize(
    ("draw", "unit"), [(plots.cell_states, "cell"), (plots.gates, "block"), (plots.gate_histogram, "block")]
)
def test_dimensions_of_other_names_are_refused(draw, unit, trace):
    with pytest.raises(ValueError, match=f"must have the dimension 'step' and at most one {unit} more, got .*'other'"):
        draw(trace.rename({unit: "other"}), ax=new_axes())


def test_missing_variables_are_named(trace):
    with pytest.raises(ValueError, match=r"trace must hold cell_state; it has .*cell_error"):
        plots.cell_states(trace.drop_vars("cell_state"), ax=new_axes())
    with pytest.raises(ValueError, match=r"trace must hold one of state_error, cell_error, .*; it has target, output"):
        plots.errors(trace[["target", "output"]], ax=new_axes())
    with pytest.raises(ValueError, match=r"trace is a DataArray; allowed: an xarray\.Dataset"):
        plots.cell_states(trace["cell_state"], ax=new_axes())
    with pytest.raises(ValueError, match="progress must hold sequences;"):
        plots.learning_curve(make_progress().drop_vars("sequences"), ax=new_axes())
    with pytest.raises(ValueError, match="summary must hold sequences_to_success; it has none"):
        plots.success_curve(xr.Dataset(), ax=new_axes())


def test_gate_histogram_counts_all_sequences(stream):
    ax = plots.gate_histogram(stream, ax=new_axes())
    assert len(ax.patches) == 4
    heights, edges, _ = ax.patches[1].get_data()
    gate = stream["input_gate"][:, 1].values
    np.testing.assert_allclose(edges, np.linspace(0, 1, 51))
    np.testing.assert_allclose(heights, np.histogram(gate, 50, (0, 1))[0] / 210)
    assert ax.get_xlabel() == "gate activation"
    assert ax.get_xlim() == (0, 1)


def test_gate_histogram_counts_all_trials(stream):
    both = xr.concat([stream, 1 - stream], "trial", coords="minimal", compat="override")
    for trace, count in ((both, 420), (both.isel(step=0), 2)):
        heights, _, _ = plots.gate_histogram(trace, ax=new_axes()).patches[1].get_data()
        gate = trace["input_gate"].isel(block=1).values
        assert gate.size == count
        np.testing.assert_allclose(heights, np.histogram(gate, 50, (0, 1))[0] / count)
    assert not plots.gate_histogram(both.isel(block=slice(0)), ax=new_axes()).patches


@pytest.mark.parametrize("draw", [plots.cell_states, plots.gates, plots.errors, plots.outputs])
def test_a_selection_of_one_unit_or_of_no_step_is_drawn(draw, trace):
    trace = trace.assign(forget_gate=1.0 - trace.input_gate)
    one = trace.isel(cell=2, block=1, output_unit=0)
    expected = draw(trace, ax=new_axes())
    lines = shown(draw(one, ax=new_axes()))
    assert 0 < len(lines) <= len(shown(expected))
    assert any(np.array_equal(lines[0].get_ydata(), line.get_ydata(), equal_nan=True) for line in shown(expected))
    empty = draw(trace.isel(step=slice(0)), ax=new_axes())
    assert empty.get_xlabel() == "time (steps)"
    with pytest.raises(ValueError, match="events must lie within no step, for there is none"):
        plots.cell_states(trace.isel(step=slice(0)), ax=new_axes(), events=[3])


@pytest.mark.parametrize("draw", [plots.cell_states, plots.gates, plots.errors, plots.outputs])
@pytest.mark.parametrize("chunked", [False, True])
def test_padding_of_shorter_trials_is_left_out(draw, chunked, trace):
    """As `open_run` joins trials: along steps without numbers, padded with NaN."""
    short = make_trace(30, events=[3]).drop_vars("step")
    both = xr.concat(
        [trace.drop_vars("step"), short.pad(step=(0, 80))], "trial", coords=["t", "sequence"], compat="override"
    )
    shorter = (both.chunk(step=50) if chunked else both).isel(trial=1)
    lines = shown(draw(shorter, ax=new_axes()))
    np.testing.assert_array_equal(lines[0].get_xdata(), np.arange(30))
    assert np.isfinite(lines[0].get_ydata()[-1])
    tree = xr.DataTree.from_dict({"test_trace": shorter})
    np.testing.assert_array_equal(shown(draw(tree["test_trace"], ax=new_axes()))[0].get_xdata(), np.arange(30))


def test_outputs_are_drawn_against_their_targets(trace):
    ax = plots.outputs(trace, ax=new_axes())
    output, target = shown(ax)
    np.testing.assert_array_equal(output.get_ydata(), trace["output"][:, 0])
    np.testing.assert_array_equal(target.get_ydata(), trace["target"][:, 0])
    assert (target.get_marker(), target.get_linestyle()) == ("o", "None")
    assert legend_texts(ax) == ["output", "target", "relevant input"]
    every = trace.assign(target=trace["output"] + 0.1)
    assert shown(plots.outputs(every, ax=new_axes()))[1].get_linestyle() != "None"
    assert len(shown(plots.outputs(trace.drop_vars("target"), ax=new_axes()))) == 1
    several = xr.concat([trace[["output", "target"]].assign_coords(output_unit=[k]) for k in range(3)], "output_unit")
    assert legend_texts(plots.outputs(several, ax=new_axes())) == ["output 0", "output 1", "output 2", "target"]


def test_hidden_units_of_any_learner_are_drawn_once_they_are_there():
    values = np.random.default_rng(0).uniform(size=(40, 9))
    values[:, 8] = np.nan
    trace = xr.Dataset({"hidden": (("step", "hidden_unit"), values)}, {"t": ("step", np.arange(40))})
    ax = plots.hidden(trace, ax=new_axes())
    assert len(shown(ax)) == 8
    assert legend_texts(ax)[::7] == ["hidden unit 0", "hidden unit 7"]
    assert len({(line.get_color(), line.get_linestyle()) for line in shown(ax)}) == 8


def test_many_events_are_ticks_below_and_times_are_whole_numbers(trace):
    ax = plots.cell_states(trace.assign(event=trace["event"] * 0 + 1), ax=new_axes())
    assert marks(ax) == []
    [ticks] = [line for line in ax.lines if line.get_marker() == "|"]
    np.testing.assert_array_equal(ticks.get_xdata(), np.arange(110))
    short = plots.cell_states(make_trace(4, events=[2]), ax=new_axes())
    assert all(tick == round(tick) for tick in short.get_xticks())


@pytest.mark.parametrize("width", [5.2, 7.2, 11.0])
def test_legends_stay_beside_each_other_within_the_axes(trace, width):
    with plots.style():
        figure = Figure(figsize=(width, 3.4))
        axes = figure.subplots(1, 2)
    for ax in axes:
        plots.gates(trace, ax=ax)
    FigureCanvasAgg(figure).draw()
    left, right = (ax.get_legend().get_window_extent() for ax in axes)
    assert not left.overlaps(right)
    assert right.x1 <= figure.bbox.x1 * 1.01
