"""A run on one sheet."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from lstmsim.plots.learning import learning_curve
from lstmsim.plots.styles import style
from lstmsim.plots.traces import cell_states, gates


@style()
def overview(
    test_trace: xr.Dataset,
    progress: xr.Dataset,
    title: str | None = None,
    paper: float | None = None,
    ended: float | None = None,
    test: tuple[float, float] | None = None,
) -> Figure:
    """Draw a run on one sheet: cell states and gates in a test sequence, and the learning curve.

    Parameters
    ----------
    test_trace : xarray.Dataset
        One test sequence, as for `cell_states` and `gates`.
    progress : xarray.Dataset
        As for `learning_curve`.
    title : str, optional
        Heading of the sheet.
    paper : float, optional
        The paper's mean number of sequences.
    ended : float, optional
        Sequences after which the trial ended.
    test : tuple of float, optional
        Mean absolute error and fraction correct of the final test.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; write it with ``figure.savefig(path)``.

    Raises
    ------
    ValueError
        As the functions named above.
    """
    figure = Figure(figsize=(11.0, 5.0), dpi=150)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.55, 1.0), height_ratios=(1.25, 1.0))
    above = figure.add_subplot(grid[0, 0])
    below = figure.add_subplot(grid[1, 0], sharex=above)
    cell_states(test_trace, ax=above)
    gates(test_trace, ax=below)
    above.set_xlabel("")
    above.tick_params(labelbottom=False)
    right = learning_curve(progress, ax=figure.add_subplot(grid[:, 1]), paper=paper, ended=ended, test=test)
    figure.align_ylabels([above, below])
    for ax, heading in ((above, _outcome(test_trace)), (right, "Training")):
        legend = ax.get_legend() or ax.legend([], [], loc="lower left", bbox_to_anchor=(0.0, 1.0), borderpad=0.0)
        legend.set_title(heading)
        legend.set_alignment("left")
    if title is not None:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def _outcome(trace: xr.Dataset) -> str:
    """Heading of a test sequence, with its last target and the output where there is one output."""
    if "target" in trace and "output" in trace and trace["target"].size == trace.sizes["step"]:
        target, output = np.ravel(trace["target"]), np.ravel(trace["output"])
        last = np.flatnonzero(np.isfinite(target))[-1:]
        if last.size:
            return f"Test sequence: target {target[last[0]]:.3f}, output {output[last[0]]:.3f}"
    return "Test sequence"
