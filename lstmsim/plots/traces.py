"""Pictures of one sequence: cell states, gates, hidden units, outputs and error signals over its steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from lstmsim.plots.styles import (
    DASHES,
    MARKERS,
    PALE,
    PALETTE,
    Array,
    Colour,
    axes_or_new,
    axis_label,
    fade,
    legend_above,
    need,
    style,
)

_FEW = 30  # steps that are marked one by one; more of them would hide the picture
SIGNALS = {
    "state_error": "cell state $e_s$ (23)",
    "cell_error": "cell input (36)",
    "input_gate_error": "input gate (37)",
    "output_gate_error": "output gate (21)",
    "hidden_error": "hidden unit (20)",
    "output_error": "output (19)",
}


@style()
def cell_states(trace: xr.Dataset, ax: Axes | None = None, events: ArrayLike | None = None) -> Axes:
    """Draw the cell states s of (9) over the steps of one sequence.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence of any length with `cell_state` (step, cell); the x axis is the coordinate `t`, or `step`. Steps that
        only pad a shorter trial are left out.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    events : array_like, optional
        Steps, as on the x axis, to mark by vertical lines, or by ticks where there are many. By default the steps where the
        variable `event` is not zero, else those in the attribute `events`, else those with a target, unless every step has
        one.

    Returns
    -------
    matplotlib.axes.Axes
        One line per cell: colour by block, dashes by the cell's place in it.

    Raises
    ------
    ValueError
        If `trace` lacks `cell_state` or holds several sequences or trials, or an event lies outside the sequence.
    """
    trace, steps = _one_sequence(trace, "cell_state")
    marks = _events(trace, steps, events)
    ax = axes_or_new(ax)
    states = _by_unit(trace, "cell_state")
    for values, (colour, dash, name) in zip(_columns(states), cell_looks(states), strict=True):
        ax.plot(steps, values, color=colour, linestyle=dash, label=name, linewidth=_width(steps))
    ax.axhline(0.0, color="0.6", linewidth=0.8, zorder=0.9, label="_zero")
    ax.set_ylabel(axis_label(states, "cell state $s$"))
    return _finish_steps(ax, trace, steps, *marks)


@style()
def gates(trace: xr.Dataset, ax: Axes | None = None, events: ArrayLike | None = None) -> Axes:
    """Draw the activations of the input gates (7) and output gates (8) over the steps of one sequence.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence with `input_gate` (step, block) and, where the net has them, `output_gate` (step, block).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    events : array_like, optional
        Steps to mark, as in `cell_states`.

    Returns
    -------
    matplotlib.axes.Axes
        Colour by block, paler and behind for output gates; y axis from 0 to 1.

    Raises
    ------
    ValueError
        As `cell_states`, for `input_gate`.
    """
    trace, steps = _one_sequence(trace, "input_gate")
    marks = _events(trace, steps, events)
    ax = axes_or_new(ax)
    for values, colour, name, is_output in _gate_lines(trace):
        ax.plot(steps, values, color=colour, label=name, linewidth=_width(steps), zorder=1.9 if is_output else 2.0)
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel("gate activation")
    return _finish_steps(ax, trace, steps, *marks)


@style()
def hidden(trace: xr.Dataset, ax: Axes | None = None, events: ArrayLike | None = None) -> Axes:
    """Draw the activations of the hidden units, of the LSTM or a rival, over the steps of one sequence.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence with `hidden` (step, hidden).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    events : array_like, optional
        Steps to mark, as in `cell_states`.

    Returns
    -------
    matplotlib.axes.Axes
        One line per unit that there is; a net that grows may not have all of them yet.

    Raises
    ------
    ValueError
        As `cell_states`, for `hidden`.
    """
    trace, steps = _one_sequence(trace, "hidden")
    marks = _events(trace, steps, events)
    ax = axes_or_new(ax)
    units = _by_unit(trace, "hidden")
    for place, values in enumerate(_columns(units)):
        if np.isfinite(values).any() or not steps.size:
            ax.plot(steps, values, label=f"hidden unit {place}", linewidth=_width(steps), **_look(place))
    ax.set_ylabel(axis_label(units, "activation"))
    return _finish_steps(ax, trace, steps, *marks)


@style()
def outputs(trace: xr.Dataset, ax: Axes | None = None, events: ArrayLike | None = None) -> Axes:
    """Draw the outputs against their targets over the steps of one sequence, of any learner.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence with `output` and, where there are any, `target` (step, output_unit).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    events : array_like, optional
        Steps to mark, as in `cell_states`.

    Returns
    -------
    matplotlib.axes.Axes
        One colour per output; its targets as rings of this colour, or dashed and paler where more than 30 steps have one.

    Raises
    ------
    ValueError
        As `cell_states`, for `output`.
    """
    trace, steps = _one_sequence(trace, "output")
    marks, name = _events(trace, steps, events)
    ax = axes_or_new(ax)
    output = _by_unit(trace, "output")
    target = _by_unit(trace, "target").values if "target" in trace else np.full(output.shape, np.nan)
    labels = ["output"] if output.shape[1] == 1 else [f"output {unit}" for unit in output[output.dims[1]].values]
    many = np.isfinite(target).any(axis=1).sum() > _FEW
    for place, (values, label) in enumerate(zip(_columns(output), labels, strict=True)):
        ax.plot(steps, values, label=label, linewidth=_width(steps), **_look(place))
    how: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 7, "markerfacecolor": "none", "clip_on": False}
    if many:
        how = {"linestyle": DASHES[1], "alpha": 0.6, "linewidth": _width(steps)}
    known = np.flatnonzero(np.isfinite(target).any(axis=0))
    for place in known.tolist():
        colour = "black" if many and len(labels) == 1 else _look(place)["color"]
        ax.plot(steps, target[:, place], color=colour, label="target" if place == known[0] else "_target", **how)
    ax.set_ylabel(axis_label(output, "output activation"))
    return _finish_steps(ax, trace, steps, steps[:0] if name == "target" else marks, name)


@style()
def errors(trace: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the error signals inside the net over the steps of one sequence.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence with one or more of `state_error` (23) and `cell_error` (36), both (step, cell), `input_gate_error` (37)
        and `output_gate_error` (21), both (step, block), `hidden_error` (20) (step, hidden), `output_error` (19)
        (step, output_unit).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        One colour per signal. Where at most 30 steps have an error: a dot per unit, on an axis that is logarithmic with both
        signs over at most six decades and linear around zero. Where more have: the Euclidean norm over the units, on a
        logarithmic axis over at most six decades.

    Raises
    ------
    ValueError
        If `trace` has none of the signals or holds several sequences or trials.
    """
    trace, steps = _one_sequence(trace, any_of=SIGNALS)
    ax = axes_or_new(ax)
    there = {name: _by_unit(trace, name).values for name in SIGNALS if name in trace}
    there = {name: np.nan_to_num(values) for name, values in there.items() if np.isfinite(values).any()}
    busy = max([(values != 0.0).any(axis=1).sum() for values in there.values()], default=0) > _FEW
    sizes = [np.zeros(0)]
    for place, (name, label) in enumerate(SIGNALS.items()):
        if name not in there:
            continue
        values, colour = there[name], PALETTE[place]
        if busy:
            values = np.sqrt((values**2).sum(axis=1, keepdims=True))
        values = np.where(values != 0.0, values, np.nan)
        sizes.append(np.abs(values[np.isfinite(values)]))
        dots = {"linestyle": "", "marker": MARKERS[place % len(MARKERS)], "markersize": 5, "markeredgecolor": "white"}
        for column, line in enumerate(values.T):
            look: dict[str, Any] = {"linewidth": _width(steps)} if busy else {**dots, "clip_on": False}
            ax.plot(steps, line, color=colour, label=label if column == 0 else f"_{label}", **look)
    size = np.concatenate(sizes)
    if size.size and busy:
        ax.set_yscale("log")
        ax.set_ylim(max(size.min() / 2, 1e-6 * size.max()), size.max() * 2)
    elif size.size:
        smallest = max(size.min(), 1e-6 * size.max())
        ax.set_yscale("symlog", linthresh=10.0 ** np.floor(np.log10(smallest)))
    if not busy:
        ax.axhline(0.0, color="0.6", linewidth=0.8, zorder=0.9, label="_zero")
    ax.set_ylabel("norm of the error signals" if busy else "error signal")
    return _finish_steps(ax, trace, steps, steps[:0], "")


@style()
def gate_histogram(trace: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how often each gate's activation lies where between 0 and 1, in 50 bins, over all steps of a trace.

    Parameters
    ----------
    trace : xarray.Dataset
        Any number of sequences and trials with `input_gate` (step, block) and, where there are any, `output_gate`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        One outline per gate; colour by block, paler and behind for output gates.

    Raises
    ------
    ValueError
        If `trace` lacks `input_gate`.
    """
    trace = need("trace", trace, "input_gate")
    if "trial" in trace.dims:
        trace = trace[[name for name in ("input_gate", "output_gate") if name in trace]].stack(step_=("trial", "step"))
        trace = trace.reset_index("step_", drop=True).rename(step_="step")
    ax = axes_or_new(ax)
    edges = np.linspace(0.0, 1.0, 51)
    for values, colour, name, is_output in _gate_lines(trace):
        known = values[np.isfinite(values)]
        counts, _ = np.histogram(known, edges)
        ax.stairs(counts / max(known.size, 1), edges, color=colour, label=name, zorder=1.9 if is_output else 2.0)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("gate activation")
    ax.set_ylabel("fraction of steps per bin of 0.02")
    return legend_above(ax)


def _one_sequence(trace: xr.Dataset, *names: str, any_of: Any = ()) -> tuple[xr.Dataset, Array]:
    """Check that a trace holds what is to be drawn for one sequence of one trial; return it without padding, and its x."""
    trace = need("trace", trace, *names, any_of=any_of)
    if "trial" in trace.dims:
        raise ValueError(f"trace holds {trace.sizes['trial']} trials; select one: trace.isel(trial=0)")
    steps = np.asarray(trace["t" if "t" in trace else "step"].values, dtype=np.float64)
    real = np.isfinite(steps)
    if "sequence" in trace:
        numbers = np.asarray(trace["sequence"].values, dtype=np.float64)
        real &= np.broadcast_to(numbers >= 0, real.shape)  # a selection of one step keeps one number
        found = np.unique(np.broadcast_to(numbers, real.shape)[real])
        if found.size > 1:
            select = f"trace.isel(step=trace.sequence.values == {found[0]:g})"
            raise ValueError(f"trace holds {found.size} sequences; select one: {select}")
    if not real.all():
        trace, steps = trace.isel(step=real), steps[real]
    if (np.diff(steps) <= 0).any():
        raise ValueError(f"trace must hold one sequence with rising steps, got {steps.size} steps that do not rise")
    return trace, steps


def _by_unit(trace: xr.Dataset, name: str) -> xr.DataArray:
    """A signal as (step, unit), also where one unit was selected."""
    array = trace[name].astype(np.float64)
    others = [dim for dim in array.dims if dim != "step"]
    if len(others) > 1 or "step" not in array.dims:
        raise ValueError(f"{name} must have the dimension 'step' and at most one more, got {array.dims}")
    if not others:
        unit = {"cell_state": "cell", "input_gate": "block", "output_gate": "block"}.get(name, "unit")
        array = array.expand_dims({unit: [array[unit].item() if unit in array.coords else 0]})
        others = [unit]
        if unit == "cell" and "cell_block" in array.coords:
            array = array.assign_coords(cell_block=("cell", [array["cell_block"].item()]))
    return array.transpose("step", *others)


def _columns(array: xr.DataArray) -> Array:
    columns: Array = array.values.T
    return columns


def _look(place: int) -> dict[str, Any]:
    """Colour and dashes of the line at a place."""
    return {"color": PALETTE[place % len(PALETTE)], "linestyle": DASHES[place // len(PALETTE) % len(DASHES)]}


def _events(trace: xr.Dataset, steps: Array, events: ArrayLike | None) -> tuple[Array, str]:
    """Choose the steps to mark and what to call them."""
    name = "event" if events is not None else "relevant input"
    if events is None and "event" in trace:
        return steps[np.broadcast_to(np.nan_to_num(trace["event"].values) != 0, steps.shape)], name
    if events is None:
        events = trace.attrs.get("events")
    if events is None:
        if "target" not in trace:
            return steps[:0], name
        has_target = np.isfinite(_by_unit(trace, "target").values).any(axis=1)
        return steps[has_target & ~has_target.all()], "target"
    marks = np.atleast_1d(np.asarray(events, dtype=np.float64))
    if marks.size and not (steps.size and ((marks >= steps[0]) & (marks <= steps[-1])).all()):
        within = f"the steps {steps[0]:g} to {steps[-1]:g}" if steps.size else "no step, for there is none"
        raise ValueError(f"events must lie within {within}, got {marks.tolist()}")
    return marks, name


def cell_looks(array: xr.DataArray) -> list[tuple[str, Any, str]]:
    """Colour, dashes and name of each cell: a colour per block, dashes by the place in the block."""
    cells = array["cell"].values
    blocks = array["cell_block"].values if "cell_block" in array.coords else np.arange(cells.size)
    order = {block: i for i, block in enumerate(dict.fromkeys(blocks.tolist()))}
    looks = []
    for i, (cell, block) in enumerate(zip(cells, blocks, strict=True)):
        place = int((blocks[:i] == block).sum())
        name = f"cell {cell}, block {block}" if "cell_block" in array.coords else f"cell {cell}"
        looks.append((PALETTE[order[block] % len(PALETTE)], DASHES[place % len(DASHES)], name))
    return looks


def _gate_lines(trace: xr.Dataset) -> Iterator[tuple[Array, Colour, str, bool]]:
    """Values (step,), colour and name of each gate that the net has, and whether it is an output gate."""
    for variable in ("input_gate", "output_gate"):
        if variable not in trace:
            continue
        gate = _by_unit(trace, variable)
        for place, (values, block) in enumerate(zip(_columns(gate), gate["block"].values, strict=True)):
            colour: Colour = to_rgb(PALETTE[place % len(PALETTE)])
            if variable == "output_gate":
                colour = tuple(1.0 - PALE * (1.0 - part) for part in colour)
            # A net without output gates is recorded with NaN, or with gates that are open.
            there = np.isfinite(values).any() and not (values == 1.0).all()
            if there or not values.size:
                yield values, colour, f"{variable.replace('_', ' ')} {block}", variable == "output_gate"


def _width(steps: Array) -> float:
    return 1.6 if steps.size <= 300 else 1.0


def _finish_steps(ax: Axes, trace: xr.Dataset, steps: Array, marks: Array, name: str) -> Axes:
    if marks.size > _FEW:
        # As many lines would be a wall.
        how: dict[str, Any] = {
            "color": "0.3",
            "markersize": 5,
            "alpha": fade(marks.size // _FEW),
            "clip_on": False,
            "zorder": 1,
        }
        ax.plot(marks, np.zeros(marks.size), "|", transform=ax.get_xaxis_transform(), label=name, **how)
    else:
        for i, mark in enumerate(marks):
            label = name if i == 0 else f"_{name}"
            ax.axvline(mark, color="0.3", linestyle=DASHES[2], linewidth=1.4, zorder=1, label=label)
    if steps.size:
        margin = 0.01 * (steps[-1] - steps[0]) or 0.5
        ax.set_xlim(steps[0] - margin, steps[-1] + margin)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    ax.set_xlabel(axis_label(trace["t" if "t" in trace else "step"], "time", unit="steps"))
    return legend_above(ax)
