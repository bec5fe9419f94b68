"""Pictures of scans: fraction solved and sequences needed over one key or two, with 95 % intervals."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from lstmsim.checks import check
from lstmsim.plots.learning import plain_log
from lstmsim.plots.styles import MARKERS, PALETTE, Array, Look, axes_or_new, legend_above, listing, need, style
from lstmsim.trace.scan import STOPPED
from lstmsim.trace.summary import NOT_RUN, wilson

Value = Literal["success", "sequences"]
_DRAWS = 1000  # of the bootstrap
_SMALL = 8.0  # size of the letters in a cell


class Cell(NamedTuple):
    """One point: trials run and solved, whether it was given up, a figure and its 95 % interval; NaN where there is none."""

    trials: int
    solved: int
    stopped: bool
    value: float
    low: float
    high: float


def cell(status: Array, sequences: Array, value: Value) -> Cell:
    """Return what the trials of one point amount to.

    Parameters
    ----------
    status, sequences : ndarray
        Status and `sequences_to_success` of the trials. Those that were not run do not count, those that were stopped are
        not solved.
    value : {"success", "sequences"}
        The fraction solved with Wilson's interval, or the median of the solved ones' sequences with the interval of the
        bootstrap (percentiles of 1,000 resamples, always the same draws); of a single trial there is none.
    """
    ran = status != NOT_RUN
    needed, stopped = sequences[ran & np.isfinite(sequences)], bool((status == STOPPED).any())
    n, solved = int(ran.sum()), int(needed.size)
    figures = (np.nan, np.nan, np.nan)
    if value == "success" and n:
        figures = (solved / n, *wilson(solved, n))
    elif value == "sequences" and solved:
        figures = (float(np.median(needed)), np.nan, np.nan)
        if solved > 1:
            draws = np.random.default_rng(0).integers(0, solved, (_DRAWS, solved))
            figures = (figures[0], *np.percentile(np.median(needed[draws], axis=1), (2.5, 97.5)))
    return Cell(n, solved, stopped, *map(float, figures))


@style()
def phase_diagram(
    scan: xr.Dataset, x: str, y: str, axes: tuple[Axes, Axes] | None = None, milestone: str = "success"
) -> tuple[Axes, Axes]:
    """Draw the fraction of trials solved, and the median sequences they needed, over two keys of a scan.

    Parameters
    ----------
    scan : xarray.Dataset
        As `lstmsim.scan` returns it, over `x`, `y` and `trial`; of other keys one value must have been selected.
    x, y : str
        The keys along the axes.
    axes : tuple of two matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    milestone : str
        What counts as solved: "success", which is the whole stopping rule, or another milestone, such as "correct_95".

    Returns
    -------
    tuple of matplotlib.axes.Axes
        In each cell stands the figure, below it the 95 % interval (Wilson's; of the bootstrap for medians); nothing where no
        trial was solved. A star marks points that were given up early.

    Raises
    ------
    ValueError
        If the scan has no such keys, or others too.
    """
    scan = _scan(scan, milestone, x, y)
    columns, rows = _sorted(scan, x), _sorted(scan, y)
    if axes is None:
        from matplotlib import pyplot

        size = max(3.4, 0.9 * len(columns) + 1.6), max(2.8, 0.5 * len(rows) + 1.4)
        _, (left, right) = pyplot.subplots(1, 2, figsize=(2 * size[0], size[1]), sharey=True)
        axes = left, right
    both: tuple[Value, Value] = "success", "sequences"
    for ax, value in zip(axes, both, strict=True):
        cells = [[_cell(scan.isel({x: i, y: j}), value) for i in columns] for j in rows]
        values = np.array([[one.value for one in row] for row in cells])
        look: Look = {"vmin": 0.0, "vmax": 1.0, "cmap": "Blues"}
        if value == "sequences":
            look = {"norm": "log", "cmap": "Oranges"} if np.isfinite(values).any() else {"cmap": "Oranges"}
        image = ax.imshow(np.ma.masked_invalid(values), origin="lower", aspect="auto", **look)
        for (j, i), number in np.ndenumerate(values):
            strong = np.isfinite(number) and float(np.ma.filled(image.norm(number), 0.0)) > 0.6
            ax.text(
                i, j, _text(cells[j][i], value), ha="center", va="center", fontsize=_SMALL, color="w" if strong else "0.1"
            )
        ax.grid(False)
        ax.set_xticks(range(len(columns)), [_label(scan[x].values[i]) for i in columns])
        ax.set_yticks(range(len(rows)), [_label(scan[y].values[j]) for j in rows])
        ax.set(xlabel=x, ylabel=y if ax is axes[0] else "", title=_label_of(value, milestone))
    return axes


@style()
def scan_curve(
    scan: xr.Dataset,
    x: str,
    lines: str | None = None,
    value: Value = "success",
    ax: Axes | None = None,
    milestone: str = "success",
) -> Axes:
    """Draw the fraction of trials solved, or the median sequences they needed, over one key of a scan.

    Parameters
    ----------
    scan : xarray.Dataset
        As `lstmsim.scan` returns it, over `x`, `lines` and `trial`; of other keys one value must have been selected.
    x : str
        The key along the axis; logarithmic where its numbers span a factor of ten and are above 0.
    lines : str, optional
        A key with a line for each of its values.
    value : {"success", "sequences"}
        What to draw.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    milestone : str
        What counts as solved: "success", which is the whole stopping rule, or another milestone, such as "correct_95".

    Returns
    -------
    matplotlib.axes.Axes
        Lines with the 95 % interval as a band: Wilson's, or the bootstrap's for medians.

    Raises
    ------
    ValueError
        If the scan has no such keys, or others too, or for another value.
    """
    value = check("value", value, Value)
    scan = _scan(scan, milestone, x, *([] if lines is None else [lines]))
    ax, order = axes_or_new(ax), _sorted(scan, x)
    numbers = scan[x].dtype.kind in "fiu"
    places = scan[x].values[order].astype(float) if numbers else np.arange(len(order), dtype=float)
    for n, k in enumerate([None] if lines is None else _sorted(scan, lines)):
        part = scan if k is None else scan.isel({lines: k})
        cells = [_cell(part.isel({x: i}), value) for i in order]
        colour, label = PALETTE[n % len(PALETTE)], None if k is None else f"{lines} {_label(scan[lines].values[k])}"
        values, low, high = (np.array([getattr(one, name) for one in cells]) for name in ("value", "low", "high"))
        ax.plot(places, values, MARKERS[n % len(MARKERS)] + "-", color=colour, markersize=4, label=label)
        ax.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
    if not numbers:
        ax.set_xticks(places, [_label(scan[x].values[i]) for i in order])
    elif places.min() > 0 and places.max() >= 10 * places.min():
        ax.set_xscale("log")
        plain_log(ax.xaxis)
    if value == "success":
        ax.set_ylim(-0.03, 1.03)
    elif any(np.isfinite(line.get_ydata()).any() for line in ax.lines):
        ax.set_yscale("log")
        plain_log(ax.yaxis)
    ax.set(xlabel=x, ylabel=_label_of(value, milestone))
    return legend_above(ax)


def _label_of(value: Value, milestone: str) -> str:
    if value == "success":
        return "fraction of trials solved" if milestone == "success" else f"fraction that reached {milestone}"
    return f"median sequences {'until solved' if milestone == 'success' else f'to {milestone}'}"


def _scan(scan: xr.Dataset, milestone: str, *keys: str) -> xr.Dataset:
    """Return the status and the milestone of a scan over these keys and `trial` alone.

    Raises
    ------
    ValueError
        If it is not.
    """
    reached = f"sequences_to_{milestone}"
    found = need("scan", scan, reached)
    dims = set(found[reached].dims) - {"trial"}
    if "status" not in found or not set(keys) <= dims or len(set(keys)) != len(keys):
        raise ValueError(f"scan must be over {listing(keys)} and trial; it is over {listing(sorted(map(str, dims)))}")
    if more := sorted(map(str, dims - set(keys))):
        raise ValueError(f"scan is over {listing(more)} too; allowed: one value of each, as by scan.sel({more[0]}=...)")
    return found[["status"]].assign(reached=found[reached]).transpose(*keys, "trial")


def _sorted(scan: xr.Dataset, key: str) -> list[int]:
    """Places of a key's values: numbers in their order, texts as they stand."""
    values = scan[key].values
    return np.argsort(values, kind="stable").tolist() if values.dtype.kind in "fiu" else list(range(len(values)))


def _cell(point: xr.Dataset, value: Value) -> Cell:
    return cell(point["status"].values.astype(str), point["reached"].values, value)


def _label(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else f"{value}"


def _text(one: Cell, value: Value) -> str:
    """A figure and its interval on two lines."""
    if not one.trials or np.isnan(one.value):
        return "*" if one.stopped else ""
    if value == "success":
        return f"{one.solved}/{one.trials}{'*' * one.stopped}\n{one.low:.2f}\N{EN DASH}{one.high:.2f}"
    between = "" if np.isnan(one.low) else f"\n{_short(one.low)}\N{EN DASH}{_short(one.high)}"
    return f"{_short(one.value)}{'*' * one.stopped}{between}"


def _short(number: float) -> str:
    return f"{number:.0f}" if number < 1000 else f"{number / 1000:.3g}k" if number < 1e6 else f"{number / 1e6:.3g}M"
