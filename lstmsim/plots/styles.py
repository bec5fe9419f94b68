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
Colour = tuple[float, ...]

# Okabe and Ito's colours, told apart with every common colour vision; their yellow is too pale for lines on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (3.5, 1.2)), (0, (1.0, 1.0)), (0, (5, 1.2, 1, 1.2)))
PALE = 0.5  # share of the colour left in an output gate's line
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


def need(argument: str, dataset: xr.Dataset, *names: str) -> None:
    """Check that a dataset, the argument so called, holds the variables `names`."""
    missing = [name for name in names if name not in dataset]
    if missing:
        raise ValueError(f"{argument} must hold {listing(missing)}; it has {listing(dataset.variables)}")


def axis_label(array: xr.DataArray, name: str, unit: str = "") -> str:
    """Axis label: a name short enough for an axis, which long_name need not be, and the unit unless it is 1."""
    given = str(array.attrs.get("units", "1"))
    unit = given if given != "1" else unit
    return f"{name} ({unit})" if unit and unit not in name else name


def fade(lines: int) -> float:
    """Opacity of each of several lines of one colour."""
    return 1.0 if lines == 1 else max(0.15, min(0.8, 4.0 / lines))


def legend_above(ax: Axes) -> Axes:
    """Put the legend above the picture, where it hides nothing."""
    count = len(ax.get_legend_handles_labels()[1])
    # More entries than this hide the picture; colour and dashes then show blocks and places only.
    if 0 < count <= MAX_LEGEND:
        columns = count if count <= 4 else -(-count // 2)
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, borderpad=0.0, handlelength=1.8)
    return ax
