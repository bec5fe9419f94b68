"""Pictures of a report: drawn with `lstmsim.plots`, embedded as PNG."""

from __future__ import annotations

import base64
import importlib.util
import io
import struct
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from lstmsim import plots
from lstmsim.campaign.trials import trial_path
from lstmsim.learners.base import learner
from lstmsim.plots.styles import BESIDE, PALETTE, legend_above
from lstmsim.report.results import RowResult
from lstmsim.report.tables import Comparison
from lstmsim.tasks.distractors import Distractors
from lstmsim.trace.schema import PROGRESS
from lstmsim.trace.store import library, whole_or_absent

_WINDOWS = 400  # points of a learning curve, about
_WIDTH = 5.2  # inches: the letters stay legible at the width of a phone
_HEIGHT = 4.0  # of the pictures of a row, one of which has two parts
_DPI = 170
_NAME = 28  # letters of a line of a row's name in the overview


@dataclass(frozen=True)
class Picture:
    """A picture and its words.

    Attributes
    ----------
    content : bytes
        The picture as PNG.
    width, height : int
        Size in pixels.
    alt : str
        What is to be seen, for those who do not see it.
    caption : str
        What stands below it.
    """

    content: bytes
    width: int
    height: int
    alt: str
    caption: str

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.content).decode("ascii")


@plots.style()
def row_pictures(out: Path, result: RowResult) -> list[Picture]:
    """Learning curves, success curve, and cell states and gates of a test sequence; fewer where the data lack."""
    found = [_learning(out, result), _success(result), _trace(out, result)] if result.n else []
    return [picture for picture in found if picture is not None]


@plots.style()
def overview_picture(results: Sequence[RowResult]) -> Picture | None:
    """Sequences until solved for every row, with the paper's mean beside; None for fewer than two rows with trials."""
    shown = [result for result in results if result.n]
    if len(shown) < 2 or not any(result.n_solved or result.request.row.published.sequences for result in shown):
        return None
    names = [textwrap.fill(_label(result), _NAME, break_on_hyphens=False) for result in shown]
    heights = np.array([max(0.27, 0.21 + 0.14 * name.count("\n")) for name in names])  # inches
    places, height = np.cumsum(heights) - heights / 2, float(heights.sum())
    figure, ax = _figure(1.3 + height)
    for y, result in zip(places, shown, strict=True):
        reached, paper = result.reached(), result.request.row.published.sequences
        ax.plot(result.counts(), [y] * reached.n, "o", color=PALETTE[0], alpha=0.35, markersize=4, markeredgewidth=0)
        if reached.mean is not None:
            ax.plot(reached.mean, y, "|", color=PALETTE[0], markersize=13, markeredgewidth=2.4)
        if paper is not None:
            ax.plot(paper, y, "D", color=BESIDE, markersize=5, markerfacecolor="none", markeredgewidth=1.4)
        count = f"{result.n_solved}/{result.n}"
        ax.text(1.01, y, count, transform=ax.get_yaxis_transform(), va="center", fontsize=8)
    ax.text(1.01, -0.1, "solved", transform=ax.get_yaxis_transform(), va="center", fontsize=8)
    ax.plot([], [], "o", color=PALETTE[0], alpha=0.5, markersize=4, label="trial solved")
    ax.plot([], [], "|", color=PALETTE[0], markersize=11, markeredgewidth=2.4, label="mean of solved")
    ax.plot([], [], "D", color=BESIDE, markerfacecolor="none", markersize=5, label="paper's mean")
    ax.set(xscale="log", xlabel="training sequences until solved", ylim=(height + 0.05, -0.05))
    ax.set_yticks(places, names, fontsize=8 if heights.max() > heights.min() else None)
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,), numticks=5) if high > 200 * low else LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderpad=0.0, handletextpad=0.3, fontsize=8)
    parts = [f"{result.label}: {_words(result)}" for result in shown]
    return picture_of(
        figure,
        "Training sequences until solved by row. " + "; ".join(parts) + ".",
        "Training sequences until solved: single trials, their mean, and the mean the paper gives.",
    )


@plots.style()
def scaling_picture(results: Sequence[RowResult]) -> Picture | None:
    """Sequences against the lag, and at the longest lag against the number of symbols: Table 3. None without rows."""
    rows = [r for r in results if r.n and isinstance(r.request.config.task, Distractors)]
    longest = max((_task(r, "q") for r in rows), default=0)
    panels = [
        ("q", "minimal time lag q = number of symbols p", [r for r in rows if _task(r, "q") == _task(r, "p")]),
        ("p", f"number of symbols p, at the lag q = {longest:,}", [r for r in rows if _task(r, "q") == longest]),
    ]
    panels = [panel for panel in panels if len({_task(r, panel[0]) for r in panel[2]}) > 1]
    if not panels:
        return None
    figure = Figure(figsize=(_WIDTH, 2.9 * len(panels)), dpi=_DPI)
    for place, (key, label, group) in enumerate(panels, start=1):
        ax = figure.add_subplot(len(panels), 1, place)
        _scaling_panel(ax, key, group)
        ax.set_xlabel(label)
    parts = [f"{result.label}: {_words(result)}" for result in rows]
    return picture_of(
        figure,
        "Training sequences against the minimal time lag, logarithmic axes. " + "; ".join(parts) + ".",
        "Sequences needed against the minimal time lag (Table 3). Pale dots are trials; crosses are the means until 95 % of "
        "the latest sequences were correct.",
    )


def _scaling_panel(ax: Axes, key: str, group: list[RowResult]) -> None:
    group = sorted(group, key=lambda r: _task(r, key))
    trials = np.full((len(group), max(r.n for r in group)), np.nan)
    for place, result in enumerate(group):
        trials[place, : result.n_solved] = result.counts()
    x = [_task(r, key) for r in group]
    paper = [(_task(r, key), r.request.row.published.sequences) for r in group if r.request.row.published.sequences]
    paper = list(dict.fromkeys(paper))
    plots.lag_scaling(x, trials, [p[0] for p in paper], [p[1] for p in paper], ax=ax)
    early = [(_task(r, key), r.reached("correct_95").mean) for r in group]
    known = [(at, mean) for at, mean in early if mean is not None]
    ax.plot(*zip(*known, strict=True) if known else ([], []), "x", color=PALETTE[3], label="95 % correct")
    _legend(ax)


def _task(result: RowResult, key: str) -> int:
    return int(getattr(result.request.config.task, key))


@plots.style()
def comparison_picture(comparison: Comparison) -> Picture | None:
    """Success curves of all methods of one of the paper's tables on one axis; None without two of them."""
    results = {_label(result): result for result in comparison.results}
    if len(results) < 2:
        return None
    figure, ax = _figure(3.0 + 0.2 * len(results))
    methods = {label: learner(result.request.config.learner).label for label, result in results.items()}
    plots.success_curves({label: result.trials for label, result in results.items()}, methods, ax=ax)
    _legend(ax)
    parts = [f"{result.label} {result.n_solved} of {result.n} trials" for result in results.values()]
    return picture_of(
        figure,
        f"Fraction of trials solved against sequences, {comparison.table.heading}: " + ", ".join(parts) + ".",
        "Fraction of trials solved against the sequences needed, all methods; one colour per method, crosses where trials "
        "gave up.",
    )


def _learning(out: Path, result: RowResult) -> Picture | None:
    tables = [_progress(trial_path(out, result.request.name, int(trial))) for trial in result.trials["trial"]]
    longest = max(len(table) for table in tables)
    if longest == 0:
        return None
    grid = np.full((len(tables), longest, len(PROGRESS)), np.nan)
    for trial, table in enumerate(tables):
        grid[trial, : len(table)] = table
    columns = {name: (("trial", "window"), grid[:, :, i], v.attrs) for i, (name, v) in enumerate(PROGRESS.items())}
    figure, ax = _figure(_HEIGHT)
    bound = None if result.rule.squared_error else result.rule.conditions[-1].error
    plots.learning_curve(xr.Dataset(columns), ax=ax, bound=bound, paper=result.request.row.published.sequences)
    _legend(ax)
    last = [table[-1] for table in tables if len(table)]
    errors, correct = [row[1] for row in last], [row[3] for row in last]
    return picture_of(
        figure,
        f"Learning curves of {len(tables)} trials: the mean absolute error ends between {min(errors):.2g} and "
        f"{max(errors):.2g}, the fraction of correct sequences between {min(correct):.0%} and {max(correct):.0%}.",
        f"Mean absolute error and fraction of correct sequences over the latest {result.rule.window:,} training sequences; "
        "one line of each colour per trial.",
    )


def _progress(path: Path) -> npt.NDArray[np.float64]:
    """Progress of a trial, shape (window, variable), thinned out evenly; the last window is kept."""
    with library(), netCDF4.Dataset(path) as file:
        group = file["progress"]
        every = max(1, -(-len(group.dimensions["window"]) // _WINDOWS))
        table = np.stack([np.asarray(group[name][:], dtype=float) for name in PROGRESS], axis=1)
    return table[::-1][::every][::-1]


def _success(result: RowResult) -> Picture:
    # Without a trial that gave up, the axis need not go on to where one would have.
    cap = result.cap if result.n_solved < result.n else None
    figure, ax = _figure(_HEIGHT)
    plots.success_curve(result.trials, ax=ax, paper=result.request.row.published.sequences, cap=cap)
    _legend(ax)
    return picture_of(
        figure,
        f"Success curve: {result.n_solved} of {result.n} trials solved, {_words(result)}.",
        "Fraction of trials solved against the training sequences needed"
        + (f", up to the cap of {cap:,}." if cap is not None else "."),
    )


def _trace(out: Path, result: RowResult) -> Picture | None:
    found = _first_test_sequence(out, result)
    if found is None:
        return None
    trial, trace = found
    which = f"a test sequence, trial {trial} ({_status(result, trial)})"
    if "cell_state" in trace:
        return _cells(trace, which)
    # A growing net may have ended before its first hidden unit joined.
    return _hidden(trace, which) if "hidden" in trace and trace["hidden"].notnull().any() else None


def _first_test_sequence(out: Path, result: RowResult) -> tuple[int, xr.Dataset] | None:
    """A trial with a test trace, a solved one if possible, and its first test sequence."""
    solved = result.trials["status"].values == "solved"
    for trial in result.trials["trial"].values[np.argsort(~solved, kind="stable")]:
        if (trace := _test_sequence(trial_path(out, result.request.name, int(trial)))) is not None:
            return int(trial), trace
    return None


def _status(result: RowResult, trial: int) -> str:
    one = result.trials.sel(trial=trial)
    return f"{one['status'].item().replace('_', ' ')} after {one['sequences'].item():,} sequences"


@plots.style()
def write_overview(out: Path, result: RowResult) -> Path | None:
    """Write `<row>/overview.png`: cell states, gates and learning curve of the first trial that has a test trace.

    A solved trial is taken if there is one. Returns the file's path; None without a trace, or where the method has no cells.
    """
    found = _first_test_sequence(out, result)
    if found is None or "cell_state" not in found[1]:
        return None
    request, (trial, trace) = result.request, found
    one = result.trials.sel(trial=trial)
    table = _progress(trial_path(out, request.name, trial))
    progress = xr.Dataset({name: ("window", table[:, i], v.attrs) for i, (name, v) in enumerate(PROGRESS.items())})
    title = f"row {request.row.id}: {request.row.title}, trial {trial} ({_status(result, trial)})"
    paper = request.row.published.sequences
    title = title.replace("$", r"\$")
    tested, ended = one["test_sequences"].item(), one["sequences"].item()
    test = (one["test_error"].item(), 1 - one["test_wrong"].item() / tested) if tested else None
    figure = plots.overview(trace, progress, title=title, paper=paper, ended=ended, test=test)
    path = out / request.name / "overview.png"
    with whole_or_absent(path) as part:
        figure.savefig(part, format="png")
    return path


def write_interactive(out: Path, result: RowResult) -> Path | None:
    """Write `<row>/trace.html`, the same test sequence to zoom into; None without a trace, or without plotly.

    The library that draws it lies beside the rows, once.
    """
    found = _first_test_sequence(out, result)
    if found is None or importlib.util.find_spec("plotly") is None:
        return None
    from plotly.offline import get_plotlyjs

    library_file, page = out / "plotly.min.js", out / result.request.name / "trace.html"
    if not library_file.exists():
        with whole_or_absent(library_file) as part:
            part.write_text(get_plotlyjs(), encoding="utf-8")
    figure = plots.interactive(found[1])
    figure.update_layout(title=f"row {result.label}: {result.request.row.title}, trial {found[0]}, a test sequence")
    with whole_or_absent(page) as part:
        part.write_text(figure.to_html(include_plotlyjs="../plotly.min.js"), encoding="utf-8")
    return page


def _cells(trace: xr.Dataset, which: str) -> Picture:
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI)
    above = figure.add_subplot(2, 1, 1)
    below = figure.add_subplot(2, 1, 2, sharex=above)
    plots.cell_states(trace, ax=above)
    plots.gates(trace, ax=below)
    for ax in (above, below):
        _legend(ax)
    above.set_xlabel("")
    figure.align_ylabels([above, below])
    states, gates = trace["cell_state"].values, trace["input_gate"].values
    return picture_of(
        figure,
        f"A test sequence of {trace.sizes['step']:,} steps: cell states between {np.nanmin(states):.3g} and "
        f"{np.nanmax(states):.3g}, input gates of {trace.sizes['block']} blocks between {np.nanmin(gates):.2g} and "
        f"{np.nanmax(gates):.2g}.",
        f"Cell states and gates in {which}.",
    )


def _hidden(trace: xr.Dataset, which: str) -> Picture:
    figure, ax = _figure(_HEIGHT)
    plots.hidden(trace, ax=ax)
    _legend(ax)
    values = trace["hidden"].values
    return picture_of(
        figure,
        f"A test sequence of {trace.sizes['step']:,} steps: {trace.sizes['hidden_unit']} hidden units between "
        f"{np.nanmin(values):.3g} and {np.nanmax(values):.3g}.",
        f"Hidden units in {which}.",
    )


def _test_sequence(path: Path) -> xr.Dataset | None:
    """First test sequence that a trial file holds in full."""
    try:
        with library(by_xarray=True), xr.open_dataset(path, group="test_trace", engine="netcdf4") as trace:
            return trace.isel(step=trace["sequence"].values == trace["sequence"].values[0]).load()
    except OSError:  # xarray's answer to a group that is not there
        return None


def _label(result: RowResult) -> str:
    """The row's label; a dollar is a dollar, not the beginning of a formula."""
    return result.label.replace("$", r"\$")


def _words(result: RowResult) -> str:
    mean, paper = result.reached().mean, result.request.row.published.sequences
    ours = "no success" if mean is None else f"mean {mean:,.0f} sequences"
    return ours if paper is None else f"{ours}, the paper {paper:,.0f}"


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)
    return figure, figure.add_subplot()


def _legend(ax: Axes) -> None:
    legend_above(ax, most=10**6, size=8.0)


def picture_of(figure: Figure, alt: str, caption: str) -> Picture:
    """A figure as a picture with its words."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    content = buffer.getvalue()
    width, height = struct.unpack(">2I", content[16:24])  # of a PNG's first chunk
    return Picture(content, width, height, alt, caption)
