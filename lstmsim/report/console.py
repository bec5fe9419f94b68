"""What a run prints: the rows there are, and the trials of a row beside the published figures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from lstmsim.paper import Row
from lstmsim.report.text import percent0, short, whole

if TYPE_CHECKING:
    from lstmsim.campaign.requests import Request
    from lstmsim.report.results import RowResult

_MOST = 30  # trials of a row that are shown one by one


def list_of_rows(rows: Iterable[Row], width: int = 100) -> Group:
    """Return rows by the paper's tables: task, trials, learner, weights and the published result; the last three if wide."""
    parts: list[RenderableType] = []
    rows = list(rows)
    names = max(len(row.id) for row in rows)
    for heading, group in itertools.groupby(rows, lambda row: row.table.heading):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=not parts)
        table.add_column("row", width=names, no_wrap=True)
        table.add_column("task", width=width - names - (2 if width < 80 else 50))
        for name, size in (("learner", 10), ("weights", 7), ("trials", 6), ("the paper", 15))[4 * (width < 80) :]:
            table.add_column(name, width=size, no_wrap=True, justify="left" if name == "learner" else "right")
        for row in group:
            figures = percent0(row.published.solved), whole(row.published.sequences)
            paper = " at ".join(figure for figure in figures if figure != whole(None)) or whole(None)
            cells = row.config.learner, whole(row.config.settings.n_weights), str(row.trials), paper
            table.add_row(escape(row.id), escape(row.title), *(() if width < 80 else cells))
        parts += [Text(f"\n{heading}", style="bold"), table] if parts else [Text(heading, style="bold"), table]
    return Group(*parts)


def settings_table(settings: Iterable[Iterable[object]]) -> Table:
    """Return what can be set in a row: part, key, value there, what is allowed, meaning."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("of", "key", "default", "allowed", "meaning"):
        table.add_column(heading, no_wrap=heading in ("of", "key"))
    for setting in settings:
        table.add_row(*(escape(str(cell)) for cell in setting))
    return table


def readings_text(requests: Iterable[Request]) -> str:
    """Return, in a sentence, how the rows that were run could be read otherwise; nothing where they cannot."""
    said = []
    for request in requests:
        literal, *others = request.row.readings
        if request.reading and request.reading in (other.words for other in others) and literal.sequences:
            took = "most give up" if math.isinf(literal.sequences) else f"{whole(literal.sequences)} sequences"
            said.append(f"{request.row.id} was read with {request.reading}; the text alone: {took} (--reading literal)")
        elif not request.reading and not request.changes and others and others[0].sequences:
            said.append(f"{request.row.id} was read literally; with {others[0].words}: --reading one")
    return "\n".join([*said, "why: docs/one-reading.md"] if said else [])


def trial_table(result: RowResult) -> Table:
    """Return the trials of a row, with the published figures beside ours."""
    from lstmsim.report import tables  # xarray, which the list of rows does without

    row, published, sheet = result.request.row, result.request.row.published, tables.trials(result, full=False)
    reading = f", reading: {result.request.reading}" if result.request.reading else ""
    title = escape(f"row {row.id}: {row.title}{reading}")
    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    for column in sheet.columns:
        table.add_column(escape(column.heading), justify="right" if column.kind == "number" else "left")
    for cells in sheet.rows if result.n <= _MOST else []:
        table.add_row(*(escape(cell.text) for cell in cells))
    wrong, tested = result.test
    means = [whole(result.reached(name).mean) for name in (*result.stages, "success")]
    test = f"{wrong / tested:.2%}" if tested else whole(None), short(result.test_mean("test_squared_error"))
    table.add_section()
    table.add_row("ours", f"{result.n_solved}/{result.n} solved", *means, "", *test, "")
    figures = [whole(published.stages.get(name)) for name in result.stages] + [whole(published.sequences)]
    solved = whole(None) if published.solved is None else f"{percent0(published.solved)} solved"
    test = whole(None) if published.wrong is None else f"{published.wrong:.2%}", short(published.squared_error)
    table.add_row("paper", solved, *figures, "", *test, "")
    return table
