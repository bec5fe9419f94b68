"""The factorial of docs/one-reading.md: run cells, rank readings, draw main effects.

python analysis/one_reading.py run --rows 4-1 6a --only error=none,quarter --trials 10 --cap 2 --seed 100
python analysis/one_reading.py rank --rows 4-1 6a
python analysis/one_reading.py table --additions "2c=no sources" "1-=direct, no gate sources"

Results go to docs/data/one-reading.csv, one line a trial; what stands there is not run again.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lstmsim.paper import rows

DATA = Path(__file__).parents[1] / "docs" / "data" / "one-reading.csv"
FACTORS: dict[str, dict[str, dict[str, Any]]] = {
    "error": {
        "slope": {},
        "none": {"error_derivative": False},
        "quarter": {"error_derivative": False, "error_factor": 0.25},
        "linear": {"output": "identity"},
        "linear/4": {"output": "identity", "error_factor": 0.25},
    },
    "cell_bias": {"table": {}, "absent": {"cell_bias": False}, "last": {"cell_bias_partial": "last"}},
    "gate_bias": {"sum": {}, "last": {"gate_bias_partial": "last"}},
    "sources": {
        "all": {},
        "gates last": {"gate_source_partial": "last"},
        "last": {"gate_source_partial": "last", "cell_source_partial": "last"},
        "cells": {"recurrence": "cells"},
        "none": {"recurrence": "none"},
    },
    "output_bias": {"table": {}, "absent": {"output_bias": False}},
}
ADDITIONS: dict[str, dict[str, Any]] = {
    "": {},
    "direct": {"shortcuts": True},
    "closed": {"input_gate_start": -2.0},
    "closed, ends": {"input_gate_start": -2.0, "targets": "end"},
    "gates of 4": {"input_gate_bias": [-3, -6]},
    "gates of 4, gates last": {"input_gate_bias": [-3, -6], "gate_source_partial": "last"},
    "no sources": {"recurrence": "none", "gate_source_partial": "sum", "cell_source_partial": "sum"},
    "no cell biases": {"cell_bias": False},
    "linear": {"output": "identity", "error_factor": 1.0},
    "linear outputs": {"output": "identity", "error_derivative": True},
    "closed, whole": {"input_gate_start": -2.0, "error_factor": 1.0},
    "closed, ends, whole": {"input_gate_start": -2.0, "targets": "end", "error_factor": 1.0},
    "linear, no cell biases": {"output": "identity", "error_factor": 1.0, "cell_bias": False},
    "whole, gates' biases only": {"error_factor": 1.0, "cell_bias": False, "output_bias": False},
    "linear, gates' biases only": {"output": "identity", "error_factor": 1.0, "cell_bias": False, "output_bias": False},
    "direct, no gate sources": {
        "shortcuts": True,
        "recurrence": "cells",
        "gate_source_partial": "sum",
        "cell_source_partial": "sum",
    },
}
ALLOWED = {  # by the beginning of a row's name
    "1-": ("direct", "direct, no gate sources"),
    "2a": ("closed", "closed, whole"),
    "2b": ("closed", "closed, ends", "closed, ends, whole"),
    "2c": ("no sources",),
    "3a": ("linear outputs",),
    "3b": ("linear outputs",),
    "4-": ("no cell biases", "linear", "linear, no cell biases", "linear, gates' biases only", "whole, gates' biases only"),
    "5": ("gates of 4", "gates of 4, gates last"),
}
COLUMNS = ("row", *FACTORS, "addition", "seed", "cap", "trial", "status", "sequences", "test_wrong", "tests")
Cell = tuple[str, ...]  # row, a level of each factor ("" where the factor does not act), addition


def acting(row: str) -> set[str]:
    """The factors that change anything in a row."""
    net = rows()[row].config.settings
    found = {"error"}
    if net.topology == "F":
        found.add("sources")
    if net.bias != "none":
        found.add("gate_bias")
    if net.bias in ("b1", "all"):
        found.add("cell_bias")
    if net.bias == "all":
        found.add("output_bias")
    return found


def additions(row: str) -> tuple[str, ...]:
    """The additions that a row may have, none at all first."""
    return ("", *ALLOWED.get(row[:2], ()))


def cell(row: str, reading: tuple[str, ...], addition: str = "") -> Cell:
    """Name of the cell that a reading has in a row: factors that do not act are left open."""
    act = acting(row)
    return (row, *(level if name in act else "" for name, level in zip(FACTORS, reading, strict=True)), addition)


def settings(which: Cell) -> dict[str, Any]:
    """Return the settings of a cell, as `--set` takes them."""
    found: dict[str, Any] = {}
    for name, level in zip(FACTORS, which[1:-1], strict=True):
        found |= FACTORS[name][level] if level else {}
    return found | ADDITIONS[which[-1]]


@cache
def identity(which: Cell) -> tuple[str, str]:
    """Row and configuration: cells that ask for the same in other words are one."""
    return which[0], rows()[which[0]].config.with_settings(settings(which)).as_json()


def readings(only: dict[str, list[str]]) -> list[tuple[str, ...]]:
    """All readings with the levels asked for, in an order that is random and always the same."""
    found = list(itertools.product(*(only.get(name, list(levels)) for name, levels in FACTORS.items())))
    random.Random(1).shuffle(found)
    return found


def run_cell(job: tuple[Cell, int, float, int, int]) -> list[tuple[Any, ...]]:
    """Run the trials of one cell; lines of the data file."""
    from lstmsim.simulation.loop import Simulation
    from lstmsim.simulation.policy import Policy

    which, seed, cap, trials, tests = job
    row = rows()[which[0]]
    limit = round(cap * row.published.sequences)
    config = row.config.with_settings(settings(which) | {"max_sequences": limit, "final_test": tests})
    groups: dict[Any, list[int]] = defaultdict(list)
    for trial in range(trials):
        groups[config.task.for_trial(trial)].append(trial)
    lines = []
    for task, numbers in groups.items():
        lanes = 8 if len(numbers) <= 8 else 16
        for result in Simulation(replace(config, task=task), seed, lanes, Policy.parse("none")).run(iter(numbers)):
            wrong = int((result.test[:, 3] == 0).sum()) if len(result.test) else ""
            end = (result.status, result.sequences, wrong, len(result.test) or "")
            lines.append((*which, seed, cap, result.trial, *end))
    return sorted(lines, key=lambda line: line[len(which) + 2])


def read() -> list[dict[str, str]]:
    """Lines of the data file."""
    import csv

    if not DATA.exists():
        return []
    with DATA.open(newline="") as file:
        return list(csv.DictReader(file))


def write(lines: list[tuple[Any, ...]]) -> None:
    """Append lines to the data file."""
    import csv

    DATA.parent.mkdir(exist_ok=True)
    new = not DATA.exists()
    with DATA.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        writer.writerows(lines)


def key(line: dict[str, str]) -> Cell:
    """Cell of a line."""
    return tuple(line[name] for name in COLUMNS[: len(FACTORS) + 2])


class Results:
    """All trials of one seed, by cell."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.trials: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
        for line in read():
            if int(line["seed"]) == seed:
                self.trials[identity(key(line))].append(line)

    def judged(self, which: Cell, cap: float) -> tuple[int, int, float] | None:
        """Trials solved within a cap, trials, and restricted mean divided by the paper's mean; None if not run."""
        lines = self.trials.get(identity(which))
        if not lines or any(float(line["cap"]) < cap for line in lines):
            return None
        paper = rows()[which[0]].published.sequences
        limit = round(cap * paper)
        ends = [
            (min(int(line["sequences"]), limit), line["status"] == "solved" and int(line["sequences"]) <= limit)
            for line in lines
        ]
        mean = np.mean([n if ok else limit for n, ok in ends])
        return sum(ok for _, ok in ends), len(ends), float(mean / paper)


def at_the_rate(row: str, solved: int, trials: int) -> bool:
    """Whether Fisher's exact test (one-sided, 5 %) does not reject that trials succeed as often as the paper's."""
    from math import comb

    paper = rows()[row]
    n = paper.trials
    k = round(paper.published.solved * n)
    total = solved + k
    few = sum(comb(trials, i) * comb(n, total - i) for i in range(solved + 1) if 0 <= total - i <= n)
    return few / comb(trials + n, total) >= 0.05


def score(results: Results, names: list[str], reading: tuple[str, ...], cap: float) -> Any:
    """(rows at the rate, -sum of squared logs, rows not run, verdict by row), the best addition taken for each row."""
    rate, squares, missing, verdicts = 0, 0.0, 0, {}
    for row in names:
        best = None
        for addition in additions(row):
            found = results.judged(cell(row, reading, addition), cap)
            if found is not None:
                ok = at_the_rate(row, found[0], found[1])
                this = (ok, -(np.log(found[2]) ** 2), addition, found)
                best = this if best is None or this[:2] > best[:2] else best
        if best is None:
            missing += 1
            continue
        rate, squares = rate + best[0], squares - best[1]
        verdicts[row] = best
    return rate, -squares, missing, verdicts


def run(args: argparse.Namespace) -> None:
    """Run what is missing of the cells asked for."""
    only = {name: levels.split(",") for name, levels in (text.split("=") for text in args.only)}
    results = Results(args.seed)
    chosen = [tuple(text.split("|")) for text in args.readings] or readings(only)
    jobs = []
    for reading in chosen:
        for row in args.rows:
            for addition in additions(row) if args.additions is None else args.additions:
                which = cell(row, reading, addition)
                job = which, args.seed, args.cap, args.trials or rows()[row].trials, args.tests
                if results.judged(which, args.cap) is None and job not in jobs:
                    jobs.append(job)

    def waiting() -> Iterator[Any]:
        for job in jobs:
            if args.until and time.strftime("%H:%M") >= args.until:
                return
            yield job

    print(f"{len(jobs)} cells to run", flush=True)
    began = time.time()
    with multiprocessing.get_context("forkserver").Pool(args.workers) as pool:
        # Jobs are handed out one at a time, or `until` would come too late.
        source, pending = waiting(), []
        while True:
            while len(pending) < args.workers and (job := next(source, None)) is not None:
                pending.append((job, pool.apply_async(run_cell, (job,))))
            if not pending:
                break
            time.sleep(0.05)
            for item in [item for item in pending if item[1].ready()]:
                pending.remove(item)
                lines = item[1].get()
                write(lines)
                solved = [line[-3] for line in lines if line[-4] == "solved"]
                mean = f"{np.mean(solved) / rows()[item[0][0][0]].published.sequences:.2f}" if solved else "-"
                print(f"{time.time() - began:6.0f} s  {len(solved)}/{len(lines)} {mean}  {item[0][0]}", flush=True)


def rank(args: argparse.Namespace) -> None:
    """Print the readings in the order of the criterion."""
    results = Results(args.seed)
    table = [(score(results, args.rows, reading, args.cap), reading) for reading in readings({})]
    table = [entry for entry in table if entry[0][2] <= args.missing]
    table.sort(key=lambda entry: entry[0][:2], reverse=True)
    for (rate, squares, missing, verdicts), reading in table[: args.top]:
        text = " ".join(
            f"{row}{'+' if verdict[2] else ''}:{verdict[3][0]}/{verdict[3][1]},{verdict[3][2]:.2f}"
            for row, verdict in verdicts.items()
        )
        print(f"{rate}/{len(args.rows) - missing} {-squares:6.2f}  {'|'.join(reading):42s} {text}")


def interval(values: Any) -> tuple[float, float]:
    """Bootstrap interval (95 %) of a mean: 10,000 resamples of the trials."""
    rng = np.random.default_rng(0)
    means = np.mean(rng.choice(values, (10_000, len(values))), axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def best(fresh: Results, row: str, cap: float) -> str:
    """The cell of a row whose ratio comes nearest to 1 among those at the paper's rate, in words."""
    met = {key(line) for line in read() if line["row"] == row and int(line["seed"]) == fresh.seed}
    judged = {which: found for which in met if (found := fresh.judged(which, cap) or fresh.judged(which, 2.0)) is not None}
    good = [which for which, found in judged.items() if at_the_rate(row, found[0], found[1])]
    if not good:
        return "none at the rate"
    which = min(good, key=lambda which: (abs(np.log(judged[which][2])), which))
    moot = ("", "table", "sum", *(FACTORS["sources"] if "recurrence" in ADDITIONS[which[-1]] else ["all"]))
    levels = zip(FACTORS, which[1:-1], strict=True)
    words = [f"{name} {level}".replace("_", " ") for name, level in levels if level not in moot]
    words = ["literal" if word == "error slope" and not which[-1] else word for word in words]
    solved, trials, ratio = judged[which]
    return f"{', '.join([*words, *([which[-1]] if which[-1] else [])])}: {solved}/{trials}, {ratio:.2f}"


def literal(fresh: Results, row: str) -> str:
    """Trials solved and ratio of the text alone, and the cap if it is not three times the paper's mean."""
    for cap in (3.0, 2.0, 1.5, 1.0):
        if (found := fresh.judged(cell(row, ("slope", "table", "sum", "all", "table")), cap)) is not None:
            ratio = f", {found[2]:.2f}" if found[0] else ""
            return f"{found[0]}/{found[1]}{ratio}" + ("" if cap == 3.0 else f" (cap {cap:g})")
    return ""


def table(args: argparse.Namespace) -> None:
    """Print Markdown: each row under one reading, with the additions given as experiment=addition."""
    results, reading = Results(args.seed), tuple(args.reading.split("|"))
    chosen = dict(text.split("=", 1) for text in args.additions)
    others = []
    print("| row | addition | solved | at the rate | mean (95 %) | paper | ratio | inside | test: wrong |")
    print("| :-- | :-- | --: | :-- | --: | --: | --: | :-- | --: |")
    counts, logs = [0, 0, 0, 0, 0], 0.0
    for name in [name for name, row in rows().items() if row.config.learner == "lstm"]:
        addition = next((value for start, value in chosen.items() if name.startswith(start)), "")
        which = cell(name, reading, addition)
        cap = args.cap if results.judged(which, args.cap) is not None else 2.0
        if results.judged(which, cap) is None:
            continue
        paper = rows()[name].published.sequences
        limit = round(cap * paper)
        lines = results.trials[identity(which)]
        good = [int(line["sequences"]) for line in lines if line["status"] == "solved" and int(line["sequences"]) <= limit]
        values = np.array(good + [limit] * (len(lines) - len(good)))
        low, high = interval(values)
        rate = at_the_rate(name, len(good), len(lines))
        inside = low <= paper <= high
        ratio = values.mean() / paper
        tested = sum(int(line["tests"] or 0) for line in lines if line["status"] == "solved")
        wrong = sum(int(line["test_wrong"] or 0) for line in lines if line["status"] == "solved")
        close = rate and 1 / 1.5 <= ratio <= 1.5
        counts = [n + int(x) for n, x in zip(counts, (1, rate, close, rate and ratio <= 1.5, inside), strict=True)]
        logs += np.log(ratio) ** 2
        print(
            f"| {name} | {addition} | {len(good)}/{len(lines)} | {'yes' if rate else 'no'} | "
            f"{values.mean():,.0f} ({low:,.0f}-{high:,.0f}){' +' if cap < args.cap else ''} | "
            f"{paper:,.0f} | {ratio:.2f} | {'yes' if inside else 'no'} | {f'{wrong / tested:.2%}' if tested else '-'} |"
        )
        given = f"{len(good)}/{len(lines)}" + (f", {ratio:.2f}" if good else "")
        given = f"{given} | {low / paper:.2f}-{high / paper:.2f}"
        others.append(f"| {name} | {paper:,.0f} | {literal(results, name)} | {given} | {best(results, name, args.cap)} |")
    print(
        f"\n{counts[0]} rows: {counts[1]} at the paper's rate, of these {counts[2]} within 1.5 times its mean either way, "
        f"{counts[3]} at most 1.5 times; the paper's mean inside in {counts[4]}; sum of squared logs {logs:.2f}.\n"
    )
    print("| row | the paper | literal | one reading | its interval (95 %) | best per row |")
    print("| :-- | --: | :-- | :-- | :-- | :-- |", *others, sep="\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, function in (("run", run), ("rank", rank)):
        command = commands.add_parser(name)
        command.set_defaults(function=function)
        command.add_argument("--rows", nargs="+", required=True)
        command.add_argument("--seed", type=int, default=100)
        command.add_argument("--cap", type=float, default=2.0, help="multiples of the paper's mean")
    command.add_argument("--top", type=int, default=20)
    command.add_argument("--missing", type=int, default=0, help="rows that may not have been run")
    command = commands.add_parser("table")
    command.set_defaults(function=table)
    command.add_argument("--reading", default="quarter|table|sum|all|table")
    command.add_argument("--additions", nargs="*", default=[], metavar="ROWS=ADDITION")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--cap", type=float, default=3.0)
    command = commands.choices["run"]
    command.add_argument("--only", nargs="*", default=[], metavar="FACTOR=LEVEL,LEVEL")
    command.add_argument("--readings", nargs="*", default=[], metavar="LEVEL|LEVEL|...")
    command.add_argument("--additions", nargs="*", help="all that a row may have if not given")
    command.add_argument("--trials", type=int, help="the paper's number if not given")
    command.add_argument("--tests", type=int, default=0, help="fresh test sequences after success")
    command.add_argument("--workers", type=int, default=2)
    command.add_argument("--until", metavar="HH:MM")
    args = parser.parse_args()
    args.function(args)


if __name__ == "__main__":
    main()
