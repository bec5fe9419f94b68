"""Pictures of learning: errors, successes and lags against the sequences seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike

from lstmsim.plots.styles import (
    BESIDE,
    DASHES,
    MARKERS,
    PALETTE,
    Array,
    Look,
    axes_or_new,
    axis_label,
    fade,
    legend_above,
    need,
    style,
)


@style()
def learning_curve(
    progress: xr.Dataset,
    ax: Axes | None = None,
    bound: float | None = None,
    paper: float | None = None,
    ended: float | None = None,
    test: tuple[float, float] | None = None,
) -> Axes:
    """Draw the mean absolute error and the fraction of correct sequences over the sequences seen.

    Parameters
    ----------
    progress : xarray.Dataset
        `sequences`, `mean_absolute_error` and, where known, `fraction_correct`, dimension (window) or (trial, window).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    bound : float, optional
        Error that the stopping rule asks for, drawn as a horizontal line.
    paper : float, optional
        The paper's mean number of sequences, drawn as a vertical line.
    ended : float, optional
        Sequences after which the trial ended, drawn as a vertical line.
    test : tuple of float, optional
        Mean absolute error and fraction correct of the final test, drawn as points at `ended`: the curves are means over the
        latest sequences, and what was learned at the very end hardly shows in them.

    Returns
    -------
    matplotlib.axes.Axes
        The error's Axes, y logarithmic; the fraction has a twin Axes on the right. One line per trial in each,
        dashed for the fraction.

    Raises
    ------
    ValueError
        If a variable is missing or a dimension other than `trial` and `window` is present.
    """
    progress = need("progress", progress, "sequences", "mean_absolute_error")
    if set(progress["mean_absolute_error"].dims) - {"trial"} != {"window"}:
        dims = progress["mean_absolute_error"].dims
        raise ValueError(f"progress must have the dimensions (window) or (trial, window), got {dims}")
    ax = axes_or_new(ax)
    names = ["sequences", "mean_absolute_error"] + ["fraction_correct"] * ("fraction_correct" in progress)
    part = progress[names]
    trials = [part.isel(trial=i) for i in range(part.sizes["trial"])] if "trial" in part.dims else [part]
    looks: Look = {"alpha": fade(len(trials)), "linewidth": 1.6 if len(trials) == 1 else 1.1}
    for trial in trials:
        ax.plot(trial["sequences"], trial["mean_absolute_error"], color=PALETTE[0], **looks)
    if bound is not None:
        ax.axhline(bound, color=PALETTE[0], linestyle=DASHES[2], linewidth=1.2, label=f"bound {bound:g}")
    if ended is not None and test is not None and test[0] > 0:
        ax.plot([ended], [test[0]], "o", color=PALETTE[0], markersize=6, label="final test")
    ax.set_yscale("log", nonpositive="mask")
    plain_log(ax.yaxis)
    ax.set_ylabel(axis_label(progress["mean_absolute_error"], "mean absolute error"), color=PALETTE[0])
    if "fraction_correct" in progress:
        right = ax.twinx()
        right.grid(False)
        right.spines["right"].set_visible(True)
        for trial in trials:
            right.plot(trial["sequences"], trial["fraction_correct"], color=BESIDE, linestyle=DASHES[1], **looks)
        right.set_ylim(-0.03, 1.03)
        if ended is not None and test is not None:
            right.plot([ended], [test[1]], "s", color=BESIDE, markersize=6, clip_on=False)
        right.set_ylabel(axis_label(progress["fraction_correct"], "fraction correct"), color=BESIDE)
    if ended is not None:
        ax.axvline(ended, color="0.35", linestyle=DASHES[2], linewidth=1.3, label=f"ended at {ended:,.0f}")
    _mark_paper(ax, paper)
    _sequence_axis(ax, axis_label(progress["sequences"], "sequences seen", unit="sequences"))
    return legend_above(ax)


@style()
def success_curve(summary: xr.Dataset, ax: Axes | None = None, paper: float | None = None, cap: float | None = None) -> Axes:
    """Draw the fraction of trials solved against the sequences needed.

    Parameters
    ----------
    summary : xarray.Dataset
        `sequences_to_success` (trial), NaN where a trial was not solved.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    paper : float, optional
        The paper's mean number of sequences, drawn as a vertical line.
    cap : float, optional
        Sequences after which trials give up; the curve goes on to here.

    Returns
    -------
    matplotlib.axes.Axes
        A step per solved trial, and the mean over solved trials as a vertical line.

    Raises
    ------
    ValueError
        If the variable is missing, has other dimensions than `trial` or a number below 0, or exceeds `cap`.
    """
    needed = _needed("summary", summary)
    solved = np.sort(needed[np.isfinite(needed)])
    if cap is not None and solved.size and solved[-1] > cap:
        raise ValueError(f"cap must not be below the slowest solved trial ({solved[-1]:g} sequences), got {cap:g}")
    ax = axes_or_new(ax)
    end = cap if cap is not None else max([*solved[-1:] * 1.05, paper or 0.0])
    fraction = np.append(np.arange(solved.size + 1), solved.size) / max(needed.size, 1)
    label = f"{solved.size} of {needed.size} trials solved"
    ax.step([0.0, *solved, end], fraction, where="post", color=PALETTE[0], linewidth=2.0, label=label)
    if solved.size:
        mean = solved.mean()
        ax.axvline(mean, color=PALETTE[0], linestyle=DASHES[2], linewidth=1.3, label=f"mean of solved {mean:,.0f}")
    _mark_paper(ax, paper)
    ax.set_ylim(-0.03, 1.05)
    ax.set_ylabel("fraction of trials solved")
    _sequence_axis(ax, "sequences until solved")
    return legend_above(ax)


@style()
def success_curves(
    summaries: Mapping[str, xr.Dataset], methods: Mapping[str, str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the fraction of trials solved against the sequences needed, several rows on one logarithmic axis.

    Parameters
    ----------
    summaries : mapping of str to xarray.Dataset
        For each label `sequences` and `sequences_to_success` (trial), NaN where a trial was not solved.
    methods : mapping of str to str, optional
        Method of each label: one colour per method, its rows told apart by dashes and marks. By default every label
        has its own.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        A marked step per solved trial; a cross where trials gave up, moved up where it would hide another method's.

    Raises
    ------
    ValueError
        If there are no rows, or as `success_curve`.
    """
    if not summaries:
        raise ValueError("summaries must hold at least one row")
    rows = {label: _needed(f"summaries[{label!r}]", summary, "sequences") for label, summary in summaries.items()}
    ends = {label: np.nanmax(summary["sequences"].values, initial=1) for label, summary in summaries.items()}
    ax = axes_or_new(ax)
    methods = methods or {label: label for label in summaries}
    colours = {method: PALETTE[i % len(PALETTE)] for i, method in enumerate(dict.fromkeys(map(methods.get, summaries)))}
    looks = dict.fromkeys(colours, 0)
    crosses: dict[tuple[float, float], list[str]] = {}
    for label, needed in rows.items():
        method = methods.get(label)
        colour, look = colours[method], looks[method]
        dash, looks[method] = DASHES[look % len(DASHES)], look + 1
        n, solved, end = needed.size, np.sort(needed[np.isfinite(needed)]), float(ends[label])
        text = f"{label}: {solved.size}/{n}"
        if solved.size:
            x, y = [solved[0], *solved], [*(np.arange(solved.size + 1) / n)]
            if solved.size < n:
                x, y = [*x, end], [*y, y[-1]]
            [line] = ax.step(x, y, where="post", color=colour, linestyle=dash, markersize=4, label=text)
            line.set(marker=MARKERS[look % len(MARKERS)], markevery=range(1, solved.size + 1))
        if solved.size < n:
            there = crosses.setdefault((end, solved.size / n), [])
            if colour not in there:
                there.append(colour)
            # Of several methods at one place each is to be seen.
            height = solved.size / n + 0.035 * there.index(colour)
            [cross] = ax.plot(end, height, "x", color=colour, markeredgewidth=1.8)
            cross.set_label("_gave up" if solved.size else text)
    ax.set(xscale="log", ylim=(-0.05, 1.05), xlabel="sequences until solved", ylabel="fraction of trials solved")
    low, high = ax.get_xlim()
    if high < 10 * low:
        ax.set_xlim(low / 2, high * 2)
    plain_log(ax.xaxis)
    return legend_above(ax)


@style()
def lag_scaling(
    lags: ArrayLike, sequences: ArrayLike, paper_lags: ArrayLike, paper_sequences: ArrayLike, ax: Axes | None = None
) -> Axes:
    """Draw how the sequences needed grow with the minimal time lag, next to the paper's Table 3.

    Parameters
    ----------
    lags : array_like
        Minimal time lags in steps, shape (lag,).
    sequences : array_like
        Sequences needed, shape (lag,) or (lag, trial), NaN where not solved; means over solved trials are joined.
    paper_lags, paper_sequences : array_like
        The paper's, shape (lag,).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        Both axes logarithmic; single trials as pale dots.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    x, paper_x, paper_y = (np.asarray(a, dtype=np.float64) for a in (lags, paper_lags, paper_sequences))
    y = np.asarray(sequences, dtype=np.float64)
    if x.ndim != 1 or y.ndim not in (1, 2) or y.shape[0] != x.size:
        raise ValueError(f"sequences must have the shape (lag,) or (lag, trial) with {x.size} lags, got {y.shape}")
    if paper_x.ndim != 1 or paper_y.shape != paper_x.shape:
        raise ValueError(f"paper_sequences must have the shape of paper_lags {paper_x.shape}, got {paper_y.shape}")
    ax = axes_or_new(ax)
    single = y.reshape(x.size, -1)
    if single.shape[1] > 1:
        ax.plot(x, single, "o", color=PALETTE[0], alpha=0.3, markersize=4, label="_trials")
    known = np.isfinite(single)
    mean = np.where(known, single, 0.0).sum(axis=1) / np.where(known.any(axis=1), known.sum(axis=1), np.nan)
    ax.plot(x, mean, "o-", color=PALETTE[0], label="measured")
    ax.plot(paper_x, paper_y, "s", linestyle=DASHES[1], color="black", markerfacecolor="white", label="paper")
    ax.set(xscale="log", yscale="log", xlabel="minimal time lag (steps)", ylabel="sequences until solved")
    plain_log(ax.yaxis)
    ax.set_xticks(np.unique(np.concatenate([x, paper_x])), minor=False)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    return legend_above(ax)


def _needed(argument: str, summary: xr.Dataset, *names: str) -> Array:
    """Return the sequences until success by trial, NaN where a trial was not solved."""
    needed = need(argument, summary, *names, "sequences_to_success")["sequences_to_success"]
    if needed.dims != ("trial",):
        raise ValueError(f"{argument} must hold sequences_to_success with trials along (trial), got {dict(needed.sizes)}")
    values = np.asarray(needed.values, dtype=np.float64)
    if (values < 0).any():
        allowed = "at least 0, NaN where a trial was not solved"
        raise ValueError(f"sequences_to_success of {argument} holds {values.min():g}; allowed: {allowed}")
    return values


def _mark_paper(ax: Axes, paper: float | None) -> None:
    if paper is not None:
        ax.axvline(paper, color="black", linestyle=DASHES[1], linewidth=1.2, label=f"paper's mean {paper:,.0f}")


def _sequence_axis(ax: Axes, label: str) -> None:
    ax.set_xlim(left=0.0)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_xlabel(label)


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers, more of them the less it spans."""
    low, high = axis.get_view_interval()
    subs: Sequence[float] = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
    if high < 3 * low:
        subs = [0.5 * part for part in range(2, 20)]
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())
