"""The one style of all pictures, and what they share: labels, legends, checks."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.rcsetup import cycler
from numpy.typing import NDArray

Array = NDArray[np.float64]
Look = dict[str, Any]  # arguments of matplotlib, by name
Dash = str | tuple[int, tuple[float, ...]]
Colour = tuple[float, ...]

# Okabe and Ito's colours, told apart with every common colour vision; their yellow is too pale for lines on white.
# In this order the first four, blue, orange, black and green, differ in lightness too, for print in black and white.
PALETTE = ("#0072B2", "#E69F00", "#000000", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
BESIDE = PALETTE[5]  # a second kind of thing beside blue, dark enough for text, with dashes or a mark of its own
DASHES: tuple[Dash, ...] = ("-", (0, (3.5, 1.2)), (0, (1.0, 1.0)), (0, (5, 1.2, 1, 1.2)))
PALE = 0.7  # share of the colour left in an output gate's line
MARKERS = "os^D"
MAX_LEGEND = 12
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "figure.figsize": (7.2, 3.4),
    "font.size": 10,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.columnspacing": 1.4,
    "legend.title_fontsize": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}
_style_lock = threading.RLock()


@contextmanager
def style() -> Iterator[None]:
    """Apply the style of this module to the figures and axes made inside the ``with`` block.

    An Axes made outside keeps its own frame, grid and fonts when a function of this module draws into it. One thread
    at a time is inside; threads that also write pictures should do so inside, since matplotlib itself has no locks.
    """
    # rcParams belong to the process: two threads that save and restore them in turn would leave the style behind.
    with _style_lock:
        with matplotlib.rc_context(STYLE):
            yield
            interactive = matplotlib.is_interactive()
        # pyplot, loaded in the block for the first time, may have switched to a notebook's display; leave that on.
        matplotlib.interactive(interactive)


def axes_or_new(ax: Axes | None) -> Axes:
    """Return the Axes given, or one in a new figure."""
    if ax is not None:
        return ax
    # pyplot keeps global state and may start a window system, so it is loaded for a new figure only.
    from matplotlib import pyplot

    return pyplot.subplots()[1]


def listing(names: Iterable[Hashable]) -> str:
    """Join names for a message."""
    return ", ".join(map(str, names)) or "none"


def need(argument: str, data: xr.Dataset | xr.DataTree, *names: str, any_of: Iterable[str] = ()) -> xr.Dataset:
    """Return what the argument so called holds, a dataset or a node of a tree.

    Raises
    ------
    ValueError
        If it is neither, or lacks one of the variables `names`, or all of `any_of`.
    """
    dataset = data.to_dataset() if isinstance(data, xr.DataTree) else data
    if not isinstance(dataset, xr.Dataset):
        raise ValueError(f"{argument} is a {type(data).__name__}; allowed: an xarray.Dataset")
    missing = [name for name in names if name not in dataset]
    if missing:
        raise ValueError(f"{argument} must hold {listing(missing)}; it has {listing(dataset.variables)}")
    if any_of and not set(any_of) & set(dataset.variables):
        raise ValueError(f"{argument} must hold one of {listing(any_of)}; it has {listing(dataset.variables)}")
    for name in [*names, *any_of]:
        if name in dataset and dataset[name].dtype.kind not in "fiub":
            raise ValueError(f"{name} of {argument} holds values of the type {dataset[name].dtype}; allowed: numbers")
    return dataset


def axis_label(array: xr.DataArray, name: str, unit: str = "") -> str:
    """Axis label: a name short enough for an axis, which long_name need not be, and the unit unless it is 1."""
    given = str(array.attrs.get("units", "1"))
    unit = given if given != "1" else unit
    return f"{name} ({unit})" if unit and unit not in name else name


def fade(lines: int) -> float:
    """Opacity of each of several lines of one colour."""
    return 1.0 if lines == 1 else max(0.15, min(0.8, 4.0 / lines))


def legend_above(ax: Axes, *, most: int = MAX_LEGEND, size: float = 9.0) -> Axes:
    """Put the legend above the picture, where it hides nothing, in as many columns as there is room for.

    More than `most` entries would hide the picture; colour and dashes then show blocks and places only.
    """
    handles, labels = ax.get_legend_handles_labels()
    if 0 < len(labels) <= most:
        letters = (_width(ax) - 0.8) * 135 / size  # about, in the fonts that matplotlib brings
        columns = max(1, min(len(labels), int(letters // (max(map(len, labels)) + 5))))
        columns = -(-len(labels) // -(-len(labels) // columns))  # rows of about one length
        where: Look = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderpad": 0.0}
        ax.legend(handles, labels, ncols=columns, fontsize=size, handlelength=1.8, **where)
    return ax


def _width(ax: Axes) -> float:
    """Width of the axes in inches, about: constrained layout gives each its share of the figure when it is drawn."""
    figure, spec = ax.figure, ax.get_subplotspec()
    share = ax.get_position().width
    if spec is not None:
        grid = spec.get_gridspec()
        ratios = np.asarray(grid.get_width_ratios(), dtype=np.float64)
        share = ratios[spec.colspan.start : spec.colspan.stop].sum() / ratios.sum()
    return float(figure.bbox.width / figure.dpi * share)
