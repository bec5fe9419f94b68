"""On-line rules on two streams: the delayed addition as it was published, and a real series beside linear prediction.

python analysis/online.py add --out runs/online
python analysis/online.py laser --out runs/online

`add` prints the losses of the rows add-... over their last 10,000 steps, in nats. `laser` lets every rule predict the Santa
Fe laser series, each value once, with the best of six learning rates, and prints the mean squared error over all of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rules import RATES, RULES, best, interval, ridge

import lstmsim
from lstmsim import Experiment, StoppingRule
from lstmsim.learners.rules.settings import RuleSettings
from lstmsim.paper import row, rows

NET = {"n_hidden": 16, "leak": 0.5, "init": "orthogonal", "output": "identity", "carry": "all", "kernel_rate": 1e-5}


def delayed_add(out: Path, trials: int, exact_trials: int, share: float, **how: Any) -> str:
    """Run the rows of the delayed addition, to a share of their steps; a table of what came out."""
    floors = ", ".join(f"{name} {nats:.4f}" for name, (nats, _) in row("add-6-10-exact").config.task.floors().items())
    lines = [f"floors: {floors}", "", "| row | nats | below t1 | squared error below it after |", "|---|---|---|---|"]
    names = [name for name in rows() if name.startswith("add-")]
    for name in sorted(names, key=lambda name: name.endswith("exact")):  # what takes longest comes last
        config, count = row(name).config, exact_trials if name.endswith("exact") else trials
        most, below = int(share * config.stop.max_sequences), config.task.floors()["t1"][0]
        found = lstmsim.simulate(name, trials=count, record="last:100", out=out / "add", max_sequences=most, **how)[name]
        trace = found["trace"].to_dataset()[["output", "target"]].load()
        nats = -(trace["target"] * np.log(trace["output"])).sum("output_unit").mean("step").values
        passed = found["sequences_to_squared_error"].dropna("trial").values * config.task.steps / 1e3
        lines += [f"| `{name}` | {interval(nats)} | {(nats < below).sum()} of {count} | {interval(passed)} |"]
    return "\n".join(lines)


def laser(out: Path, trials: int, share: float, **how: Any) -> str:
    """Let every rule predict the laser series at each learning rate, or the first share of it; a table of the best."""
    from reservoirpy.datasets import santafe_laser

    task = lstmsim.tasks.series(santafe_laser().ravel().astype(float))
    pieces = int(share * len(task.inputs.values) / 100)
    stop = StoppingRule(window=pieces, max_sequences=pieces, final_test=0)
    experiment = Experiment(task, RuleSettings(**NET), stop, "laser")
    scan = lstmsim.scan(experiment, {"rule": RULES, "learning_rate": RATES}, trials=trials, out=out / "laser", **how)
    x, d = (np.concatenate([task.sequence(0, 0, n)[k] for n in range(pieces)])[:, 0] for k in (0, 1))
    lines = ["| | alpha | mean squared error |", "|---|---|---|"]
    lines += [
        f"| persistence | | {np.mean((d - x) ** 2):.3f} |",
        f"| ridge regression | | {np.mean((d - ridge(x, d)) ** 2):.3f} |",
    ]
    for rule in RULES:
        one = scan.sel(rule=rule)
        point = one.isel(learning_rate=best(one))
        lines += [f"| `{rule}` | {float(point['learning_rate']):g} | {interval(point['training_squared_error'].values)} |"]
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("what", choices=["add", "laser"])
    parse.add_argument("--out", type=Path, default=Path("runs/online"))
    parse.add_argument("--trials", type=int, default=20)
    parse.add_argument("--exact-trials", type=int, help="of the exact rule in add, which takes a hundred times as long")
    parse.add_argument("--share", type=float, default=1.0, help="of the steps")
    parse.add_argument("--workers", type=int)
    options = parse.parse_args()
    if options.what == "add":
        exact = options.exact_trials or options.trials
        print(delayed_add(options.out, options.trials, exact, options.share, workers=options.workers))
    else:
        print(laser(options.out, options.trials, options.share, workers=options.workers))


if __name__ == "__main__":
    main()
