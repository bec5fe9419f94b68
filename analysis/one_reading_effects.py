"""What single factors do, for docs/one-reading.md: each level of a reading changed alone; main effects on seven rows.

python analysis/one_reading_effects.py changes
python analysis/one_reading_effects.py picture
"""

from __future__ import annotations

import argparse

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import NullLocator
from one_reading import DATA, FACTORS, Results, acting, cell, readings

PICTURED = ("1-2", "1-5", "2c-1", "3a-1", "3b-1", "4-1", "6a")
MARKERS = "os^Dv"  # for print in black and white
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")


def changes(args: argparse.Namespace) -> None:
    """Print Markdown: a reading, and each of its factors at every other level, on rows without additions."""
    results, reading = Results(args.seed), tuple(args.reading.split("|"))
    print("| changed |", " | ".join(args.rows), "|")
    print("| :-- |", " | ".join("--:" for _ in args.rows), "|")
    steps = [("", reading[0], 0), *((name, level, n) for n, name in enumerate(FACTORS) for level in FACTORS[name])]
    for name, level, n in steps:
        changed = tuple(level if m == n else other for m, other in enumerate(reading))
        if changed != reading or not name:
            words = f"{name.replace('_', ' ')}: {level}" if name else "nothing"
            acts = [not name or name in acting(row) for row in args.rows]
            found = [
                results.judged(cell(row, changed), args.cap) if act else None
                for row, act in zip(args.rows, acts, strict=True)
            ]
            print(f"| {words} |", " | ".join(f"{v[0]}/{v[1]}, {v[2]:.2f}" if v else "" for v in found), "|")


def main_effects(results: Results, row: str, cap: float) -> tuple[dict[tuple[str, str], tuple[float, float]], int]:
    """Return (share of trials solved, geometric mean of the ratios) for each (factor, level), and the number of cells.

    Means over all levels of the other factors in an additive model, fitted to the cells that were run by least squares.
    """
    addition = "direct" if row.startswith("1-") else ""
    cells = {cell(row, reading, addition) for reading in readings({})}
    judged = {which: found for which in cells if (found := results.judged(which, cap)) is not None}
    columns: list[tuple[str, str]] = []
    for n, name in enumerate(FACTORS):
        met = {which[1 + n] for which in judged}
        columns += [(name, level) for level in FACTORS[name] if level in met]
    names = list(FACTORS)
    x = np.array([[float(which[1 + names.index(f)] == level) for f, level in columns] for which in judged])
    y = np.array([[solved / trials, np.log(ratio)] for solved, trials, ratio in judged.values()])
    effects = np.linalg.lstsq(x, y, rcond=None)[0]
    means = {f: effects[[c[0] == f for c in columns]].mean(axis=0) for f, _ in columns}
    found = {}
    for n, (f, level) in enumerate(columns):
        share, log = sum(means.values()) - means[f] + effects[n]
        found[f, level] = float(share), float(np.exp(log))
    return found, len(judged)


def picture(args: argparse.Namespace) -> None:
    """Draw the main effects to docs/pictures/one-reading.png."""
    results = Results(100)
    effects = {row: main_effects(results, row, args.cap) for row in PICTURED}
    titles = ("error signal", "recurrent sources", "cell biases", "input gates' bias partial", "output biases")
    shown = ("error", "sources", "cell_bias", "gate_bias", "output_bias")
    figure, axes = plt.subplots(2, 5, figsize=(13, 7.5), sharey=True, layout="constrained")
    for column, (factor, title) in enumerate(zip(shown, titles, strict=True)):
        levels = list(FACTORS[factor])
        for measure in (0, 1):
            axis = axes[measure, column]
            for y, row in enumerate(PICTURED):
                there = [level for level in levels if (factor, level) in effects[row][0]]
                for level in there if len(there) > 1 else []:
                    n = levels.index(level)
                    value = effects[row][0][factor, level][measure]
                    value = min(max(value, 0.0), 1.0) if measure == 0 else min(value, args.cap)
                    axis.plot(value, y + 0.14 * (n - (len(levels) - 1) / 2), MARKERS[n], color=COLOURS[n], ms=6)
            for y in range(len(PICTURED) - 1):
                axis.axhline(y + 0.5, color="0.9", lw=0.8)
            axis.set_yticks(range(len(PICTURED)), [f"{row} ({effects[row][1]})" for row in PICTURED])
            axis.set_ylim(len(PICTURED) - 0.5, -0.5)
        axes[0, column].set_title(title)
        axes[0, column].set_xlim(-0.04, 1.04)
        axes[0, column].set_xlabel("share of trials solved")
        handles = [
            plt.Line2D([], [], marker=MARKERS[n], ls="", color=COLOURS[n], label=level) for n, level in enumerate(levels)
        ]
        axes[0, column].legend(handles=handles, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
        axes[1, column].set_xscale("log")
        axes[1, column].set_xlim(0.05, 2.3)
        axes[1, column].set_xticks((0.1, 0.25, 0.5, 1, 2), ("1/10", "1/4", "1/2", "1", "2"))
        axes[1, column].xaxis.set_minor_locator(NullLocator())
        axes[1, column].axvline(1, color="0.4", lw=0.8)
        axes[1, column].set_xlabel("mean, times the paper's")
    axes[0, 0].set_ylabel("row (cells run)")
    axes[1, 0].set_ylabel("row (cells run)")
    path = DATA.parents[1] / "pictures" / "one-reading.png"
    figure.savefig(path, dpi=110)
    print(path)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("changes")
    command.set_defaults(function=changes)
    command.add_argument("--reading", default="quarter|table|sum|all|table")
    command.add_argument("--rows", nargs="+", default=["3a-1", "3a-2", "3b-1", "3b-2", "4-1", "6a"])
    command.add_argument("--seed", type=int, default=100)
    command.add_argument("--cap", type=float, default=2.0)
    command = commands.add_parser("picture")
    command.set_defaults(function=picture)
    command.add_argument("--cap", type=float, default=2.0)
    args = parser.parse_args()
    args.function(args)


if __name__ == "__main__":
    main()
