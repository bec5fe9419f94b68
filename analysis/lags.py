"""The picture of docs/second-wave.md: solved fraction against minimal lag, every method within one budget of presentations.

python analysis/lags.py --out runs/lags --data docs/data/lags.nc --picture docs/pictures/lags.png
python analysis/lags.py --picture docs/pictures/lags.png        (from the data that are kept)

Trials are solved when 200 training sequences in a row are right, as the task judges them. A curve ends after two lags at
which no trial was solved, in the panels 2a and adding after one. A run that was ended in the middle goes on when it is
called again with the same --out.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import lstmsim
from lstmsim import plots
from lstmsim.paper import row
from lstmsim.tasks.adding import Adding
from lstmsim.tasks.base import Task
from lstmsim.tasks.lag_sequences import NoiseFree
from lstmsim.tasks.two_sequence import TwoSequence

DATA = Path(__file__).parents[1] / "docs" / "data" / "lags.nc"
LAGS = (5, 10, 20, 50, 100, 200, 500, 1000)
WINDOW = 200
# Panel: the lags it has, its budget of presentations, and after how many lags without a solved trial a curve ends.
PANELS: dict[str, tuple[tuple[int, ...], int, int]] = {
    "two-sequence": (LAGS, 30_000, 2),
    "2a": (LAGS[:5], 30_000, 1),
    "adding": (LAGS[1:], 100_000, 1),
}


class Method(NamedTuple):
    """Family, learner and settings of a method, and the panels that it is left out of.

    Searches have nets of one output, the chunker predicts symbols, hierarchies grow for ever on real numbers, and the
    filter's cost grows with the cube of the outputs.
    """

    family: str
    learner: str
    settings: dict[str, Any]
    without: tuple[str, ...] = ()


FULL: dict[str, Any] = {"n_hidden": 4, "bias": True, "init_range": 1.5}
SEARCH: dict[str, Any] = {"n_hidden": 5, "weight_range": 10.0, "n_train": 30, "n_test": 256, "accept": 0.2}
ELMAN: dict[str, Any] = {"n_hidden": 5, "bias": True, "init_range": 1.5, "learning_rate": 1.0}
GAMMA: dict[str, Any] = {"order": 4, "memory": "gamma", "mu": 0.2, "train_mu": True, "learning_rate": 0.5}
# The LSTM has the settings of the paper's rows under the one reading, with logistic outputs as 3c in all of experiment 3,
# where linear ones take longer; the chunker has those of row 2a-chunker-4.
METHODS: dict[str, Method] = {
    "LSTM": Method("LSTM", "lstm", {}),
    "RTRL": Method("gradient", "block_rtrl", {"unit": "tanh", "learning_rate": 1.0}),
    "BPTT": Method("gradient", "bptt", FULL | {"learning_rate": 1.0}),
    "BPTT, time-weighted": Method("gradient", "bptt", FULL | {"learning_rate": 0.03, "mu": 1e-3, "curvature": "step"}),
    "Elman net": Method("gradient", "elman", ELMAN),
    "second order": Method("gradient", "second_order", {"products": "all", "learning_rate": 2.0}),
    "Kalman filter": Method("gradient", "kalman", {}, ("2a",)),
    "time delays, 20": Method("memory", "taps", {"order": 20, "learning_rate": 0.5}),
    "gamma, 4 taps": Method("memory", "taps", GAMMA),
    "NARX, 6 lags": Method("memory", "taps", {"order": 2, "feedback": 6, "learning_rate": 1.0}),
    "time constants": Method("memory", "leaky", {"tau": (0.0, 0.0, 0.9, 0.95, 0.98), "block": None}),
    "TWINN": Method("memory", "twinn", {"learning_rate": 0.01}),
    "transition hierarchies": Method("memory", "ring", {}, ("adding",)),
    "chunker": Method("memory", "chunker", {}, ("two-sequence", "adding")),
    "guessing": Method("search", "multigrid", SEARCH | {"shrink": 1.0}, ("2a",)),
    "multigrid": Method("search", "multigrid", SEARCH, ("2a",)),
    "annealing": Method("search", "annealing", SEARCH, ("2a",)),
    "EM": Method("EM", "em", {"stay": 9.0}),
}
COLOURS = {"LSTM": "#000000", "gradient": "#0072B2", "memory": "#009E73", "search": "#D55E00", "EM": "#CC79A7"}
MARKS = "os^Dvx*"


def task(panel: str, lag: int) -> Task:
    """The task of a panel at one minimal lag."""
    if panel == "two-sequence":
        return TwoSequence(lag + 3, 3)
    return NoiseFree(lag) if panel == "2a" else Adding(2 * lag)


def experiment(panel: str, method: str, lag: int, budget: int) -> lstmsim.Experiment:
    """One method on one panel."""
    _, learner, settings, _ = METHODS[method]
    made, stop = task(panel, lag), lstmsim.StoppingRule(window=WINDOW, max_sequences=budget, final_test=0)
    if learner in ("lstm", "chunker"):
        rows = {"two-sequence": "3a-1", "2a": "2a", "adding": "4-1"} if learner == "lstm" else {"2a": "2a-chunker-4"}
        source = row(rows[panel])
        reading = row("3c-1" if panel == "two-sequence" else source.id).readings[-1]
        read = source.config.with_settings(reading.settings).settings
        return lstmsim.Experiment(made, (learner, replace(read, n_inputs=0, n_outputs=0)), stop, "lags")
    if learner == "em":
        settings = settings | {"n_states": max(7, made.n_outputs + 1)}
    return lstmsim.Experiment(made, (learner, lstmsim.learners.learner(learner).Settings(**settings)), stop, "lags")


def point(panel: str, method: str, lag: int, budget: int, trials: int, out: Path | None, **how: Any) -> xr.Dataset:
    """Trials of one method at one lag."""
    key, made = "p" if panel == "2a" else "T", experiment(panel, method, lag, budget)
    folder = out and out / panel / method.replace(" ", "-") / str(lag)
    return lstmsim.scan(made, {key: [vars(made.task)[key]]}, trials=trials, out=folder, **how)


def curves(
    panels: list[str], methods: list[str], share: float, trials: int, longest: int, out: Path | None, **how: Any
) -> xr.Dataset:
    """Run all curves; `share` of each budget."""
    dims = {"panel": panels, "method": methods, "lag": list(LAGS)}
    shape = tuple(map(len, dims.values()))
    made = xr.Dataset(
        {name: (tuple(dims), np.full(shape, np.nan)) for name in ("solved", "trials", "seconds")},
        dims,
        {"budgets": [round(share * PANELS[panel][1]) for panel in panels], "window": WINDOW},
    )
    for panel in panels:
        lags, budget, patience = PANELS[panel]
        for method in (name for name in methods if panel not in METHODS[name].without):
            failed = 0
            for lag in lags:
                began = time.monotonic()
                found = point(panel, method, lag, round(share * budget), trials, out, progress=False, **how)
                solved, seconds = int((found["status"] == "solved").sum()), float(found["seconds"].sum())
                at = {"panel": panel, "method": method, "lag": lag}
                for name, value in (("solved", solved), ("trials", trials), ("seconds", seconds)):
                    made[name].loc[at] = value
                needed = float(found["sequences_to_success"].median())
                told = f"{solved} of {trials}, median {needed:.0f} presentations, {seconds:.1f} s of a core"
                print(f"{panel}, {method}, lag {lag}: {told}, {time.monotonic() - began:.0f} s of the clock", flush=True)
                failed = 0 if solved else failed + 1
                if failed == patience or lag >= longest:
                    break
    return made


def lag_at_half(lags: Any, fraction: Any) -> tuple[float, str]:
    """Lag at which half of the trials are solved, between the last lag with half or more and the next; "<", ">" beyond."""
    known = np.isfinite(fraction)
    lags, fraction = lags[known], fraction[known]
    at = np.flatnonzero(fraction >= 0.5)
    if not at.size:
        return float(lags[0]), "<"
    last = at[-1]
    if last == len(lags) - 1:
        return float(lags[-1]), ">"
    share = (fraction[last] - 0.5) / (fraction[last] - fraction[last + 1])
    return float(lags[last] * (lags[last + 1] / lags[last]) ** share), ""


@plots.style()
def draw(made: xr.Dataset) -> Figure:
    """Draw curves above, the lag at half success below, with the same colours and markers."""
    figure = Figure(figsize=(11.5, 8.6), dpi=100)
    axes = figure.subplots(2, made.sizes["panel"], height_ratios=(1, 1.35), sharey="row", squeeze=False)
    methods, lags = made["method"].values, made["lag"].values
    families = [METHODS[name].family for name in methods]
    number = [families[:n].count(families[n]) for n in range(len(methods))]
    for column, panel in enumerate(made["panel"].values):
        above, below = axes[:, column]
        budget = int(np.atleast_1d(made.attrs["budgets"])[column])
        above.set(title=f"{panel}, {budget:,} presentations", xscale="log", ylim=(-4, 104))
        below.set(xscale="log", xlabel="minimal lag at which half are solved")
        for n, name in enumerate(methods):
            one = made.sel({"panel": panel, "method": name})
            fraction = (one["solved"] / one["trials"]).values
            look = {"color": COLOURS[families[n]], "marker": MARKS[number[n]]}
            known = np.isfinite(fraction)
            if not known.any():
                below.text(lags[0], n, "not run", color="0.5", va="center", size=8)
                continue
            wide = 2.6 if name == "LSTM" else 1.3
            above.plot(lags[known], 100 * fraction[known] + 0.6 * (n % 4 - 1.5), lw=wide, ms=4.5, **look)
            lag, beyond = lag_at_half(lags, fraction)
            below.hlines(n, 3.2, lag, color=look["color"], lw=wide, alpha=0.5)
            below.plot(lag, n, ms=7, ls="", mfc="white" if beyond == "<" else look["color"], **look)
            below.annotate(f"{beyond} {lag:.0f}".strip(), (lag, n), (7, 0), textcoords="offset points", va="center", size=8)
        for ax in (above, below):
            ax.set(xlim=(3.2, 2600), xticks=list(lags), xticklabels=[str(lag) for lag in lags])
            ax.tick_params(axis="x", labelsize=8)
            ax.minorticks_off()
    axes[0, 0].set_ylabel("trials solved, %")
    axes[1, 0].set(yticks=range(len(methods)), yticklabels=list(methods), ylim=(len(methods) - 0.4, -0.6))
    for label, family in zip(axes[1, 0].get_yticklabels(), families, strict=True):
        label.set_color(COLOURS[family])
    return figure


def main() -> None:
    """Run the command line."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--out", type=Path, help="run the curves, in this folder")
    parse.add_argument("--data", type=Path, default=DATA, help="netCDF file of the curves")
    parse.add_argument("--picture", type=Path)
    parse.add_argument("--panels", nargs="+", default=list(PANELS), choices=list(PANELS))
    parse.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parse.add_argument("--trials", type=int, default=5)
    parse.add_argument("--share", type=float, default=1.0, help="of each panel's budget of presentations")
    parse.add_argument("--longest", type=int, default=1000, help="longest lag")
    parse.add_argument("--workers", type=int)
    options = parse.parse_args()
    if options.out:
        sizes = options.share, options.trials, options.longest
        found = curves(options.panels, options.methods, *sizes, options.out, workers=options.workers)
        print(f"{float(found['seconds'].sum()):.0f} s of a core")
        found.to_netcdf(options.data)
    if options.picture:
        draw(xr.load_dataset(options.data)).savefig(options.picture)


if __name__ == "__main__":
    main()
