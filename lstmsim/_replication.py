"""Finished campaigns beside the paper's tables, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from lstmsim._results import Reached, RowResult
from lstmsim._text import DASH, percent, percent0, short, times, whole
from lstmsim.experiments import rows

TABLES = {
    "1": "embedded Reber grammar",
    "2": "long lags without and with noise",
    "3": "very long lags and distractors",
    "4": "two-sequence problem",
    "5": "two-sequence problem, noise on the information-carrying elements",
    "6": "two-sequence problem, noise on the targets too",
    "7": "adding",
    "8": "multiplication",
    "9": "temporal order",
}


def replication(results: Sequence[RowResult], notes: str, command: str) -> str:
    """Tables of all results, one per table of the paper, and the notes below them.

    Parameters
    ----------
    results : sequence of RowResult
        Rows of finished campaigns; literal rows and readings of the same row come to stand beside each other.
    notes : str
        Text that follows the tables as it is.
    command : str
        How the file is made.
    """
    order = {name: place for place, name in enumerate(rows())}
    results = sorted(results, key=lambda r: (order[r.request.row.id], bool(r.request.changes or r.request.reading)))
    parts = ["# Replication", _introduction(results, command)]
    for table in dict.fromkeys(r.request.row.table for r in results):
        title = f"## Table {table}" + (f": {TABLES[table]}" if table in TABLES else "")
        parts += [title, _table([r for r in results if r.request.row.table == table])]
    return "\n\n".join(parts) + "\n" + (f"\n{notes}" if notes else "")


def _introduction(results: Sequence[RowResult], command: str) -> str:
    attrs = [a for r in results for a in r.attrs]
    versions, seeds = (", ".join(dict.fromkeys(str(a[key]) for a in attrs)) for key in ("version", "seed"))
    return (
        f"Made from the trial files by `{command}` (lstmsim {versions}, seed {seeds}; {len(attrs):,} trials); "
        "edit the notes, not the tables.\n\n"
        "*Solved*: trials that met the row's whole stopping rule before the cap, with Wilson's 95 % interval. *Sequences*: "
        "mean (range) over the trials that got there, until the whole rule (strict) and until 95 % of the latest sequences "
        "were correct; n/N where not all trials did. *Ratio*: our strict mean divided by the paper's. *Test*: wrong "
        "sequences, mean squared error and mean difference of the solved trials. *Reading*: what differs from the paper's "
        "text, as `--set` takes it. *Cap*: sequences after which a trial gave up."
    )


def _table(results: Sequence[RowResult]) -> str:
    """One table of the paper."""
    stages = list(dict.fromkeys(name for r in results for name in r.stages))
    headings = ["row", "task", "reading", "weights", "trials", "solved", "paper", "sequences, strict", "paper", "ratio"]
    for name in stages:
        headings += [name, "paper", "ratio"]
    headings += ["95 % correct", "test: wrong", "paper", "MSE", "paper", "mean difference", "paper", "cap"]
    rule = [":--" if h in ("row", "task", "reading") else "--:" for h in headings]
    lines = [headings, rule, *(_cells(result, stages) for result in results)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _cells(result: RowResult, stages: Sequence[str]) -> list[str]:
    request, paper, reached = result.request, result.request.row.paper, result.sequences
    reading = f"`{result.setting}`" if result.setting else "literal"
    if request.reading:
        reading = f"{request.reading}: {reading}"
    ended, asked = len(result.attrs), request.trials
    solved = DASH
    if result.interval is not None:
        low, high = result.interval
        solved = f"{len(result.solved)}/{ended} ({100 * low:.0f}{DASH}{percent0(high)})"
    cells = [
        request.row.id,
        request.row.title,
        reading,
        whole(result.weights) if result.weights is not None else DASH,
        f"{ended}" if ended == asked else f"{ended} of {asked}",
        solved,
        percent0(paper.solved) if paper.solved is not None else DASH,
        *_beside(reached, paper.sequences),
    ]
    for name in stages:
        cells += _beside(result.stages.get(name, Reached((), 0)), paper.stages.get(name))
    wrong = f"{result.test_wrong:,}/{result.test_sequences:,}" if result.wrong is not None else DASH
    cells += [_span(result.milestone("correct_95")), wrong, percent(paper.wrong) if paper.wrong is not None else DASH]
    for figure in (result.squared_error, paper.squared_error, result.difference, paper.difference):
        cells.append(short(figure) if figure is not None else DASH)
    return [*cells, whole(request.config.training.max_sequences)]


def _beside(reached: Reached, paper: float | None) -> list[str]:
    """Our mean, the paper's, and their ratio."""
    ratio = reached.ratio(paper)
    return [_span(reached), whole(paper) if paper is not None else DASH, times(ratio) if ratio is not None else DASH]


def _span(reached: Reached) -> str:
    """Mean and range, and of how many trials where not all got there."""
    if reached.mean is None or reached.range is None:
        return DASH
    text = whole(reached.mean)
    if reached.n > 1:
        text += f" ({whole(reached.range[0])}{DASH}{whole(reached.range[1])})"
    return text if reached.n == reached.trials else f"{text}, {reached.n}/{reached.trials}"
