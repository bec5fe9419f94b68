"""Pictures of one sequence: cell states, gates, hidden units, outputs and error signals over its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike

from lstmsim.plots.sequence import FEW, by_unit, cell_looks, events_of, finish_steps, look, one_sequence, width
from lstmsim.plots.styles import (
    DASHES,
    MARKERS,
    PALE,
    PALETTE,
    Array,
    Colour,
    Look,
    axes_or_new,
    axis_label,
    legend_above,
    need,
    style,
)

SIGNALS = {
    "state_error": "cell state $e_s$ (23)",
    "cell_error": "cell input (36)",
    "input_gate_error": "input gate (37)",
    "output_gate_error": "output gate (21)",
    "hidden_error": "hidden unit (20)",
    "output_error": "output (19)",
    "forget_gate_error": "forget gate",
}

GATES = ("input_gate", "output_gate", "forget_gate")


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
    ax = _draw(trace, "cell_state", _cell_lines, "cell state $s$", ax, events)
    ax.axhline(0.0, color="0.6", linewidth=0.8, zorder=0.9, label="_zero")
    return ax


@style()
def gates(trace: xr.Dataset, ax: Axes | None = None, events: ArrayLike | None = None) -> Axes:
    """Draw the activations of input gates (7), output gates (8) and forget gates over the steps of one sequence.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence with `input_gate` (step, block) and, where the net has them, `output_gate` and `forget_gate`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    events : array_like, optional
        Steps to mark, as in `cell_states`.

    Returns
    -------
    matplotlib.axes.Axes
        Colour by block, dotted, paler and behind for output gates, dashed for forget gates; y axis from 0 to 1.

    Raises
    ------
    ValueError
        As `cell_states`, for `input_gate`.
    """
    ax = _draw(trace, "input_gate", _gate_lines, "gate activation", ax, events)
    ax.set_ylim(-0.03, 1.03)
    return ax


@style()
def hidden(trace: xr.Dataset, ax: Axes | None = None, events: ArrayLike | None = None) -> Axes:
    """Draw the activations of the hidden units, of the LSTM or a rival, over the steps of one sequence.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence with `hidden` (step, hidden_unit).
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
    return _draw(trace, "hidden", _hidden_lines, "activation", ax, events)


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
    trace, steps = one_sequence(trace, "output")
    marks, name = events_of(trace, steps, events)
    ax = axes_or_new(ax)
    output = by_unit(trace, "output")
    target = by_unit(trace, "target").values if "target" in trace else np.full(output.shape, np.nan)
    labels = ["output"] if output.shape[1] == 1 else [f"output {unit}" for unit in output[output.dims[1]].values]
    many = np.isfinite(target).any(axis=1).sum() > FEW
    for place, (values, label) in enumerate(zip(output.values.T, labels, strict=True)):
        ax.plot(steps, values, label=label, linewidth=width(steps), **look(place))
    how: Look = {"linestyle": "", "marker": "o", "markersize": 7, "markerfacecolor": "none", "clip_on": False}
    if many:
        how = {"linestyle": DASHES[1], "alpha": 0.6, "linewidth": width(steps)}
    known = np.flatnonzero(np.isfinite(target).any(axis=0))
    for place in known.tolist():
        colour = "black" if many and len(labels) == 1 else look(place)["color"]
        ax.plot(steps, target[:, place], color=colour, label="target" if place == known[0] else "_target", **how)
    ax.set_ylabel(axis_label(output, "output activation"))
    return finish_steps(ax, trace, steps, steps[:0] if name == "target" else marks, name)


@style()
def errors(trace: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the error signals inside the net over the steps of one sequence.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence with one or more of `state_error` (23) and `cell_error` (36), both (step, cell), `input_gate_error` (37)
        and `output_gate_error` (21), both (step, block), `hidden_error` (20) (step, hidden_unit), `output_error` (19)
        (step, output_unit).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        One colour, and dashes or a mark, per signal. Where few steps have an error: a dot per unit, on an axis that is
        logarithmic with both signs over at most six decades and linear around zero. Where more than 30, or most, have: the
        Euclidean norm over units, on a logarithmic axis over at most six decades.

    Raises
    ------
    ValueError
        If `trace` has none of the signals or holds several sequences or trials.
    """
    trace, steps = one_sequence(trace, any_of=SIGNALS)
    ax = axes_or_new(ax)
    there = {name: by_unit(trace, name).values for name in SIGNALS if name in trace}
    there = {name: np.nan_to_num(values) for name, values in there.items() if np.isfinite(values).any()}
    struck = max([(values != 0.0).any(axis=1).sum() for values in there.values()], default=0)
    busy = struck > FEW or 4 < steps.size < 2 * struck
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
            dash = DASHES[place % len(DASHES)]
            how: Look = {"linewidth": width(steps), "linestyle": dash} if busy else {**dots, "clip_on": False}
            ax.plot(steps, line, color=colour, label=label if column == 0 else f"_{label}", **how)
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
    return finish_steps(ax, trace, steps, steps[:0], "")


@style()
def gate_histogram(trace: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how often each gate's activation lies where between 0 and 1, in 50 bins, over all steps of a trace.

    Parameters
    ----------
    trace : xarray.Dataset
        However many sequences and trials, with `input_gate` (step, block) and, where there are any, the other gates.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        One outline per gate; colour by block, dotted, paler and behind for output gates, dashed for forget gates.

    Raises
    ------
    ValueError
        If `trace` lacks `input_gate`.
    """
    trace = need("trace", trace, "input_gate")
    if "trial" in trace.dims:
        dims = [dim for dim in ("trial", "step") if dim in trace.dims]  # a selection of one step has none
        trace = trace[[name for name in GATES if name in trace]]
        if trace.sizes.get("block") == 0:  # xarray stacks no empty arrays
            trace = trace.sum("trial")
        else:
            trace = trace.stack(step_=dims).reset_index("step_", drop=True).rename(step_="step")
    ax = axes_or_new(ax)
    edges = np.linspace(0.0, 1.0, 51)
    for values, shown in _gate_lines(trace):
        known = values[np.isfinite(values)]
        ax.stairs(np.histogram(known, edges)[0] / max(known.size, 1), edges, **shown)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("gate activation")
    ax.set_ylabel("fraction of steps per bin of 0.02")
    return legend_above(ax)


Lines = Iterator[tuple[Array, Look]]


def _draw(
    trace: xr.Dataset,
    name: str,
    lines: Callable[[xr.Dataset], Lines],
    label: str,
    ax: Axes | None,
    events: ArrayLike | None,
) -> Axes:
    """Draw the lines of one signal over the steps of one sequence."""
    trace, steps = one_sequence(trace, name)
    marks = events_of(trace, steps, events)
    ax = axes_or_new(ax)
    for values, shown in lines(trace):
        ax.plot(steps, values, linewidth=width(steps), **shown)
    ax.set_ylabel(axis_label(trace[name], label))
    return finish_steps(ax, trace, steps, *marks)


def _cell_lines(trace: xr.Dataset) -> Lines:
    states = by_unit(trace, "cell_state")
    for values, (colour, dash, name) in zip(states.values.T, cell_looks(states), strict=True):
        yield values, {"color": colour, "linestyle": dash, "label": name}


def _hidden_lines(trace: xr.Dataset) -> Lines:
    for place, values in enumerate(by_unit(trace, "hidden").values.T):
        if np.isfinite(values).any() or not values.size:
            yield values, {"label": f"hidden unit {place}", **look(place)}


def _gate_lines(trace: xr.Dataset) -> Lines:
    """Activation and look of each gate that the net has."""
    for variable in GATES:
        if variable not in trace:
            continue
        front = variable != "output_gate"
        dashes = {"input_gate": DASHES[0], "output_gate": DASHES[2], "forget_gate": DASHES[1]}[variable]
        gate = by_unit(trace, variable)
        for place, (values, block) in enumerate(zip(gate.values.T, gate["block"].values, strict=True)):
            # A net without output gates is recorded with NaN, or with gates that are open.
            there = np.isfinite(values).any() and not (values == 1.0).all()
            if there or not values.size:
                colour: Colour = to_rgb(PALETTE[place % len(PALETTE)])
                colour = colour if front else tuple(1.0 - PALE * (1.0 - part) for part in colour)
                name = f"{variable.replace('_', ' ')} {block}"
                yield values, {"color": colour, "label": name, "zorder": 2.0 if front else 1.9, "linestyle": dashes}
