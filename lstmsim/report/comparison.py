"""The paper's tables in which methods are compared: every method that stands there, with our result where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstmsim.paper import Row, Table, rows
from lstmsim.report.results import RowResult
from lstmsim.report.text import DASH, whole

METHODS = {
    "lstm": "LSTM",
    "exact_lstm": "LSTM, exact gradient",
    "rtrl": "RTRL",
    "bptt": "BPTT",
    "elman": "Elman net",
    "cascade": "RCC",
    "chunker": "chunker",
    "guessing": "weight guessing",
}


@dataclass(frozen=True)
class Line:
    """A method on a task.

    Attributes
    ----------
    row : Row
        The row.
    result : RowResult or None
        Our result; None where the row was not run.
    """

    row: Row
    result: RowResult | None

    @property
    def label(self) -> str:
        """The row, with the reading where there is one."""
        return self.result.label if self.result else self.row.id

    @property
    def method(self) -> str:
        """Name of the method."""
        learner = self.row.config.learner
        return METHODS.get(learner, learner)

    @property
    def alpha(self) -> float | None:
        """Learning rate; None where the method has none."""
        found: float | None = getattr(self._settings, "learning_rate", None)
        return found

    @property
    def hidden(self) -> str:
        """Number of hidden units: blocks of cells, units of both nets, or those that joined."""
        settings = self._settings
        if hasattr(settings, "n_blocks"):
            return f"{settings.n_blocks} block{'s' * (settings.n_blocks > 1)} of {settings.block_size}"
        if hasattr(settings, "chunker_hidden"):
            return f"{settings.n_hidden} + {settings.chunker_hidden}"
        if hasattr(settings, "max_hidden"):
            return _range(self._joined)
        return str(getattr(settings, "hidden", settings.n_hidden))

    @property
    def weights(self) -> tuple[int, ...]:
        """Trainable weights; the smallest and the largest net's where nets grow, none where none has been grown."""
        settings = self._settings
        if hasattr(settings, "max_hidden"):
            return tuple(dict.fromkeys(settings.weights_with(n) for n in self._joined))
        return (getattr(settings, "automatizer_weights", settings.n_weights),)

    @property
    def weights_text(self) -> str:
        """The weights as they stand in a table."""
        return _range(self.weights)

    @property
    def _settings(self) -> Any:
        return (self.result.request if self.result else self.row).config.settings

    @property
    def _joined(self) -> tuple[int, ...]:
        """Smallest and largest number of hidden units that had joined at the ends of the trials, successful ones if any."""
        attrs = (self.result.solved or self.result.attrs) if self.result else []
        counts = [np.atleast_1d(a["joined"]).size for a in attrs]
        return (min(counts), max(counts)) if counts else ()


@dataclass(frozen=True)
class Comparison:
    """One table of the paper, all methods.

    Attributes
    ----------
    table : Table
        Where the rows stand.
    lines : list of Line
        Its rows in the order of the paper, then the rivals; literal ones before readings.
    """

    table: Table
    lines: list[Line]

    @property
    def results(self) -> list[RowResult]:
        """Results with at least one trial."""
        return [line.result for line in self.lines if line.result and line.result.attrs]


def ordered(results: Sequence[RowResult]) -> list[RowResult]:
    """Results in the order of the paper's rows, literal ones before readings; of equal requests the one with most trials."""
    order = {name: place for place, name in enumerate(rows())}
    most: dict[tuple[str, str, str], RowResult] = {}
    for result in results:
        request = result.request
        key = request.row.id, request.reading, request.config.as_json()
        if key not in most or len(result.attrs) > len(most[key].attrs):
            most[key] = result
    return sorted(most.values(), key=lambda r: (order[r.request.row.id], bool(r.departures or r.request.reading)))


def comparisons(results: Sequence[RowResult]) -> list[Comparison]:
    """Tables of the paper in which a rival was run: all their rows, run or not; outside of tables those that were run."""
    results = ordered(results)
    found = []
    for table in dict.fromkeys(row.table for row in rows().values()):
        if all(r.request.config.learner == "lstm" for r in results if r.request.row.table == table):
            continue
        lines: list[Line] = []
        for row in rows().values():
            ours = [r for r in results if r.request.row.id == row.id]
            if row.table == table and (ours or table.complete):
                lines += [Line(row, r) for r in ours] or [Line(row, None)]
        found.append(Comparison(table, lines))
    return found


def _range(numbers: Sequence[int]) -> str:
    return DASH.join(map(whole, dict.fromkeys(numbers))) or DASH
