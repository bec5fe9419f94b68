"""A run from its requests to its trial files: all refusals first, then what is left to do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from lstmsim.campaign import machine
from lstmsim.campaign.dask import Cluster
from lstmsim.campaign.folder import Left, RunFolder
from lstmsim.campaign.manifest import Manifest
from lstmsim.campaign.requests import Request
from lstmsim.campaign.threads import LANES, Ensemble, Job
from lstmsim.checks import Field, Json, Real, Whole, check, refusal
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import Result


class Campaign:
    """Trials of some experiments, in one folder; what cannot be run is refused when it is made, before anything is written.

    Parameters
    ----------
    requests : sequence of Request
        The experiments.
    out : Path or str
        Folder of the run.
    seed : int
        Seed of the run.
    record : str
        What to record: see `lstmsim.simulation.policy.Policy`.
    workers : int, optional
        Threads; as many as this process may keep busy if not given.
    lanes : int, optional
        Trials per thread advanced together: 1, 2, 4, 8 or 16; chosen from the number of trials if not given.
    checkpoint_every : float
        Seconds between checkpoints of unfinished trials; 0: at every chance.
    scheduler : str, optional
        Address of a Dask scheduler whose workers run the trials, instead of threads here.
    device : {"cpu", "cuda"}
        Where the trials run: on cores, or on the first GPU.
    reuse : Path or str, optional
        Folder of another run: its finished trials of the same experiment, seed and version are copied instead of run.

    Raises
    ------
    ValueError
        If an argument is not allowed, an experiment does not fit into memory, the scheduler does not answer, or the folder
        holds trials of other settings, another seed or version.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        out: Path | str,
        seed: int = 0,
        *,
        record: str = "default",
        workers: int | None = None,
        lanes: int | None = None,
        checkpoint_every: float = 60.0,
        scheduler: str | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
        reuse: Path | str | None = None,
    ) -> None:
        self.requests, self.policy, self.scheduler = list(requests), Policy.parse(record), scheduler
        self.seed: int = check("seed", seed, Annotated[Whole, Field(ge=0, lt=2**63)])
        self.workers: int = check(
            "workers", machine.processors() if workers is None else workers, Annotated[Whole, Field(ge=1, le=1024)]
        )
        self.lanes = check("lanes", lanes, Whole | None)
        if self.lanes not in (None, 1, 2, 4, LANES, 16):
            raise refusal("lanes", lanes, "1, 2, 4, 8 or 16")
        self.device: Literal["cpu", "cuda"] = check("device", device, Literal["cpu", "cuda"])
        for name, value in (("lanes", lanes), ("scheduler", scheduler)) if device == "cuda" else ():
            if value is not None:
                raise refusal(name, value, "none with device='cuda'")
        self.checkpoint_every: float = check("checkpoint_every", checkpoint_every, Annotated[Real, Field(ge=0)])
        self.folder = RunFolder(out, self.seed, reuse)
        every = [Job(r.name, r.config, list(range(r.trials)), _changes(r)) for r in self.requests]
        self._ensemble(every).rehearse()
        self.left: Left = self.folder.left(self.requests)
        if scheduler is not None:
            self._cluster([]).greet()
        self.messages: list[str] = []
        self.manifest = Manifest([], [])
        self.trials: Ensemble | Cluster | None = None

    def _ensemble(self, jobs: list[Job]) -> Ensemble:
        how = self.folder.path, self.seed, self.policy, self.workers, self.lanes
        return Ensemble(jobs, *how, checkpoint_every=self.checkpoint_every, device=self.device)

    def _cluster(self, jobs: list[Job]) -> Cluster:
        return Cluster(jobs, self.folder.path, self.seed, self.policy, str(self.scheduler), self.lanes)

    @property
    def jobs(self) -> list[Job]:
        """What is left to do."""
        left = self.left.trials
        return [Job(r.name, r.config, left[r.name], _changes(r)) for r in self.requests if left[r.name]]

    @property
    def finished(self) -> list[Json]:
        """Attributes of the trials that had ended before."""
        return [attrs for group in self.left.finished.values() for attrs in group]

    @contextlib.contextmanager
    def begun(self) -> Iterator[Campaign]:
        """Hold the folder's lock, with the folder made ready; `messages` then says what was found in it.

        Raises
        ------
        FolderInUse
            If another run holds it.
        """
        with self.folder.locked() as owner:
            if owner:
                self.messages.append(f"{owner} was ended while it ran into {self.folder.path}; this run takes over")
            self.left = self.folder.left(self.requests)  # whoever held the lock until now may have changed it
            self.messages += [f"{message}; the trial is run again" for message in self.left.broken]
            self.manifest = self.folder.begin(self.requests, self.left)
            if jobs := self.jobs:
                self.trials = self._ensemble(jobs) if self.scheduler is None else self._cluster(jobs)
            yield self

    def run(self, on_tick: Callable[[], None]) -> Iterator[tuple[str, Result]]:
        """Run what is left; yields (name of the request, result) as trials end and their files are written.

        Parameters
        ----------
        on_tick : callable
            Called several times a second.

        Raises
        ------
        TrialsFailed
            If trials could not go on; what was finished is kept, the others as far as their last checkpoints.
        """
        if self.trials is not None:
            with contextlib.closing(self.trials.run(on_tick)) as ended:
                yield from ended


def _changes(request: Request) -> str:
    return ", ".join(f"{key}={value}" for key, value in request.changes.items())
