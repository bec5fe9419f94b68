"""A run that has not been begun, for people and for programs."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from lstmsim.campaign.forecast import duration
from lstmsim.campaign.preview import Preview
from lstmsim.checks import Json
from lstmsim.report import json as outcome


def preview_table(preview: Preview) -> Table:
    """Return the experiments with what they cost here."""
    table = Table(box=None, pad_edge=False)
    for heading in ("row", "task", "learner"):
        table.add_column(heading, no_wrap=True)
    for heading in ("trials left", "lanes", "ns per step", "sequences", "time", "cap", "at most"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in preview.lines:
        request, times = line.request, [line.seconds(n) for n in (line.sequences, line.cap)]
        usual, most = ("-" if seconds is None else duration(seconds / preview.workers) for seconds in times)
        table.add_row(
            escape(request.name),
            escape(request.row.title),
            request.config.learner,
            f"{line.left} of {request.trials}",
            str(line.lanes),
            "-" if line.cost is None else f"{1e9 * line.cost.step:.0f}",
            f"{line.sequences:,.0f}",
            usual,
            f"{line.cap:,}",
            most,
        )
    return table


def preview_content(preview: Preview) -> Json:
    """Return the same for programs; None where nothing was measured."""
    rows = []
    for line in preview.lines:
        usual, most = line.seconds(line.sequences), line.seconds(line.cap)
        rows.append(
            outcome.of_request(line.request)
            | {
                "left": line.left,
                "lanes": line.lanes,
                "ns_per_step": None if line.cost is None else 1e9 * line.cost.step,
                "steps_per_sequence": None if line.cost is None else line.cost.length,
                "expected_sequences": line.sequences,
                "cap": line.cap,
                "seconds": None if usual is None else usual / preview.workers,
                "seconds_at_most": None if most is None else most / preview.workers,
            }
        )
    folder = preview.campaign.folder
    whole = {"seconds": preview.seconds(), "seconds_at_most": preview.seconds(at_most=True)}
    return {"dry_run": True, "out": str(folder.path), "seed": folder.seed, "threads": preview.workers, **whole, "rows": rows}
