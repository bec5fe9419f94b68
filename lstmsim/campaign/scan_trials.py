"""The trials of a scan on threads: many points on shared lanes, their results in one file, and what they cost."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Literal

from lstmsim.campaign.scan_store import ScanStore
from lstmsim.campaign.threads import LANES, Ensemble, Group, Job
from lstmsim.campaign.trials import KeptTrials
from lstmsim.learners.base import AnyLearner, State
from lstmsim.learners.weights import Floats
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Result
from lstmsim.simulation.variants import STRIDE


class ScanEnsemble(Ensemble):
    """Runs the trials of a scan on threads; what they amount to goes to the scan's file."""

    def __init__(
        self,
        jobs: list[Job],
        store: ScanStore,
        seed: int,
        workers: int,
        *,
        weights: bool = False,
        checkpoint_every: float = 60.0,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> None:
        super().__init__(
            jobs, store.path.parent, seed, Policy.parse("none"), workers, checkpoint_every=checkpoint_every, device=device
        )
        self.store, self.weights = store, weights

    def width(self, group: Group, share: int) -> int:
        """Lanes for a group: eight or sixteen, so that what a scan is extended by needs no other kernels."""
        return super().width(group, share) if group.alone else max(LANES, super().width(group, share))

    def _folder(self, group: Group, learner: AnyLearner) -> Kept:
        assert group.job.variants is not None
        limits = group.job.variants.limits
        return Kept(self.store, self.checkpoint_every, self._stop, limits, group.config.stop.window, self.weights)


class Kept(KeptTrials):
    """Keeps the trials that one thread runs in the scan's file."""

    def __init__(
        self, store: ScanStore, every: float, stop: threading.Event, limits: Mapping[int, int], window: int, weights: bool
    ) -> None:
        super().__init__(every, stop)
        self.store, self.weights, self.limits, self.window = store, weights, limits, window

    def load(self, trial: int) -> State | None:
        """Return a trial's latest state, if one is kept."""
        return self.store.load(trial)

    def save(self, trial: int, state: State) -> None:
        """Keep a trial's state, and its score where it has come to its limit."""
        if (limit := self.limits.get(trial // STRIDE)) and state["result"]["sequences"] == limit:
            self.store.save_at(trial, state, self.window)
        else:
            self.store.save(trial, state)

    def append(self, trial: int, rows: Floats) -> None:
        """Nothing is recorded."""

    def leave(self, trial: int) -> None:
        """A trial that has been saved needs nothing more."""

    def finish(self, result: Result, extra: dict[str, str]) -> None:
        """Keep what an ended trial amounts to."""
        self.store.finish(result, weights=self.weights)

    def close(self) -> None:
        """Have everything on the disk."""
        self.store.commit()
