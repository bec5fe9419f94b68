"""What a run would do and how long it takes here."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass

from lstmsim.campaign.forecast import Cost, duration, expected_sequences, measure
from lstmsim.campaign.requests import Request
from lstmsim.campaign.run import Campaign
from lstmsim.campaign.threads import Ensemble
from lstmsim.kernels.compile import COMPILER
from lstmsim.simulation.one_by_one import warm_up

_PATIENCE = 8.0  # seconds for all measurements together
_MEASURED = 0.3  # seconds for one of them, long against a stretch of steps


@dataclass(frozen=True)
class Line:
    """One experiment of a run that has not been begun.

    Attributes
    ----------
    request : Request
        What was asked for.
    left : int
        Trials that are not in the folder yet.
    lanes : int
        Trials advanced together.
    cost : Cost or None
        What was measured; None where kernels would have had to be compiled first.
    """

    request: Request
    left: int
    lanes: int
    cost: Cost | None

    @property
    def sequences(self) -> float:
        """Sequences that a trial is expected to take."""
        return expected_sequences(self.request)

    @property
    def cap(self) -> int:
        """Sequences that a trial takes at most."""
        return self.request.config.stop.max_sequences

    def seconds(self, sequences: float) -> float | None:
        """Seconds of one thread for the trials left, if each takes so many sequences."""
        return None if self.cost is None else self.left * sequences * self.cost.length * self.cost.step


class Preview:
    """A run's experiments with what they cost here.

    Parameters
    ----------
    campaign : Campaign
        The run; nothing is written.
    patience : float
        Seconds after which experiments that were not measured stay so.
    """

    def __init__(self, campaign: Campaign, patience: float = _PATIENCE) -> None:
        jobs = campaign.jobs
        ensemble = Ensemble(jobs, campaign.folder.path, 0, campaign.policy, campaign.workers, campaign.lanes)
        self.campaign, self.workers = campaign, ensemble.workers
        groups = {group.job.name: group for group in ensemble.groups}
        widths = {name: ensemble.width(group, ensemble.share) for name, group in groups.items()}
        costs: dict[str, Cost] = {}

        def look() -> None:
            for name, group in groups.items():
                with contextlib.suppress(Exception):  # a run reports it
                    warm_up(group.config, widths[name])
                    costs[name] = measure(group.config, widths[name], min(_MEASURED, patience / 2 / len(groups)))

        looking = threading.Thread(target=look, name=COMPILER, daemon=True)
        looking.start()
        looking.join(patience)
        by_name = {request.name: request for request in campaign.requests}
        self.lines = [Line(by_name[job.name], len(job.trials), widths[job.name], costs.get(job.name)) for job in jobs]

    @property
    def unmeasured(self) -> list[str]:
        """Experiments whose kernels have to be compiled first."""
        return [line.request.name for line in self.lines if line.cost is None]

    def seconds(self, *, at_most: bool = False) -> float | None:
        """Seconds the run takes: as many sequences as expected, or every trial up to its cap; None if unknown."""
        each = [line.seconds(line.cap if at_most else line.sequences) for line in self.lines]
        return None if any(s is None for s in each) else sum(s for s in each if s is not None) / self.workers

    def text(self) -> str:
        """The whole in a sentence or two."""
        out, trials = self.campaign.folder.path, sum(line.left for line in self.lines)
        if not trials:
            return f"nothing is left to run; results are in {out}"
        text = f"would run {trials} trials on {self.workers} thread{'s' if self.workers > 1 else ''} into {out}: "
        seconds, most = self.seconds(), self.seconds(at_most=True)
        if seconds is None or most is None:
            names = ", ".join(self.unmeasured)
            return f"{text}the time is unknown: {names} must be compiled first (once, about half a minute for a method)"
        return (
            f"{text}about {duration(seconds)} with as many sequences as our trials took, or those of the paper, at most "
            f"{duration(most)}, as measured here with compiled kernels"
        )
