"""What pictures of one sequence share: the choice of its steps, the columns of a signal, marks, the time axis."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from lstmsim.checks import refusal
from lstmsim.plots.styles import DASHES, PALETTE, Array, Dash, Look, axis_label, fade, legend_above, need

FEW = 30  # steps that are marked one by one; more of them would hide the picture


def one_sequence(trace: xr.Dataset, *names: str, any_of: Collection[str] = ()) -> tuple[xr.Dataset, Array]:
    """Check that a trace holds what is to be drawn for one sequence of one trial; return it without padding, and its x."""
    trace = need("trace", trace, *names, any_of=any_of)
    if "trial" in trace.dims:
        raise ValueError(f"trace holds {trace.sizes['trial']} trials; select one: trace.isel(trial=0)")
    time = "t" if "t" in trace else "step"
    if time == "step" and "step" in trace.dims and "step" not in trace.coords:
        trace = trace.assign_coords(step=np.arange(trace.sizes["step"]))
    trace = need("trace", trace, time, *(["sequence"] if "sequence" in trace else []))
    if trace[time].dims != ("step",):
        raise ValueError(f"{time} of trace has the dimensions {trace[time].dims}; allowed: ('step',), several steps")
    steps = np.asarray(trace[time].values, dtype=np.float64)
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


def by_unit(trace: xr.Dataset, name: str) -> xr.DataArray:
    """A signal as (step, unit), also where one unit was selected."""
    array = trace[name].astype(np.float64)
    others = [dim for dim in array.dims if dim != "step"]
    unit = {"cell_state": "cell"}.get(name, "block" if name.endswith("_gate") else "unit")
    if len(others) > 1 or "step" not in array.dims or (unit != "unit" and others not in ([], [unit])):
        raise ValueError(f"{name} must have the dimension 'step' and at most one {unit} more, got {array.dims}")
    if not others:
        array = array.expand_dims({unit: [array[unit].item() if unit in array.coords else 0]})
        others = [unit]
        if unit == "cell" and "cell_block" in array.coords:
            array = array.assign_coords(cell_block=("cell", [array["cell_block"].item()]))
    return array.transpose("step", *others)


def look(place: int) -> Look:
    """Colour and dashes of the line at a place."""
    return {"color": PALETTE[place % len(PALETTE)], "linestyle": DASHES[place // len(PALETTE) % len(DASHES)]}


def events_of(trace: xr.Dataset, steps: Array, events: ArrayLike | None) -> tuple[Array, str]:
    """Choose the steps to mark and what to call them."""
    name = "event" if events is not None else "relevant input"
    if events is None and "event" in trace:
        return steps[np.broadcast_to(np.nan_to_num(trace["event"].values) != 0, steps.shape)], name
    if events is None:
        events = trace.attrs.get("events")
    if events is None:
        if "target" not in trace:
            return steps[:0], name
        has_target = np.isfinite(by_unit(trace, "target").values).any(axis=1)
        return steps[has_target & ~has_target.all()], "target"
    try:
        marks = np.asarray(events, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        raise refusal("events", events, "steps of the sequence") from None
    if marks.size and not (steps.size and ((marks >= steps[0]) & (marks <= steps[-1])).all()):
        within = f"the steps {steps[0]:g} to {steps[-1]:g}" if steps.size else "no step, for there is none"
        raise ValueError(f"events must lie within {within}, got {marks.tolist()}")
    return marks, name


def cell_looks(array: xr.DataArray) -> list[tuple[str, Dash, str]]:
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


def width(steps: Array) -> float:
    """Width of a line, thinner where there are many steps."""
    return 1.6 if steps.size <= 300 else 1.0


def finish_steps(ax: Axes, trace: xr.Dataset, steps: Array, marks: Array, name: str) -> Axes:
    """Mark steps, and give the time axis its limits, whole numbers, and the picture its legend."""
    if marks.size > FEW:
        # As many lines would be a wall.
        how: Look = {
            "color": "0.3",
            "markersize": 5,
            "alpha": fade(marks.size // FEW),
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
