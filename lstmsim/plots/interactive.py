"""A trace to zoom into: the signals of one sequence on one axis of time, with their values under the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from lstmsim.plots.sequence import by_unit, one_sequence
from lstmsim.plots.styles import PALETTE, Array, Look

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PANELS = {  # title of a panel: its variables, in the order in which they stand
    "input": ("input",),
    "cell state": ("cell_state",),
    "gates": ("input_gate", "output_gate", "forget_gate"),
    "hidden": ("hidden",),
    "output": ("output", "target"),
    "error": ("output_error", "state_error"),
}
_DASHES = {"output_gate": "dot", "forget_gate": "dash", "target": "dot", "state_error": "dash"}
MOST = 12  # lines of one variable


def interactive(trace: xr.Dataset) -> Figure:
    """Draw one sequence as a page that can be zoomed, with the values of all signals at the step under the pointer.

    Parameters
    ----------
    trace : xarray.Dataset
        One sequence, of a learner of any kind: of the variables input, cell_state, the gates, hidden, output, target and
        errors those that it has. Of a variable with more than 12 units, such as one-hot inputs, the 12 that move most.

    Returns
    -------
    plotly.graph_objects.Figure
        ``figure.show()`` in a notebook, ``figure.write_html(path)`` for a page of its own.

    Raises
    ------
    ImportError
        Without plotly (extra `interactive`).
    ValueError
        If `trace` has none of the variables, or holds several sequences or trials.
    """
    try:
        from plotly.graph_objects import Scatter
        from plotly.subplots import make_subplots
    except ImportError:
        raise ImportError("plots.interactive needs plotly: pip install 'lstmsim[interactive]'") from None
    wanted = [name for names in _PANELS.values() for name in names]
    trace, steps = one_sequence(trace, any_of=wanted)
    panels = {title: [name for name in names if name in trace] for title, names in _PANELS.items()}
    panels = {title: names for title, names in panels.items() if names}
    figure = make_subplots(rows=len(panels), shared_xaxes=True, vertical_spacing=0.03)
    for row, (title, names) in enumerate(panels.items(), start=1):
        for name in names:
            for n, (label, values) in enumerate(_lines(name, by_unit(trace, name).values)):
                sparse = name == "target" or np.isnan(values).any()
                looks: Look = {
                    "color": PALETTE[n % len(PALETTE)],
                    "dash": _DASHES.get(name, "solid"),
                    "width": 1.5,
                }
                mode = "markers" if sparse else "lines"
                line = Scatter(x=steps, y=values, name=label, mode=mode, line=looks, marker={"color": looks["color"]})
                figure.add_trace(line, row=row, col=1)
        figure.update_yaxes(title_text=title, row=row, col=1)
    figure.update_xaxes(title_text="time (steps)", row=len(panels), col=1)
    figure.update_layout(
        height=170 * len(panels) + 80, hovermode="x unified", hoversubplots="axis", template="plotly_white",
        margin={"l": 60, "r": 20, "t": 30, "b": 40},
    )  # fmt: skip
    return figure


def _lines(name: str, values: Array) -> list[tuple[str, Array]]:
    """Name and values of the lines of one variable (step, unit): all of them, or those that move most, by unit."""
    real = np.where(np.isfinite(values), values, np.nan)  # a trial may have diverged
    moves = np.fmax.reduce(real, axis=0) - np.fmin.reduce(real, axis=0)
    which = sorted(np.argsort(-moves, kind="stable")[:MOST])
    return [(f"{name} {n}" if values.shape[1] > 1 else name, values[:, n]) for n in which]
