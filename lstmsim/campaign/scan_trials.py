"""The trials of a scan on threads: many points on shared lanes, their results in one file, and what they cost."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any

from lstmsim.campaign.forecast import measure
from lstmsim.campaign.scan_store import ScanStore
from lstmsim.campaign.threads import LANES, Ensemble, Job
from lstmsim.kernels.compile import COMPILER
from lstmsim.simulation.one_by_one import warm_up
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Result
from lstmsim.simulation.variants import STRIDE


class ScanEnsemble(Ensemble):
    """Runs the trials of a scan on threads; what they amount to goes to the scan's file."""

    def __init__(
        self, jobs: list[Job], store: ScanStore, seed: int, workers: int, *, weights: bool = False, **how: Any
    ) -> None:
        super().__init__(jobs, store.path.parent, seed, Policy.parse("none"), workers, **how)
        self.store, self.weights = store, weights

    def width(self, group: Any, share: int) -> int:
        """Lanes for a group: eight or sixteen, so that what a scan is extended by needs no other kernels."""
        return super().width(group, share) if group.alone else max(LANES, super().width(group, share))

    def _folder(self, group: Any, learner: Any) -> Kept:
        limits = group.job.variants.limits
        return Kept(self.store, self.checkpoint_every, self._stop, limits, group.config.stop.window, self.weights)


class Kept:
    """Keeps the trials that one thread runs in the scan's file."""

    def __init__(
        self, store: ScanStore, every: float, stop: threading.Event, limits: Mapping[int, int], window: int, weights: bool
    ) -> None:
        self.store, self.every, self.stop, self.weights = store, every, stop, weights
        self.limits, self.window, self.load = limits, window, store.load
        self._next = time.monotonic() + every

    @property
    def stopping(self) -> bool:
        """Whether trials under way are to be left at a last checkpoint."""
        return self.stop.is_set()

    def due(self) -> bool:
        """Whether it is time for a checkpoint, or for the last one."""
        if time.monotonic() < self._next:
            return self.stopping
        self._next = time.monotonic() + self.every
        return True

    def save(self, trial: int, state: dict[str, Any]) -> None:
        """Keep a trial's state, and its score where it has come to its limit."""
        if (limit := self.limits.get(trial // STRIDE)) and state["result"]["sequences"] == limit:
            self.store.save_at(trial, state, self.window)
        else:
            self.store.save(trial, state)

    def append(self, trial: int, rows: Any) -> None:
        """Nothing is recorded."""

    def leave(self, trial: int) -> None:
        """A trial that has been saved needs nothing more."""

    def finish(self, result: Result, extra: dict[str, Any]) -> None:
        """Keep what an ended trial amounts to."""
        self.store.finish(result, weights=self.weights)

    def close(self) -> None:
        """Have everything on the disk."""
        self.store.commit()


def seconds_at_most(scan: Any, patience: float = 8.0) -> float | None:
    """Seconds that a scan takes here if every trial goes up to its cap; None where kernels must be compiled first.

    Parameters
    ----------
    scan : Scan
        Nothing of it is run or written.
    patience : float
        Seconds after which the measurement is given up.
    """
    trials = scan.ensemble(scan.missing())
    costs: dict[int, float] = {}

    def look() -> None:
        for n, group in enumerate(trials.groups):
            width = trials.width(group, trials.share)
            with contextlib.suppress(Exception):  # a scan reports it
                warm_up(group.config, width)
                costs[n] = measure(group.config, width, min(0.3, patience / 2 / len(trials.groups))).step

    looking = threading.Thread(target=look, name=COMPILER, daemon=True)
    looking.start()
    looking.join(patience)
    if len(costs) < len(trials.groups):
        return None
    steps = [
        sum(c.stop.max_sequences * (c.task.min_length + c.task.max_length) / 2 for c in map(scan.config_of, group.trials))
        for group in trials.groups
    ]
    return sum(n * costs[place] for place, n in enumerate(steps)) / trials.workers
