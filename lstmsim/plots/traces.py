"""Pictures of one sequence: cell states, gates and error signals over its steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
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
    legend_above,
    need,
    style,
)


@style()
def cell_states(trace: xr.Dataset, ax: Axes | None = None, events: ArrayLike | None = None) -> Axes:
    """Draw the cell states s of (9) over the steps of one sequence.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence of any length with `cell_state` (step, cell); the x axis is the coordinate `t`, or `step`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    events : array_like, optional
        Steps, as on the x axis, to mark by vertical lines. By default the steps where the variable `event` is not
        zero, else those in the attribute `events`, else those with a target, unless every step has one.

    Returns
    -------
    matplotlib.axes.Axes
        One line per cell: colour by block, dashes by the cell's place in it.

    Raises
    ------
    ValueError
        If `trace` lacks `cell_state` or holds several sequences or trials, or an event lies outside the sequence.
    """
    steps = _steps(trace, "cell_state")
    marks = _events(trace, steps, events)
    ax = axes_or_new(ax)
    states = trace["cell_state"].transpose("step", "cell")
    for column, (colour, dash, name) in enumerate(cell_looks(states)):
        ax.plot(steps, states[:, column], color=colour, linestyle=dash, label=name, linewidth=_width(steps))
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
    steps = _steps(trace, "input_gate")
    marks = _events(trace, steps, events)
    ax = axes_or_new(ax)
    for values, colour, name, is_output in _gate_lines(trace):
        ax.plot(steps, values, color=colour, label=name, linewidth=_width(steps), zorder=1.9 if is_output else 2.0)
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel("gate activation")
    return _finish_steps(ax, trace, steps, *marks)


@style()
def errors(trace: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the error signals inside the blocks over the steps of one sequence.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence with `state_error` (23) and `cell_error` (36), both (step, cell), `input_gate_error` (37) and
        `output_gate_error` (21), both (step, block).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        One colour per signal, one line per unit, or dots where at most 30 steps have an error. The y axis is
        logarithmic with both signs, over at most six decades, and linear around zero.

    Raises
    ------
    ValueError
        If `trace` lacks one of the four signals or holds several sequences or trials.
    """
    signals = {
        "state_error": ("cell", "cell state $e_s$ (23)"),
        "cell_error": ("cell", "cell input (36)"),
        "input_gate_error": ("block", "input gate (37)"),
        "output_gate_error": ("block", "output gate (21)"),
    }
    steps = _steps(trace, *signals)
    ax = axes_or_new(ax)
    sizes = []
    for (variable, (unit, name)), colour, marker in zip(signals.items(), PALETTE, MARKERS, strict=False):
        values = np.asarray(trace[variable].transpose("step", unit), dtype=np.float64)
        present = np.nan_to_num(values) != 0.0
        sizes.append(np.abs(values[present]))
        look: dict[str, Any] = {"linewidth": _width(steps)}
        if present.any(axis=1).sum() <= 30:
            values = np.where(present, values, np.nan)
            look = {"linestyle": "", "marker": marker, "markersize": 5, "markeredgecolor": "white", "clip_on": False}
        for column in range(values.shape[1]):
            ax.plot(steps, values[:, column], color=colour, label=name if column == 0 else f"_{name}", **look)
    size = np.concatenate(sizes)
    if size.size:
        smallest = max(size.min(), 1e-6 * size.max())
        ax.set_yscale("symlog", linthresh=10.0 ** np.floor(np.log10(smallest)))
    ax.axhline(0.0, color="0.6", linewidth=0.8, zorder=0.9, label="_zero")
    ax.set_ylabel("error signal")
    return _finish_steps(ax, trace, steps, steps[:0], "")


@style()
def gate_histogram(trace: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how often each gate's activation lies where between 0 and 1, in 50 bins, over all steps of a trace.

    Parameters
    ----------
    trace : xarray.Dataset
        Any number of sequences with `input_gate` (step, block) and, where there are any, `output_gate` (step, block).
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
    need("trace", trace, "input_gate")
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


def _steps(trace: xr.Dataset, *names: str) -> Array:
    """Check that a trace holds the variables `names` for one sequence of one trial; return its x values."""
    need("trace", trace, *names)
    if "trial" in trace.dims:
        raise ValueError(f"trace holds {trace.sizes['trial']} trials; select one: trace.isel(trial=0)")
    if "sequence" in trace:
        found = np.unique(trace["sequence"].values)
        if found.size > 1:
            select = f"trace.where(trace.sequence == {found[0]:g}, drop=True)"
            raise ValueError(f"trace holds {found.size} sequences; select one: {select}")
    steps = np.asarray(trace["t" if "t" in trace else "step"].values, dtype=np.float64)
    if steps.size == 0 or (np.diff(steps) <= 0).any():
        raise ValueError(f"trace must hold one sequence with rising steps, got {steps.size} steps that do not rise")
    return steps


def _events(trace: xr.Dataset, steps: Array, events: ArrayLike | None) -> tuple[Array, str]:
    """Choose the steps to mark and what to call them."""
    name = "event" if events is not None else "relevant input"
    if events is None and "event" in trace:
        return steps[np.nan_to_num(trace["event"].values) != 0], name
    if events is None:
        events = trace.attrs.get("events")
    if events is None:
        if "target" not in trace:
            return steps[:0], name
        has_target = np.isfinite(trace["target"].transpose("step", ...).values).reshape(steps.size, -1).any(axis=1)
        return steps[has_target & ~has_target.all()], "target"
    marks = np.atleast_1d(np.asarray(events, dtype=np.float64))
    if not ((marks >= steps[0]) & (marks <= steps[-1])).all():
        raise ValueError(f"events must lie within the steps {steps[0]:g} to {steps[-1]:g}, got {marks.tolist()}")
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
        gate = trace[variable].transpose("step", "block")
        for column, block in enumerate(gate["block"].values):
            values = np.asarray(gate[:, column], dtype=np.float64)
            colour: Colour = to_rgb(PALETTE[column % len(PALETTE)])
            if variable == "output_gate":
                colour = tuple(1.0 - PALE * (1.0 - part) for part in colour)
            if np.isfinite(values).any():
                yield values, colour, f"{variable.replace('_', ' ')} {block}", variable == "output_gate"


def _width(steps: Array) -> float:
    return 1.6 if steps.size <= 300 else 1.0


def _finish_steps(ax: Axes, trace: xr.Dataset, steps: Array, marks: Array, name: str) -> Axes:
    for i, mark in enumerate(marks):
        label = name if i == 0 else f"_{name}"
        ax.axvline(mark, color="0.3", linestyle=DASHES[2], linewidth=1.4, zorder=1, label=label)
    margin = 0.01 * (steps[-1] - steps[0]) or 0.5
    ax.set_xlim(steps[0] - margin, steps[-1] + margin)
    ax.set_xlabel(axis_label(trace["t" if "t" in trace else "step"], "time", unit="steps"))
    return legend_above(ax)
