"""Picture of the entries of an influence matrix that a learning rule keeps."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from lstmsim.plots.styles import PALETTE, axes_or_new, listing, style


@style()
def kept_entries(kept: xr.DataArray, ax: Axes | None = None) -> Axes:
    """Draw which entries of the influence da_k/dw_ij a rule keeps: blue; as products of smaller factors: orange.

    Parameters
    ----------
    kept : xarray.DataArray
        As `errorflow.kept_entries` gives it, dimensions (unit, weight_unit): 0, 1 or 2.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        One square per pair of units: the column is the unit a weight leads to, the row the unit whose activation it moves.

    Raises
    ------
    ValueError
        If the dimensions are not as above.
    """
    if set(kept.dims) != {"unit", "weight_unit"}:
        raise ValueError(f"kept must have the dimensions 'unit' and 'weight_unit', got {listing(kept.dims)}")
    ax = axes_or_new(ax)
    values = kept.transpose("unit", "weight_unit").values
    colours = ListedColormap(["0.94", PALETTE[0], PALETTE[1]])
    ax.pcolormesh(values, cmap=colours, vmin=0, vmax=2, edgecolors="white", linewidth=1.0 if len(values) <= 64 else 0.0)
    ax.set_aspect("equal")
    ax.invert_yaxis()
    ax.grid(False)
    ax.set_xlabel("weights into unit $i$")
    ax.set_ylabel("activation of unit $k$")
    ax.set_title(str(kept.attrs.get("long_name", "")).removeprefix("entries that ").removesuffix(" keeps"))
    return ax
