"""What a run would do and how long it takes here: what `--dry-run` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from lstmsim.campaign.forecast import Cost, duration, expected_sequences, measure
from lstmsim.campaign.requests import Request
from lstmsim.campaign.threads import Ensemble, Job
from lstmsim.report import json as outcome
from lstmsim.trace.policy import Policy


@dataclass(frozen=True)
class Line:
    """One row of a run that has not been begun.

    Attributes
    ----------
    request : Request
        What was asked for.
    left : int
        Trials that are not in the folder yet.
    lanes : int
        Trials advanced together.
    cost : Cost
        What was measured.
    """

    request: Request
    left: int
    lanes: int
    cost: Cost

    @property
    def sequences(self) -> float:
        """Sequences that a trial is expected to take."""
        return expected_sequences(self.request)

    @property
    def cap(self) -> int:
        """Sequences that a trial takes at most."""
        return self.request.config.training.max_sequences

    def seconds(self, sequences: float) -> float:
        """Seconds of one thread for the trials left, if each takes so many sequences."""
        return self.left * sequences * self.cost.length * self.cost.step


class Preview:
    """Rows with what they cost here.

    Parameters
    ----------
    requests : sequence of Request
        What was asked for.
    jobs : list of Job
        What is left of it.
    workers, lanes : int
        Threads, and trials per thread advanced together (None: chosen).
    """

    def __init__(self, requests: Sequence[Request], jobs: list[Job], workers: int, lanes: int | None) -> None:
        ensemble = Ensemble(jobs, Path(), 0, Policy.parse("none"), workers, lanes)
        self.workers = ensemble.workers
        by_name = {request.name: request for request in requests}
        groups = {group.job.name: group for group in ensemble.groups}
        left = {job.name: len(job.trials) for job in jobs}
        widths = {name: ensemble.width(group, ensemble.share) for name, group in groups.items()}
        costs = {name: measure(group.config, widths[name]) for name, group in groups.items()}
        self.lines = [Line(by_name[name], left[name], widths[name], costs[name]) for name in left]
        self.requests = list(requests)

    def seconds(self, *, at_most: bool = False) -> float:
        """Seconds the run takes: as many sequences as in the paper, or every trial up to its cap."""
        each = [line.seconds(line.cap if at_most else line.sequences) for line in self.lines]
        return sum(each) / self.workers

    def table(self) -> Table:
        """The rows for people."""
        table = Table(box=None, pad_edge=False)
        for heading in ("row", "task", "learner"):
            table.add_column(heading, no_wrap=True)
        for heading in ("trials left", "lanes", "ns per step", "sequences", "time", "cap", "at most"):
            table.add_column(heading, justify="right", no_wrap=True)
        for line in self.lines:
            request = line.request
            table.add_row(
                request.name,
                request.row.title,
                request.config.learner,
                f"{line.left} of {request.trials}",
                str(line.lanes),
                f"{1e9 * line.cost.step:.0f}",
                f"{line.sequences:,.0f}",
                duration(line.seconds(line.sequences) / self.workers),
                f"{line.cap:,}",
                duration(line.seconds(line.cap) / self.workers),
            )
        return table

    def text(self, out: Path) -> str:
        """The whole in a sentence."""
        trials = sum(line.left for line in self.lines)
        if not trials:
            return f"nothing is left to run; results are in {out}"
        threads = f"{self.workers} thread{'s' if self.workers > 1 else ''}"
        return (
            f"would run {trials} trials on {threads} into {out}: about {duration(self.seconds())} with as many sequences as "
            f"in the paper, at most {duration(self.seconds(at_most=True))}; compiling not counted"
        )

    def content(self, out: Path, seed: int) -> dict[str, Any]:
        """The same for programs."""
        rows = [
            outcome.of_request(line.request)
            | {
                "left": line.left,
                "lanes": line.lanes,
                "ns_per_step": 1e9 * line.cost.step,
                "steps_per_sequence": line.cost.length,
                "expected_sequences": line.sequences,
                "cap": line.cap,
                "seconds": line.seconds(line.sequences) / self.workers,
                "seconds_at_most": line.seconds(line.cap) / self.workers,
            }
            for line in self.lines
        ]
        whole = {"seconds": self.seconds(), "seconds_at_most": self.seconds(at_most=True)}
        return {"dry_run": True, "out": str(out), "seed": seed, "threads": self.workers, **whole, "rows": rows}
