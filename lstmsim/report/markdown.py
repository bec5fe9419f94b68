"""Finished campaigns beside the paper's tables, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lstmsim.report import pictures, tables
from lstmsim.report.results import RowResult, read_run
from lstmsim.report.tables import Cell, Sheet
from lstmsim.tasks.distractors import Distractors
from lstmsim.trace.store import whole_or_absent

_LSTM = ("lstm", "exact_lstm")  # their rows share the paper's figures, tests included, and so one table
_LEFT = ("row", "task", "method", "reading")


def comparison_tables(*folders: Path) -> str:
    """All methods of the paper's tables in which a rival was run, our figures beside the paper's.

    Parameters
    ----------
    *folders : Path
        Folders of runs, with their `run.json`; every figure is read from the trial files.

    Raises
    ------
    ValueError
        If a folder has no `run.json` that can be used, or no finished trial.
    """
    results = [result for folder in folders for result in read_run(folder)]
    return "\n\n".join(_compared(comparison) for comparison in tables.comparisons(results))


def replication(results: Sequence[RowResult], command: str, scaling: tuple[str, str] | None = None) -> str:
    """Tables of all results, one per table of the paper; with rivals a table compares methods.

    Parameters
    ----------
    results : sequence of RowResult
        Rows of finished campaigns; literal rows and readings of the same row come to stand beside each other.
    command : str
        How the file is made.
    scaling : tuple of str, optional
        File and alternative text of a picture for the rows of growing lags.
    """
    parts = ["# Replication", _introduction(results, command)]
    methods = {comparison.table: comparison for comparison in tables.comparisons(results)}
    for table, group in tables.by_table(results).items():
        if any(result.request.config.learner not in _LSTM for result in group):
            parts.append(_compared(methods[table]))
            continue
        parts += [f"## {table.heading}", markdown(tables.against_paper(group))]
        if scaling is not None and any(isinstance(result.request.config.task, Distractors) for result in group):
            parts.append(f"![{scaling[1]}]({scaling[0]})")
    return "\n\n".join(parts) + "\n"


def write_replication(folders: Sequence[Path], path: Path) -> None:
    """Write the tables of finished campaigns, and the picture of the growing lags.

    Raises
    ------
    ValueError
        As `comparison_tables`.
    """
    results = [result for folder in folders for result in read_run(folder)]
    command = f"python -m lstmsim.report {' '.join(f.as_posix() for f in folders)} --markdown {path.as_posix()}"
    scaling = None
    if (picture := pictures.scaling_picture(tables.best(results))) is not None:
        file = path.with_name(f"{path.stem}-scaling.png")
        with whole_or_absent(file) as part:
            part.write_bytes(picture.content)
        scaling = file.name, picture.alt
    with whole_or_absent(path) as part:
        part.write_text(replication(results, command, scaling), encoding="utf-8")


def markdown(sheet: Sheet) -> str:
    """A table as Markdown."""
    headings = [column.name for column in sheet.columns]
    rule = [":--" if heading in _LEFT else "--:" for heading in headings]
    rows = [[_text(cell) for cell in row] for row in sheet.rows]
    headings = [_text(Cell(heading)) for heading in headings]
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, rule, *rows))


def _text(cell: Cell) -> str:
    """A cell on one line, what means something in Markdown taken as it is."""
    text, code = " ".join(cell.text.split()), " ".join(cell.code.split())
    text = re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
    if code:
        ticks = "`" * (1 + code.count("`"))
        code = ticks + code.replace("|", "\\|") + ticks
    parts = ": ".join(filter(None, (text, code)))
    return parts + (f" ({cell.small})" if cell.small else "") + (f", {cell.share}" if cell.share else "")


def _compared(comparison: tables.Comparison) -> str:
    """One table of the paper, all its methods, below its title and note."""
    table = comparison.table
    return "\n\n".join(filter(None, (f"## {table.heading}", table.note, markdown(comparison.sheet))))


def _introduction(results: Sequence[RowResult], command: str) -> str:
    made = {key: [str(v) for result in results for v in result.trials[key].values] for key in ("version", "seed")}
    versions, seeds = (", ".join(dict.fromkeys(values)) for values in made.values())
    return (
        f"Made from the trial files by `{command}` (lstmsim {versions}, seed {seeds}; {len(made['seed']):,} trials).\n\n"
        "*Solved*: trials that met the row's whole stopping rule before the cap, with Wilson's 95 % interval. *Sequences*: "
        "mean (range) over the trials that got there, until the whole rule (strict) and until 95 % of the latest sequences "
        "were correct; n/N where not all trials did. *Ratio*: our strict mean divided by the paper's. *Test*: wrong "
        "sequences, mean squared error and mean difference of the solved trials. *Reading*: what differs from the paper's "
        "text, as `--set` takes it. *Cap*: sequences after which a trial gave up."
    )
