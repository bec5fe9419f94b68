"""Pictures of error flow over the lag, of credit by lag, and of weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from lstmsim.plots.sequence import cell_looks
from lstmsim.plots.styles import DASHES, PALETTE, Array, axes_or_new, axis_label, fade, legend_above, listing, style

_SIGNED = 600  # weights whose minus signs can still be told apart


@style()
def credit_map(credit: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Map how much an error's step reaches back: mean |contribution| per group of weights and lag, in colour.

    Parameters
    ----------
    credit : xarray.Dataset
        Contributions to the weight changes by lag; variables named as the groups of `LSTM.weights`, dimensions
        (step, lag, unit, source) with any unit dimension. All dimensions but `lag` are averaged.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        Lag in steps on the x axis, one row per group; hatched where every contribution is zero; the colour bar spans at
        most eight decades.

    Raises
    ------
    ValueError
        If `credit` has no variable with the dimension `lag`, or no contribution other than zero.
    """
    # Not data_vars: read from a file, a variable named as one of its dimensions is a coordinate to xarray.
    groups = [str(name) for name, variable in credit.variables.items() if name != "lag" and "lag" in variable.dims]
    if not groups:
        raise ValueError(f"credit must have variables with the dimension 'lag', got {listing(credit.variables)}")
    filled = [credit[name] if credit[name].size else credit[name].sum() * np.nan for name in groups]  # no step is selected
    means = [abs(group).mean([d for d in group.dims if d != "lag"]).values for group in filled]
    table = np.ma.masked_invalid(np.ma.masked_less_equal(np.array(means), 0.0))
    if table.count() == 0:
        raise ValueError("credit must hold a contribution other than zero, got none")
    high = float(table.max())
    low = max(float(table.min()), 1e-8 * high)
    ax = axes_or_new(ax)
    ax.set_facecolor("0.88")
    ax.patch.set(hatch="//", edgecolor="0.7", linewidth=0.0)  # in black and white the largest is as light
    ax.grid(False)
    mesh = ax.pcolormesh(
        _edges(credit["lag"].values),
        np.arange(len(groups) + 1) - 0.5,
        table,
        norm=LogNorm(low if low < high else 0.1 * high, high),
        cmap="viridis",
    )
    ax.set_yticks(range(len(groups)), [name.replace("_", " ") for name in groups])
    ax.invert_yaxis()
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    ax.set_xlabel(axis_label(credit["lag"], "lag", unit="steps"))
    ax.set_ylabel("weights into")
    ax.figure.colorbar(mesh, ax=ax, label="mean |contribution|", pad=0.02)
    return ax


@style()
def backflow(lstm: xr.DataArray, rnn: xr.DataArray | None = None, ax: Axes | None = None) -> Axes:
    """Draw |ds(t)/ds(t-q)| over the lag q: constant inside a cell (35), shrinking in an ordinary net (1).

    Parameters
    ----------
    lstm : xarray.DataArray
        Derivatives with dimensions (lag, cell, cell_from).
    rnn : xarray.DataArray, optional
        The same for an ordinary recurrent net, dimension (lag).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        One line per cell's own derivative, thin grey lines between cells where not zero throughout, the ordinary net
        in black. The logarithmic y axis shows nothing below 1e-20.

    Raises
    ------
    ValueError
        If the dimensions are not as above.
    """
    _need_dims("lstm", lstm, "lag", "cell", "cell_from")
    if rnn is not None:
        _need_dims("rnn", rnn, "lag")
    ax = axes_or_new(ax)
    size = _positive(lstm.transpose("lag", "cell", "cell_from"))
    lags, grid = size["lag"].values, size.values
    looks = cell_looks(size)
    for unit, (colour, dash, name) in enumerate(looks):
        # Equal constants lie on top of each other: widths that shrink keep every cell visible.
        width = 1.2 + 3.6 * (1.0 - (unit + 1) / len(looks))
        ax.plot(lags, grid[:, unit, unit], color=colour, linestyle=dash, linewidth=width, label=name)
    between = grid[:, ~np.eye(grid.shape[1], grid.shape[2], dtype=bool)]
    between = between[:, np.isfinite(between).any(axis=0)]
    for column in range(between.shape[1]):
        label = "between cells" if column == 0 else "_between cells"
        ax.plot(lags, between[:, column], color="0.65", linewidth=0.7, zorder=1.9, label=label)
    drawn = [grid]
    if rnn is not None:
        drawn.append(_positive(rnn).values)
        ax.plot(rnn["lag"].values, drawn[-1], color="black", label="ordinary recurrent net")
    return _finish_lags(ax, lstm, drawn, r"$|\partial s(t)\,/\,\partial s(t-q)|$")


@style()
def scaling(measured: xr.DataArray, bound: xr.DataArray, ax: Axes | None = None) -> Axes:
    """Draw measured factors by which an error shrinks over the lag against the paper's bound, (1) and (2).

    Parameters
    ----------
    measured : xarray.DataArray
        Scaling factors, dimension `lag` and any others; the magnitudes are drawn.
    bound : xarray.DataArray
        The upper bound, dimension (lag).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        One line per entry of the other dimensions, the bound black and dashed; logarithmic y axis down to 1e-20.

    Raises
    ------
    ValueError
        If the dimensions are not as above.
    """
    if "lag" not in measured.dims:
        raise ValueError(f"measured must have the dimension 'lag', got {measured.dims}")
    _need_dims("bound", bound, "lag")
    ax = axes_or_new(ax)
    sizes = _positive(measured).transpose("lag", ...).values.reshape(measured.sizes["lag"], -1)
    for column in range(sizes.shape[1]):
        label = "measured" if column == 0 else "_measured"
        ax.plot(measured["lag"].values, sizes[:, column], color=PALETTE[0], alpha=fade(sizes.shape[1]), label=label)
    ax.plot(bound["lag"].values, bound.values, color="black", linestyle=DASHES[1], label="upper bound")
    return _finish_lags(ax, measured, [sizes, bound.values], "|error-flow factor|")


@style()
def weights(weights: xr.DataArray, ax: Axes | None = None) -> Axes:
    """Draw weights as a heat map, blue negative and red positive, with a minus where there is room.

    Parameters
    ----------
    weights : xarray.DataArray
        Dimensions (unit, source), or (snapshot, unit, source) for one row per weight over the snapshots; any names
        for the last two. Coordinates label the rows and columns.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        With a colour bar, symmetric about zero.

    Raises
    ------
    ValueError
        If the dimensions are not as above.
    """
    over_time = weights.ndim == 3 and weights.dims[0] == "snapshot"
    if weights.ndim != 2 and not over_time:
        allowed = "(unit, source) or (snapshot, unit, source)"
        raise ValueError(f"weights must have the dimensions {allowed}, got {weights.dims}")
    unit, source = map(str, weights.dims[-2:])
    units, sources = _names(weights[unit], unit), _names(weights[source], source)
    if over_time:
        table = weights.values.reshape(weights.shape[0], -1).T
        rows = [f"{u} \N{LEFTWARDS ARROW} {s}" for u in units for s in sources]
        columns = _names(weights["snapshot"], "")
    else:
        table, rows, columns = weights.values, units, sources
    ax = axes_or_new(ax)
    ax.grid(False)
    limit = float(np.nanmax(np.abs(table), initial=0.0)) or 1.0
    mesh = ax.pcolormesh(table, cmap="RdBu_r", vmin=-limit, vmax=limit)
    if table.size <= _SIGNED:
        for strong in (False, True):  # red and blue are the same grey
            at = np.nonzero((table < -0.05 * limit) & ((table < -0.6 * limit) == strong))
            ax.plot(at[1] + 0.5, at[0] + 0.5, "_", color="white" if strong else "0.1", markersize=5)
    ax.invert_yaxis()
    for axis, names, most in ((ax.xaxis, columns, 24), (ax.yaxis, rows, 32)):
        every = -(-len(names) // most)
        axis.set_ticks(np.arange(0, len(names), every) + 0.5, names[::every])
    ax.tick_params(length=0)
    ax.tick_params(axis="x", rotation=0 if over_time else 60)
    ax.set_xlabel("snapshot" if over_time else "source")
    ax.set_ylabel("weight" if over_time else "unit")
    ax.figure.colorbar(mesh, ax=ax, label=axis_label(weights, "weight"), pad=0.02)
    return ax


def _need_dims(argument: str, array: xr.DataArray, *dims: str) -> None:
    if set(array.dims) != set(dims):
        raise ValueError(f"{argument} must have the dimensions ({', '.join(dims)}), got {array.dims}")


def _names(coordinate: xr.DataArray, prefix: str) -> list[str]:
    return [str(v) if isinstance(v, str) else f"{prefix} {v}".strip() for v in coordinate.values.tolist()]


def _positive(array: xr.DataArray) -> xr.DataArray:
    """Magnitudes, NaN for zeros, which have no place on a logarithmic axis."""
    size = abs(array)
    return size.where(size > 0.0)


def _finish_lags(ax: Axes, array: xr.DataArray, drawn: Sequence[Array], label: str) -> Axes:
    ax.set_yscale("log")
    values = np.concatenate([np.ravel(d) for d in drawn])
    values = values[np.isfinite(values) & (values > 0)]
    if values.size:
        # One decade of room above, and no view of what rounding alone could leave.
        ax.set_ylim(max(values.min() / 3, 1e-20), values.max() * 10)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    ax.set_xlabel(axis_label(array["lag"], "lag q", unit="steps"))
    ax.set_ylabel(label)
    return legend_above(ax)


def _edges(centres: Array) -> Array:
    """Borders of the columns around rising centres."""
    if centres.size == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[1.5 * centres[0] - 0.5 * centres[1]], middle, [1.5 * centres[-1] - 0.5 * centres[-2]]])
