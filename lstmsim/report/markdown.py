"""Finished campaigns beside the paper's tables, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from lstmsim.paper import rows
from lstmsim.report.comparison import Comparison, Line, comparisons, ordered
from lstmsim.report.results import Reached, RowResult
from lstmsim.report.text import DASH, percent, percent0, short, times, whole
from lstmsim.tasks.distractors import Distractors

_LSTM = ("lstm", "exact_lstm")  # their rows share the paper's figures, tests included, and so one table


def best(results: Sequence[RowResult]) -> list[RowResult]:
    """Of each row the result with the largest fraction of solved trials; a reading where the literal one is no better."""
    rows: dict[str, list[RowResult]] = {}
    for result in ordered(results):
        rows.setdefault(result.request.row.id, []).append(result)
    return [max(reversed(group), key=lambda r: len(r.solved) / max(len(r.attrs), 1)) for group in rows.values()]


def replication(results: Sequence[RowResult], notes: str, command: str, scaling: tuple[str, str] | None = None) -> str:
    """Tables of all results, one per table of the paper, and the notes below them; with rivals a table compares methods.

    Parameters
    ----------
    results : sequence of RowResult
        Rows of finished campaigns; literal rows and readings of the same row come to stand beside each other.
    notes : str
        Text that follows the tables as it is.
    command : str
        How the file is made.
    scaling : tuple of str, optional
        File and alternative text of a picture for Table 3.
    """
    results = ordered(results)
    parts = ["# Replication", _introduction(results, command)]
    methods = {comparison.table: comparison for comparison in comparisons(results)}
    for table in dict.fromkeys(row.table for row in rows().values()):
        group = [r for r in results if r.request.row.table == table]
        if any(r.request.config.learner not in _LSTM for r in group):
            parts.append(compared(methods[table]))
        elif group:
            parts += [f"## {table.heading}", _table(group)]
            if scaling is not None and any(isinstance(r.request.config.task, Distractors) for r in group):
                parts.append(f"![{scaling[1]}]({scaling[0]})")
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
    return _markdown(headings, [_cells(result, stages) for result in results])


def compared(comparison: Comparison) -> str:
    """One table of the paper, all its methods, below its title and note."""
    headings = ["row", "method", "hidden units", "weights", "alpha", "reading", "solved", "paper"]
    headings += ["sequences, strict", "paper", "ratio", "95 % correct", "cap"]
    table = _markdown(headings, [_method(line) for line in comparison.lines])
    return "\n\n".join(filter(None, (f"## {comparison.table.heading}", comparison.table.note, table)))


def _method(line: Line) -> list[str]:
    result, paper = line.result, line.row.published
    alpha = short(line.alpha) if line.alpha is not None else DASH
    cells = [line.row.id, line.method, line.hidden, line.weights_text, alpha]
    figures = [percent0(paper.solved) if paper.solved is not None else DASH]
    if result is None:
        return [*cells, "not run", DASH, *figures, *_beside(Reached((), 0), paper.sequences), DASH, DASH]
    cap = whole(result.request.config.training.max_sequences)
    reached = _beside(result.sequences, paper.sequences)
    return [*cells, _reading(result), _solved(result), *figures, *reached, _span(result.milestone("correct_95")), cap]


def _markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = [":--" if h in ("row", "task", "method", "reading") else "--:" for h in headings]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in (headings, rule, *lines)
    )


def _reading(result: RowResult) -> str:
    text = f"`{result.departures}`" if result.departures else "literal"
    return f"{result.request.reading}: {text}" if result.request.reading else text


def _solved(result: RowResult) -> str:
    if result.interval is None:
        return DASH
    low, high = result.interval
    return f"{len(result.solved)}/{len(result.attrs)} ({100 * low:.0f}{DASH}{percent0(high)})"


def _cells(result: RowResult, stages: Sequence[str]) -> list[str]:
    request, paper, reached = result.request, result.request.row.published, result.sequences
    ended, asked = len(result.attrs), request.trials
    cells = [
        request.row.id,
        request.row.title,
        _reading(result),
        whole(result.weights) if result.weights is not None else DASH,
        f"{ended}" if ended == asked else f"{ended} of {asked}",
        _solved(result),
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
