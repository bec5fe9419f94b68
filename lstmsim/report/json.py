"""A run in a form that programs read: what `--json` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import lstmsim
from lstmsim.campaign.requests import Request
from lstmsim.checks import Json
from lstmsim.paper import Row

if TYPE_CHECKING:
    from lstmsim.report.results import Reached, RowResult

_EACH = ("trial", "status", "sequences", "sequences_to_success", "steps", "seconds", "test_sequences", "test_wrong")


def text(content: Json) -> str:
    """One JSON document; NumPy's numbers become Python's, NaN becomes null."""

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {key: plain(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [plain(part) for part in value]
        value = value.item() if hasattr(value, "item") else value
        return None if value != value else value

    return json.dumps(
        {"lstmsim": lstmsim.__version__, **{key: plain(part) for key, part in content.items()}}, indent=1, allow_nan=False
    )


def of_row(row: Row) -> Json:
    """A row and the published figures."""
    paper = {"solved": row.published.solved, "sequences": row.published.sequences, "wrong": row.published.wrong}
    net = {"learner": row.config.learner, "weights": row.config.settings.n_weights}
    return {"row": row.id, "task": row.title, **net, "paper": paper}


def of_request(request: Request) -> Json:
    """A row as it was asked for."""
    asked = {"name": request.name, "trials": request.trials, "set": request.changes, "reading": request.reading}
    return of_row(request.row) | {"weights": request.config.settings.n_weights} | asked


def of_result(result: RowResult) -> Json:
    """A row's outcome, and that of each trial; null: not reached."""
    wrong, tested = result.test
    test = {"sequences": tested, "wrong": wrong, "squared_error": result.test_mean("test_squared_error")}
    return of_request(result.request) | {
        **result.statuses,
        "sequences_to_success": _reached(result.reached()),
        "stages": {name: _reached(result.reached(name)) for name in result.stages},
        "test": test,
        "each": [{key: result.trials[key].values[i] for key in _EACH} for i in range(result.n)],
    }


def of_run(out: Path, seed: int, results: Sequence[RowResult]) -> Json:
    """A run's folder and its rows."""
    files = {"summary": str(out / "summary.nc"), "report": str(out / "report.html")}
    return {"out": str(out), "seed": seed, **files, "rows": [of_result(result) for result in results]}


def _reached(reached: Reached) -> Json:
    return {"trials": reached.n, "mean": reached.mean, "min": reached.low, "max": reached.high}
