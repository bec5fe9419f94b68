"""The scans of docs/scans.md: run them, or draw their pictures from what has been run.

python analysis/scans.py adding 2c exact --out runs/scans
python analysis/scans.py adding 2c exact --out runs/scans --pictures docs/pictures

A scan that was ended in the middle goes on when it is called again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

import lstmsim
from lstmsim import plots

RATES = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0]


def adding(out: Path, **how: Any) -> list[xr.Dataset]:
    """Row 4-1 under the one reading, over lag and learning rate."""
    over = {"T": [20, 50, 100, 200], "learning_rate": RATES}
    return [lstmsim.scan("4-1", over, trials=16, reading="one", out=out, max_sequences=200_000, final_test=0, **how)]


def many_lags(out: Path, **how: Any) -> list[xr.Dataset]:
    """Row 2c-1, whose gates are given biases, over their value for the input gates and the lag."""
    over = {"q": [50, 100, 200], "input_gate_bias": [-6.0, -4.0, -2.0, 0.0]}
    how |= {"bias": "ga", "recurrence": "none", "learning_rate": 1.0}  # as in the README's picture
    return [lstmsim.scan("2c-1", over, trials=16, out=out, max_sequences=60_000, final_test=0, **how)]


def exact(out: Path, **how: Any) -> list[xr.Dataset]:
    """Row 4-1 with a short lag, over the learning rate, with the truncated and the exact gradient."""
    rules = {"truncated": "4-1", "exact": "4-1-exact"}
    how |= dict.fromkeys(("error_derivative", "cell_bias", "output_bias"), False)  # as in the one reading
    how |= {"over": {"learning_rate": RATES}, "trials": 16, "T": 20, "max_sequences": 100_000, "final_test": 0}
    return [lstmsim.scan(row, out=out / name, **how).expand_dims(gradient=[name]) for name, row in rules.items()]


def draw(name: str, scans: list[xr.Dataset]) -> Figure:
    """Draw one of the scans."""
    with plots.style():
        if name == "exact":
            scan = xr.concat([scan[["status", "sequences_to_success"]] for scan in scans], "gradient")
            figure = Figure(figsize=(9.0, 3.2), dpi=110)
            for ax, value in zip(figure.subplots(1, 2), ("success", "sequences"), strict=True):
                plots.scan_curve(scan, x="learning_rate", lines="gradient", value=value, ax=ax)
            return figure
        x, y = {"adding": ("learning_rate", "T"), "2c": ("input_gate_bias", "q")}[name]
        figure = Figure(figsize=(11.0, 3.6), dpi=110)
        left, right = figure.subplots(1, 2, sharey=True)
        plots.phase_diagram(scans[0], x=x, y=y, axes=(left, right))
        return figure


SCANS: dict[str, Callable[..., list[xr.Dataset]]] = {"adding": adding, "2c": many_lags, "exact": exact}


def main() -> None:
    """Run the command line."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("scans", nargs="+", choices=list(SCANS))
    parse.add_argument("--out", type=Path, default=Path("runs/scans"))
    parse.add_argument("--pictures", type=Path)
    parse.add_argument("--workers", type=int)
    options = parse.parse_args()
    for name in options.scans:
        scans = SCANS[name](options.out / name, workers=options.workers)
        for scan in scans:
            n, seconds = scan["status"].size, float(scan["seconds"].sum())
            solved = int((scan["status"] == "solved").sum())
            print(
                f"{name}: {n} trials, {solved} solved, {float(scan['steps'].sum()):,.0f} steps in {seconds:.0f} s of a core"
            )
        if options.pictures:
            draw(name, scans).savefig(options.pictures / f"scan-{name}.png")


if __name__ == "__main__":
    main()
