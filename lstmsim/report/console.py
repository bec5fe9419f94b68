"""What a run prints: the rows there are, and the trials of a row beside the published figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from lstmsim.paper import Row
from lstmsim.report.text import percent0, short, whole

if TYPE_CHECKING:
    from lstmsim.report.results import RowResult

_MOST = 30  # trials of a row that are shown one by one


def list_of_rows(rows: Iterable[Row]) -> Table:
    """Return all rows: task, learner, weights, number of trials and the published result."""
    table = Table(title="Rows of Hochreiter and Schmidhuber (1997)", box=None, pad_edge=False)
    for heading in ("row", "task", "learner", "weights", "trials", "the paper: solved", "after sequences"):
        table.add_column(heading, justify="left" if heading in ("row", "task", "learner") else "right", no_wrap=True)
    for row in rows:
        figures = percent0(row.published.solved), whole(row.published.sequences)
        weights = whole(row.config.settings.n_weights)
        table.add_row(escape(row.id), escape(row.title), row.config.learner, weights, str(row.trials), *figures)
    return table


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
