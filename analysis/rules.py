"""The comparison of docs/rules-compared.md: all on-line rules on three tasks, each with a learning rate of its own choice.

python analysis/rules.py run --out runs/rules
python analysis/rules.py keep --out runs/rules
python analysis/rules.py pictures
python analysis/rules.py table

`run` scans learning rates, writes the best of each rule and task into runs/rules.toml, runs that file with another seed,
once more beside the exact gradient, and SnAp-n over n; it goes on where it stopped. `keep` puts what came out into
docs/data/rules.nc, from which the next two draw and print.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import lstmsim
from lstmsim import errorflow
from lstmsim.campaign.requests import from_file
from lstmsim.learners.rules.net import Rules
from lstmsim.paper import row
from lstmsim.simulation.config import Experiment

ROOT = Path(__file__).parents[1]
DATA, RUN_FILE = ROOT / "docs" / "data" / "rules.nc", ROOT / "runs" / "rules.toml"
TASKS = ("copy", "series", "spikes")
RULES = ("exact", "bptt", "kf-rtrl", "uoro", "kernl", "snap-1", "rflo", "bptt-1")
RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
SOLVED = ("copy", "spikes")  # tasks with a criterion
MILESTONES = {"copy": "correct_50", "series": "squared_error"}
HEADS = {"copy": ("half right after",), "series": ("below 0.001 after",)}
SPARSE = {"n_hidden": 16, "connections": "random", "density": 0.15, "init": "uniform", "init_range": 1.0}
REACHES = (1, 2, 3, 4, 7)  # 7: all that any path reaches
POINTS = 60  # sequences at which a trial is compared with the exact gradient


def grid(out: Path, trials: int, share: float, **how: Any) -> dict[str, xr.Dataset]:
    """Scan the learning rates of all rules, each with as many trials and sequences."""
    return {
        task: lstmsim.scan(
            f"rules-{task}",
            {"rule": list(RULES), "learning_rate": list(RATES)},
            trials=trials,
            out=out / "grid" / task,
            max_sequences=int(share * row(f"rules-{task}").config.stop.max_sequences),
            **how,
        )
        for task in TASKS
    }


def best(scan: xr.Dataset) -> int:
    """Place of the best learning rate of one rule: most solved, then fewest steps if any is, else the least loss."""
    solved = (scan["status"] == "solved").sum("trial")
    loss = scan["training_squared_error"].where(scan["status"] != "diverged", np.inf).fillna(np.inf).mean("trial")
    steps = scan["steps"].mean("trial")
    keys = [(-int(n), float(s) if n else float(e), -float(s)) for n, e, s in zip(solved, loss, steps, strict=True)]
    return min(range(len(keys)), key=keys.__getitem__)


def write_run_file(scans: dict[str, xr.Dataset], trials: int) -> None:
    """Write the chosen learning rates as a run file."""
    lines = [
        'title = "On-line rules: three tasks, each rule at the best of six learning rates (docs/rules-compared.md)"',
        "",
    ]
    lines += ["# Written by analysis/rules.py, which runs it with seed 1."]
    for task, scan in scans.items():
        for rule in RULES:
            rate = RATES[best(scan.sel(rule=rule))]
            lines += ["", "[[rows]]", f'row = "rules-{task}"', f'name = "{task}-{rule}"', f"trials = {trials}"]
            lines += [f'set = {{ rule = "{rule}", learning_rate = {rate} }}']
    RUN_FILE.write_text("\n".join([*lines, ""]), encoding="utf-8")


def chosen(share: float) -> dict[str, Experiment]:
    """Return the experiments of the run file by their names."""
    found = {}
    for request in from_file(RUN_FILE, None, {})[1]:
        most = int(share * request.config.stop.max_sequences)
        found[request.name] = replace(request.config.with_settings({"max_sequences": most}), name=request.name)
    return found


def final(out: Path, trials: int, share: float, **how: Any) -> xr.DataTree:
    """Run the run file."""
    made = list(chosen(share).values())
    return lstmsim.simulate(made, trials=trials, seed=1, record="none", out=out / "final", **how)


def compared(out: Path, share: float, **how: Any) -> dict[str, xr.DataTree]:
    """Two trials of the run file beside the exact gradient, recorded at some sequences."""
    trees = {}
    for name, experiment in chosen(share).items():
        every = max(1, experiment.stop.max_sequences // POINTS)
        made = experiment.with_settings({"exactness": 1})
        trees[name] = lstmsim.simulate(made, trials=2, seed=1, record=f"every:{every}", out=out / "compared" / name, **how)[
            name
        ]
    return trees


def reaches(out: Path, trials: int, share: float, **how: Any) -> xr.Dataset:
    """SnAp-n over n and the learning rate, copying with sparse recurrent weights."""
    most = int(share * row("rules-copy").config.stop.max_sequences)
    over = {"n": list(REACHES), "learning_rate": list(RATES[1:5])}
    return lstmsim.scan(
        "rules-copy", over, trials=trials, out=out / "reaches", rule="snap-n", max_sequences=most, **SPARSE, **how
    )


def alignment(tree: xr.DataTree, most: int) -> tuple[Any, float]:
    """Mean cosine of all hidden weights' gradients by share of the training, and over all of it."""
    sums, counts = np.zeros(POINTS), np.zeros(POINTS)
    trace = tree["trace"].to_dataset()[["alignment"]].isel(weight_group=0).load()
    for trial in range(trace.sizes["trial"]):
        one = trace.isel(trial=trial).dropna("step")
        places = np.minimum(one["sequence"].values.astype(int) * POINTS // most, POINTS - 1)
        np.add.at(sums, places, one["alignment"].values)
        np.add.at(counts, places, 1.0)
    with np.errstate(invalid="ignore"):
        return sums / counts, float(sums.sum() / counts.sum()) if counts.any() else np.nan


def bytes_kept(experiment: Experiment) -> int:
    """Bytes that a rule keeps from step to step, its room to work in included."""
    net = Rules(experiment.settings)
    return sum(array.nbytes for array in net.kept if isinstance(array, np.ndarray))


def steps_to(task: str, trials: xr.Dataset) -> Any:
    """Steps until the task's milestone, if it has one; NaN where it was not reached."""
    if task not in MILESTONES:
        return np.full(trials.sizes["trial"], np.nan)
    return trials[f"sequences_to_{MILESTONES[task]}"].values * row(f"rules-{task}").config.task.max_length


def ridge(x: Any, d: Any, values: int = 32, penalty: float = 1.0) -> Any:
    """Predictions by ridge regression on the latest values, fitted at each step to all that came before."""
    seen, w, p = np.append(np.zeros(values), 1.0), np.zeros(values + 1), np.eye(values + 1) / penalty
    predicted = np.zeros(len(d))
    for t, (now, then) in enumerate(zip(x, d, strict=True)):
        seen[1:values], seen[0] = seen[: values - 1].copy(), now
        predicted[t] = w @ seen
        gain = p @ seen / (1.0 + seen @ p @ seen)
        w, p = w + gain * (then - predicted[t]), p - np.outer(gain, seen @ p)
    return predicted


def linear(window: int = 10_000) -> tuple[float, float]:
    """Squared errors of persistence and of ridge regression over the last steps of the series that trial 0 has."""
    experiment = row("rules-series").config
    pieces = [experiment.task.sequence(1, 0, n) for n in range(experiment.stop.max_sequences)]
    x, d = (np.concatenate([piece[k] for piece in pieces])[:, 0] for k in (0, 1))
    return tuple(float(np.mean((d - y)[-window:] ** 2)) for y in (x, ridge(x, d)))  # type: ignore[return-value]


def run(out: Path, trials: int, grid_trials: int, share: float, **how: Any) -> None:
    """Run everything that has not been run."""
    write_run_file(grid(out, grid_trials, share, **how), trials)
    final(out, trials, share, **how)
    compared(out, share, **how)
    reaches(out, grid_trials, share, **how)


def scanned(folder: Path) -> xr.Dataset:
    """Return what a scan has left in its folder."""
    return next(iter(lstmsim.open_run(folder).children.values())).to_dataset()


def keep(out: Path, share: float) -> None:
    """Put what `run` has left into one small file."""
    scans, tree = {task: scanned(out / "grid" / task) for task in TASKS}, lstmsim.open_run(out / "final")
    made, whole = chosen(share), (len(TASKS), len(RULES))
    trials = tree[next(iter(made))].sizes["trial"]
    names = ("solved", "diverged", "steps", "seconds", "milestone", "loss", "correct")
    columns = {name: np.full((*whole, trials), np.nan) for name in names}
    curve, mean, room, rates = np.full((*whole, POINTS), np.nan), np.zeros(whole), np.zeros(whole, int), np.zeros(whole)
    for t, task in enumerate(TASKS):
        for r, rule in enumerate(RULES):
            experiment, found = made[f"{task}-{rule}"], tree[f"{task}-{rule}"]
            ended = found["progress"].to_dataset().load()
            last = [ended.isel(trial=n).dropna("window", subset=["sequences"]).isel(window=-1) for n in range(trials)]
            values = {
                "solved": found["status"].values == "solved",
                "diverged": found["status"].values == "diverged",
                "steps": found["steps"].values,
                "seconds": found["seconds"].values,
                "milestone": steps_to(task, found.to_dataset()),
                "loss": [float(one["mean_squared_error"]) for one in last],
                "correct": [float(one["fraction_correct"]) for one in last],
            }
            for name, value in values.items():
                columns[name][t, r] = value
            curve[t, r], mean[t, r] = alignment(
                lstmsim.open_run(out / "compared" / experiment.name)[experiment.name], experiment.stop.max_sequences
            )
            room[t, r], rates[t, r] = bytes_kept(experiment), experiment.settings.learning_rate
    variables: dict[str, Any] = {name: (("task", "rule", "trial"), column) for name, column in columns.items()}
    variables |= {"alignment": (("task", "rule", "share"), curve), "mean_alignment": (("task", "rule"), mean)}
    variables |= {"bytes": (("task", "rule"), room), "learning_rate": (("task", "rule"), rates)}
    both = [scans[task].sel(rule=list(RULES)) for task in TASKS]
    dims = ("task", "rule", "rate", "grid_trial")
    variables["grid_loss"] = dims, np.stack([scan["training_squared_error"].values for scan in both])
    variables["grid_solved"] = dims, np.stack([(scan["status"] == "solved").values for scan in both]).astype("i1")
    variables |= reach_variables(scanned(out / "reaches"))
    variables["persistence"], variables["ridge"] = linear()
    coords = {"task": list(TASKS), "rule": list(RULES), "rate": list(RATES), "n": list(REACHES)}
    coords |= {"share": (np.arange(POINTS) + 0.5) / POINTS}
    data = xr.Dataset(variables, coords, {"title": "lstmsim: on-line rules compared", "share_of_the_caps": share})
    data.to_netcdf(DATA, encoding={name: {"zlib": True} for name in data.data_vars if data[name].ndim})


def reach_variables(scan: xr.Dataset) -> dict[str, Any]:
    """Losses of SnAp-n at the best learning rate of each n, entries kept, bytes, and nanoseconds a step."""
    found: dict[str, list[Any]] = {name: [] for name in ("loss", "solved", "ns", "kept", "bytes", "rate")}
    for n in REACHES:
        one = scan.sel(n=n)
        point = one.isel(learning_rate=best(one))
        experiment = row("rules-copy").config.with_settings({"rule": "snap-n", "n": n} | SPARSE)
        found["loss"].append(point["training_squared_error"].values)
        found["solved"].append((point["status"] == "solved").values.astype("i1"))
        found["ns"].append(1e9 * float((point["seconds"] / point["steps"]).median()))
        found["kept"].append(int(errorflow.kept_entries(experiment.settings).sum()))
        found["bytes"].append(bytes_kept(experiment))
        found["rate"].append(float(point["learning_rate"]))
    by_trial = ("loss", "solved")
    return {f"snap_{name}": (("n", "grid_trial")[: 1 + (name in by_trial)], np.array(v)) for name, v in found.items()}


def interval(values: Any) -> str:
    """Median and its 95 % interval, by the bootstrap of the scans' pictures; of no number nothing."""
    from lstmsim.plots.scan import cell

    one = cell(np.full(len(values), "gave_up"), np.asarray(values, float), "sequences")
    if np.isnan(one.value):
        return ""
    return f"{one.value:.3g}" if np.isnan(one.low) else f"{one.value:.3g} ({one.low:.3g} to {one.high:.3g})"


def table(data: xr.Dataset) -> str:
    """Return the page's tables, in Markdown; steps in thousands."""
    lines = []
    for task in TASKS:
        heads = ["rule", "alpha", *(["solved", "after"] if task in SOLVED else []), *HEADS.get(task, ())]
        heads += ["loss at the end", "cosine", "ns", "bytes"]
        lines += ["", f"**{task}**", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for rule in RULES:
            one = data.sel(task=task, rule=rule)
            lines += ["| " + " | ".join(_cells(task, rule, one)) + " |"]
    lines += ["", f"persistence {float(data['persistence']):.2g}, ridge regression {float(data['ridge']):.2g}"]
    return "\n".join(lines)


def _cells(task: str, rule: str, one: xr.Dataset) -> list[str]:
    solved, trials, lost = one["solved"].values == 1, one.sizes["trial"], int(one["diverged"].sum())
    cells = [f"`{rule}`", f"{float(one['learning_rate']):g}"]
    if task in SOLVED:
        cells += [f"{solved.sum()} of {trials}", interval(one["steps"].values[solved] / 1e3)]
    if task in HEADS:
        passed = one["milestone"].dropna("trial").values / 1e3
        cells += [f"{interval(passed)}, {len(passed)} of {trials}" if len(passed) else f"0 of {trials}"]
    loss = interval(one["loss"].values[one["diverged"].values == 0]) + (f", {lost} diverged" if lost else "")
    ns = 1e9 * float((one["seconds"] / one["steps"]).median())
    return [*cells, loss, f"{float(one['mean_alignment']):.2f}", f"{ns:,.0f}", f"{int(one['bytes']):,}"]


def main() -> None:
    """Run the command line."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("what", choices=["run", "keep", "pictures", "table"])
    parse.add_argument("--out", type=Path, default=ROOT / "runs" / "rules")
    parse.add_argument("--trials", type=int, default=20)
    parse.add_argument("--grid-trials", type=int, default=5)
    parse.add_argument("--share", type=float, default=1.0, help="of the rows' caps")
    parse.add_argument("--workers", type=int)
    options = parse.parse_args()
    if options.what == "run":
        run(options.out, options.trials, options.grid_trials, options.share, workers=options.workers)
        return
    if options.what == "keep":
        keep(options.out, options.share)
        return
    with xr.open_dataset(DATA) as data:
        if options.what == "table":
            print(table(data))
        else:
            from rules_pictures import draw

            draw(data, ROOT / "docs" / "pictures")


if __name__ == "__main__":
    main()
